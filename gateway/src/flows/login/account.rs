//! Which user a login is (CONTRACT section 5, SECURITY-MODEL G2): by connection and subject; the first time
//! the organization's user with the asserted external id or with the asserted email of a verified domain;
//! else a new one, where the connection makes users.

use chrono::TimeDelta;
use connectors::{ConnectorError, NormalizedIdentity};

use super::OpenConnection;
use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::domain_of_email;
use crate::flows::roles;
use crate::ids::UserId;
use crate::model::{Cause, Email, EventType, IdentityEvent, Profile, Timestamp, User, UserChange};
use crate::store::identities::{self, Claimed, IdentityKey};
use crate::store::users::{self, JoinKey, LockedUser, UserRecord};
use crate::store::{StoreError, Tx};

/// An identity's `last_login_at` is at most so much behind: the logins themselves are on record.
const LOGIN_NOTED_EVERY: TimeDelta = TimeDelta::hours(1);

/// The user of this login, made or brought up to date, with roles; or why nobody signs in. Without `groups_known` the
/// provider left the groups out: those of the last login stay, in `identity` too.
pub(super) async fn resolve(
    app: &App,
    tx: &Tx,
    open: &OpenConnection,
    identity: &mut NormalizedIdentity,
    groups_known: bool,
    cause: &Cause,
) -> Result<Result<User, ConnectorError>, Error> {
    let scope = &open.scope;
    let now = Timestamp(app.clock.now());
    let (issuer, subject) = (identity.issuer.clone(), identity.subject.clone());
    let key = IdentityKey {
        connection: open.connection.id,
        issuer: &issuer,
        subject: &subject,
    };
    // Held until the session is there: a deactivation comes before and is seen, or after and ends it.
    let mut tied = identities::lock_user(tx, scope, key).await?;
    if tied.is_none() {
        identities::take_turn(tx, scope, key).await?;
        tied = identities::lock_user(tx, scope, key).await?;
    }
    if let (Some((_, last)), false) = (&tied, groups_known) {
        identity.groups.clone_from(&last.groups);
    }
    let identity = &*identity;
    let known = match tied {
        Some((user, last)) => Some((user, Some(last))),
        None => match users::find_to_join(tx, scope, join_key(app, open, identity)).await? {
            Some(id) => match users::lock_one(tx, scope, id).await? {
                Some(user) => Some((user, None)),
                None => return Ok(Err(ConnectorError::UserNotProvisioned)),
            },
            None => None,
        },
    };
    let Some((
        LockedUser {
            user: before,
            record: stored,
        },
        last,
    )) = known
    else {
        if !open.connection.jit_provisioning {
            return Ok(Err(ConnectorError::UserNotProvisioned));
        }
        if let Some(email) = &identity.email
            && users::is_shut_out(tx, scope, email).await?
        {
            return Ok(Err(ConnectorError::UserDeactivated));
        }
        let id = UserId::generate(&*app.clock, &*app.entropy);
        users::insert(tx, scope, id, &first_record(identity), now).await?;
        if !identities::insert(tx, scope, key, id, claimed(identity), now).await? {
            return Err(StoreError::Stale.into());
        }
        let user = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
        let user = roles::grant_first(tx, scope, user).await?;
        let event = IdentityEvent::new(EventType::UserCreated, source(open), id, &user);
        tx.record(scope, event, cause);
        return Ok(Ok(user));
    };
    let id = before.id;
    if !stored.active {
        return Ok(Err(ConnectorError::UserDeactivated));
    }
    let groups_changed = last
        .as_ref()
        .is_none_or(|last| last.groups != identity.groups);
    match last {
        // What is doubted is written down before the email may become the user's.
        Some(last)
            if !groups_changed
                && !claimed(identity).email_doubted
                && now.0 - last.at.0 < LOGIN_NOTED_EVERY => {}
        Some(_) => identities::touch(tx, scope, key, claimed(identity), now).await?,
        None => {
            identities::insert(tx, scope, key, id, claimed(identity), now).await?;
        }
    }
    // A directory knows its people better than a login: only people whom none feeds follow their logins.
    let fed = before
        .sources
        .iter()
        .any(|source| source.kind == "directory");
    let followed = if fed {
        stored.clone()
    } else {
        merged(stored.clone(), identity)
    };
    let profile_changed = followed != stored;
    if profile_changed {
        users::update(tx, scope, id, &followed, now).await?;
    }
    if !profile_changed && !groups_changed {
        return Ok(Ok(before));
    }
    let after = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
    if let Some(change) = UserChange::between(&before, &after) {
        let event = IdentityEvent::new(EventType::UserUpdated, source(open), id, &after);
        tx.record(scope, event.with_change(change), cause);
    }
    if !groups_changed {
        return Ok(Ok(after));
    }
    roles::recompute_users(tx, scope, &[id], &source(open), cause).await?;
    let user = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
    Ok(Ok(user))
}

fn claimed(identity: &NormalizedIdentity) -> Claimed<'_> {
    Claimed {
        idp_subject: &identity.idp_subject,
        groups: &identity.groups,
        email_doubted: identity.idp_email_verified == Some(false),
    }
}

/// The source of the events that a login causes.
fn source(open: &OpenConnection) -> String {
    format!("/connections/{}", open.connection.id)
}

fn join_key<'a>(app: &App, open: &OpenConnection, identity: &'a NormalizedIdentity) -> JoinKey<'a> {
    // What the IdP itself does not vouch for, anybody may have typed there.
    let doubted = claimed(identity).email_doubted;
    let email = identity.email.as_deref().filter(|_| !doubted);
    let verified_email = email.filter(|email| {
        domain_of_email(email).is_some_and(|domain| app.store.owns_domain(&open.scope, &domain))
    });
    JoinKey {
        external_id: identity.external_id.as_deref(),
        verified_email,
        without_directory: false,
    }
}

fn first_record(identity: &NormalizedIdentity) -> UserRecord {
    let fresh = UserRecord {
        active: true,
        user_name: identity.email.clone(),
        ..UserRecord::default()
    };
    merged(fresh, identity)
}

/// What the login says goes over what was stored; what it does not mention stays.
fn merged(stored: UserRecord, identity: &NormalizedIdentity) -> UserRecord {
    let profile = stored.profile;
    let emails = match &identity.email {
        Some(value) if stored.email.as_ref() != Some(value) || profile.emails.is_empty() => {
            vec![Email {
                value: value.clone(),
                kind: Some("work".to_owned()),
                primary: true,
            }]
        }
        _ => profile.emails,
    };
    let mut attributes = profile.attributes;
    attributes.extend(identity.attributes.clone());
    UserRecord {
        external_id: identity.external_id.clone().or(stored.external_id),
        email: identity.email.clone().or(stored.email),
        profile: Profile {
            emails,
            name: identity.name.clone().or(profile.name),
            given_name: identity.given_name.clone().or(profile.given_name),
            family_name: identity.family_name.clone().or(profile.family_name),
            attributes,
            display_name: profile.display_name,
            job_title: profile.job_title,
            department: profile.department,
            locale: profile.locale,
            timezone: profile.timezone,
            manager: profile.manager,
        },
        active: stored.active,
        user_name: stored.user_name,
    }
}
