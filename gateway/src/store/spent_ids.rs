//! What counts once, or no more: ids of client assertions (RFC 7523 3) and of access tokens that were revoked
//! (RFC 7009), as keyed hashes, until what they name has expired anyway.

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, Set};

use super::entity::spent_ids::{ActiveModel, Column, Entity};
use super::{Reads, StoreError, Tx};
use crate::model::Timestamp;

/// Spends an id. False when it was spent before.
pub async fn spend(tx: &Tx, id_hash: String, expires_at: Timestamp) -> Result<bool, StoreError> {
    let row = ActiveModel {
        id_hash: Set(id_hash),
        expires_at: Set(expires_at),
    };
    let inserted = Entity::insert(row)
        .on_conflict(OnConflict::column(Column::IdHash).do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    Ok(inserted == 1)
}

#[expect(
    clippy::disallowed_methods,
    reason = "ids of tokens and assertions belong to applications, which stand above organizations"
)]
pub async fn is_spent(db: &impl Reads, id_hash: &str) -> Result<bool, StoreError> {
    Ok(Entity::find_by_id(id_hash).one(db.db()).await?.is_some())
}
