//! API keys stand above organizations; one may be bound to a single organization.

use std::sync::Arc;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Set};

use super::columns::JsonText;
use super::entity::api_keys::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{Reads, Store, StoreError, Tx};
use crate::ids::{ApiKeyId, OrganizationId};
use crate::model::{ApiKey, Slice, Timestamp, Window};

pub async fn insert(tx: &Tx, key: &ApiKey, key_hash: &str) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(key.id),
        name: Set(key.name.clone()),
        scopes: Set(JsonText(key.scopes.clone())),
        organization_id: Set(key.organization_id),
        key_hash: Set(key_hash.to_owned()),
        last_four: Set(key.last_four.clone()),
        created_at: Set(key.created_at),
        last_used_at: Set(key.last_used_at),
        expires_at: Set(key.expires_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// The key that a caller presented, expired or not.
#[expect(
    clippy::disallowed_methods,
    reason = "the key is what says which organization may be reached"
)]
pub async fn find_by_hash(db: &impl Reads, key_hash: &str) -> Result<Option<ApiKey>, StoreError> {
    let row = Entity::find()
        .filter(Column::KeyHash.eq(key_hash))
        .one(db.db())
        .await?;
    Ok(row.map(ApiKey::from))
}

/// As [`find_by_hash`], from memory: a removal holds at once where it was made, elsewhere within a second.
pub async fn recall(store: &Store, key_hash: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
    let read = async || {
        let key = find_by_hash(&store.read(), key_hash).await?;
        Ok(key.map(Arc::new))
    };
    let owner = |key: &Arc<ApiKey>| key.organization_id;
    let keys = &store.remembered().api_keys;
    keys.get_or_read(store, key_hash.into(), owner, read).await
}

/// All keys, or those bound to one organization.
#[expect(
    clippy::disallowed_methods,
    reason = "keys belong to the deployment; a bound one lists its own organization's"
)]
pub async fn list(
    db: &impl Reads,
    bound_to: Option<OrganizationId>,
    window: Window<ApiKeyId>,
) -> Result<Slice<ApiKey, ApiKeyId>, StoreError> {
    let query = Entity::find().filter(reachable(bound_to));
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(ApiKey::from))
}

/// The key, or the one of this organization.
#[expect(
    clippy::disallowed_methods,
    reason = "keys belong to the deployment; a bound one finds its own organization's"
)]
pub async fn find(
    db: &impl Reads,
    bound_to: Option<OrganizationId>,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, StoreError> {
    let query = Entity::find().filter(reachable(bound_to));
    let row = query.filter(Column::Id.eq(id)).one(db.db()).await?;
    Ok(row.map(ApiKey::from))
}

/// False when there is no such key.
#[expect(
    clippy::disallowed_methods,
    reason = "keys belong to the deployment; a bound one removes its own organization's"
)]
pub async fn remove(
    tx: &Tx,
    bound_to: Option<OrganizationId>,
    id: ApiKeyId,
) -> Result<bool, StoreError> {
    let removed = Entity::delete_many()
        .filter(reachable(bound_to))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.touch_deployment();
    Ok(removed.rows_affected == 1)
}

/// Notes that the key was used.
#[expect(clippy::disallowed_methods, reason = "the key itself was presented")]
pub async fn touch(tx: &Tx, id: ApiKeyId, now: Timestamp) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// So that this replica knows of a use that it noted.
pub fn remember_use(store: &Store, key_hash: &str, now: Timestamp) {
    let used = |key: &mut Arc<ApiKey>| Arc::make_mut(key).last_used_at = Some(now);
    store.remembered().api_keys.amend(key_hash, used);
}

fn reachable(bound_to: Option<OrganizationId>) -> Condition {
    match bound_to {
        Some(organization) => Condition::all().add(Column::OrganizationId.eq(organization)),
        None => Condition::all(),
    }
}

impl From<Model> for ApiKey {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scopes: row.scopes.0,
            organization_id: row.organization_id,
            last_four: row.last_four,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}
