//! The keys at rest: the deployment's own, and one data key per organization, wrapped by the
//! key-encryption key (SECURITY-MODEL G25). Unwrapped data keys are kept in memory, bounded.

use std::sync::Arc;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use super::entity::{data_keys, deployment_secrets};
use super::{OrgScope, Reads, Store, Tx};
use crate::clock::Entropy;
use crate::error::Error;
use crate::ids::OrganizationId;
use crate::secrets::{Aad, DataKey, KeyOwner, KeyRing, Secret, SecretsError, TokenHasher};

/// How many organizations' data keys stay unwrapped in memory.
const CACHED_DATA_KEYS: u64 = 10_000;
/// Data keys wrapped anew in one transaction.
const REWRAPPED_AT_ONCE: u64 = 200;
const TOKEN_HASH_KEY: &str = "token_hash_key";
const DEPLOYMENT_KEY: &str = "deployment_data_key";

/// Seals and opens stored secrets, and hashes the tokens that we issue. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    ring: KeyRing,
    entropy: Arc<dyn Entropy>,
    hasher: TokenHasher,
    deployment: DataKey,
    organizations: moka::sync::Cache<OrganizationId, Arc<DataKey>>,
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        Self::Secret(error.to_string())
    }
}

impl Vault {
    /// Opens the deployment's keys, or makes them in the first start's transaction.
    pub async fn open(
        store: &Store,
        ring: KeyRing,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let tx = store.begin().await?;
        let hasher = match stored(&tx, TOKEN_HASH_KEY).await? {
            Some(wrapped) => ring.open_token_hasher(&wrapped)?,
            None => {
                let (_, wrapped) = ring.generate_token_hasher(&*entropy)?;
                ring.open_token_hasher(&keep_first(&tx, TOKEN_HASH_KEY, wrapped).await?)?
            }
        };
        let deployment = match stored(&tx, DEPLOYMENT_KEY).await? {
            Some(wrapped) => ring.open_data_key(KeyOwner::Deployment, &wrapped)?,
            None => {
                let (_, wrapped) = ring.generate_data_key(KeyOwner::Deployment, &*entropy)?;
                let wrapped = keep_first(&tx, DEPLOYMENT_KEY, wrapped).await?;
                ring.open_data_key(KeyOwner::Deployment, &wrapped)?
            }
        };
        tx.commit().await?;
        let organizations = moka::sync::Cache::new(CACHED_DATA_KEYS);
        Ok(Self(Arc::new(Inner {
            ring,
            entropy,
            hasher,
            deployment,
            organizations,
        })))
    }

