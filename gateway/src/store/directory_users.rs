//! SCIM users exactly as one directory pushed them. Beside its document, a user has one row in
//! `directory_values` for each value that filters and sorting reach (`values.rs`).

mod values;

use std::collections::HashMap;

use scim::{GroupLink, ManagerLink, Meta, User};
use sea_orm::sea_query::{Expr, ExprTrait, LockType, UnionType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult,
    JoinType, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use serde_json::{Map, Value};

use super::columns::JsonText;
use super::entity::directory_users::{ActiveModel, Column, Entity};
use super::entity::{directory_values, groups, memberships};
use super::page::newest_first;
use super::users::{IDS_PER_STATEMENT, group_of_membership};
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, DirectoryUserId, GroupId, UserId};
use crate::model::{HeldChange, Slice, Timestamp, WaitingChange, Window};

/// A user as its directory sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUser {
    pub id: DirectoryUserId,
    /// The application's user that this resource feeds.
    pub user_id: UserId,
    pub resource: User,
    /// Counts the changes of the resource and of the groups that list it.
    pub version: i64,
    /// What the directory was promised for this user, and waits for its release.
    pub held: Option<HeldChange>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl StoredUser {
    pub fn meta(&self) -> Meta {
        Meta {
            id: self.id.to_string(),
            created: self.created_at.into(),
            last_modified: self.updated_at.into(),
            version: self.version.unsigned_abs(),
        }
    }
}

