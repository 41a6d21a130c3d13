//! The keys that sign our tokens: one active key for each algorithm, made at the first start, kept sealed,
//! parsed once and held in memory. They rotate by `rotation`.

mod key;
mod rotation;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use key::KeyMaterial;
pub use key::SigningKey;

use crate::error::Error;
use crate::model::{SigningAlgorithm, SigningKeyState, Timestamp};
use crate::store::signing_keys::{self, StoredSigningKey};
use crate::store::{Store, Vault};

/// How old the keys in memory may be. A key is published long before it signs, so this is soon enough.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// How old they may be when a token names a key that is not among them: strangers' tokens must not become
/// queries.
const REFRESH_FOR_UNKNOWN: Duration = Duration::from_secs(1);
/// Where a private key is sealed, with its `kid` as the row.
const SEALED_IN: (&str, &str) = ("signing_keys", "private_key_sealed");

/// This replica's signing keys, cheap to clone. They are read, or made, when they are first asked for.
#[derive(Clone)]
pub struct SigningKeys(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    loaded: ArcSwapOption<Loaded>,
    loading: Mutex<()>,
}

struct Loaded {
    set: Arc<KeySet>,
    at: Instant,
    /// Of the deployment's changes, as the memory of who calls: a rotation holds everywhere within a second.
    version: i64,
}

/// All published keys at one moment.
pub struct KeySet {
    /// The newest first; those that are not published any more, too.
    keys: Vec<Arc<SigningKey>>,
    jwks: String,
}

impl SigningKeys {
    pub fn new(store: Store, vault: Vault) -> Self {
        Self(Arc::new(Inner {
            store,
            vault,
            loaded: ArcSwapOption::empty(),
            loading: Mutex::new(()),
        }))
    }

    /// The keys, at most a minute old; older only while the database does not answer.
    pub async fn current(&self) -> Result<Arc<KeySet>, Error> {
        self.not_older_than(REFRESH_EVERY).await
    }

    /// The key with this id, if it is published or was until lately. An unknown one is looked up again, at most
    /// once a second.
    pub async fn find(&self, kid: &str) -> Result<Option<Arc<SigningKey>>, Error> {
        if let Some(key) = self.current().await?.find(kid) {
            return Ok(Some(key));
        }
        Ok(self.not_older_than(REFRESH_FOR_UNKNOWN).await?.find(kid))
    }

    async fn not_older_than(&self, age: Duration) -> Result<Arc<KeySet>, Error> {
        let known = match self.in_memory(age) {
            Ok(set) => return Ok(set),
            Err(stale) => stale,
        };
        // One load at a time; who has keys at all goes on with them meanwhile.
        let turn = match (self.0.loading.try_lock(), known) {
            (Ok(turn), _) => turn,
            (Err(_), Some(stale)) => return Ok(stale),
            (Err(_), None) => self.0.loading.lock().await,
        };
        let stale = match self.in_memory(age) {
            Ok(set) => return Ok(set),
            Err(stale) => stale,
        };
        // Asked before the keys are read: a change in between only makes them look old.
        let version = self.0.store.memory_version();
        let loaded = self.load(stale.as_deref()).await;
        let set = match (loaded, stale) {
            (Ok(set), _) => Arc::new(set),
            (Err(error), Some(stale)) => {
                tracing::warn!(%error, "the signing keys could not be read again");
                return Ok(stale);
            }
            (Err(error), None) => return Err(error),
        };
        let at = Instant::now();
        self.0.loaded.store(Some(Arc::new(Loaded {
            set: Arc::clone(&set),
            at,
            version,
        })));
        drop(turn);
        Ok(set)
    }

    /// The keys in memory if they are young enough, else what there is.
    fn in_memory(&self, age: Duration) -> Result<Arc<KeySet>, Option<Arc<KeySet>>> {
        match self.0.loaded.load_full() {
            Some(loaded)
                if loaded.at.elapsed() < age && self.0.store.memory_holds(loaded.version, None) =>
            {
                Ok(Arc::clone(&loaded.set))
            }
            Some(loaded) => Err(Some(Arc::clone(&loaded.set))),
            None => Err(None),
        }
    }

