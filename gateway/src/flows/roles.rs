//! Roles: what follows from memberships, mappings, default roles and groups claimed at login, by the
//! organization's policy. Whoever changes one of these recomputes here, in the same transaction
//! (SECURITY-MODEL G14).
//!
//! Only members listed by the mapped group itself count: identity providers flatten nested groups when they
//! push, and a role never comes by a way that nobody wrote down. A deactivated user keeps the roles of its
//! groups, which open nothing (its sessions have ended), and loses the default role.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Error;
use crate::ids::{ConnectionId, DirectoryId, UserId};
use crate::model::{
    Cause, EventType, IdentityEvent, RoleMapping, RolePolicy, User, UserChange, UserRole,
};
use crate::store::user_roles::{self, Roles};
use crate::store::{OrgScope, Reads, Tx, users};

/// How many users are recomputed at a time.
const BATCH: usize = 1_000;

/// Gives these users the roles that are due to them, and records `user.roles_changed` for each whose roles
/// or role sources changed. A constant number of statements for each thousand users. `source` is the
/// events', such as `/directories/dir_…`.
pub async fn recompute_users(
    tx: &Tx,
    scope: &OrgScope,
    ids: &[UserId],
    source: &str,
    cause: &Cause,
) -> Result<(), Error> {
    for batch in ids.chunks(BATCH) {
        let before = users::lock(tx, scope, batch).await?;
        let mut due = chosen(tx, scope, user_roles::due(tx, scope, batch).await?).await?;
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        for user in before {
            let roles = due.remove(&user.id).unwrap_or_default();
            let had: Roles = user.role_sources.iter().cloned().collect();
            gained.extend(roles.difference(&had).map(|role| (user.id, role.clone())));
            lost.extend(had.difference(&roles).map(|role| (user.id, role.clone())));
            let after = with_roles(&user, roles);
            if let Some(change) = UserChange::between(&user, &after) {
                let event =
                    IdentityEvent::new(EventType::UserRolesChanged, source, after.id, &after);
                tx.record(scope, event.with_change(change), cause);
            }
        }
        user_roles::write(tx, scope, &gained, &lost).await?;
    }
    Ok(())
}

/// Gives a user whom this transaction made the roles that are due. The caller shows them in the event of the
/// making, so none is recorded here.
pub async fn grant_first(tx: &Tx, scope: &OrgScope, user: User) -> Result<User, Error> {
    let due = user_roles::due(tx, scope, &[user.id]).await?;
    let roles = chosen(tx, scope, due).await?.remove(&user.id);
    let user = with_roles(&user, roles.unwrap_or_default());
    let sources = user.role_sources.iter();
    let gained: Vec<_> = sources.map(|role| (user.id, role.clone())).collect();
    user_roles::write(tx, scope, &gained, &[]).await?;
    Ok(user)
}

/// After a change of the directory's mapping or default role: all its users.
pub async fn recompute_directory(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    cause: &Cause,
) -> Result<(), Error> {
    let ids = users::of_directory(tx, scope, directory).await?;
    let source = format!("/directories/{directory}");
    recompute_users(tx, scope, &ids, &source, cause).await
}

/// After a change of the connection's mapping: all who have signed in with it.
pub async fn recompute_connection(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    cause: &Cause,
) -> Result<(), Error> {
    let ids = users::of_connection(tx, scope, connection).await?;
    let source = format!("/connections/{connection}");
    recompute_users(tx, scope, &ids, &source, cause).await
}

/// After a change of the organization's policy, or of a role's priority: everybody.
pub async fn recompute_organization(tx: &Tx, scope: &OrgScope, cause: &Cause) -> Result<(), Error> {
    let ids = users::of_organization(tx, scope).await?;
    recompute_users(tx, scope, &ids, "", cause).await
}

/// So many users that gain a role are named, and so many that lose one; the others are counted.
const NAMED: usize = 1_000;

/// What a mapping would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    pub gains: Changes,
    pub losses: Changes,
}