/// The columns that make a [`StoredUser`]; the others serve filters.
#[derive(FromQueryResult)]
pub(super) struct Row {
    pub(super) id: DirectoryUserId,
    user_id: UserId,
    resource: JsonText<Map<String, Value>>,
    version: i64,
    held: Option<HeldChange>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

pub(super) fn select(scope: &DirectoryScope) -> Select<Entity> {
    scope.select::<Entity>().select_only().columns([
        Column::Id,
        Column::UserId,
        Column::Resource,
        Column::Version,
        Column::Held,
        Column::CreatedAt,
        Column::UpdatedAt,
    ])
}

pub async fn find(
    db: &impl Reads,
    scope: &DirectoryScope,
    id: DirectoryUserId,
) -> Result<Option<StoredUser>, StoreError> {
    let row = select(scope)
        .filter(Column::Id.eq(id))
        .into_model::<Row>()
        .one(db.db())
        .await?;
    Ok(row.map(StoredUser::from))
}

/// As [`find`], with the groups that list the user, oldest first, in the same query.
pub async fn find_with_groups(
    db: &impl Reads,
    scope: &DirectoryScope,
    id: DirectoryUserId,
) -> Result<Option<(StoredUser, Vec<GroupLink>)>, StoreError> {
    let user = scope
        .select::<Entity>()
        .select_only()
        .expr_as(Expr::val(THE_USER), "kind")
        .column_as(Column::Id, "id")
        .column_as(Column::Resource, "text")
        .column_as(Column::UserId, "user_id")
        .column_as(Column::Version, "version")
        .column_as(Column::Held, "held")
        .column_as(Column::CreatedAt, "created_at")
        .column_as(Column::UpdatedAt, "updated_at")
        .filter(Column::Id.eq(id));
    let nothing = || Expr::cust("NULL");
    let groups = scope
        .select::<memberships::Entity>()
        .join(JoinType::InnerJoin, group_of_membership())
        .select_only()
        .expr_as(Expr::val(A_GROUP), "kind")
        .column_as(groups::Column::Id, "id")
        .column_as(groups::Column::DisplayName, "text")
        .expr_as(nothing(), "user_id")
        .expr_as(nothing(), "version")
        .expr_as(nothing(), "held")
        .expr_as(nothing(), "created_at")
        .expr_as(nothing(), "updated_at")
        .filter(memberships::Column::MemberUserId.eq(id));
    let mut both = user.into_query();
    both.union(UnionType::All, groups.into_query())
        .order_by_expr(Expr::col("kind"), Order::Asc)
        .order_by_expr(Expr::col("id"), Order::Asc);
    let mut rows = db.db().query_all(&both).await?.into_iter();
    let Some(first) = rows.next() else {
        return Ok(None);
    };
    if first.try_get::<i32>("", "kind")? != THE_USER {
        return Ok(None);
    }
    let resource: JsonText<Map<String, Value>> = first.try_get("", "text")?;
    let user = StoredUser::from(Row {
        id,
        resource,
        user_id: first.try_get("", "user_id")?,
        version: first.try_get("", "version")?,
        held: first.try_get("", "held")?,
        created_at: first.try_get("", "created_at")?,
        updated_at: first.try_get("", "updated_at")?,
    });
    let groups = rows.map(|row| {
        Ok(GroupLink {
            id: row.try_get("", "id")?,
            display_name: row.try_get("", "text")?,
        })
    });
    Ok(Some((user, groups.collect::<Result<_, StoreError>>()?)))
}

/// What a row of [`find_with_groups`] is.
const THE_USER: i32 = 0;
const A_GROUP: i32 = 1;

/// As [`find`], and no other transaction changes the user until this one ends.
pub async fn lock(
    tx: &Tx,
    scope: &DirectoryScope,
    id: DirectoryUserId,
) -> Result<Option<StoredUser>, StoreError> {
    let row = select(scope)
        .filter(Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .into_model::<Row>()
        .one(tx.db())
        .await?;
    Ok(row.map(StoredUser::from))
}

/// Whether some user of the directory, other than `except`, has this name in whatever case.
pub async fn is_taken(
    db: &impl Reads,
    scope: &DirectoryScope,
    user_name: &str,
    except: Option<DirectoryUserId>,
) -> Result<bool, StoreError> {
    let mut query = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::UserNameFolded.eq(scim::fold(user_name)));
    if let Some(id) = except {
        query = query.filter(Column::Id.ne(id));
    }
    let found: Option<DirectoryUserId> = query.into_tuple().one(db.db()).await?;
    Ok(found.is_some())
}

/// A unique violation ([`StoreError::is_unique_violation`]) says that the name is taken.
pub async fn insert(tx: &Tx, scope: &DirectoryScope, user: &StoredUser) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(user.id),
        organization_id: Set(scope.organization().organization()),
        directory_id: Set(scope.directory()),
        user_id: Set(user.user_id),
        created_at: Set(user.created_at),
        ..columns_of(user)
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    insert_values(tx, scope, user.id, values::of(&user.resource)).await
}

/// Overwrites a user that is locked. `before` is its resource as it is stored.
pub async fn update(
    tx: &Tx,
    scope: &DirectoryScope,
    before: &User,
    user: &StoredUser,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .set(columns_of(user))
        .filter(Column::Id.eq(user.id))
        .exec(tx.db())
        .await?;
    let (old, new) = (values::of(before), values::of(&user.resource));
    if old == new {
        return Ok(());
    }
    scope
        .delete::<directory_values::Entity>()
        .filter(directory_values::Column::DirectoryUserId.eq(user.id))
        .exec(tx.db())
        .await?;
    insert_values(tx, scope, user.id, new).await
}

/// Counts a change of the groups that list these users: their `groups` is another one now, so their ETag
/// is too.
pub async fn touch(
    tx: &Tx,
    scope: &DirectoryScope,
    ids: &[DirectoryUserId],
    now: Timestamp,
) -> Result<(), StoreError> {
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        scope
            .update::<Entity>()
            .col_expr(Column::Version, Expr::col(Column::Version).add(1_i64))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// As [`touch`], for all users that a group lists: its name, which their `groups` shows, is another one.
pub async fn touch_members(
    tx: &Tx,
    scope: &DirectoryScope,
    group: GroupId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let members = scope
        .select::<memberships::Entity>()
        .select_only()
        .column(memberships::Column::MemberUserId)
        .filter(memberships::Column::GroupId.eq(group))
        .filter(memberships::Column::MemberUserId.is_not_null())
        .into_query();
    scope
        .update::<Entity>()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1_i64))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.in_subquery(members))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The directory resources that feed a user of the organization.
