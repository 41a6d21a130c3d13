//! The roles that users have, and why: one row for each role and source. What they ought to be follows from
//! memberships, mappings, default roles and claimed groups, in one query for all users asked about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, LockType, Query, SelectStatement, UnionType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult,
    JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use super::entity::user_roles::{ActiveModel, Column, Entity};
use super::entity::{
    directories, directory_users, groups, identities, organizations, role_mappings, roles,
};
use super::users::{IDS_PER_STATEMENT, group_of_membership, member_of};
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, GroupId, UserId};
use crate::model::{RoleMapping, RolePolicy, UserRole};

/// The roles of one user, each with its source.
pub type Roles = BTreeSet<UserRole>;

#[derive(FromQueryResult)]
struct Claim {
    user_id: UserId,
    role: String,
    source: String,
    /// Only of a connection's mapping: the groups claimed at the last login, as JSON, and the one mapped.
    claimed: Option<String>,
    mapped: Option<String>,
}

/// The roles that these users, at most a thousand, ought to have before the organization's policy chooses.
pub async fn due(
    db: &impl Reads,
    scope: &OrgScope,
    users: &[UserId],
) -> Result<HashMap<UserId, Roles>, StoreError> {
    collect(db, scope, users, by_group(scope, users)).await
}

/// As [`due`], if this were the directory's mapping.
pub async fn due_by(
    db: &impl Reads,
    scope: &OrgScope,
    users: &[UserId],
    directory: DirectoryId,
    mappings: &[RoleMapping],
) -> Result<HashMap<UserId, Roles>, StoreError> {
    let of_others = role_mappings::Column::SourceId.ne(directory.to_string());
    let of_others = by_group(scope, users).filter(of_others);
    let mut due = collect(db, scope, users, of_others).await?;
    let ids: Vec<GroupId> = mappings.iter().filter_map(|it| it.group_id).collect();
    let folded = |it: &RoleMapping| it.group_name.as_deref().map(scim::fold);
    let names: Vec<String> = mappings.iter().filter_map(folded).collect();
    let mut roles_of: HashMap<Group, Vec<&str>> = HashMap::new();
    for mapping in mappings {
        let groups = [
            mapping.group_id.map(Group::Id),
            folded(mapping).map(Group::Named),
        ];
        for group in groups.into_iter().flatten() {
            roles_of.entry(group).or_default().push(&mapping.role);
        }
    }
    let rows: Vec<(UserId, GroupId, String)> = scope
        .select::<directory_users::Entity>()
        .join(JoinType::InnerJoin, member_of())
        .join(JoinType::InnerJoin, group_of_membership())
        .select_only()
        .column(directory_users::Column::UserId)
        .column(groups::Column::Id)
        .column(groups::Column::DisplayNameFolded)
        .filter(directory_users::Column::DirectoryId.eq(directory))
        .filter(directory_users::Column::UserId.is_in(users.iter().copied()))
        .filter(
            Condition::any()
                .add(groups::Column::Id.is_in(ids))
                .add(groups::Column::DisplayNameFolded.is_in(names)),
        )
        .into_tuple()
        .all(db.db())
        .await?;
    for (user, group, name) in rows {
        for mapped in [Group::Id(group), Group::Named(name)] {
            for role in roles_of.get(&mapped).into_iter().flatten() {
                due.entry(user).or_default().insert(UserRole {
                    role: (*role).to_owned(),
                    source: group.to_string(),
                });
            }
        }
    }
    Ok(due)
}

/// What a row of a directory's mapping names.
#[derive(PartialEq, Eq, Hash)]
enum Group {
    Id(GroupId),
    Named(String),
}

/// The roles that these users, at most a thousand, have.
pub async fn held(
    db: &impl Reads,
    scope: &OrgScope,
    users: &[UserId],
) -> Result<HashMap<UserId, BTreeSet<String>>, StoreError> {
    let rows: Vec<(UserId, String)> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::UserId)
        .column(Column::Role)
        .filter(Column::UserId.is_in(users.iter().copied()))
        .into_tuple()
        .all(db.db())
        .await?;
    let mut held: HashMap<UserId, BTreeSet<String>> = HashMap::new();
    for (user, role) in rows {
        held.entry(user).or_default().insert(role);
    }
    Ok(held)
}

fn no_text() -> Expr {
    Expr::val(Option::<String>::None)
}

