//! Users: people inside one organization as the application sees them, fed by directories, by logins, or
//! both. A user is read whole: its row, and in one more query for all of them its sources, groups and roles.

mod join;

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, LockType, SelectStatement, UnionType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use super::entity::users::{ActiveModel, Column, Entity, Model};
use super::entity::{directory_users, groups, identities, memberships, user_roles};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ConnectionId, DirectoryId, OrganizationId, UserId};
use crate::model::{GroupRef, Profile, Timestamp, User, UserRole, UserSource, canonical_domain};

pub(super) use join::take_turn;
pub use join::{JoinKey, find_to_join, is_shut_out};

/// How many ids go into one statement: far below the 32,766 values that SQLite takes.
pub(crate) const IDS_PER_STATEMENT: usize = 1_000;

/// What a source says about a person, and what is stored of a user itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserRecord {
    pub external_id: Option<String>,
    pub active: bool,
    pub user_name: Option<String>,
    /// The primary address, as it was written. Looked up whatever its case.
    pub email: Option<String>,
    pub profile: Profile,
}

/// Which users to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserFilter {
    pub email: Option<String>,
    pub external_id: Option<String>,
    pub active: Option<bool>,
    /// Slug of a role that the user has.
    pub role: Option<String>,
    /// The directory that feeds the user.
    pub directory_id: Option<DirectoryId>,
}

/// One whole user. `None` when there is none, or it is another organization's.
pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    Ok(load(db, scope, &[id]).await?.pop())
}

/// The whole users with these ids, in the order asked for; unknown ones are left out. Two queries for each
/// thousand ids.
pub async fn load(
    db: &impl Reads,
    scope: &OrgScope,
    ids: &[UserId],
) -> Result<Vec<User>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let rows = scope
            .select::<Entity>()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .all(db.db())
            .await?;
        let users = with_relations(db, scope, rows).await?;
        found.extend(users.into_iter().map(|user| (user.id, user)));
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// As [`load`], and no other transaction changes these users before this one ends. Whoever records an event
/// about a user holds this, so that the last event shows the last state.
pub async fn lock(tx: &Tx, scope: &OrgScope, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    let mut ids = ids.to_vec();
    // In one order for everybody, or two transactions could wait for each other.
    ids.sort_unstable();
    let mut users = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        let rows = scope
            .select::<Entity>()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .lock(LockType::NoKeyUpdate)
            .all(tx.db())
            .await?;
        users.extend(with_relations(tx, scope, rows).await?);
    }
    Ok(users)
}

/// A page of users, newest first: those older than `after`, at most `limit`.
pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    filter: &UserFilter,
    after: Option<UserId>,
    limit: u64,
) -> Result<Vec<User>, StoreError> {
    let mut query = scope.select::<Entity>();
    if let Some(email) = &filter.email {
        query = query.filter(Column::EmailFolded.eq(fold(email)));
    }
    if let Some(external_id) = &filter.external_id {
        query = query.filter(Column::ExternalId.eq(external_id.as_str()));
    }
    if let Some(active) = filter.active {
        query = query.filter(Column::Active.eq(active));
    }
    if let Some(role) = &filter.role {
        let holders = scope
            .select::<user_roles::Entity>()
            .select_only()
            .column(user_roles::Column::UserId)
            .filter(user_roles::Column::Role.eq(role.as_str()))
            .into_query();
        query = query.filter(Column::Id.in_subquery(holders));
    }
    if let Some(directory) = filter.directory_id {
        let fed = scope
            .select::<directory_users::Entity>()
            .select_only()
            .column(directory_users::Column::UserId)
            .filter(directory_users::Column::DirectoryId.eq(directory))
            .into_query();
        query = query.filter(Column::Id.in_subquery(fed));
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    let rows = query
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    with_relations(db, scope, rows).await
}

/// The users that a directory feeds, oldest first.
pub async fn of_directory(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
) -> Result<Vec<UserId>, StoreError> {
    Ok(scope
        .select::<directory_users::Entity>()
        .select_only()
        .column(directory_users::Column::UserId)
        .filter(directory_users::Column::DirectoryId.eq(directory))
        .order_by_asc(directory_users::Column::UserId)
        .into_tuple()
        .all(db.db())
        .await?)
}

/// As [`of_directory`], by pages: those who come after `after`, at most `limit`.
pub async fn page_of_directory(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = scope
        .select::<directory_users::Entity>()
        .select_only()
        .column(directory_users::Column::UserId)
        .filter(directory_users::Column::DirectoryId.eq(directory));
    if let Some(after) = after {
        query = query.filter(directory_users::Column::UserId.gt(after));
    }
    Ok(query
        .order_by_asc(directory_users::Column::UserId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// The users who have signed in by a connection, oldest first.
pub async fn of_connection(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
) -> Result<Vec<UserId>, StoreError> {
    Ok(scope
        .select::<identities::Entity>()
        .select_only()
        .column(identities::Column::UserId)
        .distinct()
        .filter(identities::Column::ConnectionId.eq(connection))
        .order_by_asc(identities::Column::UserId)
        .into_tuple()
        .all(db.db())
        .await?)
}

/// Those of these that are users of the organization.
pub async fn known(
    db: &impl Reads,
    scope: &OrgScope,
    ids: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(db.db())
        .await?)
}

/// All users of the organization, oldest first.
pub async fn of_organization(db: &impl Reads, scope: &OrgScope) -> Result<Vec<UserId>, StoreError> {
    Ok(scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db.db())
        .await?)
}

/// What is stored of a user itself, without sources, groups and roles.
pub async fn find_record(
    db: &impl Reads,
    scope: &OrgScope,
    id: UserId,
) -> Result<Option<UserRecord>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(UserRecord::from))
}