pub async fn of_user(
    db: &impl Reads,
    scope: &OrgScope,
    user: UserId,
) -> Result<Vec<(DirectoryScope, DirectoryUserId)>, StoreError> {
    let rows: Vec<(DirectoryId, DirectoryUserId)> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::DirectoryId)
        .column(Column::Id)
        .filter(Column::UserId.eq(user))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db.db())
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(directory, id)| (DirectoryScope::from_evidence(*scope, directory), id))
        .collect())
}

/// How many of the directory's users are active: a scan of an index of nothing else.
pub async fn count_active(db: &impl Reads, scope: &DirectoryScope) -> Result<i64, StoreError> {
    // As the index has it: SQLite does not compare its condition with a parameter.
    let active = Expr::cust("active = TRUE");
    let query = scope.select::<Entity>().filter(active);
    let count = query.count(db.db()).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Those for whom something waits, at most `limit` of them, by id and behind `after`.
pub async fn held(
    db: &impl Reads,
    scope: &DirectoryScope,
    after: Option<DirectoryUserId>,
    limit: u64,
) -> Result<Vec<DirectoryUserId>, StoreError> {
    let query = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::Held.is_not_null())
        .filter(Condition::all().add_option(after.map(|id| Column::Id.gt(id))))
        .order_by_asc(Column::Id)
        .limit(limit);
    Ok(query.into_tuple().all(db.db()).await?)
}

/// What waits, the newest people first.
pub async fn list_held(
    db: &impl Reads,
    scope: &DirectoryScope,
    window: Window<DirectoryUserId>,
) -> Result<Slice<WaitingChange, DirectoryUserId>, StoreError> {
    let query = scope.select::<Entity>().filter(Column::Held.is_not_null());
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(|row| WaitingChange {
        directory_user_id: row.id,
        user_id: row.user_id,
        user_name: row.user_name,
        change: row.held.unwrap_or(HeldChange::Deactivation),
    }))
}

/// For how many users of each of these directories something waits.
pub async fn count_held(
    db: &impl Reads,
    scope: &OrgScope,
    directories: &[DirectoryId],
) -> Result<HashMap<DirectoryId, i64>, StoreError> {
    if directories.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(DirectoryId, i64)> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::DirectoryId)
        .column_as(Column::Id.count(), "count")
        .filter(Column::DirectoryId.is_in(directories.iter().copied()))
        .filter(Column::Held.is_not_null())
        .group_by(Column::DirectoryId)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows.into_iter().collect())
}

/// Writes what waits for this user, and nothing else of it.
pub async fn hold(
    tx: &Tx,
    scope: &DirectoryScope,
    id: DirectoryUserId,
    change: HeldChange,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .col_expr(Column::Held, Expr::value(change))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Nothing waits for these users any more. Returns how many there were for whom something did.
pub async fn let_go(
    tx: &Tx,
    scope: &DirectoryScope,
    ids: &[DirectoryUserId],
) -> Result<u64, StoreError> {
    let result = scope
        .update::<Entity>()
        .col_expr(Column::Held, Expr::value(Option::<HeldChange>::None))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::Held.is_not_null())
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected)
}

