//! Which groups give which roles: replaced as a whole, and the users' roles follow at once.

use std::collections::HashSet;

use poem_openapi::types::ToJSON;

use crate::error::{Error, FieldProblem};
use crate::flows::roles;
use crate::ids::{DirectoryId, GroupId};
use crate::model::{Cause, EventType, IdentityEvent, RoleMapping, RoleSource};
use crate::store::{OrgScope, Reads, Tx, connections, directories, groups, role_mappings};

/// The most rows of one mapping, whoever adds them: what is read can be put back.
pub const MOST: usize = 1_000;

/// Replaces the mapping of a source, which the caller found in this scope. `show` makes of rows what the
/// event carries and the API answers.
pub async fn replace<View: ToJSON>(
    tx: &Tx,
    scope: &OrgScope,
    source: RoleSource,
    mappings: Vec<RoleMapping>,
    show: impl Fn(Vec<RoleMapping>) -> View,
    cause: &Cause,
) -> Result<View, Error> {
    hold(tx, scope, source, &mappings).await?;
    check(tx, scope, source, &mappings).await?;
    let before = show(role_mappings::of_source(tx, scope, source).await?);
    let after = show(mappings.clone());
    let path = match source {
        RoleSource::Directory(id) => format!("/directories/{id}"),
        RoleSource::Connection(id) => format!("/connections/{id}"),
    };
    let event_type = EventType::RoleMappingUpdated;
    let Some(event) = IdentityEvent::change(event_type, path, source, &before, &after) else {
        return Ok(after);
    };
    role_mappings::replace(tx, scope, source, &mappings).await?;
    tx.record(scope, event, cause);
    match source {
        RoleSource::Directory(id) => roles::recompute_directory(tx, scope, id, cause).await?,
        RoleSource::Connection(id) => roles::recompute_connection(tx, scope, id, cause).await?,
    }
    Ok(after)
}

/// Until this transaction ends nobody deletes the mapped groups or puts another mapping there. Groups come
/// before their directory, as with whoever deletes or renames one.
async fn hold(
    tx: &Tx,
    scope: &OrgScope,
    source: RoleSource,
    mappings: &[RoleMapping],
) -> Result<(), Error> {
    match source {
        RoleSource::Directory(id) => {
            groups::hold(tx, scope, id, &group_ids(mappings)).await?;
            let held = directories::lock(tx, scope, id).await?;
            held.map(drop).ok_or(Error::NotFound("directory"))
        }
        RoleSource::Connection(id) => {
            let held = connections::lock(tx, scope, id).await?;
            held.map(drop).ok_or(Error::NotFound("connection"))
        }
    }
}

/// Every problem of a mapping: roles and groups that are not there, and rows that stand twice.
pub async fn check(
    db: &impl Reads,
    scope: &OrgScope,
    source: RoleSource,
    mappings: &[RoleMapping],
) -> Result<(), Error> {
    let slugs: Vec<&str> = mappings.iter().map(|it| it.role.as_str()).collect();
    let known_roles = crate::store::roles::existing(db, &slugs).await?;
    let known_groups = match source {
        RoleSource::Directory(directory) => groups_of(db, scope, directory, mappings).await?,
        RoleSource::Connection(_) => HashSet::new(),
    };
    let mut problems = Vec::new();
    for (at, mapping) in mappings.iter().enumerate() {
        let field = |name: &str| format!("mappings[{at}].{name}");
        if !known_roles.contains(&mapping.role) {
            problems.push(FieldProblem::new(field("role"), "there is no such role"));
        }
        if mapping
            .group_id
            .is_some_and(|id| !known_groups.contains(&id))
        {
            let message = "this directory has no such group";
            problems.push(FieldProblem::new(field("group_id"), message));
        }
        if mappings[..at].contains(mapping) {
            let message = "stands here twice";
            problems.push(FieldProblem::new(format!("mappings[{at}]"), message));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}

async fn groups_of(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
    mappings: &[RoleMapping],
) -> Result<HashSet<GroupId>, Error> {
    let found = groups::existing(db, scope, directory, &group_ids(mappings)).await?;
    Ok(found.into_iter().collect())
}

fn group_ids(mappings: &[RoleMapping]) -> Vec<GroupId> {
    mappings.iter().filter_map(|it| it.group_id).collect()
}
