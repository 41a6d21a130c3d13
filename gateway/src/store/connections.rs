//! Connections: one SAML or OIDC identity provider of an organization.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};

use super::entity::connection_keys;
use super::entity::connections::{Column, Entity, Model};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::ConnectionId;
use crate::model::{Connection, Timestamp};

/// One key pair of a connection, its private key still sealed
/// (`connection_keys`, `private_key_sealed`, `id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    pub id: String,
    /// X.509 DER, base64.
    pub certificate: String,
    pub private_key_sealed: String,
}

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Option<Connection>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(Connection::from))
}

/// The connection's key pairs, newest first: the first signs, all decrypt.
pub async fn keys(
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Vec<StoredKey>, StoreError> {
    let rows = scope
        .select::<connection_keys::Entity>()
        .filter(connection_keys::Column::ConnectionId.eq(id))
        .order_by_desc(connection_keys::Column::CreatedAt)
        .all(db.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredKey {
            id: row.id,
            certificate: row.certificate,
            private_key_sealed: row.private_key_sealed,
        })
        .collect())
}

pub async fn insert_key(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    key: &StoredKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = connection_keys::ActiveModel {
        id: Set(key.id.clone()),
        organization_id: Set(scope.organization()),
        connection_id: Set(connection),
        certificate: Set(key.certificate.clone()),
        private_key_sealed: Set(key.private_key_sealed.clone()),
        created_at: Set(now),
    };
    connection_keys::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

impl From<Model> for Connection {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            kind: row.kind,
            provider: row.provider,
            state: row.state,
            settings: row.settings.0,
            metadata_url: row.metadata_url,
            client_secret_sealed: row.client_secret_sealed,
            email_domain_policy: row.email_domain_policy,
            jit_provisioning: row.jit_provisioning,
            default_application_id: row.default_application_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
