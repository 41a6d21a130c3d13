//! SCIM groups and their members.

mod members;

use std::collections::BTreeSet;

use scim::{EntityTags, Group, Member, MemberOperation, PatchRequest, ScimError};
use serde_json::{Map, Value, json};

use self::members::Delta;
use super::{Attempts, Push, Written, check};
use crate::error::Error;
use crate::flows::{role_mappings as role_mappings_flow, roles};
use crate::ids::{DirectoryUserId, GroupId, UserId};
use crate::model::{self, EventType, IdentityEvent, RoleMapping, RoleSource, Timestamp};
use crate::store::groups::{self, StoredGroup};
use crate::store::memberships::{self, MemberRef};
use crate::store::{Tx, directories, directory_users, role_mappings, user_roles};

/// POST. Errors: 400 `invalidValue` for a member that the directory has not.
pub async fn create_group(
    push: &Push,
    group: Group,
    members: Vec<Member>,
) -> Result<StoredGroup, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = create_once(push, &group, &members).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn create_once(push: &Push, group: &Group, members: &[Member]) -> Result<StoredGroup, Error> {
    let now = push.now();
    let tx = push.begin().await?;
    let mut stored = StoredGroup {
        id: GroupId::generate(&*push.app.clock, &*push.app.entropy),
        organization_id: push.organization().organization(),
        directory_id: push.scope.directory(),
        resource: group.clone(),
        member_count: 0,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let listed = members::known(push, &tx, members).await?;
    stored.member_count = i64::try_from(listed.len()).unwrap_or(i64::MAX);
    groups::insert(&tx, &push.scope, &stored).await?;
    let added = memberships::add(&tx, &push.scope, stored.id, &listed, now).await?;
    let event = IdentityEvent::new(
        EventType::GroupCreated,
        push.source(),
        stored.id,
        &stored.to_model(),
    );
    tx.record(push.organization(), event, &push.cause);
    let delta = Delta {
        added,
        removed: Vec::new(),
    };
    follow_members(push, &tx, &stored, &delta, now).await?;
    recompute_claims(push, &tx, stored.id).await?;
    let names = [stored.resource.display_name()];
    recompute(push, &tx, stored.id, &names, delta.users()).await?;
    tx.commit().await?;
    Ok(stored)
}

/// PUT: who is not among the members is none. Errors: 404, 412, 400 as for POST.
pub async fn replace_group(
    push: &Push,
    id: GroupId,
    if_match: Option<&EntityTags>,
    group: Group,
    members: Vec<Member>,
) -> Result<Written<StoredGroup>, Error> {
    let replacement = (group, vec![MemberOperation::Replace(members)]);
    change_group(push, id, if_match, |_| Ok(replacement.clone())).await
}

/// PATCH. Errors: 404, 412, 400 as for POST, what [`PatchRequest::apply_to_group`] refuses.
pub async fn patch_group(
    push: &Push,
    id: GroupId,
    if_match: Option<&EntityTags>,
    request: &PatchRequest,
) -> Result<Written<StoredGroup>, Error> {
    let name = id.to_string();
    change_group(push, id, if_match, |group| {
        let patch = request.apply_to_group(&name, group, &push.quirks)?;
        Ok((patch.group, patch.members))
    })
    .await
}

async fn change_group(
    push: &Push,
    id: GroupId,
    if_match: Option<&EntityTags>,
    change: impl Fn(&Group) -> Result<(Group, Vec<MemberOperation>), ScimError>,
) -> Result<Written<StoredGroup>, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = change_once(push, id, if_match, &change).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn change_once(
    push: &Push,
    id: GroupId,
    if_match: Option<&EntityTags>,
    change: impl Fn(&Group) -> Result<(Group, Vec<MemberOperation>), ScimError>,
) -> Result<Written<StoredGroup>, Error> {
    let tx = push.begin().await?;
    let stored = groups::lock(&tx, &push.scope, id)
        .await?
        .ok_or(Error::NotFound("group"))?;
    check(if_match, stored.version)?;
    let (resource, operations) = change(&stored.resource)?;
    let now = push.now();
    let delta = members::apply(push, &tx, id, operations, now).await?;
    if resource == stored.resource && delta.is_empty() {
        return Ok(Written {
            resource: stored,
            changed: false,
        });
    }
    let after = StoredGroup {
        resource,
        member_count: stored.member_count + delta.growth(),
        version: stored.version + 1,
        updated_at: now,
        ..stored.clone()
    };
    groups::update(&tx, &push.scope, &stored.resource, &after).await?;
    announce(push, &tx, &stored, &after);
    follow_members(push, &tx, &after, &delta, now).await?;
    let names = [
        stored.resource.display_name(),
        after.resource.display_name(),
    ];
    let mut affected = delta.users();
    if names[0] != names[1] {
        keep_mapping(push, &tx, &stored, names[1]).await?;
        directory_users::touch_members(&tx, &push.scope, id, now).await?;
        let members = memberships::users_of_group(&tx, &push.scope, id).await?;
        affected.extend(members.into_iter().map(|(_, user)| user));
    }
    recompute(push, &tx, id, &names, affected).await?;
    tx.commit().await?;
    Ok(Written {
        resource: after,
        changed: true,
    })
}

/// DELETE: the group is gone, from the groups that listed it too.
pub async fn delete_group(
    push: &Push,
    id: GroupId,
    if_match: Option<&EntityTags>,
) -> Result<(), Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = delete_once(push, id, if_match).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn delete_once(push: &Push, id: GroupId, if_match: Option<&EntityTags>) -> Result<(), Error> {
    let now = push.now();
    let (scope, organization) = (&push.scope, push.organization());
    let tx = push.begin().await?;
    let mut ids = memberships::groups_with_group(&tx, scope, id).await?;
    ids.push(id);
    let mut parents = groups::lock_all(&tx, scope, &ids).await?;
    let stored = parents
        .iter()
        .position(|group| group.id == id)
        .map(|index| parents.remove(index))
        .ok_or(Error::NotFound("group"))?;
    check(if_match, stored.version)?;
    // The group's lock is there now: no other group takes it in any more, but one may have done so before.
    let listed = memberships::groups_with_group(&tx, scope, id).await?;
    let late: Vec<GroupId> = listed
        .iter()
        .filter(|id| !parents.iter().any(|parent| parent.id == **id))
        .copied()
        .collect();
    parents.extend(groups::lock_all(&tx, scope, &late).await?);
    parents.retain(|parent| parent.id != id && listed.contains(&parent.id));
    let parent_ids: Vec<GroupId> = parents.iter().map(|parent| parent.id).collect();
    groups::count_departure(&tx, scope, &parent_ids, now).await?;
    for parent in parents {
        let parent = StoredGroup {
            member_count: parent.member_count - 1,
            version: parent.version + 1,
            updated_at: now,
            ..parent
        };
        record_member(
            push,
            &tx,
            &parent,
            EventType::GroupMemberRemoved,
            MemberRef::Group(id),
        );
    }
    let users = memberships::users_of_group(&tx, scope, id).await?;
    directory_users::touch_members(&tx, scope, id, now).await?;
    let event = IdentityEvent::new(
        EventType::GroupDeleted,
        push.source(),
        id,
        &stored.to_model(),
    );
    tx.record(organization, event, &push.cause);
    let names = [stored.resource.display_name()];
    groups::remove(&tx, scope, id).await?;
    let affected = users.into_iter().map(|(_, user)| user).collect();
    // Who puts another mapping there holds the directory, and then the users too: so does this.
    let mapped = role_mappings::maps_group(&tx, organization, scope.directory(), id, &[]).await?;
    if mapped {
        directories::lock(&tx, organization, scope.directory()).await?;
    }
    recompute_claims(push, &tx, id).await?;
    recompute(push, &tx, id, &names, affected).await?;
    if mapped {
        forget_mapping(push, &tx, id).await?;
    }
    Ok(tx.commit().await?)
}

/// A renamed group gives what it gave: where the old name was mapped, the group itself is from now on. The name
/// stays mapped too, for another group that has it or comes to have it.
async fn keep_mapping(push: &Push, tx: &Tx, before: &StoredGroup, name: &str) -> Result<(), Error> {
    let (organization, directory) = (push.organization(), push.scope.directory());
    let old = scim::fold(before.resource.display_name());
    let names = [before.resource.display_name()];
    if old == scim::fold(name)
        || !role_mappings::maps_group(tx, organization, directory, before.id, &names).await?
    {
        return Ok(());
    }
    // Who puts another mapping there holds the directory.
    directories::lock(tx, organization, directory).await?;
    let source = RoleSource::Directory(directory);
    let mappings = role_mappings::of_source(tx, organization, source).await?;
    let mut kept = mappings.clone();
    for by_name in &mappings {
        let of_group = RoleMapping {
            group_id: Some(before.id),
            group_name: None,
            role: by_name.role.clone(),
        };
        let maps_old = |name: &String| scim::fold(name) == old;
        if by_name.group_name.as_ref().is_some_and(maps_old) && !kept.contains(&of_group) {
            kept.push(of_group);
        }
    }
    if kept.len() > role_mappings_flow::MOST.max(mappings.len()) {
        tracing::warn!(%directory, group = %before.id, "the mapping is full, so a renamed group loses its role");
        return Ok(());
    }
    if tell_mapping(push, tx, &mappings, &kept) {
        role_mappings::replace(tx, organization, source, &kept).await?;
    }
    Ok(())
}

/// What is gone gives nothing: its rows leave the mapping, so that what is read of it can be put back. A row with
/// its name stays, for whichever group has it then. The directory is locked.
async fn forget_mapping(push: &Push, tx: &Tx, group: GroupId) -> Result<(), Error> {
    let (organization, directory) = (push.organization(), push.scope.directory());
    let source = RoleSource::Directory(directory);
    let mappings = role_mappings::of_source(tx, organization, source).await?;
    let mut kept = mappings.clone();
    kept.retain(|mapping| mapping.group_id != Some(group));
    if tell_mapping(push, tx, &mappings, &kept) {
        role_mappings::remove_group(tx, organization, directory, group).await?;
    }
    Ok(())
}

/// Records `role_mapping.updated`. False when nothing changes.
fn tell_mapping(push: &Push, tx: &Tx, before: &[RoleMapping], after: &[RoleMapping]) -> bool {
    let event = IdentityEvent::change(
        EventType::RoleMappingUpdated,
        push.source(),
        push.scope.directory(),
        &shown(before),
        &shown(after),
    );
    let changed = event.is_some();
    if let Some(event) = event {
        tx.record(push.organization(), event, &push.cause);
    }
    changed
}

/// As the management API shows a directory's mapping.
fn shown(mappings: &[RoleMapping]) -> Value {
    let mappings = mappings.iter().map(|mapping| {
        json!({
            "group_id": mapping.group_id,
            "group_display_name": mapping.group_name,
            "role": mapping.role,
        })
    });
    json!({"mappings": mappings.collect::<Vec<_>>()})
}

/// `group.updated`, when what the application sees of the group itself changed.
fn announce(push: &Push, tx: &Tx, before: &StoredGroup, after: &StoredGroup) {
    let (old, new): (model::Group, model::Group) = (before.to_model(), after.to_model());
    let mut previous = Map::new();
    if old.display_name != new.display_name {
        previous.insert("display_name".to_owned(), old.display_name.into());
    }
    if old.external_id != new.external_id {
        previous.insert("external_id".to_owned(), old.external_id.into());
    }
    if !previous.is_empty() {
        let event = IdentityEvent::new(EventType::GroupUpdated, push.source(), new.id, &new);
        tx.record(
            push.organization(),
            event.with_previous(previous),
            &push.cause,
        );
    }
}

/// One event for each who came or went. Their `groups` shows it, so their version counts it too.
async fn follow_members(
    push: &Push,
    tx: &Tx,
    group: &StoredGroup,
    delta: &Delta,
    now: Timestamp,
) -> Result<(), Error> {
    let touched: Vec<DirectoryUserId> = delta.resources().collect();
    directory_users::touch(tx, &push.scope, &touched, now).await?;
    for member in &delta.removed {
        record_member(push, tx, group, EventType::GroupMemberRemoved, *member);
    }
    for member in &delta.added {
        record_member(push, tx, group, EventType::GroupMemberAdded, *member);
    }
    Ok(())
}

fn record_member(
    push: &Push,
    tx: &Tx,
    group: &StoredGroup,
    event_type: EventType,
    member: MemberRef,
) {
    let event = IdentityEvent::new(event_type, push.source(), group.id, &group.to_model());
    let event = event.with_member(member.to_model());
    tx.record(push.organization(), event, &push.cause);
}

/// With its first group, the directory knows better than logins who is in which, and with its last it ceases
/// to: the roles of those whose logins claim groups. Before [`recompute`]: the directory is locked before users.
async fn recompute_claims(push: &Push, tx: &Tx, group: GroupId) -> Result<(), Error> {
    let organization = push.organization();
    if !user_roles::logins_give_roles(tx, organization).await? {
        return Ok(());
    }
    // One at a time, or each of two could take the other for the one that stays.
    directories::lock(tx, organization, push.scope.directory()).await?;
    if groups::has_others(tx, &push.scope, group).await? {
        return Ok(());
    }
    let affected = user_roles::of_both(tx, &push.scope).await?;
    roles::recompute_users(tx, organization, &affected, &push.source(), &push.cause).await
}

/// The roles of these users, if any mapping reads this group.
async fn recompute(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    display_names: &[&str],
    affected: BTreeSet<UserId>,
) -> Result<(), Error> {
    let (organization, directory) = (push.organization(), push.scope.directory());
    if affected.is_empty()
        || !role_mappings::maps_group(tx, organization, directory, group, display_names).await?
    {
        return Ok(());
    }
    let affected: Vec<UserId> = affected.into_iter().collect();
    roles::recompute_users(tx, organization, &affected, &push.source(), &push.cause).await
}
