//! Groups as directories pushed them. Members are rows of their own (`memberships.rs`).

use scim::Meta;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::columns::JsonText;
use super::entity::group_schemas;
use super::entity::groups::{ActiveModel, Column, Entity, Model};
use super::users::IDS_PER_STATEMENT;
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, GroupId, OrganizationId};
use crate::model::{Group, Timestamp};

/// A group as its directory sees it, without its members.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredGroup {
    pub id: GroupId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub resource: scim::Group,
    pub member_count: i64,
    /// Counts the changes of the resource and of its members.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl StoredGroup {
    pub fn meta(&self) -> Meta {
        Meta {
            id: self.id.to_string(),
            created: self.created_at.into(),
            last_modified: self.updated_at.into(),
            version: self.version.unsigned_abs(),
        }
    }

    /// The group as the application sees it.
    pub fn to_model(&self) -> Group {
        Group {
            id: self.id,
            organization_id: self.organization_id,
            directory_id: self.directory_id,
            external_id: self.resource.external_id().map(str::to_owned),
            display_name: self.resource.display_name().to_owned(),
            member_count: self.member_count,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

pub async fn find(
    db: &impl Reads,
    scope: &DirectoryScope,
    id: GroupId,
) -> Result<Option<StoredGroup>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(StoredGroup::from))
}

/// As [`find`], and no other transaction changes the group or its members until this one ends.
pub async fn lock(
    tx: &Tx,
    scope: &DirectoryScope,
    id: GroupId,
) -> Result<Option<StoredGroup>, StoreError> {
    Ok(lock_all(tx, scope, &[id]).await?.pop())
}

/// Locks several groups, always in the order of their ids, so that two transactions don't wait for each
/// other. Unknown ones are left out.
pub async fn lock_all(
    tx: &Tx,
    scope: &DirectoryScope,
    ids: &[GroupId],
) -> Result<Vec<StoredGroup>, StoreError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut groups = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let rows = scope
            .select::<Entity>()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .lock(LockType::NoKeyUpdate)
            .all(tx.db())
            .await?;
        groups.extend(rows.into_iter().map(StoredGroup::from));
    }
    Ok(groups)
}

pub async fn insert(
    tx: &Tx,
    scope: &DirectoryScope,
    group: &StoredGroup,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(group.id),
        organization_id: Set(scope.organization().organization()),
        directory_id: Set(scope.directory()),
        created_at: Set(group.created_at),
        ..columns_of(group)
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    insert_schemas(tx, scope, group).await
}

/// Overwrites a group that is locked, and was like `before`.
pub async fn update(
    tx: &Tx,
    scope: &DirectoryScope,
    before: &scim::Group,
    group: &StoredGroup,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .set(columns_of(group))
        .filter(Column::Id.eq(group.id))
        .exec(tx.db())
        .await?;
    if before.extensions().eq(group.resource.extensions()) {
        return Ok(());
    }
    scope
        .delete::<group_schemas::Entity>()
        .filter(group_schemas::Column::GroupId.eq(group.id))
        .exec(tx.db())
        .await?;
    insert_schemas(tx, scope, group).await
}

/// Whose extensions it has data of, for filters on `schemas`. Most groups have none.
async fn insert_schemas(
    tx: &Tx,
    scope: &DirectoryScope,
    group: &StoredGroup,
) -> Result<(), StoreError> {
    let rows = (0..)
        .zip(group.resource.extensions())
        .map(|(element, urn)| group_schemas::ActiveModel {
            directory_id: Set(scope.directory()),
            group_id: Set(group.id),
            element: Set(element),
            organization_id: Set(scope.organization().organization()),
            urn: Set(urn.to_owned()),
        });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    group_schemas::Entity::insert_many(rows)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// All groups of the directory, oldest first, held until this transaction ends.
pub async fn lock_whole_directory(
    tx: &Tx,
    scope: &DirectoryScope,
) -> Result<Vec<StoredGroup>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(StoredGroup::from).collect())
}

/// Takes all groups of the directory away with their memberships.
pub async fn remove_all(tx: &Tx, scope: &DirectoryScope) -> Result<(), StoreError> {
    scope.delete::<Entity>().exec(tx.db()).await?;
    Ok(())
}

/// One member less in each of these groups, which are locked.
pub async fn count_departure(
    tx: &Tx,
    scope: &DirectoryScope,
    ids: &[GroupId],
    now: Timestamp,
) -> Result<(), StoreError> {
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        scope
            .update::<Entity>()
            .col_expr(
                Column::MemberCount,
                Expr::col(Column::MemberCount).sub(1_i64),
            )
            .col_expr(Column::Version, Expr::col(Column::Version).add(1_i64))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// Takes the group away with its memberships, those in other groups included.
pub async fn remove(tx: &Tx, scope: &DirectoryScope, id: GroupId) -> Result<(), StoreError> {
    scope
        .delete::<Entity>()
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn columns_of(group: &StoredGroup) -> ActiveModel {
    let resource = &group.resource;
    ActiveModel {
        display_name: Set(resource.display_name().to_owned()),
        display_name_folded: Set(scim::fold(resource.display_name())),
        external_id: Set(resource.external_id().map(str::to_owned)),
        resource: Set(JsonText(resource.attributes().clone())),
        member_count: Set(group.member_count),
        version: Set(group.version),
        updated_at: Set(group.updated_at),
        ..Default::default()
    }
}

/// One group of the organization, whichever directory pushed it.
pub async fn find_in_organization(
    db: &impl Reads,
    scope: &OrgScope,
    id: GroupId,
) -> Result<Option<Group>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(Group::from))
}

/// Those of these groups that the directory has.
pub async fn existing(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
    ids: &[GroupId],
) -> Result<Vec<GroupId>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::DirectoryId.eq(directory))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// As [`existing`], and none of them is deleted before this transaction ends.
pub async fn hold(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    ids: &[GroupId],
) -> Result<(), StoreError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        scope
            .select::<Entity>()
            .select_only()
            .column(Column::Id)
            .filter(Column::DirectoryId.eq(directory))
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .lock(LockType::KeyShare)
            .into_tuple::<GroupId>()
            .all(tx.db())
            .await?;
    }
    Ok(())
}

/// Whether the directory has another group of the same name, in whatever case.
pub async fn shares_name(
    db: &impl Reads,
    scope: &DirectoryScope,
    group: &StoredGroup,
) -> Result<bool, StoreError> {
    let name = scim::fold(group.resource.display_name());
    let found: Option<GroupId> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::DisplayNameFolded.eq(name))
        .filter(Column::Id.ne(group.id))
        .limit(1)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(found.is_some())
}

/// Whether the directory has a group beside this one.
pub async fn has_others(
    db: &impl Reads,
    scope: &DirectoryScope,
    group: GroupId,
) -> Result<bool, StoreError> {
    let found: Option<GroupId> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.ne(group))
        .limit(1)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(found.is_some())
}

/// A page of the organization's groups, newest first: those older than `after`, at most `limit`.
pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    after: Option<GroupId>,
    limit: u64,
) -> Result<Vec<Group>, StoreError> {
    let mut query = scope.select::<Entity>();
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    let rows = query
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(Group::from).collect())
}

impl From<Model> for StoredGroup {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            directory_id: row.directory_id,
            resource: scim::Group::from_attributes(row.resource.0),
            member_count: row.member_count,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<Model> for Group {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            directory_id: row.directory_id,
            external_id: row.external_id,
            display_name: row.display_name,
            member_count: row.member_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
