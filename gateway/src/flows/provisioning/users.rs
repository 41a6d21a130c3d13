//! SCIM users: the resource, the application's user that it feeds, and the events of both.

use scim::{EntityTags, PatchRequest, ScimError, User};
use serde_json::Value;

use super::brake::{self, Verdict};
use super::{Attempts, Push, Written, check, departure, person, source};
use crate::error::Error;
use crate::flows::roles;
use crate::ids::{DirectoryUserId, UserId};
use crate::model::{
    self, Cause, EventType, HeldChange, IdentityEvent, Timestamp, UserChange, UserSource,
};
use crate::store::directory_users::{self, StoredUser};
use crate::store::users::UserRecord;
use crate::store::{DirectoryScope, StoreError, Tx, sessions, user_roles, users};

/// POST. Errors: 409 `uniqueness` when the directory has a user of this name, in whatever case.
pub async fn create_user(push: &Push, user: User) -> Result<StoredUser, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = create_once(push, &user).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn create_once(push: &Push, user: &User) -> Result<StoredUser, Error> {
    let (app, organization) = (&push.app, push.organization());
    let now = push.now();
    let record = person::record_of(user);
    let tx = push.begin().await?;
    let default_role = user_roles::lock_default_role(&tx, &push.scope).await?;
    let joined = match person::find_to_join(push, &tx, &record).await? {
        Some(id) => users::lock(&tx, organization, &[id]).await?.pop(),
        None => None,
    };
    let user_id = match &joined {
        Some(user) => user.id,
        None => UserId::generate(&*app.clock, &*app.entropy),
    };
    // Whoever signed in before and is pushed as inactive is deactivated like anybody else.
    let (tx, held) = match &joined {
        Some(before) if before.active && !record.active => deactivate(push, tx, user_id).await?,
        _ => (tx, None),
    };
    let stored = StoredUser {
        id: DirectoryUserId::generate(&*app.clock, &*app.entropy),
        user_id,
        resource: with_active(user, user.active() || held.is_some()),
        version: 1,
        held,
        created_at: now,
        updated_at: now,
    };
    let record = person::record_of(&stored.resource);
    match &joined {
        Some(_) => drop(users::update(&tx, organization, user_id, &record, now).await?),
        None => users::insert(&tx, organization, user_id, &record, now).await?,
    }
    directory_users::insert(&tx, &push.scope, &stored)
        .await
        .map_err(|error| name_taken(error, user))?;
    let source = UserSource {
        kind: "directory".to_owned(),
        id: push.scope.directory().to_string(),
        subject: stored.id.to_string(),
    };
    match joined {
        Some(before) => {
            let mut after = with_record(&before, record, now);
            after.sources.insert(0, source);
            announce(&tx, &push.scope, &push.cause, &before, &after, now).await?;
            recompute(&tx, &push.scope, &push.cause, user_id).await?;
        }
        None => {
            let mut made = record.into_user(user_id, organization.organization(), now, now);
            made.sources.push(source);
            if default_role.is_some() {
                made = roles::grant_first(&tx, organization, made).await?;
            }
            let event = IdentityEvent::new(EventType::UserCreated, push.source(), made.id, &made);
            tx.record(organization, event, &push.cause);
        }
    }
    tx.commit().await?;
    Ok(StoredUser {
        resource: user.clone(),
        ..stored
    })
}

/// PUT. Errors: 404, 412, 409 `uniqueness`, 403 for a protected user, 429 while the directory is held, what
/// [`User::parse_replacement`] refuses.
pub async fn replace_user(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
    body: &Value,
) -> Result<Written<StoredUser>, Error> {
    change_user(push, id, if_match, |user| {
        user.parse_replacement(body, &push.quirks)
    })
    .await
}

