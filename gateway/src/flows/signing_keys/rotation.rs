//! Signing keys over their life: published a day before they sign, active for 90 days, published until the last
//! token that they signed has long expired (SECURITY-MODEL G26).
//!
//! Every replica looks once a minute; a row lock lets one of them act. What it does reaches the others as every
//! change of the deployment does, within a second.

use chrono::{DateTime, TimeDelta, Utc};

use super::SigningKeys;
use crate::error::Error;
use crate::model::{Act, SigningAlgorithm, SigningKeyState, Timestamp};
use crate::store::signing_keys::{self, StoredSigningKey};

/// How long a key signs; its successor is published a day before that is over.
const ACTIVE_FOR: TimeDelta = TimeDelta::days(90);
/// Longer than any application keeps the key set.
const PUBLISHED_BEFORE: TimeDelta = TimeDelta::hours(24);
/// Longer than any token lives, with what replicas and applications may lag behind.
const PUBLISHED_AFTER: TimeDelta = TimeDelta::hours(24);
/// Longer than any session: a logout may bring the id token of a sign-in long ago (`id_token_hint`).
const REMEMBERED_FOR: TimeDelta = TimeDelta::days(366);

/// What a key's time has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its successor is to be made and published.
    Announce,
    /// It signs from now on.
    Activate,
    Forget,
}

/// What is due for a key among all keys of its algorithm.
fn due(key: &StoredSigningKey, all: &[StoredSigningKey], now: DateTime<Utc>) -> Option<Step> {
    let has_next = all
        .iter()
        .any(|other| other.alg == key.alg && other.state == SigningKeyState::Next);
    let age = now - key.state_since.0;
    match key.state {
        SigningKeyState::Active if !has_next && age >= ACTIVE_FOR - PUBLISHED_BEFORE => {
            Some(Step::Announce)
        }
        SigningKeyState::Next if age >= PUBLISHED_BEFORE => Some(Step::Activate),
        SigningKeyState::Retired if age >= REMEMBERED_FOR => Some(Step::Forget),
        _ => None,
    }
}

/// Whether the key stands in the key set at this time.
pub(super) fn is_published(key: &StoredSigningKey, now: DateTime<Utc>) -> bool {
    key.state != SigningKeyState::Retired || now - key.state_since.0 < PUBLISHED_AFTER
}

impl SigningKeys {
    /// Does what is due. Called by every replica's housekeeping.
    pub async fn tend(&self) -> Result<(), Error> {
        let store = &self.0.store;
        let now = store.clock().now();
        let seen = signing_keys::all(&store.read()).await?;
        let steps = |all: &[StoredSigningKey]| -> Vec<(StoredSigningKey, Step)> {
            let due = |key: &StoredSigningKey| due(key, all, now).map(|step| (key.clone(), step));
            all.iter().filter_map(due).collect()
        };
        let found = steps(&seen);
        if found.is_empty() {
            return Ok(());
        }
        let announced = found.iter().filter(|(_, step)| *step == Step::Announce);
        let algorithms = announced.map(|(key, _)| key.alg).collect();
        // Made before the transaction: an RSA key takes a tenth of a second.
        let mut made = self.make(algorithms, SigningKeyState::Next).await?;
        let tx = store.begin().await?;
        signing_keys::lock(&tx).await?;
        let all = signing_keys::all(&tx).await?;
        for (key, step) in steps(&all) {
            match step {
                Step::Announce => {
                    if let Some(at) = made.iter().position(|next| next.alg == key.alg) {
                        signing_keys::insert(&tx, made.swap_remove(at)).await?;
                    }
                }
                Step::Activate => activate(&tx, &key, &all, Timestamp(now)).await?,
                Step::Forget => signing_keys::remove(&tx, &key.kid).await?,
            }
            tracing::info!(
                kid = key.kid,
                alg = key.alg.as_str(),
                ?step,
                "a signing key's time has come"
            );
        }
        Ok(tx.commit().await?)
    }

    /// Publishes a next key for each algorithm that has none; [`Self::tend`] lets it sign a day later. Returns
    /// the keys that will sign next. `act` goes to the audit log.
    pub async fn announce(&self, act: Act) -> Result<Vec<StoredSigningKey>, Error> {
        self.current().await?;
        let made = self
            .make(SigningAlgorithm::ALL.to_vec(), SigningKeyState::Next)
            .await?;
        let tx = self.0.store.begin().await?;
        signing_keys::lock(&tx).await?;
        let all = signing_keys::all(&tx).await?;
        let mut next: Vec<_> = all
            .into_iter()
            .filter(|key| key.state == SigningKeyState::Next)
            .collect();
        for key in made {
            if !next.iter().any(|known| known.alg == key.alg) {
                signing_keys::insert(&tx, key.clone()).await?;
                next.push(key);
            }
        }
        tx.audit(act);
        tx.commit().await?;
        Ok(next)
    }

    /// For a key that leaked: new keys sign at once, and no token of the old ones counts any more.
    pub async fn replace(&self, act: Act) -> Result<Vec<StoredSigningKey>, Error> {
        self.current().await?;
        let made = self
            .make(SigningAlgorithm::ALL.to_vec(), SigningKeyState::Active)
            .await?;
        let tx = self.0.store.begin().await?;
        signing_keys::lock(&tx).await?;
        for old in signing_keys::all(&tx).await? {
            signing_keys::remove(&tx, &old.kid).await?;
        }
        for key in &made {
            signing_keys::insert(&tx, key.clone()).await?;
        }
        tx.audit(act);
        tx.commit().await?;
        Ok(made)
    }
}

async fn activate(
    tx: &crate::store::Tx,
    next: &StoredSigningKey,
    all: &[StoredSigningKey],
    now: Timestamp,
) -> Result<(), Error> {
    let before = all
        .iter()
        .filter(|key| key.alg == next.alg && key.state == SigningKeyState::Active);
    for old in before {
        signing_keys::set_state(tx, &old.kid, SigningKeyState::Retired, now).await?;
    }
    signing_keys::set_state(tx, &next.kid, SigningKeyState::Active, now).await?;
    Ok(())
}
