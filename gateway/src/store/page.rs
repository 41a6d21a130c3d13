//! Keyset paging, the same for every list.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value};

use super::{Reads, StoreError};
use crate::model::{Slice, Window};

/// The rows of one window, newest first. `id` is the column of the primary key, `id_of` its value in a row.
pub(super) async fn newest_first<E, Id>(
    db: &impl Reads,
    query: Select<E>,
    id: E::Column,
    window: Window<Id>,
    id_of: impl Fn(&E::Model) -> Id,
) -> Result<Slice<E::Model, Id>, StoreError>
where
    E: EntityTrait,
    E::Model: Send + Sync,
    Id: Into<Value>,
{
    let query = match window.before {
        Some(before) => query.filter(id.lt(before)),
        None => query,
    };
    let rows = query
        .order_by_desc(id)
        .limit(window.limit + 1)
        .all(db.db())
        .await?;
    Ok(Slice::cut(rows, window.limit, id_of))
}
