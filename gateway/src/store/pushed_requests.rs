//! Authorization requests that applications pushed (RFC 9126): sealed, for a minute and a half, for one use.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::entity::pushed_requests::{ActiveModel, Column, Entity};
use super::{Reads, StoreError, Tx};
use crate::ids::ApplicationId;
use crate::model::Timestamp;

/// Keeps a request, sealed (`pushed_requests`, `sealed`, hash of its handle).
pub async fn insert(
    tx: &Tx,
    application: ApplicationId,
    handle_hash: String,
    sealed: String,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        handle_hash: Set(handle_hash),
        application_id: Set(application),
        sealed: Set(sealed),
        expires_at: Set(expires_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// The request as it was sealed, while it lasts and is that application's.
#[expect(
    clippy::disallowed_methods,
    reason = "applications stand above organizations, and so does what they push"
)]
pub async fn find(
    db: &impl Reads,
    application: ApplicationId,
    handle_hash: &str,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let row = Entity::find_by_id(handle_hash)
        .filter(Column::ApplicationId.eq(application))
        .filter(Column::ExpiresAt.gt(now))
        .one(db.db())
        .await?;
    Ok(row.map(|row| row.sealed))
}

/// Uses a request up. False when somebody else did.
#[expect(
    clippy::disallowed_methods,
    reason = "applications stand above organizations, and so does what they push"
)]
pub async fn remove(
    tx: &Tx,
    application: ApplicationId,
    handle_hash: &str,
) -> Result<bool, StoreError> {
    let removed = Entity::delete_many()
        .filter(Column::HandleHash.eq(handle_hash))
        .filter(Column::ApplicationId.eq(application))
        .exec(tx.db())
        .await?;
    Ok(removed.rows_affected == 1)
}