/// A whole user, with what is stored of the user itself.
#[derive(Debug, Clone, PartialEq)]
pub struct LockedUser {
    pub user: User,
    pub record: UserRecord,
}

impl LockedUser {
    pub(super) async fn of(
        tx: &Tx,
        scope: &OrgScope,
        row: Model,
    ) -> Result<Option<Self>, StoreError> {
        let record = UserRecord::from(row.clone());
        let user = with_relations(tx, scope, vec![row]).await?.pop();
        Ok(user.map(|user| Self { user, record }))
    }
}

/// As [`find`], and no other transaction changes, deactivates or removes the user until this one ends: whoever
/// opens a session for a user holds this, so that a deactivation either comes first and is seen, or comes
/// later and ends the session (SECURITY-MODEL G12).
pub async fn lock_one(
    tx: &Tx,
    scope: &OrgScope,
    id: UserId,
) -> Result<Option<LockedUser>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(tx.db())
        .await?;
    match row {
        Some(row) => LockedUser::of(tx, scope, row).await,
        None => Ok(None),
    }
}

pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    id: UserId,
    record: &UserRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(id),
        organization_id: Set(scope.organization()),
        external_id: Set(record.external_id.clone()),
        active: Set(record.active),
        user_name: Set(record.user_name.clone()),
        email: Set(record.email.clone()),
        email_folded: Set(record.email.as_deref().map(fold)),
        profile: Set(super::columns::JsonText(record.profile.clone())),
        created_at: Set(now),
        updated_at: Set(now),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Overwrites what is stored of the user. False when there is no such user.
pub async fn update(
    tx: &Tx,
    scope: &OrgScope,
    id: UserId,
    record: &UserRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        external_id: Set(record.external_id.clone()),
        active: Set(record.active),
        user_name: Set(record.user_name.clone()),
        email: Set(record.email.clone()),
        email_folded: Set(record.email.as_deref().map(fold)),
        profile: Set(super::columns::JsonText(record.profile.clone())),
        updated_at: Set(now),
        ..Default::default()
    };
    let result = scope
        .update::<Entity>()
        .set(row)
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Takes the users away with everything that hangs on them: directory resources, memberships, identities,
/// roles, sessions. Whoever calls has recorded the events.
pub async fn remove(tx: &Tx, scope: &OrgScope, ids: &[UserId]) -> Result<(), StoreError> {
    for chunk in ids.chunks(IDS_PER_STATEMENT) {
        scope
            .delete::<Entity>()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// The form in which emails are compared. Of the local part ASCII alone: Unicode's lower case of a KELVIN SIGN is a
/// `k`, and whether two letters are one is the mail server's to say.
fn fold(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) => {
            let local = local.to_ascii_lowercase();
            let domain = canonical_domain(domain).unwrap_or_else(|| domain.to_lowercase());
            format!("{local}@{domain}")
        }
        None => email.to_ascii_lowercase(),
    }
}

impl UserRecord {
    /// A user of which only this is known: no source, no group, no role yet.
    pub fn into_user(
        self,
        id: UserId,
        organization_id: OrganizationId,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> User {
        User {
            id,
            organization_id,
            external_id: self.external_id,
            active: self.active,
            user_name: self.user_name,
            email: self.email,
            emails: self.profile.emails,
            name: self.profile.name,
            given_name: self.profile.given_name,
            family_name: self.profile.family_name,
            display_name: self.profile.display_name,
            job_title: self.profile.job_title,
            department: self.profile.department,
            locale: self.profile.locale,
            timezone: self.profile.timezone,
            manager: self.profile.manager,
            groups: Vec::new(),
            roles: Vec::new(),
            role_sources: Vec::new(),
            attributes: self.profile.attributes,
            sources: Vec::new(),
            created_at,
            updated_at,
        }
    }
}

impl From<Model> for UserRecord {
    fn from(row: Model) -> Self {
        Self {
            external_id: row.external_id,
            active: row.active,
            user_name: row.user_name,
            email: row.email,
            profile: row.profile.0,
        }
    }
}

/// One source, group or role of a user. `kind` says which.
#[derive(FromQueryResult)]
struct Relation {
    user_id: UserId,
    kind: i32,
    first: String,
    second: String,
}

const FROM_DIRECTORY: i32 = 1;
const FROM_CONNECTION: i32 = 2;
const IN_GROUP: i32 = 3;
const HAS_ROLE: i32 = 4;

async fn with_relations(
    db: &impl Reads,
    scope: &OrgScope,
    rows: Vec<Model>,
) -> Result<Vec<User>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<UserId> = rows.iter().map(|row| row.id).collect();
    let mut users: HashMap<UserId, User> = HashMap::with_capacity(rows.len());
    for row in rows {
        let (id, organization) = (row.id, row.organization_id);
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        let user = UserRecord::from(row).into_user(id, organization, created_at, updated_at);
        users.insert(id, user);
    }
    let relations = db.db().query_all(&relations_of(scope, &ids)).await?;
    for row in relations {
        let relation = Relation::from_query_result(&row, "")?;
        if let Some(user) = users.get_mut(&relation.user_id) {
            relation.add_to(user)?;
        }
    }
    Ok(ids.iter().filter_map(|id| users.remove(id)).collect())
}