/// What the mapped groups of directories give these users.
fn by_group(scope: &OrgScope, users: &[UserId]) -> Select<directory_users::Entity> {
    scope
        .select::<directory_users::Entity>()
        .join(JoinType::InnerJoin, member_of())
        .join(JoinType::InnerJoin, group_of_membership())
        .join(JoinType::InnerJoin, mapping_of_group())
        .select_only()
        .column_as(directory_users::Column::UserId, "user_id")
        .column_as(role_mappings::Column::Role, "role")
        .column_as(groups::Column::Id, "source")
        .expr_as(no_text(), "claimed")
        .expr_as(no_text(), "mapped")
        .filter(
            Condition::any()
                .add(
                    Expr::col((role_mappings::Entity, role_mappings::Column::GroupId))
                        .equals((groups::Entity, groups::Column::Id)),
                )
                .add(
                    Expr::col((
                        role_mappings::Entity,
                        role_mappings::Column::GroupNameFolded,
                    ))
                    .equals((groups::Entity, groups::Column::DisplayNameFolded)),
                ),
        )
        .filter(directory_users::Column::UserId.is_in(users.iter().copied()))
}

/// With it, what default roles and the groups claimed at logins give.
async fn collect(
    db: &impl Reads,
    scope: &OrgScope,
    users: &[UserId],
    by_group: Select<directory_users::Entity>,
) -> Result<HashMap<UserId, Roles>, StoreError> {
    let ids = || users.iter().copied();
    let by_default = scope
        .select::<directory_users::Entity>()
        .join(JoinType::InnerJoin, directory_of_user())
        .select_only()
        .column_as(directory_users::Column::UserId, "user_id")
        .column_as(directories::Column::DefaultRole, "role")
        .column_as(directories::Column::Id, "source")
        .expr_as(no_text(), "claimed")
        .expr_as(no_text(), "mapped")
        .filter(directories::Column::DefaultRole.is_not_null())
        .filter(directory_users::Column::Active.eq(true))
        .filter(directory_users::Column::UserId.is_in(ids()));
    let by_login = scope
        .select::<identities::Entity>()
        .join(JoinType::InnerJoin, mapping_of_connection())
        .select_only()
        .column_as(identities::Column::UserId, "user_id")
        .column_as(role_mappings::Column::Role, "role")
        .column_as(identities::Column::ConnectionId, "source")
        .column_as(identities::Column::Groups, "claimed")
        .column_as(role_mappings::Column::GroupName, "mapped")
        .filter(identities::Column::UserId.is_in(ids()))
        .filter(Expr::exists(told_by_directory(scope)).not());
    let mut all = by_group.into_query();
    all.union(UnionType::All, by_default.into_query())
        .union(UnionType::All, by_login.into_query());
    let mut due: HashMap<UserId, Roles> = HashMap::new();
    for row in db.db().query_all(&all).await? {
        let claim = Claim::from_query_result(&row, "")?;
        if claim.holds()? {
            due.entry(claim.user_id).or_default().insert(UserRole {
                role: claim.role,
                source: claim.source,
            });
        }
    }
    Ok(due)
}

impl Claim {
    /// A claimed value is compared as it is: IdPs send ids and names.
    fn holds(&self) -> Result<bool, StoreError> {
        match (&self.claimed, &self.mapped) {
            (Some(claimed), Some(mapped)) => {
                let groups: Vec<String> = serde_json::from_str(claimed)?;
                Ok(groups.contains(mapped))
            }
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
        }
    }
}

/// The role that every active user of the directory has. It stays that role until this transaction ends, so
/// that a user made meanwhile is not passed over by a change of it.
pub async fn lock_default_role(
    tx: &Tx,
    scope: &DirectoryScope,
) -> Result<Option<String>, StoreError> {
    let role: Option<Option<String>> = scope
        .organization()
        .select::<directories::Entity>()
        .select_only()
        .column(directories::Column::DefaultRole)
        .filter(directories::Column::Id.eq(scope.directory()))
        .lock(LockType::Share)
        .into_tuple()
        .one(tx.db())
        .await?;
    Ok(role.flatten())
}

/// The organization's policy, and the priority of each of these roles.
pub async fn policy(
    db: &impl Reads,
    scope: &OrgScope,
) -> Result<(RolePolicy, BTreeMap<String, i64>), StoreError> {
    #[expect(clippy::disallowed_methods, reason = "the organization's own row")]
    let policy: Option<RolePolicy> = organizations::Entity::find_by_id(scope.organization())
        .select_only()
        .column(organizations::Column::RolePolicy)
        .into_tuple()
        .one(db.db())
        .await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "roles belong to the deployment; there are a handful"
    )]
    let priorities: Vec<(String, i64)> = roles::Entity::find()
        .select_only()
        .column(roles::Column::Slug)
        .column(roles::Column::Priority)
        .into_tuple()
        .all(db.db())
        .await?;
    let policy = policy.unwrap_or(RolePolicy::Union);
    Ok((policy, priorities.into_iter().collect()))
}

