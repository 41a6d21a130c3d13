//! Who is a member of which group: one row a member. Adding one to a group of ten thousand costs what it
//! costs in an empty one; nobody reads the others.

use std::collections::{HashMap, HashSet};

use scim::{MemberLink, ResourceType};
use sea_orm::sea_query::{Expr, ExprTrait, LockType, UnionType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationDef, TryInsertResult,
};

use super::entity::memberships::{ActiveModel, Column, Entity};
use super::entity::{directory_users, groups};
use super::users::IDS_PER_STATEMENT;
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryUserId, GroupId, UserId};
use crate::model::{Member, Timestamp};

/// A user or group of the directory, as a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberRef {
    User {
        id: DirectoryUserId,
        user_id: UserId,
    },
    Group(GroupId),
}

impl MemberRef {
    /// The id that the directory sees.
    pub fn id(&self) -> String {
        match self {
            Self::User { id, .. } => id.to_string(),
            Self::Group(id) => id.to_string(),
        }
    }

    /// As the application sees it.
    pub fn to_model(self) -> Member {
        match self {
            Self::User { user_id, .. } => Member {
                kind: "user",
                id: user_id.to_string(),
            },
            Self::Group(id) => Member {
                kind: "group",
                id: id.to_string(),
            },
        }
    }
}

/// Those of these ids that the directory has, locked: they can't be deleted before this transaction ends,
/// and who writes to the same users waits. Another directory's id is as unknown as an invented one.
pub async fn resolve<'a>(
    tx: &Tx,
    scope: &DirectoryScope,
    ids: impl Iterator<Item = &'a str>,
) -> Result<Vec<MemberRef>, StoreError> {
    let (mut users, mut nested) = (Vec::new(), Vec::new());
    for id in ids {
        if let Ok(id) = id.parse::<DirectoryUserId>() {
            users.push(id);
        } else if let Ok(id) = id.parse::<GroupId>() {
            nested.push(id);
        }
    }
    let mut found = Vec::with_capacity(users.len() + nested.len());
    users.sort_unstable();
    for chunk in users.chunks(IDS_PER_STATEMENT) {
        let rows: Vec<(DirectoryUserId, UserId)> = scope
            .select::<directory_users::Entity>()
            .select_only()
            .column(directory_users::Column::Id)
            .column(directory_users::Column::UserId)
            .filter(directory_users::Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(directory_users::Column::Id)
            .lock(LockType::NoKeyUpdate)
            .into_tuple()
            .all(tx.db())
            .await?;
        let rows = rows.into_iter();
        found.extend(rows.map(|(id, user_id)| MemberRef::User { id, user_id }));
    }
    nested.sort_unstable();
    for chunk in nested.chunks(IDS_PER_STATEMENT) {
        let rows: Vec<GroupId> = scope
            .select::<groups::Entity>()
            .select_only()
            .column(groups::Column::Id)
            .filter(groups::Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(groups::Column::Id)
            .lock(LockType::Share)
            .into_tuple()
            .all(tx.db())
            .await?;
        found.extend(rows.into_iter().map(MemberRef::Group));
    }
    Ok(found)
}

/// Makes these members, whom [`resolve`] found, of a locked group; returns those who were none before.
pub async fn add(
    tx: &Tx,
    scope: &DirectoryScope,
    group: GroupId,
    members: &[MemberRef],
    now: Timestamp,
) -> Result<Vec<MemberRef>, StoreError> {
    let mut added = HashSet::new();
    for chunk in members.chunks(IDS_PER_STATEMENT) {
        let rows = chunk.iter().map(|member| {
            let (member_user_id, member_group_id) = match *member {
                MemberRef::User { id, .. } => (Some(id), None),
                MemberRef::Group(id) => (None, Some(id)),
            };
            ActiveModel {
                group_id: Set(group),
                member_id: Set(member.id()),
                organization_id: Set(scope.organization().organization()),
                directory_id: Set(scope.directory()),
                member_user_id: Set(member_user_id),
                member_group_id: Set(member_group_id),
                created_at: Set(now),
            }
        });
        let inserted = Entity::insert_many(rows)
            .on_conflict_do_nothing()
            .exec_with_returning_keys(tx.db())
            .await?;
        if let TryInsertResult::Inserted(keys) = inserted {
            added.extend(keys.into_iter().map(|(_, member)| member));
        }
    }
    let members = members.iter().copied();
    Ok(members
        .filter(|member| added.contains(&member.id()))
        .collect())
}

/// Takes these members out of a locked group; returns those who were members.
pub async fn remove(
    tx: &Tx,
    scope: &DirectoryScope,
    group: GroupId,
    members: &[MemberRef],
) -> Result<Vec<MemberRef>, StoreError> {
    let mut removed = HashSet::new();
    for chunk in members.chunks(IDS_PER_STATEMENT) {
        let rows = scope
            .delete::<Entity>()
            .filter(Column::GroupId.eq(group))
            .filter(Column::MemberId.is_in(chunk.iter().map(MemberRef::id)))
            .exec_with_returning(tx.db())
            .await?;
        removed.extend(rows.into_iter().map(|row| row.member_id));
    }
    let members = members.iter().copied();
    Ok(members
        .filter(|member| removed.contains(&member.id()))
        .collect())
}

/// The ids of all members, for what can't be done without knowing them: to replace all, to select some.
pub async fn ids(
    db: &impl Reads,
    scope: &DirectoryScope,
    group: GroupId,
) -> Result<Vec<String>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::MemberId)
        .filter(Column::GroupId.eq(group))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// The groups that list a user.
pub async fn groups_with_user(
    db: &impl Reads,
    scope: &DirectoryScope,
    user: DirectoryUserId,
) -> Result<Vec<GroupId>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::GroupId)
        .filter(Column::MemberUserId.eq(user))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// The groups that list a group.
