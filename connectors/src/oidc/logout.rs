//! Signing out: at the provider (OpenID Connect RP-Initiated Logout 1.0), and by it (Back-Channel Logout 1.0).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use url::Url;

use super::jws::Jws;
use super::{OidcConnector, id_token, keys};
use crate::{Begin, ConnectorError, HttpClient};

/// The member of `events` that makes a token a logout token (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Its type (section 2.4). It is only recommended: what tells it from an ID token is `events`, and that an ID token
/// has a `nonce`.
const TYPES: &[&str] = &["logout+jwt", "application/logout+jwt", "JWT"];
/// A `jti` that is longer is no identifier.
const MAX_ID: usize = 256;

/// Which of its sessions the provider has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// The upstream `sub`.
    pub subject: Option<String>,
    /// The upstream `sid`; without one all sessions of the subject have ended.
    pub session_index: Option<String>,
    /// Must be new for this connection, until then.
    pub replay_id: (String, DateTime<Utc>),
}

impl OidcConnector {
    /// Checks a logout token (section 2.6). Errors: `token_invalid`, `signature_invalid`,
    /// `signature_algorithm_forbidden`, `issuer_mismatch`, `audience_mismatch`, `assertion_expired`,
    /// `idp_unreachable`, `discovery_invalid`.
    pub async fn read_logout(
        &self,
        token: &str,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Result<LogoutToken, ConnectorError> {
        let jws = Jws::parse_as(token, TYPES)?;
        let discovered = self.discover(now, http).await?;
        let fetch = keys::fetch(&discovered.jwks_uri, http);
        let keys = self.keys.get(now, fetch).await?;
        self.verify(&jws, keys, &discovered, now, http).await?;
        let claims = jws.claims()?;
        id_token::issuer(&claims, &discovered.issuer)?;
        id_token::audience(&claims, &self.settings.client_id)?;
        let until = id_token::times(&claims, now)?;
        if let Some((names, tenant)) = self.tenant()
            && names.iter().any(|name| claims.contains_key(*name))
        {
            id_token::tenant(&claims, &names, tenant)?;
        }
        read(&claims, until)
    }

    /// The request that ends the provider's own session. `None` where the connection does not want that, or the
    /// provider can't do it. What is returned to is our `post_logout_redirect_uri`, with this `state`.
    pub async fn begin_logout(
        &self,
        id_token: Option<&str>,
        state: &str,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Option<Begin> {
        if !self.settings.rp_initiated_logout {
            return None;
        }
        let discovered = self.discover(now, http).await.ok()?;
        let mut url: Url = discovered.end_session_endpoint.clone()?;
        let mut query = url.query_pairs_mut();
        if let Some(id_token) = id_token {
            query.append_pair("id_token_hint", id_token);
        }
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &self.post_logout_redirect_uri)
            .append_pair("state", state);
        drop(query);
        Some(Begin::Redirect { url: url.into() })
    }
}

fn read(claims: &Map<String, Value>, until: DateTime<Utc>) -> Result<LogoutToken, ConnectorError> {
    let invalid = |reason: &str| ConnectorError::TokenInvalid {
        reason: reason.to_owned(),
    };
    let text = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(invalid(&format!("its {name} is no text"))),
    };
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(invalid(
            "it is no logout token: the logout event is missing",
        ));
    }
    if claims.contains_key("nonce") {
        // It would pass for an ID token elsewhere, or is one.
        return Err(invalid("a logout token must not have a nonce"));
    }
    let id = text("jti")?.filter(|id| id.len() <= MAX_ID);
    let id = id.ok_or_else(|| invalid("it has no jti of a reasonable length"))?;
    let (subject, session_index) = (text("sub")?, text("sid")?);
    if subject.is_none() && session_index.is_none() {
        return Err(invalid("it names neither a sub nor a sid"));
    }
    Ok(LogoutToken {
        subject,
        session_index,
        replay_id: (format!("logout:{id}"), until),
    })
}
