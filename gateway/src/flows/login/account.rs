//! Which user a login is (CONTRACT section 5, SECURITY-MODEL G2): by connection and subject; the first time
//! the organization's user with the asserted external id or with the asserted email of a verified domain;
//! else a new one, where the connection makes users.

use connectors::{ConnectorError, NormalizedIdentity};

use super::OpenConnection;
use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::domain_of_email;
use crate::flows::roles;
use crate::ids::UserId;
use crate::model::{Cause, Email, EventType, IdentityEvent, Profile, Timestamp, User, UserChange};
use crate::store::identities::{self, IdentityKey};
use crate::store::users::{self, JoinKey, UserRecord};
use crate::store::{StoreError, Tx};

/// The user of this login, made or brought up to date, with roles; or why nobody signs in.
pub(super) async fn resolve(
    app: &App,
    tx: &Tx,
    open: &OpenConnection,
    identity: &NormalizedIdentity,
    cause: &Cause,
) -> Result<Result<User, ConnectorError>, Error> {
    let scope = &open.scope;
    let now = Timestamp(app.clock.now());
    let key = IdentityKey {
        connection: open.connection.id,
        issuer: &identity.issuer,
        subject: &identity.subject,
    };
    let known = identities::find(tx, scope, key).await?;
    let id = match &known {
        Some((id, _)) => Some(*id),
        None => users::find_to_join(tx, scope, join_key(app, open, identity)).await?,
    };
    let Some(id) = id else {
        if !open.connection.jit_provisioning {
            return Ok(Err(ConnectorError::UserNotProvisioned));
        }
        let id = UserId::generate(&*app.clock, &*app.entropy);
        users::insert(tx, scope, id, &record(identity), now).await?;
        identities::insert(
            tx,
            scope,
            key,
            id,
            &identity.idp_subject,
            &identity.groups,
            now,
        )
        .await?;
        let user = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
        let user = roles::grant_first(tx, scope, user).await?;
        let event = IdentityEvent::new(EventType::UserCreated, source(open), id, &user);
        tx.record(scope, event, cause);
        return Ok(Ok(user));
    };
    // Held until the session is there: a deactivation comes before and is seen, or after and ends it.
    let Some(stored) = users::lock_record(tx, scope, id).await? else {
        return Ok(Err(ConnectorError::UserNotProvisioned));
    };
    if !stored.active {
        return Ok(Err(ConnectorError::UserDeactivated));
    }
    let before = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
    match &known {
        Some(_) => identities::touch(tx, scope, key, &identity.groups, now).await?,
        None => {
            let subject = &identity.idp_subject;
            identities::insert(tx, scope, key, id, subject, &identity.groups, now).await?;
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
    let groups_changed = known.is_none_or(|(_, groups)| groups != identity.groups);
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

/// The source of the events that a login causes.
fn source(open: &OpenConnection) -> String {
    format!("/connections/{}", open.connection.id)
}

fn join_key<'a>(app: &App, open: &OpenConnection, identity: &'a NormalizedIdentity) -> JoinKey<'a> {
    let verified_email = identity.email.as_deref().filter(|email| {
        domain_of_email(email).is_some_and(|domain| app.store.owns_domain(&open.scope, &domain))
    });
    JoinKey {
        external_id: identity.external_id.as_deref(),
        verified_email,
        without_directory: false,
    }
}

fn record(identity: &NormalizedIdentity) -> UserRecord {
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
