//! Connections: one SAML or OIDC identity provider of an organization.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};

use super::columns::JsonText;
use super::entity::connections::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::ConnectionId;
use crate::model::{Connection, Slice, Window};

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Option<Connection>, StoreError> {
    let row = scope.find::<Entity>(db, Column::Id.eq(id)).await?;
    Ok(row.map(Connection::from))
}

/// As [`find`], and no other transaction changes the connection until this one ends.
pub async fn lock(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Option<Connection>, StoreError> {
    let row = scope.lock::<Entity>(tx, Column::Id.eq(id)).await?;
    Ok(row.map(Connection::from))
}

pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    window: Window<ConnectionId>,
) -> Result<Slice<Connection, ConnectionId>, StoreError> {
    let query = scope.select::<Entity>();
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(Connection::from))
}

/// All connections of the organization, oldest first.
pub async fn all(db: &impl Reads, scope: &OrgScope) -> Result<Vec<Connection>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .order_by_asc(Column::Id)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(Connection::from).collect())
}

pub async fn insert(tx: &Tx, scope: &OrgScope, connection: &Connection) -> Result<(), StoreError> {
    let row = ActiveModel {
        organization_id: Set(scope.organization()),
        created_at: Set(connection.created_at),
        id: Set(connection.id),
        kind: Set(connection.kind),
        ..changeable(connection)
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.touch_config(scope);
    Ok(())
}

/// Overwrites a connection that is locked.
pub async fn update(tx: &Tx, scope: &OrgScope, connection: &Connection) -> Result<(), StoreError> {
    let updated = scope
        .update::<Entity>()
        .set(changeable(connection))
        .filter(Column::Id.eq(connection.id))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// Removes the connection with its keys and identities. False when there is no such connection.
pub async fn remove(tx: &Tx, scope: &OrgScope, id: ConnectionId) -> Result<bool, StoreError> {
    tx.touch_config(scope);
    scope.remove::<Entity>(tx, Column::Id.eq(id)).await
}

fn changeable(connection: &Connection) -> ActiveModel {
    ActiveModel {
        name: Set(connection.name.clone()),
        provider: Set(connection.provider.clone()),
        state: Set(connection.state),
        settings: Set(JsonText(connection.settings.clone())),
        metadata_url: Set(connection.metadata_url.clone()),
        client_secret_sealed: Set(connection.client_secret_sealed.clone()),
        previous_client_secret_sealed: Set(connection.previous_client_secret_sealed.clone()),
        email_domain_policy: Set(connection.email_domain_policy),
        jit_provisioning: Set(connection.jit_provisioning),
        default_application_id: Set(connection.default_application_id),
        updated_at: Set(connection.updated_at),
        ..Default::default()
    }
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
            previous_client_secret_sealed: row.previous_client_secret_sealed,
            email_domain_policy: row.email_domain_policy,
            jit_provisioning: row.jit_provisioning,
            default_application_id: row.default_application_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
