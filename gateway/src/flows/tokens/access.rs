//! Access tokens (RFC 9068) as we read them ourselves, and what userinfo answers (OIDC Core 5.3).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::IdentityClaims;
use crate::app::App;
use crate::error::Error;
use crate::ids::{ApplicationId, OrganizationId, SessionId, UserId};
use crate::model::{Timestamp, User};
use crate::store::global::Tenant;
use crate::store::sessions::StoredSession;
use crate::store::{global, tokens, users};

/// RFC 9068 2.1: no other token of ours, and none of anybody else, passes for an access token.
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Claims of an access token (RFC 9068 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    pub(super) iss: String,
    pub(super) sub: UserId,
    pub(super) aud: ApplicationId,
    pub(super) client_id: ApplicationId,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: String,
    pub(super) scope: String,
    pub(super) org_id: OrganizationId,
    pub(super) roles: Vec<String>,
    pub(super) sid: SessionId,
    pub(super) auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) amr: Vec<String>,
}

/// Why an access token opens nothing (RFC 6750 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// Not a token of ours, or not an access token.
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
    #[error("the session of the access token has ended")]
    SessionEnded,
    #[error("the access token was revoked")]
    Revoked,
    #[error("the access token lacks the scope openid")]
    InsufficientScope,
}

impl AccessRefusal {
    /// The standard's own word for it.
    pub fn error(self) -> &'static str {
        match self {
            Self::InsufficientScope => "insufficient_scope",
            Self::Invalid | Self::Expired | Self::SessionEnded | Self::Revoked => "invalid_token",
        }
    }
}

/// What userinfo answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserInfo {
    #[serde(flatten)]
    claims: IdentityClaims,
    /// Custom attributes by the mapping: what the sign-in said, over it what is known by now. With the scope
    /// `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<BTreeMap<String, Value>>,
    /// As the IdP sent them. With the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_attributes: Option<BTreeMap<String, Value>>,
}

/// What is known of the person by now, while session, user and application exist and are active.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn userinfo(
    app: &App,
    token: &str,
) -> Result<Result<(ApplicationId, UserInfo), AccessRefusal>, Error> {
    let live = match open(app, token).await? {
        Ok(live) => live,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let scope: Vec<String> = live.claims.scope.split(' ').map(str::to_owned).collect();
    if !scope.iter().any(|scope| scope == "openid") {
        return Ok(Err(AccessRefusal::InsufficientScope));
    }
    let LiveAccess {
        tenant,
        session: stored,
        user,
        ..
    } = live;
    let profile = scope.iter().any(|scope| scope == "profile");
    let attributes = profile.then(|| {
        let mut attributes = stored.claims.attributes.clone();
        attributes.extend(user.attributes.clone());
        attributes
    });
    let userinfo = UserInfo {
        claims: IdentityClaims::of(app, &tenant, &stored, &user, &scope),
        attributes,
        raw_attributes: profile.then_some(stored.claims.raw_attributes),
    };
    Ok(Ok((stored.application_id, userinfo)))
}

/// An access token behind which everything lives.
pub(super) struct LiveAccess {
    pub(super) claims: AccessClaims,
    pub(super) tenant: Tenant,
    pub(super) session: StoredSession,
    pub(super) user: User,
}

/// The token with what it hangs on, as the database has it: a session that ended, a user who was deactivated
/// and a token that was revoked count at once on every replica.
pub(super) async fn open(
    app: &App,
    token: &str,
) -> Result<Result<LiveAccess, AccessRefusal>, Error> {
    let claims = match verify(app, token).await? {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let db = app.store.read();
    let now = Timestamp(app.clock.now());
    let ended = Ok(Err(AccessRefusal::SessionEnded));
    let Some((tenant, session)) = global::find_session(&db, claims.sid).await? else {
        return ended;
    };
    let same = tenant.scope.organization() == claims.org_id
        && session.session.user_id == claims.sub
        && session.application_id == claims.aud;
    if !same || !session.is_open(now) {
        return ended;
    }
    let user = users::find(&db, &tenant.scope, claims.sub).await?;
    let Some(user) = user.filter(|user| user.active) else {
        return ended;
    };
    if tokens::is_revoked(&db, &tenant.scope, &claims.jti).await? {
        return Ok(Err(AccessRefusal::Revoked));
    }
    Ok(Ok(LiveAccess {
        claims,
        tenant,
        session,
        user,
    }))
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// RFC 7515 4.1.11: an extension that must be understood, and we know none.
    crit: Option<Value>,
}

/// Signature, type, issuer and time (RFC 9068 4). The audience names the application that we gave the token
/// to; the caller compares it with the session's.
async fn verify(app: &App, token: &str) -> Result<Result<AccessClaims, AccessRefusal>, Error> {
    let invalid = Ok(Err(AccessRefusal::Invalid));
    let Some(claims) = signed_by_us::<AccessClaims>(app, token, ACCESS_TOKEN_TYPE).await? else {
        return invalid;
    };
    if claims.iss != app.public_url.as_str() || claims.client_id != claims.aud {
        return invalid;
    }
    if claims.exp <= app.clock.now().timestamp() {
        return Ok(Err(AccessRefusal::Expired));
    }
    Ok(Ok(claims))
}

/// The claims of a token of this type that one of our published keys has signed. Issuer, audience and time are
/// the caller's to check.
pub(in crate::flows) async fn signed_by_us<T: DeserializeOwned>(
    app: &App,
    token: &str,
    typ: &str,
) -> Result<Option<T>, Error> {
    let Some((message, signature)) = token.rsplit_once('.') else {
        return Ok(None);
    };
    let Some((header, payload)) = message.split_once('.') else {
        return Ok(None);
    };
    let Some(header) = decode::<Header>(header) else {
        return Ok(None);
    };
    if header.typ.as_deref() != Some(typ) || header.crit.is_some() {
        return Ok(None);
    }
    let Some(kid) = header.kid else {
        return Ok(None);
    };
    let Some(key) = app.signing_keys.find(&kid).await? else {
        return Ok(None);
    };
    // Our key says which algorithm; the token may only agree (RFC 8725 3.1).
    let signed = key.alg.as_str() == header.alg
        && URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| key.verifies(message, &signature));
    Ok(signed.then(|| decode(payload)).flatten())
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
