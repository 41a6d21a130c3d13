//! Applications stand above organizations: OIDC clients of the whole deployment.

use sea_orm::EntityTrait;

use super::entity::applications::{Entity, Model};
use super::{Reads, StoreError};
use crate::ids::ApplicationId;
use crate::model::Application;

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

/// The newest first; a deployment has a handful.
#[expect(
    clippy::disallowed_methods,
    reason = "applications belong to the deployment"
)]
pub async fn all(db: &impl Reads) -> Result<Vec<StoredApplication>, StoreError> {
    use sea_orm::QueryOrder;
    let rows = Entity::find()
        .order_by_desc(super::entity::applications::Column::Id)
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
                backchannel_logout_uri: row.backchannel_logout_uri,
                initiate_login_uri: row.initiate_login_uri,
                jwks: row.jwks.map(|jwks| jwks.0),
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            secret_hash: row.secret_hash,
            previous_secret: row.previous_secret_hash.zip(row.previous_secret_until),
        }
    }
}