    async fn load(&self, known: Option<&KeySet>) -> Result<KeySet, Error> {
        let mut stored = signing_keys::all(&self.0.store.read()).await?;
        let missing = missing_algorithms(&stored);
        if !missing.is_empty() {
            self.generate(missing).await?;
            stored = signing_keys::all(&self.0.store.read()).await?;
        }
        let now = self.0.store.clock().now();
        let published = stored
            .iter()
            .filter(|key| rotation::is_published(key, now))
            .map(|key| key.public_jwk.clone())
            .collect();
        let keys = stored
            .into_iter()
            .map(
                |key| match known.and_then(|set| set.find_in_state(&key.kid, key.state)) {
                    Some(parsed) => Ok(parsed),
                    None => self.open(key).map(Arc::new),
                },
            )
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(KeySet::new(keys, published))
    }

    async fn generate(&self, missing: Vec<SigningAlgorithm>) -> Result<(), Error> {
        let keys = self.make(missing, SigningKeyState::Active).await?;
        let tx = self.0.store.begin().await?;
        signing_keys::insert_missing(&tx, keys).await?;
        Ok(tx.commit().await?)
    }

    /// Makes keys, outside any transaction: an RSA key takes a tenth of a second of CPU.
    async fn make(
        &self,
        missing: Vec<SigningAlgorithm>,
        state: SigningKeyState,
    ) -> Result<Vec<StoredSigningKey>, Error> {
        let made = tokio::task::spawn_blocking(move || {
            missing
                .into_iter()
                .map(KeyMaterial::generate)
                .collect::<Result<Vec<_>, Error>>()
        });
        let made = made
            .await
            .map_err(|error| Error::Internal(error.to_string()))??;
        let created_at = Timestamp(self.0.store.clock().now());
        made.into_iter()
            .map(|material| {
                let kid = material.kid();
                let (table, column) = SEALED_IN;
                let sealed = self
                    .0
                    .vault
                    .seal_global((table, column, &kid), &material.pkcs8)?;
                Ok(StoredSigningKey {
                    public_jwk: material.published_jwk(&kid),
                    kid,
                    alg: material.alg,
                    state,
                    private_key_sealed: sealed,
                    created_at,
                    state_since: created_at,
                })
            })
            .collect()
    }

    fn open(&self, key: StoredSigningKey) -> Result<SigningKey, Error> {
        let (table, column) = SEALED_IN;
        let place = (table, column, key.kid.as_str());
        let pkcs8 = self.0.vault.unseal_global(place, &key.private_key_sealed)?;
        SigningKey::open(&key, pkcs8.expose())
    }
}

fn missing_algorithms(stored: &[StoredSigningKey]) -> Vec<SigningAlgorithm> {
    let active = |alg| {
        stored
            .iter()
            .any(|key| key.alg == alg && key.state == SigningKeyState::Active)
    };
    SigningAlgorithm::ALL
        .into_iter()
        .filter(|alg| !active(*alg))
        .collect()
}

impl KeySet {
    fn new(keys: Vec<Arc<SigningKey>>, published: Vec<Value>) -> Self {
        let jwks = json!({ "keys": published }).to_string();
        Self { keys, jwks }
    }

    /// The key that signs with `alg`: the newest active one.
    pub fn active(&self, alg: SigningAlgorithm) -> Result<Arc<SigningKey>, Error> {
        self.keys
            .iter()
            .find(|key| key.alg == alg && key.state == SigningKeyState::Active)
            .cloned()
            .ok_or_else(|| Error::Internal(format!("there is no active {} key", alg.as_str())))
    }

    pub fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.keys.iter().find(|key| key.kid == kid).cloned()
    }

    fn find_in_state(&self, kid: &str, state: SigningKeyState) -> Option<Arc<SigningKey>> {
        self.find(kid).filter(|key| key.state == state)
    }

    /// The JWK Set document (RFC 7517 5): all keys, also those that will sign soon or did until lately.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }
}

#[cfg(test)]
mod tests;
