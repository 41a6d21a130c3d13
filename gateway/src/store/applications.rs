//! Applications stand above organizations: OIDC clients of the whole deployment.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::applications::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{Reads, Store, StoreError, Tx};
use crate::ids::ApplicationId;
use crate::model::{Application, Slice, Window};

/// An application with what authenticates it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApplication {
    pub application: Application,
    /// Keyed hash of the client secret; `None` for a public client.
    pub secret_hash: Option<String>,
    /// The secret before the last rotation, and until when it still works.
    pub previous_secret: Option<(String, crate::model::Timestamp)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn find(
    db: &impl Reads,
    id: ApplicationId,
) -> Result<Option<StoredApplication>, StoreError> {
    Ok(Entity::find_by_id(id)
        .one(db.db())
        .await?
        .map(StoredApplication::from))
}

/// As [`find`], from memory: true at once where the application was changed, elsewhere within a second.
pub async fn recall(
    store: &Store,
    id: ApplicationId,
) -> Result<Option<Arc<StoredApplication>>, StoreError> {
    let read = async || Ok(find(&store.read(), id).await?.map(Arc::new));
    let applications = &store.remembered().applications;
    applications.get_or_read(store, id, |_| None, read).await
}

/// As [`find`], and no other transaction changes the application until this one ends.
#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn lock(tx: &Tx, id: ApplicationId) -> Result<Option<StoredApplication>, StoreError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.db())
        .await?
        .map(StoredApplication::from))
}

#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn list(
    db: &impl Reads,
    window: Window<ApplicationId>,
) -> Result<Slice<Application, ApplicationId>, StoreError> {
    let query = Entity::find();
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(|row| StoredApplication::from(row).application))
}

pub async fn insert(tx: &Tx, stored: &StoredApplication) -> Result<(), StoreError> {
    let application = &stored.application;
    let row = ActiveModel {
        id: Set(application.id),
        kind: Set(application.kind),
        created_at: Set(application.created_at),
        ..changeable(stored)
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Overwrites an application that is locked.
#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn update(tx: &Tx, stored: &StoredApplication) -> Result<(), StoreError> {
    let updated = Entity::update_many()
        .set(changeable(stored))
        .filter(Column::Id.eq(stored.application.id))
        .exec(tx.db())
        .await?;
    tx.touch_deployment();
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// False when there is no such application.
#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn remove(tx: &Tx, id: ApplicationId) -> Result<bool, StoreError> {
    let removed = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.touch_deployment();
    Ok(removed.rows_affected == 1)
}

fn changeable(stored: &StoredApplication) -> ActiveModel {
    let application = &stored.application;
    let previous = stored.previous_secret.clone();
    ActiveModel {
        name: Set(application.name.clone()),
        redirect_uris: Set(JsonText(application.redirect_uris.clone())),
        post_logout_redirect_uris: Set(JsonText(application.post_logout_redirect_uris.clone())),
        id_token_signing_alg: Set(application.id_token_signing_alg),
        access_token_ttl: Set(application.access_token_ttl),
        refresh_token_ttl: Set(application.refresh_token_ttl),
        session_idle_ttl: Set(application.session_idle_ttl),
        backchannel_logout_uri: Set(application.backchannel_logout_uri.clone()),
        initiate_login_uri: Set(application.initiate_login_uri.clone()),
        token_endpoint_auth_method: Set(application.token_endpoint_auth_method),
        jwks_uri: Set(application.jwks_uri.clone()),
        discovery: Set(application.discovery),
        jwks: Set(application.jwks.clone().map(JsonText)),
        secret_hash: Set(stored.secret_hash.clone()),
        previous_secret_hash: Set(previous.as_ref().map(|(hash, _)| hash.clone())),
        previous_secret_until: Set(previous.map(|(_, until)| until)),
        updated_at: Set(application.updated_at),
        ..Default::default()
    }
}

/// The newest first; a deployment has a handful.
#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn all(db: &impl Reads) -> Result<Vec<StoredApplication>, StoreError> {
    let rows = Entity::find()
        .order_by_desc(Column::Id)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredApplication::from).collect())
}

impl From<Model> for StoredApplication {
    fn from(row: Model) -> Self {
        Self {
            application: Application {
                id: row.id,
                client_id: row.id,
                name: row.name,
                kind: row.kind,
                redirect_uris: row.redirect_uris.0,
                post_logout_redirect_uris: row.post_logout_redirect_uris.0,
                id_token_signing_alg: row.id_token_signing_alg,
                access_token_ttl: row.access_token_ttl,
                refresh_token_ttl: row.refresh_token_ttl,
                session_idle_ttl: row.session_idle_ttl,
                backchannel_logout_uri: row.backchannel_logout_uri,
                initiate_login_uri: row.initiate_login_uri,
                token_endpoint_auth_method: row.token_endpoint_auth_method,
                discovery: row.discovery,
                jwks: row.jwks.map(|jwks| jwks.0),
                jwks_uri: row.jwks_uri,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            secret_hash: row.secret_hash,
            previous_secret: row.previous_secret_hash.zip(row.previous_secret_until),
        }
    }
}
