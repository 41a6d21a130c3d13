//! SCIM users: the resource, the application's user that it feeds, and the events of both.

use scim::{EntityTags, PatchRequest, ScimError, User};
use serde_json::Value;

use super::{Attempts, Push, Written, check, departure, person};
use crate::error::Error;
use crate::flows::roles;
use crate::ids::{DirectoryUserId, UserId};
use crate::model::{self, EventType, IdentityEvent, Timestamp, UserChange, UserSource};
use crate::store::directory_users::{self, StoredUser};
use crate::store::users::UserRecord;
use crate::store::{StoreError, Tx, sessions, user_roles, users};

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
    let stored = StoredUser {
        id: DirectoryUserId::generate(&*app.clock, &*app.entropy),
        user_id,
        resource: user.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
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
            announce(push, &tx, &before, &after, now).await?;
            recompute(push, &tx, user_id).await?;
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
    Ok(stored)
}

/// PUT. Errors: 404, 412, 409 `uniqueness`, what [`User::parse_replacement`] refuses.
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

/// PATCH. Errors: 404, 412, 409 `uniqueness`, what [`PatchRequest::apply_to_user`] refuses.
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
    let organization = push.organization();
    let tx = push.begin().await?;
    let stored = directory_users::lock(&tx, &push.scope, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
    check(if_match, stored.version)?;
    let resource = change(&stored.resource)?;
    if resource == stored.resource {
        return Ok(Written {
            resource: stored,
            changed: false,
        });
    }
    let now = push.now();
    let after = StoredUser {
        resource,
        version: stored.version + 1,
        updated_at: now,
        ..stored.clone()
    };
    directory_users::update(&tx, &push.scope, &stored.resource, &after)
        .await
        .map_err(|error| name_taken(error, &after.resource))?;
    let before = users::lock(&tx, organization, &[stored.user_id])
        .await?
        .pop()
        .ok_or(StoreError::Stale)?;
    let record = person::record_of(&after.resource);
    let flipped = before.active != record.active;
    let user = with_record(&before, record.clone(), now);
    if announce(push, &tx, &before, &user, now).await? {
        users::update(&tx, organization, user.id, &record, now).await?;
    }
    let default_role = || user_roles::lock_default_role(&tx, &push.scope);
    if flipped && default_role().await?.is_some() {
        recompute(push, &tx, user.id).await?;
    }
    tx.commit().await?;
    Ok(Written {
        resource: after,
        changed: true,
    })
}

/// DELETE: the resource and the application's user are gone, from every group too.
pub async fn delete_user(
    push: &Push,
    id: DirectoryUserId,
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

async fn delete_once(
    push: &Push,
    id: DirectoryUserId,
    if_match: Option<&EntityTags>,
) -> Result<(), Error> {
    let tx = push.begin().await?;
    let stored = directory_users::find(&tx, &push.scope, id)
        .await?
        .ok_or(Error::NotFound("user"))?;
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
    check(if_match, last.ok_or(Error::NotFound("user"))?.version)?;
    Ok(tx.commit().await?)
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
    push: &Push,
    tx: &Tx,
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
    let (organization, source) = (push.organization(), push.source());
    let event = IdentityEvent::new(event_type, source.as_str(), after.id, after);
    tx.record(organization, event.with_change(change), &push.cause);
    if event_type == EventType::UserDeactivated {
        sessions::end_sessions_of_user(tx, organization, after.id, &source, &push.cause, now)
            .await?;
    }
    Ok(true)
}

async fn recompute(push: &Push, tx: &Tx, user: UserId) -> Result<(), Error> {
    let source = push.source();
    roles::recompute_users(tx, push.organization(), &[user], &source, &push.cause).await
}

fn name_taken(error: StoreError, user: &User) -> Error {
    if error.is_unique_violation() {
        let detail = format!("this directory has a user {:?} already", user.user_name());
        return Error::conflict("uniqueness", detail);
    }
    error.into()
}
