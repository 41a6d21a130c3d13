//! Answers kept for `Idempotency-Key`, in the transaction of the change they answer (EVENTS section 3.5).

use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::entity::idempotency_keys::{ActiveModel, Column, Entity, Model};
use super::{Reads, StoreError, Tx};
use crate::ids::ApiKeyId;
use crate::model::Timestamp;

/// How long an answer can be had again (EVENTS section 3.5).
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// One `Idempotency-Key` of one API key, and the request that came with it.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    pub api_key: ApiKeyId,
    pub key: String,
    /// Keyed hash of method, path and body: the same key with another request is an error of the caller.
    pub request_hash: String,
}

/// The answer to an earlier request with this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    pub request_hash: String,
    pub status: i64,
    /// Sealed, since it may hold a secret that is shown once
    /// (`idempotency_keys`, `response_sealed`, API key and key).
    pub response_sealed: String,
}

/// Takes the key for this transaction, or returns the answer that the first request with it got. A request
/// with the same key at the same moment waits here until that one has ended.
#[expect(
    clippy::disallowed_methods,
    reason = "kept answers belong to an API key, not to an organization"
)]
pub async fn claim(
    tx: &Tx,
    key: &IdempotencyKey,
    now: Timestamp,
    oldest: Timestamp,
) -> Result<Option<KeptAnswer>, StoreError> {
    Entity::delete_many()
        .filter(Column::ApiKeyId.eq(key.api_key))
        .filter(Column::IdempotencyKey.eq(&key.key))
        .filter(Column::CreatedAt.lt(oldest))
        .exec(tx.db())
        .await?;
    let row = ActiveModel {
        api_key_id: Set(key.api_key),
        idempotency_key: Set(key.key.clone()),
        request_hash: Set(key.request_hash.clone()),
        status: Set(0),
        response_sealed: Set(String::new()),
        created_at: Set(now),
    };
    let claimed = Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::ApiKeyId, Column::IdempotencyKey])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    if claimed == 1 {
        return Ok(None);
    }
    find(tx, key, oldest).await
}

/// The answer kept under this key, if it is not too old.
#[expect(
    clippy::disallowed_methods,
    reason = "kept answers belong to an API key, not to an organization"
)]
pub async fn find(
    db: &impl Reads,
    key: &IdempotencyKey,
    oldest: Timestamp,
) -> Result<Option<KeptAnswer>, StoreError> {
    let row = Entity::find()
        .filter(Column::ApiKeyId.eq(key.api_key))
        .filter(Column::IdempotencyKey.eq(&key.key))
        .filter(Column::CreatedAt.gte(oldest))
        .one(db.db())
        .await?;
    Ok(row.map(KeptAnswer::from))
}

/// Keeps the answer under a key that this transaction claimed.
#[expect(
    clippy::disallowed_methods,
    reason = "kept answers belong to an API key, not to an organization"
)]
pub async fn keep(
    tx: &Tx,
    key: &IdempotencyKey,
    status: u16,
    response_sealed: String,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(i64::from(status)))
        .col_expr(Column::ResponseSealed, Expr::value(response_sealed))
        .filter(Column::ApiKeyId.eq(key.api_key))
        .filter(Column::IdempotencyKey.eq(&key.key))
        .exec(tx.db())
        .await?;
    Ok(())
}

impl From<Model> for KeptAnswer {
    fn from(row: Model) -> Self {
        Self {
            request_hash: row.request_hash,
            status: row.status,
            response_sealed: row.response_sealed,
        }
    }
}
