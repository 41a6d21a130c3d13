//! Logouts that wait for an IdP's answer (SAML Profiles 4.4). Single use, known by their RelayState.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::entity::logouts::{ActiveModel, Column, Entity};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ApplicationId, ConnectionId};
use crate::model::Timestamp;

/// One LogoutRequest under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogout {
    /// The keyed hash of the RelayState.
    pub relay_state_hash: String,
    pub connection_id: ConnectionId,
    /// What the answer's `InResponseTo` has to be.
    pub request_id: String,
    pub application_id: ApplicationId,
    /// The application's `post_logout_redirect_uri`, its `state` included.
    pub return_to: Option<String>,
    pub expires_at: Timestamp,
}

pub async fn insert(tx: &Tx, scope: &OrgScope, logout: PendingLogout) -> Result<(), StoreError> {
    let row = ActiveModel {
        relay_state_hash: Set(logout.relay_state_hash),
        organization_id: Set(scope.organization()),
        connection_id: Set(logout.connection_id),
        request_id: Set(logout.request_id),
        application_id: Set(logout.application_id),
        return_to: Set(logout.return_to),
        expires_at: Set(logout.expires_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// The logout that this connection's answer belongs to. `None` when there is none, or its time is over.
pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
    relay_state_hash: &str,
    now: Timestamp,
) -> Result<Option<PendingLogout>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::RelayStateHash.eq(relay_state_hash))
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::ExpiresAt.gt(now))
        .one(db.db())
        .await?;
    Ok(row.map(|row| PendingLogout {
        relay_state_hash: row.relay_state_hash,
        connection_id: row.connection_id,
        request_id: row.request_id,
        application_id: row.application_id,
        return_to: row.return_to,
        expires_at: row.expires_at,
    }))
}

/// Uses it up. False when somebody was quicker.
pub async fn remove(tx: &Tx, scope: &OrgScope, relay_state_hash: &str) -> Result<bool, StoreError> {
    let removed = scope
        .delete::<Entity>()
        .filter(Column::RelayStateHash.eq(relay_state_hash))
        .exec(tx.db())
        .await?;
    Ok(removed.rows_affected == 1)
}