pub async fn groups_with_group(
    db: &impl Reads,
    scope: &DirectoryScope,
    nested: GroupId,
) -> Result<Vec<GroupId>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::GroupId)
        .filter(Column::MemberGroupId.eq(nested))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// The users that a group lists.
pub async fn users_of_group(
    db: &impl Reads,
    scope: &DirectoryScope,
    group: GroupId,
) -> Result<Vec<(DirectoryUserId, UserId)>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .join(JoinType::InnerJoin, user_of_membership())
        .select_only()
        .column(directory_users::Column::Id)
        .column(directory_users::Column::UserId)
        .filter(Column::GroupId.eq(group))
        .order_by_asc(directory_users::Column::Id)
        .into_tuple()
        .all(db.db())
        .await?)
}

#[derive(FromQueryResult)]
struct LinkRow {
    group_id: GroupId,
    member_id: String,
    is_group: i32,
    display_name: Option<String>,
}

/// The members of each of these groups as they are rendered, oldest first. One query for each thousand
/// groups.
pub async fn links(
    db: &impl Reads,
    scope: &DirectoryScope,
    ids: &[GroupId],
) -> Result<HashMap<GroupId, Vec<MemberLink>>, StoreError> {
    let mut links: HashMap<GroupId, Vec<MemberLink>> = HashMap::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let of_these = Column::GroupId.is_in(chunk.iter().copied());
        for (group, link) in read_links(db, scope, of_these).await? {
            links.entry(group).or_default().push(link);
        }
    }
    Ok(links)
}

/// As [`links`] of one group, but only of those members who have one of these ids.
pub async fn links_among(
    db: &impl Reads,
    scope: &DirectoryScope,
    group: GroupId,
    ids: &[String],
) -> Result<Vec<MemberLink>, StoreError> {
    let mut links = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let among = Column::MemberId.is_in(chunk.iter().map(String::as_str));
        let found = read_links(db, scope, Column::GroupId.eq(group).and(among)).await?;
        links.extend(found.into_iter().map(|(_, link)| link));
    }
    Ok(links)
}

