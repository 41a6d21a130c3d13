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
    let (id, made) = match id {
        Some(id) => (id, false),
        None if !open.connection.jit_provisioning => {
            return Ok(Err(ConnectorError::UserNotProvisioned));
        }
        None => {
            let id = UserId::generate(&*app.clock, &*app.entropy);
            users::insert(tx, scope, id, &record(identity), now).await?;
            (id, true)
        }
    };
    // Held until the session is there: a deactivation comes before and is seen, or after and ends it.
    let Some(stored) = users::lock_record(tx, scope, id).await? else {
        return Ok(Err(ConnectorError::UserNotProvisioned));
    };
    if !stored.active {
        return Ok(Err(ConnectorError::UserDeactivated));
    }
    let before = if made {
        None
    } else {
        users::find(tx, scope, id).await?
    };
    if known.is_some() {
        identities::touch(tx, scope, key, &identity.groups, now).await?;
    } else {
        let subject = &identity.idp_subject;
        identities::insert(tx, scope, key, id, subject, &identity.groups, now).await?;
    }
    // A directory knows its people better than a login: only people whom none feeds follow their logins.
    let fed = before
        .as_ref()
        .is_some_and(|user| user.sources.iter().any(|source| source.kind == "directory"));
    if !made && !fed {
        let updated = merged(stored.clone(), identity);
        if updated != stored {
            users::update(tx, scope, id, &updated, now).await?;
        }
    }
    record_change(tx, open, id, before, cause).await?;
    if made || known.is_none_or(|(_, groups)| groups != identity.groups) {
        let source = format!("/connections/{}", open.connection.id);
        roles::recompute_users(tx, scope, &[id], &source, cause).await?;
    }
    let user = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
    Ok(Ok(user))
}

/// `user.created` or, when something changed, `user.updated`.
async fn record_change(
    tx: &Tx,
    open: &OpenConnection,
    id: UserId,
    before: Option<User>,
    cause: &Cause,
) -> Result<(), Error> {
    let scope = &open.scope;
    let source = format!("/connections/{}", open.connection.id);
    let after = users::find(tx, scope, id).await?.ok_or(StoreError::Stale)?;
    match before {
        None => {
            let event = IdentityEvent::new(EventType::UserCreated, source, id, &after);
            tx.record(scope, event, cause);
        }
        Some(before) => {
            if let Some(change) = UserChange::between(&before, &after) {
                let event = IdentityEvent::new(EventType::UserUpdated, source, id, &after);
                tx.record(scope, event.with_change(change), cause);
            }
        }
    }
    Ok(())
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