/// Gives roles to users, and takes roles from them.
pub async fn write(
    tx: &Tx,
    scope: &OrgScope,
    gained: &[(UserId, UserRole)],
    lost: &[(UserId, UserRole)],
) -> Result<(), StoreError> {
    for chunk in lost.chunks(IDS_PER_STATEMENT) {
        let row = Expr::tuple([Column::UserId, Column::Role, Column::Source].map(Expr::col));
        let rows = chunk
            .iter()
            .map(|(user, role)| (user.to_string(), role.role.clone(), role.source.clone()));
        // SQLite compares a row value with a subquery only, not with a list.
        let rows = Query::select()
            .expr(Expr::col(Asterisk))
            .from_values(rows, "lost")
            .to_owned();
        scope
            .delete::<Entity>()
            .filter(row.in_subquery(rows))
            .exec(tx.db())
            .await?;
    }
    for chunk in gained.chunks(IDS_PER_STATEMENT) {
        let rows = chunk.iter().map(|(user, role)| ActiveModel {
            organization_id: Set(scope.organization()),
            user_id: Set(*user),
            role: Set(role.role.clone()),
            source: Set(role.source.clone()),
        });
        Entity::insert_many(rows)
            .exec_without_returning(tx.db())
            .await?;
    }
    Ok(())
}

/// A directory that pushes groups knows better than a login who is in which: what its users' logins claim gives
/// no roles. Google's pushes none, and theirs do.
fn told_by_directory(scope: &OrgScope) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1_i32))
        .from(directory_users::Entity)
        .inner_join(
            groups::Entity,
            Expr::col((groups::Entity, groups::Column::DirectoryId)).equals((
                directory_users::Entity,
                directory_users::Column::DirectoryId,
            )),
        )
        .and_where(
            Expr::col((
                directory_users::Entity,
                directory_users::Column::OrganizationId,
            ))
            .eq(scope.organization()),
        )
        .and_where(
            Expr::col((directory_users::Entity, directory_users::Column::UserId))
                .equals((identities::Entity, identities::Column::UserId)),
        )
        .to_owned()
}

/// Whether anybody's claimed groups give roles in this organization.
pub async fn logins_give_roles(db: &impl Reads, scope: &OrgScope) -> Result<bool, StoreError> {
    let found: Option<i64> = scope
        .select::<role_mappings::Entity>()
        .select_only()
        .column(role_mappings::Column::Position)
        .filter(role_mappings::Column::SourceId.starts_with("conn_"))
        .limit(1)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(found.is_some())
}

/// The directory's users who sign in by a connection whose groups are mapped.
pub async fn of_both(db: &impl Reads, scope: &DirectoryScope) -> Result<Vec<UserId>, StoreError> {
    let mapped = scope
        .organization()
        .select::<identities::Entity>()
        .join(JoinType::InnerJoin, mapping_of_connection())
        .select_only()
        .column(identities::Column::UserId)
        .into_query();
    Ok(scope
        .select::<directory_users::Entity>()
        .select_only()
        .column(directory_users::Column::UserId)
        .filter(directory_users::Column::UserId.in_subquery(mapped))
        .order_by_asc(directory_users::Column::UserId)
        .into_tuple()
        .all(db.db())
        .await?)
}

fn mapping_of_group() -> sea_orm::RelationDef {
    groups::Entity::belongs_to(role_mappings::Entity)
        .from((groups::Column::OrganizationId, groups::Column::DirectoryId))
        .to((
            role_mappings::Column::OrganizationId,
            role_mappings::Column::SourceId,
        ))
        .into()
}

fn mapping_of_connection() -> sea_orm::RelationDef {
    identities::Entity::belongs_to(role_mappings::Entity)
        .from((
            identities::Column::OrganizationId,
            identities::Column::ConnectionId,
        ))
        .to((
            role_mappings::Column::OrganizationId,
            role_mappings::Column::SourceId,
        ))
        .into()
}

fn directory_of_user() -> sea_orm::RelationDef {
    directory_users::Entity::belongs_to(directories::Entity)
        .from((
            directory_users::Column::OrganizationId,
            directory_users::Column::DirectoryId,
        ))
        .to((directories::Column::OrganizationId, directories::Column::Id))
        .into()
}
