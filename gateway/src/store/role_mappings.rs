//! Which groups of a source give which roles: the rows. What follows from them is in `user_roles.rs`.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::role_mappings::{ActiveModel, Column, Entity, Model};
use super::users::IDS_PER_STATEMENT;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, GroupId};
use crate::model::{RoleMapping, RoleSource};

/// The mapping of a directory or connection, in the order in which it was given.
pub async fn of_source(
    db: &impl Reads,
    scope: &OrgScope,
    source: RoleSource,
) -> Result<Vec<RoleMapping>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .filter(Column::SourceId.eq(source.to_string()))
        .order_by_asc(Column::Position)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(RoleMapping::from).collect())
}

/// Puts another mapping in the place of the source's. Recompute its users' roles in the same transaction.
pub async fn replace(
    tx: &Tx,
    scope: &OrgScope,
    source: RoleSource,
    mappings: &[RoleMapping],
) -> Result<(), StoreError> {
    scope
        .delete::<Entity>()
        .filter(Column::SourceId.eq(source.to_string()))
        .exec(tx.db())
        .await?;
    let rows: Vec<_> = (0..)
        .zip(mappings)
        .map(|(position, mapping)| ActiveModel {
            organization_id: Set(scope.organization()),
            source_id: Set(source.to_string()),
            position: Set(position),
            group_id: Set(mapping.group_id),
            group_name: Set(mapping.group_name.clone()),
            group_name_folded: Set(mapping.group_name.as_deref().map(scim::fold)),
            role: Set(mapping.role.clone()),
        })
        .collect();
    for chunk in rows.chunks(IDS_PER_STATEMENT) {
        Entity::insert_many(chunk.to_vec())
            .exec_without_returning(tx.db())
            .await?;
    }
    Ok(())
}

/// Takes the rows away that name this group by its id. What the others say is as it was, in their order.
pub async fn remove_group(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    group: GroupId,
) -> Result<(), StoreError> {
    scope
        .delete::<Entity>()
        .filter(Column::SourceId.eq(directory.to_string()))
        .filter(Column::GroupId.eq(group))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Whether the directory maps this group, by id or by one of these names.
pub async fn maps_group(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
    group: GroupId,
    display_names: &[&str],
) -> Result<bool, StoreError> {
    let names = display_names.iter().map(|name| scim::fold(name));
    let found: Option<i64> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Position)
        .filter(Column::SourceId.eq(directory.to_string()))
        .filter(
            Condition::any()
                .add(Column::GroupId.eq(group))
                .add(Column::GroupNameFolded.is_in(names)),
        )
        .limit(1)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(found.is_some())
}

impl From<Model> for RoleMapping {
    fn from(row: Model) -> Self {
        Self {
            group_id: row.group_id,
            group_name: row.group_name,
            role: row.role,
        }
    }
}
