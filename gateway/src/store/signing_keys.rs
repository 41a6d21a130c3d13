//! The keys that sign tokens. They stand above organizations: one set for the issuer.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::Value;

use super::columns::JsonText;
use super::entity::deployment_secrets;
use super::entity::signing_keys::{ActiveModel, Column, Entity, Model};
use super::{Reads, StoreError, Tx};
use crate::model::{SigningAlgorithm, SigningKeyState, Timestamp};

/// A key at rest.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSigningKey {
    /// The JWK thumbprint of the public key (RFC 7638).
    pub kid: String,
    pub alg: SigningAlgorithm,
    pub state: SigningKeyState,
    /// What `/oauth/jwks` shows.
    pub public_jwk: Value,
    /// PKCS#8, sealed for this row.
    pub private_key_sealed: String,
    pub created_at: Timestamp,
    /// When it came into its state.
    pub state_since: Timestamp,
}

/// Every key that there is, the newest first.
#[expect(
    clippy::disallowed_methods,
    reason = "signing keys belong to the deployment"
)]
pub async fn all(db: &impl Reads) -> Result<Vec<StoredSigningKey>, StoreError> {
    let rows = Entity::find()
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Kid)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredSigningKey::from).collect())
}

/// Inserts those of `keys` whose algorithm has no active key yet: of replicas that start together for the
/// first time one is first, and the others find its keys.
pub async fn insert_missing(tx: &Tx, keys: Vec<StoredSigningKey>) -> Result<(), StoreError> {
    lock(tx).await?;
    let stored = all(tx).await?;
    for key in keys {
        let active = |known: &StoredSigningKey| {
            known.alg == key.alg && known.state == SigningKeyState::Active
        };
        if !stored.iter().any(active) {
            insert(tx, key).await?;
        }
    }
    Ok(())
}

/// Until this transaction ends no other one changes the keys.
#[expect(
    clippy::disallowed_methods,
    reason = "the deployment's own secrets, made before any signing key, are the lock of the first start and of rotation"
)]
pub async fn lock(tx: &Tx) -> Result<(), StoreError> {
    deployment_secrets::Entity::find()
        .lock_exclusive()
        .all(tx.db())
        .await?;
    Ok(())
}

pub async fn insert(tx: &Tx, key: StoredSigningKey) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(key))
        .exec_without_returning(tx.db())
        .await?;
    tx.touch_deployment();
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "signing keys belong to the deployment"
)]
pub async fn set_state(
    tx: &Tx,
    kid: &str,
    state: SigningKeyState,
    since: Timestamp,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::StateSince, Expr::value(since))
        .filter(Column::Kid.eq(kid))
        .exec(tx.db())
        .await?;
    tx.touch_deployment();
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "signing keys belong to the deployment"
)]
pub async fn remove(tx: &Tx, kid: &str) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::Kid.eq(kid))
        .exec(tx.db())
        .await?;
    tx.touch_deployment();
    Ok(())
}

impl From<Model> for StoredSigningKey {
    fn from(row: Model) -> Self {
        Self {
            kid: row.kid,
            alg: row.alg,
            state: row.state,
            public_jwk: row.public_jwk.0,
            private_key_sealed: row.private_key_sealed,
            created_at: row.created_at,
            state_since: row.state_since.unwrap_or(row.created_at),
        }
    }
}

impl From<StoredSigningKey> for ActiveModel {
    fn from(key: StoredSigningKey) -> Self {
        Self {
            kid: Set(key.kid),
            alg: Set(key.alg),
            state: Set(key.state),
            public_jwk: Set(JsonText(key.public_jwk)),
            private_key_sealed: Set(key.private_key_sealed),
            created_at: Set(key.created_at),
            state_since: Set(Some(key.state_since)),
        }
    }
}