    /// Wraps every key that an older key-encryption key wrapped by the first one, so that the older can be
    /// taken out of the settings. The values sealed with these keys stay as they are. Returns how many changed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapping of every organization's key changes"
    )]
    pub async fn rewrap(&self, store: &Store) -> Result<u64, Error> {
        let mut rewrapped = 0;
        for (name, owner) in [
            (TOKEN_HASH_KEY, KeyOwner::TokenHash),
            (DEPLOYMENT_KEY, KeyOwner::Deployment),
        ] {
            let tx = store.begin().await?;
            let Some(old) = stored(&tx, name).await? else {
                continue;
            };
            if let Some(new) = self.0.ring.rewrap(owner, &old, &*self.0.entropy)? {
                deployment_secrets::Entity::update_many()
                    .col_expr(deployment_secrets::Column::Sealed, Expr::value(new))
                    .filter(deployment_secrets::Column::Name.eq(name))
                    .filter(deployment_secrets::Column::Sealed.eq(old))
                    .exec(tx.db())
                    .await?;
                tx.commit().await?;
                rewrapped += 1;
            }
        }
        let current = format!("v1.{}.", self.0.ring.primary_id());
        loop {
            let tx = store.begin().await?;
            let rows = data_keys::Entity::find()
                .filter(data_keys::Column::Wrapped.starts_with(&current).not())
                .limit(REWRAPPED_AT_ONCE)
                .all(tx.db())
                .await?;
            if rows.is_empty() {
                return Ok(rewrapped);
            }
            for row in rows {
                let id = row.organization_id.to_string();
                let owner = KeyOwner::Organization(&id);
                let Some(new) = self.0.ring.rewrap(owner, &row.wrapped, &*self.0.entropy)? else {
                    return Ok(rewrapped);
                };
                OrgScope::from_evidence(row.organization_id)
                    .update::<data_keys::Entity>()
                    .col_expr(data_keys::Column::Wrapped, Expr::value(new))
                    .exec(tx.db())
                    .await?;
                rewrapped += 1;
            }
            tx.commit().await?;
        }
    }

    /// The keyed hash under which an issued token is stored and looked up.
    pub fn hash(&self, token: &str) -> String {
        self.0.hasher.hash(token)
    }

    /// Makes and stores a new organization's data key.
    pub(super) async fn create_data_key(&self, tx: &Tx, scope: &OrgScope) -> Result<(), Error> {
        let id = scope.organization().to_string();
        let (_, wrapped) = self
            .0
            .ring
            .generate_data_key(KeyOwner::Organization(&id), &*self.0.entropy)?;
        let row = data_keys::ActiveModel {
            organization_id: Set(scope.organization()),
            wrapped: Set(wrapped),
        };
        data_keys::Entity::insert(row)
            .exec_without_returning(tx.db())
            .await?;
        Ok(())
    }

    async fn data_key(&self, db: &impl Reads, scope: &OrgScope) -> Result<Arc<DataKey>, Error> {
        if let Some(key) = self.0.organizations.get(&scope.organization()) {
            return Ok(key);
        }
        let row = scope
            .select::<data_keys::Entity>()
            .one(db.db())
            .await?
            .ok_or_else(|| Error::Secret("the organization has no data key".to_owned()))?;
        let id = scope.organization().to_string();
        let key = Arc::new(
            self.0
                .ring
                .open_data_key(KeyOwner::Organization(&id), &row.wrapped)?,
        );
        self.0
            .organizations
            .insert(scope.organization(), Arc::clone(&key));
        Ok(key)
    }

    /// Seals a secret for one row of an organization. `row` is the primary key as text.
    pub async fn seal(
        &self,
        db: &impl Reads,
        scope: &OrgScope,
        (table, column, row): (&str, &str, &str),
        plaintext: &[u8],
    ) -> Result<String, Error> {
        let key = self.data_key(db, scope).await?;
        let organization = scope.organization().to_string();
        let aad = Aad {
            table,
            column,
            row,
            organization: &organization,
        };
        Ok(key.seal(aad, plaintext, &*self.0.entropy)?)
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    pub async fn unseal(
        &self,
        db: &impl Reads,
        scope: &OrgScope,
        (table, column, row): (&str, &str, &str),
        sealed: &str,
    ) -> Result<Secret<Vec<u8>>, Error> {
        let key = self.data_key(db, scope).await?;
        let organization = scope.organization().to_string();
        Ok(key.open(
            Aad {
                table,
                column,
                row,
                organization: &organization,
            },
            sealed,
        )?)
    }

    /// Seals a secret that belongs to the deployment: a signing key, an endpoint's secret.
    pub fn seal_global(
        &self,
        (table, column, row): (&str, &str, &str),
        plaintext: &[u8],
    ) -> Result<String, Error> {
        let aad = Aad {
            table,
            column,
            row,
            organization: "",
        };
        Ok(self.0.deployment.seal(aad, plaintext, &*self.0.entropy)?)
    }

    /// Opens what [`Vault::seal_global`] sealed for the same place.
    pub fn unseal_global(
        &self,
        (table, column, row): (&str, &str, &str),
        sealed: &str,
    ) -> Result<Secret<Vec<u8>>, Error> {
        Ok(self.0.deployment.open(
            Aad {
                table,
                column,
                row,
                organization: "",
            },
            sealed,
        )?)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deployment's own keys belong to no organization"
)]
async fn stored(tx: &Tx, name: &str) -> Result<Option<String>, Error> {
    let row = deployment_secrets::Entity::find_by_id(name)
        .one(tx.db())
        .await?;
    Ok(row.map(|row| row.sealed))
}

/// Stores the value unless another replica was first, and returns the one that stays.
async fn keep_first(tx: &Tx, name: &str, sealed: String) -> Result<String, Error> {
    let row = deployment_secrets::ActiveModel {
        name: Set(name.to_owned()),
        sealed: Set(sealed),
    };
    deployment_secrets::Entity::insert(row)
        .on_conflict_do_nothing()
        .exec_without_returning(tx.db())
        .await?;
    stored(tx, name)
        .await?
        .ok_or_else(|| Error::Internal("a deployment key vanished while it was stored".to_owned()))
}
