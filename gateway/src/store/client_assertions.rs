//! Assertions that clients authenticated with (RFC 7523), each for one use on whatever replica.

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, Set};

use super::entity::client_assertions::{ActiveModel, Column, Entity};
use super::{Reads, StoreError, Tx};
use crate::ids::ApplicationId;
use crate::model::Timestamp;

/// Keeps an assertion's id until the assertion could no longer be accepted anyway. False when it was there
/// already.
pub async fn use_once(
    tx: &Tx,
    application: ApplicationId,
    jti_hash: String,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        application_id: Set(application),
        jti_hash: Set(jti_hash),
        expires_at: Set(expires_at),
    };
    let inserted = Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::ApplicationId, Column::JtiHash])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(inserted == 1)
}
