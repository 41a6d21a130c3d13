//! Token introspection (RFC 7662): what a token is by now, for the application that it was issued to.

use serde::Serialize;

use super::access::{opened, verify};
use crate::app::App;
use crate::error::Error;
use crate::ids::{ApplicationId, OrganizationId, SessionId, UserId};
use crate::model::{Application, Timestamp};
use crate::store::{global, sessions, users};

/// The answer (RFC 7662 2.2). Of an inactive token nothing else is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten)]
    told: Option<Told>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Told {
    scope: String,
    client_id: ApplicationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    token_type: &'static str,
    exp: i64,
    iat: i64,
    sub: UserId,
    aud: ApplicationId,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    org_id: OrganizationId,
    roles: Vec<String>,
    sid: SessionId,
}

/// Looks at the database, so the answer is the same on every replica and true at once. `client` is
/// authenticated; of another client's token it learns that it is inactive, as of one that never was.
pub async fn introspect(
    app: &App,
    client: &Application,
    token: &str,
) -> Result<Introspection, Error> {
    let told = match access_token(app, client, token).await? {
        Some(told) => Some(told),
        None => refresh_token(app, client, token).await?,
    };
    Ok(Introspection {
        active: told.is_some(),
        told,
    })
}

async fn access_token(app: &App, client: &Application, token: &str) -> Result<Option<Told>, Error> {
    let Ok(access) = verify(app, token).await? else {
        return Ok(None);
    };
    if access.aud != client.id {
        return Ok(None);
    }
    let Some((_, _, user)) = opened(app, &access).await? else {
        return Ok(None);
    };
    Ok(Some(Told {
        scope: access.scope,
        client_id: access.client_id,
        username: user.user_name,
        token_type: "Bearer",
        exp: access.exp,
        iat: access.iat,
        sub: access.sub,
        aud: access.aud,
        iss: access.iss,
        jti: Some(access.jti),
        org_id: access.org_id,
        roles: access.roles,
        sid: access.sid,
    }))
}

/// One that has given its successor is not active any more.
async fn refresh_token(
    app: &App,
    client: &Application,
    token: &str,
) -> Result<Option<Told>, Error> {
    let now = Timestamp(app.clock.now());
    let db = app.store.read();
    let found = global::find_refresh_token(&db, &app.vault.hash(token)).await?;
    let Some((tenant, token)) = found.filter(|(_, token)| {
        token.application_id == client.id && token.rotated_at.is_none() && token.expires_at > now
    }) else {
        return Ok(None);
    };
    let session = sessions::find(&db, &tenant.scope, token.session_id).await?;
    let Some(session) = session.filter(|session| session.is_open(now)) else {
        return Ok(None);
    };
    let user = users::find(&db, &tenant.scope, session.session.user_id).await?;
    Ok(user.filter(|user| user.active).map(|user| Told {
        scope: token.scope,
        client_id: client.id,
        username: user.user_name,
        token_type: "refresh_token",
        exp: token.expires_at.0.timestamp(),
        iat: token.created_at.0.timestamp(),
        sub: user.id,
        aud: client.id,
        iss: app.public_url.as_str().to_owned(),
        jti: None,
        org_id: tenant.scope.organization(),
        roles: user.roles,
        sid: session.session.id,
    }))
}