/// Sorted, so that two readings of the same rows are equal.
fn relations_of(scope: &OrgScope, ids: &[UserId]) -> SelectStatement {
    let ids = || ids.iter().copied();
    let from_directories = scope
        .select::<directory_users::Entity>()
        .select_only()
        .column_as(directory_users::Column::UserId, "user_id")
        .expr_as(Expr::val(FROM_DIRECTORY), "kind")
        .column_as(directory_users::Column::DirectoryId, "first")
        .column_as(directory_users::Column::Id, "second")
        .filter(directory_users::Column::UserId.is_in(ids()));
    let from_connections = scope
        .select::<identities::Entity>()
        .select_only()
        .column_as(identities::Column::UserId, "user_id")
        .expr_as(Expr::val(FROM_CONNECTION), "kind")
        .column_as(identities::Column::ConnectionId, "first")
        .column_as(identities::Column::Subject, "second")
        .filter(identities::Column::UserId.is_in(ids()));
    let in_groups = scope
        .select::<directory_users::Entity>()
        .join(JoinType::InnerJoin, member_of())
        .join(JoinType::InnerJoin, group_of_membership())
        .select_only()
        .column_as(directory_users::Column::UserId, "user_id")
        .expr_as(Expr::val(IN_GROUP), "kind")
        .column_as(groups::Column::Id, "first")
        .column_as(groups::Column::DisplayName, "second")
        .filter(directory_users::Column::UserId.is_in(ids()));
    let with_roles = scope
        .select::<user_roles::Entity>()
        .select_only()
        .column_as(user_roles::Column::UserId, "user_id")
        .expr_as(Expr::val(HAS_ROLE), "kind")
        .column_as(user_roles::Column::Role, "first")
        .column_as(user_roles::Column::Source, "second")
        .filter(user_roles::Column::UserId.is_in(ids()));
    let mut all = from_directories.into_query();
    all.union(UnionType::All, from_connections.into_query())
        .union(UnionType::All, in_groups.into_query())
        .union(UnionType::All, with_roles.into_query())
        .order_by_expr(Expr::col("user_id"), sea_orm::Order::Asc)
        .order_by_expr(Expr::col("kind"), sea_orm::Order::Asc)
        .order_by_expr(Expr::col("first"), sea_orm::Order::Asc)
        .order_by_expr(Expr::col("second"), sea_orm::Order::Asc);
    all
}

/// Directory users to the memberships that name them.
pub(super) fn member_of() -> sea_orm::RelationDef {
    directory_users::Entity::belongs_to(memberships::Entity)
        .from((
            directory_users::Column::DirectoryId,
            directory_users::Column::Id,
        ))
        .to((
            memberships::Column::DirectoryId,
            memberships::Column::MemberUserId,
        ))
        .into()
}

/// Memberships to their groups.
pub(super) fn group_of_membership() -> sea_orm::RelationDef {
    memberships::Entity::belongs_to(groups::Entity)
        .from((
            memberships::Column::DirectoryId,
            memberships::Column::GroupId,
        ))
        .to((groups::Column::DirectoryId, groups::Column::Id))
        .into()
}

impl Relation {
    fn add_to(self, user: &mut User) -> Result<(), StoreError> {
        let (first, second) = (self.first, self.second);
        match self.kind {
            FROM_DIRECTORY | FROM_CONNECTION => user.sources.push(UserSource {
                kind: if self.kind == FROM_DIRECTORY {
                    "directory".to_owned()
                } else {
                    "connection".to_owned()
                },
                id: first,
                subject: second,
            }),
            IN_GROUP => user.groups.push(GroupRef {
                id: first.parse().map_err(|_| StoreError::Stale)?,
                display_name: second,
            }),
            _ => {
                if user.roles.last() != Some(&first) {
                    user.roles.push(first.clone());
                }
                user.role_sources.push(UserRole {
                    role: first,
                    source: second,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