/// Who would gain a role, or lose one: a user stands here once for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The first of them, the oldest user first.
    pub named: Vec<(UserId, String)>,
    /// All of them.
    pub count: u64,
}

impl Changes {
    fn note<'a>(&mut self, user: UserId, roles: impl Iterator<Item = &'a String>) {
        for role in roles {
            self.count += 1;
            if self.named.len() < NAMED {
                self.named.push((user, role.clone()));
            }
        }
    }
}

/// Compares what the directory's users have with what they would have by this mapping, in memory that does not
/// grow with their number. `db` is a snapshot, so that what others do meanwhile changes nothing in it.
pub async fn preview(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
    mappings: &[RoleMapping],
) -> Result<Preview, Error> {
    let mut preview = Preview::default();
    let mut last = None;
    loop {
        let batch = users::page_of_directory(db, scope, directory, last, BATCH).await?;
        last = batch.last().copied();
        if last.is_none() {
            return Ok(preview);
        }
        let due = user_roles::due_by(db, scope, &batch, directory, mappings).await?;
        let mut due = chosen(db, scope, due).await?;
        let mut held = user_roles::held(db, scope, &batch).await?;
        for user in batch {
            let after = due.remove(&user).unwrap_or_default();
            let after: BTreeSet<String> = after.into_iter().map(|role| role.role).collect();
            let before = held.remove(&user).unwrap_or_default();
            preview.gains.note(user, after.difference(&before));
            preview.losses.note(user, before.difference(&after));
        }
    }
}

/// Applies the organization's policy. It matters only to users to whom several roles are due.
async fn chosen(
    db: &impl Reads,
    scope: &OrgScope,
    due: HashMap<UserId, Roles>,
) -> Result<HashMap<UserId, Roles>, Error> {
    let differ = |roles: &Roles| {
        let mut names = roles.iter().map(|role| &role.role);
        let first = names.next();
        names.any(|name| Some(name) != first)
    };
    if !due.values().any(differ) {
        return Ok(due);
    }
    let (policy, priorities) = user_roles::policy(db, scope).await?;
    let due = due.into_iter();
    Ok(due
        .map(|(user, roles)| (user, choose(policy, &priorities, roles)))
        .collect())
}

/// `highest_priority`: only the role with the highest number, and of equals the first by name.
fn choose(policy: RolePolicy, priorities: &BTreeMap<String, i64>, roles: Roles) -> Roles {
    if policy == RolePolicy::Union {
        return roles;
    }
    let rank = |role: &UserRole| {
        let priority = priorities.get(&role.role).copied().unwrap_or(i64::MIN);
        (priority, std::cmp::Reverse(role.role.clone()))
    };
    let Some(highest) = roles.iter().max_by_key(|role| rank(role)).cloned() else {
        return roles;
    };
    let roles = roles.into_iter();
    roles.filter(|role| role.role == highest.role).collect()
}

fn with_roles(user: &User, roles: Roles) -> User {
    let names: BTreeSet<&String> = roles.iter().map(|role| &role.role).collect();
    User {
        roles: names.into_iter().cloned().collect(),
        role_sources: roles.into_iter().collect(),
        ..user.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(role: &str, source: &str) -> UserRole {
        UserRole {
            role: role.to_owned(),
            source: source.to_owned(),
        }
    }

    #[test]
    fn the_highest_priority_wins_with_all_its_sources() {
        let priorities = BTreeMap::from([("admin".to_owned(), 9), ("member".to_owned(), 1)]);
        let roles = Roles::from([
            role("admin", "grp_a"),
            role("admin", "grp_b"),
            role("member", "dir_a"),
        ]);
        let all = choose(RolePolicy::Union, &priorities, roles.clone());
        assert_eq!(all.len(), 3);
        let chosen = choose(RolePolicy::HighestPriority, &priorities, roles);
        assert_eq!(
            chosen,
            Roles::from([role("admin", "grp_a"), role("admin", "grp_b")])
        );
    }
}
