//! Tokens after they were issued: revocation (RFC 7009) and introspection (RFC 7662). Both go by the database,
//! so that what one replica ends is over on all.

use serde::Serialize;

use super::GrantRefusal;
use super::access::{LiveAccess, open};
use crate::app::App;
use crate::error::Error;
use crate::ids::{ApplicationId, OrganizationId, SessionId, UserId};
use crate::model::{ActorKind, Application, ApplicationType, Cause, Timestamp};
use crate::store::global::Tenant;
use crate::store::sessions::StoredSession;
use crate::store::tokens::{StoredRefreshToken, revoke_access_token};
use crate::store::{global, sessions, users};

/// What introspection answers (RFC 7662 2.2). It has no `Debug`: it goes to the token's own client alone.
#[derive(Clone, Default, Serialize)]
pub struct TokenStatus {
    active: bool,
    #[serde(flatten)]
    facts: Option<Facts>,
}

#[derive(Clone, Serialize)]
struct Facts {
    scope: String,
    client_id: ApplicationId,
    /// Of access tokens only: a refresh token opens no resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    iat: i64,
    exp: i64,
    sub: UserId,
    aud: ApplicationId,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    org_id: OrganizationId,
    sid: SessionId,
    /// Slugs, as the user has them by now.
    roles: Vec<String>,
    auth_time: i64,
}

/// A token that has not ended.
enum Live {
    Access(Box<LiveAccess>),
    Refresh(Box<LiveRefresh>),
}

struct LiveRefresh {
    token: StoredRefreshToken,
    tenant: Tenant,
    session: StoredSession,
    roles: Vec<String>,
}

/// What a token is worth by now. Whoever is not its client hears what a stranger's guess would: inactive.
pub async fn introspect(
    app: &App,
    client: &Application,
    token: &str,
) -> Result<TokenStatus, Error> {
    let facts = match find(app, token).await? {
        Some(Live::Access(access)) => of_access(*access),
        // One that was rotated is over, though for some seconds it gives its successor again.
        Some(Live::Refresh(refresh)) if refresh.token.rotated_at.is_none() => {
            of_refresh(app, *refresh)
        }
        _ => return Ok(TokenStatus::default()),
    };
    let active = facts.client_id == client.id;
    Ok(TokenStatus {
        active,
        facts: Some(facts).filter(|_| active),
    })
}

/// Revokes a token. A refresh token takes its whole family along, and the access tokens of it: the session
/// that they hang on ends. An access token goes alone. A token that is not valid needs no revocation
/// (RFC 7009 2.2).
///
/// # Errors
/// Ours alone; the inner refusal is for a token of another client.
pub async fn revoke(
    app: &App,
    client: &Application,
    token: &str,
    request_id: &str,
) -> Result<Result<(), GrantRefusal>, Error> {
    let Some(live) = find(app, token).await? else {
        return Ok(Ok(()));
    };
    let session = match &live {
        Live::Access(access) => &access.session,
        Live::Refresh(refresh) => &refresh.session,
    };
    if session.application_id != client.id {
        // Whoever proves nothing of itself learns nothing from this; a client that authenticates is told
        // (RFC 7009 2.1).
        if client.kind == ApplicationType::Public {
            return Ok(Ok(()));
        }
        return Ok(Err(GrantRefusal::OtherClient));
    }
    let tx = app.store.begin().await?;
    match &live {
        Live::Access(access) => {
            let (claims, scope) = (&access.claims, &access.tenant.scope);
            let expires_at = chrono::DateTime::from_timestamp(claims.exp, 0).unwrap_or_default();
            revoke_access_token(&tx, scope, claims.sid, &claims.jti, expires_at.into()).await?;
        }
        Live::Refresh(refresh) => {
            let ending = &refresh.session.session;
            let cause = Cause::new(ActorKind::System, "tenon", request_id);
            let source = format!("/connections/{}", ending.connection_id);
            let now = Timestamp(app.clock.now());
            sessions::end(&tx, &refresh.tenant.scope, ending.id, &source, &cause, now).await?;
        }
    }
    tx.commit().await?;
    Ok(Ok(()))
}

/// The hint of its type is not needed: an access token is a JWT, and a refresh token is not
/// (RFC 7009 2.1: a server may ignore the hint).
async fn find(app: &App, token: &str) -> Result<Option<Live>, Error> {
    if token.contains('.') {
        let access = open(app, token).await?.ok();
        return Ok(access.map(|access| Live::Access(Box::new(access))));
    }
    let refresh = find_refresh(app, token).await?;
    Ok(refresh.map(|refresh| Live::Refresh(Box::new(refresh))))
}

async fn find_refresh(app: &App, token: &str) -> Result<Option<LiveRefresh>, Error> {
    let db = app.store.read();
    let now = Timestamp(app.clock.now());
    let found = global::find_refresh_token(&db, &app.vault.hash(token)).await?;
    let Some((tenant, token)) = found.filter(|(_, token)| token.expires_at > now) else {
        return Ok(None);
    };
    let session = sessions::find(&db, &tenant.scope, token.session_id).await?;
    let Some(session) = session.filter(|session| session.is_open(now)) else {
        return Ok(None);
    };
    let user = users::find(&db, &tenant.scope, session.session.user_id).await?;
    Ok(user.filter(|user| user.active).map(|user| LiveRefresh {
        token,
        tenant,
        session,
        roles: user.roles,
    }))
}

fn of_access(access: LiveAccess) -> Facts {
    let claims = access.claims;
    Facts {
        scope: claims.scope,
        client_id: claims.client_id,
        token_type: Some("Bearer"),
        iat: claims.iat,
        exp: claims.exp,
        sub: claims.sub,
        aud: claims.aud,
        iss: claims.iss,
        jti: Some(claims.jti),
        org_id: claims.org_id,
        sid: claims.sid,
        roles: access.user.roles,
        auth_time: claims.auth_time,
    }
}

fn of_refresh(app: &App, refresh: LiveRefresh) -> Facts {
    let LiveRefresh { token, session, .. } = refresh;
    Facts {
        scope: token.scope,
        client_id: token.application_id,
        token_type: None,
        iat: token.created_at.0.timestamp(),
        exp: token
            .expires_at
            .min(session.session.expires_at)
            .0
            .timestamp(),
        sub: session.session.user_id,
        aud: token.application_id,
        iss: app.public_url.as_str().to_owned(),
        jti: None,
        org_id: session.session.organization_id,
        sid: session.session.id,
        roles: refresh.roles,
        auth_time: session.claims.auth_time,
    }
}