async fn read_links(
    db: &impl Reads,
    scope: &DirectoryScope,
    which: Expr,
) -> Result<Vec<(GroupId, MemberLink)>, StoreError> {
    let memberships = || {
        scope
            .select::<Entity>()
            .select_only()
            .column_as(Column::GroupId, "group_id")
            .column_as(Column::MemberId, "member_id")
            .filter(which.clone())
    };
    let users = memberships()
        .join(JoinType::InnerJoin, user_of_membership())
        .expr_as(Expr::val(0_i32), "is_group")
        .column_as(directory_users::Column::DisplayName, "display_name");
    let nested = memberships()
        .join(JoinType::InnerJoin, nested_of_membership())
        .expr_as(Expr::val(1_i32), "is_group")
        .column_as(groups::Column::DisplayName, "display_name");
    let mut all = users.into_query();
    all.union(UnionType::All, nested.into_query())
        .order_by_expr(Expr::col("member_id"), sea_orm::Order::Asc);
    let mut links = Vec::new();
    for row in db.db().query_all(&all).await? {
        let row = LinkRow::from_query_result(&row, "")?;
        let link = MemberLink {
            id: row.member_id,
            resource_type: if row.is_group == 1 {
                ResourceType::Group
            } else {
                ResourceType::User
            },
            display_name: row.display_name,
        };
        links.push((row.group_id, link));
    }
    Ok(links)
}

/// A page of a group's members, for the management API: those whose directory id comes after `after`, at
/// most `limit`. The first of each pair is the directory's id, which the next page starts after.
pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    group: GroupId,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<(String, Member)>, StoreError> {
    let mut query = scope
        .select::<Entity>()
        .join(JoinType::LeftJoin, user_of_membership())
        .select_only()
        .column(Column::MemberId)
        .column(directory_users::Column::UserId)
        .filter(Column::GroupId.eq(group));
    if let Some(after) = after {
        query = query.filter(Column::MemberId.gt(after));
    }
    let rows: Vec<(String, Option<UserId>)> = query
        .order_by_asc(Column::MemberId)
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(id, user_id)| {
            let member = match user_id {
                Some(user) => Member {
                    kind: "user",
                    id: user.to_string(),
                },
                None => Member {
                    kind: "group",
                    id: id.clone(),
                },
            };
            (id, member)
        })
        .collect())
}

fn user_of_membership() -> RelationDef {
    Entity::belongs_to(directory_users::Entity)
        .from((Column::DirectoryId, Column::MemberUserId))
        .to((
            directory_users::Column::DirectoryId,
            directory_users::Column::Id,
        ))
        .into()
}

fn nested_of_membership() -> RelationDef {
    Entity::belongs_to(groups::Entity)
        .from((Column::DirectoryId, Column::MemberGroupId))
        .to((groups::Column::DirectoryId, groups::Column::Id))
        .into()
}

/// A page of a group's members, each with the id that the directory sees: those before `before`, at most
/// `limit`.
pub async fn page(
    db: &impl Reads,
    scope: &OrgScope,
    group: GroupId,
    before: Option<&str>,
    limit: u64,
) -> Result<Vec<(String, Member)>, StoreError> {
    let mut query = scope
        .select::<Entity>()
        .join(JoinType::LeftJoin, user_of_membership())
        .filter(Column::GroupId.eq(group));
    if let Some(before) = before {
        query = query.filter(Column::MemberId.lt(before));
    }
    let rows: Vec<(String, Option<UserId>)> = query
        .select_only()
        .column(Column::MemberId)
        .column(directory_users::Column::UserId)
        .order_by_desc(Column::MemberId)
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(member_id, user)| {
            let member = match user {
                Some(user) => Member {
                    kind: "user",
                    id: user.to_string(),
                },
                None => Member {
                    kind: "group",
                    id: member_id.clone(),
                },
            };
            (member_id, member)
        })
        .collect())
}
