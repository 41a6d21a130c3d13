//! A connection's own key pairs: the current one, the next while it is announced, and those before it while
//! something may still be encrypted for them.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::entity::connection_keys::{ActiveModel, Column, Entity, Model};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ConnectionId, OrganizationId};
use crate::model::{ConnectionKeyState, Timestamp};

/// One key pair of a connection, its private key still sealed
/// (`connection_keys`, `private_key_sealed`, `id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    pub id: String,
    /// X.509 DER, base64.
    pub certificate: String,
    pub private_key_sealed: String,
    pub state: ConnectionKeyState,
    /// When the next key becomes the current one, or a previous one goes.
    pub changes_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// All key pairs of the connection: the current one, which signs, then the next, then the others, newest
/// first. All decrypt.
pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Vec<StoredKey>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .filter(Column::ConnectionId.eq(id))
        .order_by_desc(Column::CreatedAt)
        .all(db.db())
        .await?;
    let mut keys: Vec<StoredKey> = rows.into_iter().map(StoredKey::from).collect();
    keys.sort_by_key(|key| key.state);
    Ok(keys)
}

pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    key: &StoredKey,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(key.id.clone()),
        organization_id: Set(scope.organization()),
        connection_id: Set(connection),
        certificate: Set(key.certificate.clone()),
        private_key_sealed: Set(key.private_key_sealed.clone()),
        state: Set(key.state),
        changes_at: Set(key.changes_at),
        created_at: Set(key.created_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.touch_config(scope);
    Ok(())
}

/// Makes one key the current one; the one before it goes at `retired_at`. The connection is locked.
pub async fn switch(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    id: &str,
    retired_at: Timestamp,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(ConnectionKeyState::Previous))
        .col_expr(Column::ChangesAt, Expr::value(retired_at))
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::State.eq(ConnectionKeyState::Current))
        .exec(tx.db())
        .await?;
    scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(ConnectionKeyState::Current))
        .col_expr(Column::ChangesAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    Ok(())
}

/// Removes what was the current key before.
pub async fn remove(tx: &Tx, scope: &OrgScope, id: &str) -> Result<bool, StoreError> {
    tx.touch_config(scope);
    scope.remove::<Entity>(tx, Column::Id.eq(id)).await
}

/// Connections of whatever organization with a key whose time has come.
#[expect(
    clippy::disallowed_methods,
    reason = "upkeep over all organizations; what it finds becomes a scope each"
)]
pub async fn due(
    db: &impl Reads,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<(OrgScope, ConnectionId)>, StoreError> {
    let rows: Vec<(OrganizationId, ConnectionId)> = Entity::find()
        .select_only()
        .column(Column::OrganizationId)
        .column(Column::ConnectionId)
        .filter(Column::ChangesAt.lte(now))
        .order_by_asc(Column::ChangesAt)
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(organization, id)| (OrgScope::from_evidence(organization), id))
        .collect())
}

impl From<Model> for StoredKey {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            certificate: row.certificate,
            private_key_sealed: row.private_key_sealed,
            state: row.state,
            changes_at: row.changes_at,
            created_at: row.created_at,
        }
    }
}