/// PATCH. Errors: as for PUT, what [`PatchRequest::apply_to_user`] refuses.
pub async fn patch_user(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
    request: &PatchRequest,
) -> Result<Written<StoredUser>, Error> {
    let name = id.to_string();
    change_user(push, id, if_match, |user| {
        request.apply_to_user(&name, user, &push.quirks)
    })
    .await
}

async fn change_user(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
    change: impl Fn(&User) -> Result<User, ScimError>,
) -> Result<Written<StoredUser>, Error> {
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
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
    change: impl Fn(&User) -> Result<User, ScimError>,
) -> Result<Written<StoredUser>, Error> {
    let (scope, cause) = (&push.scope, &push.cause);
    let tx = push.begin().await?;
    let stored = directory_users::lock(&tx, scope, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    check(if_match, stored.version)?;
    let believed = believed(&stored);
    let resource = change(&believed)?;
    if resource == believed {
        return Ok(Written {
            resource: StoredUser { resource, ..stored },
            changed: false,
        });
    }
    let now = push.now();
    let (tx, held) = match stored.held {
        _ if resource.active() => (tx, None),
        Some(held) => (tx, Some(held)),
        None if !stored.resource.active() => (tx, None),
        None => deactivate(push, tx, stored.user_id).await?,
    };
    let after = StoredUser {
        resource: match held {
            Some(_) => with_active(&resource, true),
            None => resource.clone(),
        },
        version: stored.version + 1,
        held,
        updated_at: now,
        ..stored.clone()
    };
    write(&tx, scope, cause, &stored, &after, now).await?;
    tx.commit().await?;
    Ok(Written {
        resource: StoredUser { resource, ..after },
        changed: true,
    })
}

/// The resource as its directory believes it to be: whom it took away is inactive there already.
fn believed(stored: &StoredUser) -> User {
    match stored.held {
        Some(_) => with_active(&stored.resource, false),
        None => stored.resource.clone(),
    }
}

pub(super) fn with_active(user: &User, active: bool) -> User {
    if user.active() == active {
        return user.clone();
    }
    let mut attributes = user.attributes().clone();
    attributes.insert("active".to_owned(), active.into());
    User::from_attributes(attributes)
}

/// Asks for a deactivation, and what of it waits. Where it is refused, the transaction is committed all the same: it
/// may be the one that holds the directory.
///
/// Errors: [`Error::UserProtected`], [`Error::DirectoryHeld`].
async fn deactivate(push: &Push, tx: Tx, user: UserId) -> Result<(Tx, Option<HeldChange>), Error> {
    match brake::ask(push, &tx, user, true).await? {
        Verdict::Apply => Ok((tx, None)),
        Verdict::Wait => Ok((tx, Some(HeldChange::Deactivation))),
        Verdict::Refuse => {
            tx.commit().await?;
            let directory = push.scope.directory();
            Err(Error::DirectoryHeld { directory })
        }
    }
}

/// Writes a resource that is locked, and what follows from it for the application's user.
pub(super) async fn write(
    tx: &Tx,
    scope: &DirectoryScope,
    cause: &Cause,
    stored: &StoredUser,
    after: &StoredUser,
    now: Timestamp,
) -> Result<(), Error> {
    let organization = scope.organization();
    directory_users::update(tx, scope, &stored.resource, after)
        .await
        .map_err(|error| name_taken(error, &after.resource))?;
    let before = users::lock(tx, organization, &[stored.user_id])
        .await?
        .pop()
        .ok_or(StoreError::Stale)?;
    let record = person::record_of(&after.resource);
    let flipped = before.active != record.active;
    let user = with_record(&before, record.clone(), now);
    if announce(tx, scope, cause, &before, &user, now).await? {
        users::update(tx, organization, user.id, &record, now).await?;
    }
    let default_role = || user_roles::lock_default_role(tx, scope);
    if flipped && default_role().await?.is_some() {
        recompute(tx, scope, cause, user.id).await?;
    }
    Ok(())
}

/// DELETE: the resource and the application's user are gone, from every group too. True when that waits for the
/// release of the directory.
pub async fn delete_user(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
) -> Result<bool, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = delete_once(push, id, if_match).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn delete_once(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
) -> Result<bool, Error> {
    let tx = push.begin().await?;
    let stored = directory_users::find(&tx, &push.scope, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    let directory = brake::look(push, &tx, stored.user_id).await?;
    if directory.held_at.is_some() {
        drop(tx);
        return hold_deletion(push, id, if_match).await;
    }
    let removed = departure::remove_once(
        &tx,
        push.organization(),
        stored.user_id,
        &push.source(),
        &push.cause,
        push.now(),
    )
    .await?;
    // What was found before its lock was there may have changed while it was waited for.
    let last = removed.into_iter().find(|resource| resource.id == id);
    let last = last.ok_or(Error::NotFound("user"))?;
    check(if_match, last.version)?;
    // Last, as all lock the directory after the resource.
    if directory.change_brake.is_some()
        && !brake::is_admitted(push, &tx, last.resource.active()).await?
    {
        drop(tx);
        return hold_deletion(push, id, if_match).await;
    }
    tx.commit().await?;
    Ok(false)
}

/// A deletion that is not done now: true when it is promised.
async fn hold_deletion(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
) -> Result<bool, Error> {
    let scope = &push.scope;
    let tx = push.begin().await?;
    let stored = directory_users::lock(&tx, scope, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    check(if_match, stored.version)?;
    let verdict = match stored.held {
        Some(_) => Verdict::Wait,
        None => brake::ask(push, &tx, stored.user_id, stored.resource.active()).await?,
    };
    match verdict {
        // Released meanwhile.
        Verdict::Apply => Err(StoreError::Stale.into()),
        Verdict::Wait => {
            directory_users::hold(&tx, scope, id, HeldChange::Deletion).await?;
            tx.commit().await?;
            Ok(true)
        }
        Verdict::Refuse => {
            tx.commit().await?;
            let directory = scope.directory();
            Err(Error::DirectoryHeld { directory })
        }
    }
}

/// The user with another record; groups, roles and sources stay.
fn with_record(before: &model::User, record: UserRecord, now: Timestamp) -> model::User {
    let fresh = record.into_user(before.id, before.organization_id, before.created_at, now);
    model::User {
        groups: before.groups.clone(),
        roles: before.roles.clone(),
        role_sources: before.role_sources.clone(),
        sources: before.sources.clone(),
        ..fresh
    }
}

/// Records what happened to the application's user, if anything did. A deactivation ends its sessions in the
/// same breath (SECURITY-MODEL G12).
async fn announce(
    tx: &Tx,
    scope: &DirectoryScope,
    cause: &Cause,
    before: &model::User,
    after: &model::User,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(change) = UserChange::between(before, after) else {
        return Ok(false);
    };
    let event_type = match (before.active, after.active) {
        (true, false) => EventType::UserDeactivated,
        (false, true) => EventType::UserReactivated,
        _ => EventType::UserUpdated,
    };
    let (organization, source) = (scope.organization(), source(scope));
    let event = IdentityEvent::new(event_type, source.as_str(), after.id, after);
    tx.record(organization, event.with_change(change), cause);
    if event_type == EventType::UserDeactivated {
        sessions::end_sessions_of_user(tx, organization, after.id, &source, cause, now).await?;
    }
    Ok(true)
}

async fn recompute(
    tx: &Tx,
    scope: &DirectoryScope,
    cause: &Cause,
    user: UserId,
) -> Result<(), Error> {
    roles::recompute_users(tx, scope.organization(), &[user], &source(scope), cause).await
}

fn name_taken(error: StoreError, user: &User) -> Error {
    if error.is_unique_violation() {
        let detail = format!("this directory has a user {:?} already", user.user_name());
        return Error::conflict("uniqueness", detail);
    }
    error.into()
}