/// Holds the directory's resources of these users until this transaction ends.
pub async fn lock_of_users(
    tx: &Tx,
    scope: &DirectoryScope,
    users: &[UserId],
) -> Result<(), StoreError> {
    for chunk in users.chunks(IDS_PER_STATEMENT) {
        let _: Vec<DirectoryUserId> = scope
            .select::<Entity>()
            .select_only()
            .column(Column::Id)
            .filter(Column::UserId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .lock(LockType::NoKeyUpdate)
            .into_tuple()
            .all(tx.db())
            .await?;
    }
    Ok(())
}

/// Takes the resources of these users away with their memberships.
pub async fn remove_of_users(
    tx: &Tx,
    scope: &DirectoryScope,
    users: &[UserId],
) -> Result<(), StoreError> {
    for chunk in users.chunks(IDS_PER_STATEMENT) {
        scope
            .delete::<Entity>()
            .filter(Column::UserId.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

fn columns_of(user: &StoredUser) -> ActiveModel {
    let resource = &user.resource;
    ActiveModel {
        user_name: Set(resource.user_name().to_owned()),
        user_name_folded: Set(scim::fold(resource.user_name())),
        external_id: Set(resource.external_id().map(str::to_owned)),
        display_name: Set(resource.display_name().map(str::to_owned)),
        display_name_folded: Set(resource.display_name().map(scim::fold)),
        active: Set(resource.active()),
        resource: Set(JsonText(resource.attributes().clone())),
        version: Set(user.version),
        held: Set(user.held),
        updated_at: Set(user.updated_at),
        ..Default::default()
    }
}

async fn insert_values(
    tx: &Tx,
    scope: &DirectoryScope,
    id: DirectoryUserId,
    values: Vec<values::AttributeValue>,
) -> Result<(), StoreError> {
    let rows = values
        .into_iter()
        .map(|value| directory_values::ActiveModel {
            directory_id: Set(scope.directory()),
            directory_user_id: Set(id),
            path: Set(value.path.into_owned()),
            element: Set(value.element),
            organization_id: Set(scope.organization().organization()),
            value: Set(value.value),
        });
    let rows: Vec<_> = rows.collect();
    for chunk in rows.chunks(IDS_PER_STATEMENT) {
        directory_values::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(tx.db())
            .await?;
    }
    Ok(())
}

/// The groups that list each of these users, oldest group first. One query for each thousand users.
pub async fn groups_of(
    db: &impl Reads,
    scope: &DirectoryScope,
    ids: &[DirectoryUserId],
) -> Result<HashMap<DirectoryUserId, Vec<GroupLink>>, StoreError> {
    let mut links: HashMap<DirectoryUserId, Vec<GroupLink>> = HashMap::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let rows: Vec<(DirectoryUserId, GroupId, String)> = scope
            .select::<memberships::Entity>()
            .join(JoinType::InnerJoin, group_of_membership())
            .select_only()
            .column(memberships::Column::MemberUserId)
            .column(groups::Column::Id)
            .column(groups::Column::DisplayName)
            .filter(memberships::Column::MemberUserId.is_in(chunk.iter().copied()))
            .order_by_asc(groups::Column::Id)
            .into_tuple()
            .all(db.db())
            .await?;
        for (user, id, display_name) in rows {
            let id = id.to_string();
            links
                .entry(user)
                .or_default()
                .push(GroupLink { id, display_name });
        }
    }
    Ok(links)
}

/// What the directory knows about these managers, by their `id`; nothing of those who are no user of it.
pub async fn managers(
    db: &impl Reads,
    scope: &DirectoryScope,
    ids: impl Iterator<Item = &str>,
) -> Result<HashMap<String, ManagerLink>, StoreError> {
    let mut ids: Vec<DirectoryUserId> = ids.filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut links = HashMap::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let rows: Vec<(DirectoryUserId, Option<String>)> = scope
            .select::<Entity>()
            .select_only()
            .column(Column::Id)
            .column(Column::DisplayName)
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db.db())
            .await?;
        let rows = rows.into_iter();
        links.extend(rows.map(|(id, display_name)| (id.to_string(), ManagerLink { display_name })));
    }
    Ok(links)
}

impl From<Row> for StoredUser {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            resource: User::from_attributes(row.resource.0),
            version: row.version,
            held: row.held,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
