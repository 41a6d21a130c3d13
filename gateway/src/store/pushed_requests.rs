//! Pushed authorization requests (RFC 9126): an application's, before anybody knows which organization's person
//! it is for.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Set};

use super::entity::pushed_requests::{ActiveModel, Column, Entity};
use super::{Reads, StoreError, Tx};
use crate::ids::ApplicationId;
use crate::model::Timestamp;

pub async fn insert(
    tx: &Tx,
    request_hash: String,
    application: ApplicationId,
    parameters: String,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        request_hash: Set(request_hash),
        application_id: Set(application),
        parameters: Set(parameters),
        expires_at: Set(expires_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Uses a request up and returns its parameters. `None`: never pushed, by another application, too old, or used.
#[expect(
    clippy::disallowed_methods,
    reason = "a pushed request belongs to an application, which stands above organizations"
)]
pub async fn take(
    tx: &Tx,
    request_hash: &str,
    application: ApplicationId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let mine = Condition::all()
        .add(Column::RequestHash.eq(request_hash))
        .add(Column::ApplicationId.eq(application))
        .add(Column::ExpiresAt.gt(now));
    let Some(found) = Entity::find().filter(mine.clone()).one(tx.db()).await? else {
        return Ok(None);
    };
    let removed = Entity::delete_many().filter(mine).exec(tx.db()).await?;
    Ok((removed.rows_affected == 1).then_some(found.parameters))
}
