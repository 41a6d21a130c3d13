//! API keys: how they look, and the one that the configuration brings.

use crate::app::App;
use crate::error::Error;
use crate::ids::{ApiKeyId, OrganizationId};
use crate::model::{Act, ActorKind, ApiKey, ApiScope, Cause, Timestamp};
use crate::store::{Tx, api_keys};

/// What a key starts with, so that scanners for leaked secrets know one.
const PREFIX: &str = "tenon_key_";

/// What the caller decides of a new key.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    pub name: String,
    pub scopes: Vec<ApiScope>,
    pub organization_id: Option<OrganizationId>,
    pub expires_at: Option<Timestamp>,
}

/// Makes a key. Its text is returned this once; only a keyed hash is stored.
pub async fn create(app: &App, tx: &Tx, new: NewApiKey) -> Result<(ApiKey, String), Error> {
    let text = format!("{PREFIX}{}", app.entropy.token());
    let key = insert(app, tx, new, &text).await?;
    Ok((key, text))
}

/// Makes the key of `bootstrap_api_key` work, unless it does already. Called at every start, before the first
/// request: automation must not have to wait for a person.
pub async fn accept_bootstrap_key(app: &App) -> Result<(), Error> {
    let Some(text) = &app.config.bootstrap_api_key else {
        return Ok(());
    };
    let text = text.expose();
    let hash = app.vault.hash(text);
    if api_keys::find_by_hash(&app.store.read(), &hash)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let new = NewApiKey {
        name: "bootstrap".to_owned(),
        scopes: vec![ApiScope::Read, ApiScope::Write],
        organization_id: None,
        expires_at: None,
    };
    let tx = app.store.begin().await?;
    match insert(app, &tx, new, text).await {
        Ok(key) => {
            let cause = Cause::new(ActorKind::Operator, "bootstrap_api_key", "start");
            tx.audit(Act::new("api_key.created", key.id, &cause).made(&key));
            Ok(tx.commit().await?)
        }
        // Another replica was first.
        Err(Error::Store(error)) if error.is_unique_violation() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn insert(app: &App, tx: &Tx, new: NewApiKey, text: &str) -> Result<ApiKey, Error> {
    let last_four = text.chars().rev().take(4).collect::<Vec<_>>();
    let key = ApiKey {
        id: ApiKeyId::generate(&*app.clock, &*app.entropy),
        name: new.name,
        scopes: new.scopes,
        organization_id: new.organization_id,
        last_four: last_four.into_iter().rev().collect(),
        created_at: app.clock.now().into(),
        last_used_at: None,
        expires_at: new.expires_at,
    };
    api_keys::insert(tx, &key, &app.vault.hash(text)).await?;
    Ok(key)
}
