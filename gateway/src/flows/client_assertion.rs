//! `private_key_jwt` (RFC 7523 3, OIDC Core 9): a client proves itself with a signature of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use connectors::ConnectorError;
use connectors::oidc::{ClientKeys, PublishedKeys};
use serde_json::{Map, Value};
use url::Url;

use crate::app::App;
use crate::error::Error;
use crate::model::Application;
use crate::store::client_assertions;

/// The only kind that there is (RFC 7523 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead an assertion may expire: so long its id must be kept. Authlib's live an hour, and can't be told
/// otherwise.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// How far clocks may be apart.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// Longest `jti`, in bytes.
const MAX_JTI: usize = 512;

/// Why an assertion proves nothing. The client is told, since only its owner can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefusal {
    #[error("the client has no keys that could be used: {0}")]
    NoKeys(String),
    #[error("the assertion {0}")]
    Unacceptable(&'static str),
    #[error("iss and sub of the assertion have to be the client_id")]
    OtherClient,
    #[error("aud of the assertion has to be the issuer or the endpoint's URL")]
    AudienceMismatch,
    #[error("exp of the assertion is missing, over, or more than {} minutes ahead", LONGEST.num_minutes())]
    BadTime,
    #[error("jti of the assertion is missing or too long")]
    IdMissing,
    #[error("the assertion was used before")]
    Replayed,
}

/// The keys at the `jwks_uri`s that were asked for; cheap to clone.
#[derive(Clone, Default)]
pub struct FetchedKeys(Arc<Mutex<HashMap<Url, Arc<PublishedKeys>>>>);

impl FetchedKeys {
    fn at(&self, jwks_uri: Url) -> Arc<PublishedKeys> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = known.entry(jwks_uri.clone());
        let keys = keys.or_insert_with(|| Arc::new(PublishedKeys::at(jwks_uri)));
        Arc::clone(keys)
    }
}

/// Whether the client made this assertion for us, now, and for the first time. `endpoint` is the URL at which
/// it was presented.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn verify(
    app: &App,
    client: &Application,
    assertion: &str,
    endpoint: &str,
) -> Result<Result<(), AssertionRefusal>, Error> {
    let now = app.clock.now();
    let claims = match signed_claims(app, client, assertion, now).await {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (jti, expires_at) = match check(app, client, &claims, endpoint, now) {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let tx = app.store.begin().await?;
    if !client_assertions::use_once(&tx, client.id, app.vault.hash(jti), expires_at.into()).await? {
        return Ok(Err(AssertionRefusal::Replayed));
    }
    tx.commit().await?;
    Ok(Ok(()))
}

/// RFC 7523 3. Returns `jti` and `exp`.
fn check<'a>(
    app: &App,
    client: &Application,
    claims: &'a Map<String, Value>,
    endpoint: &str,
    now: DateTime<Utc>,
) -> Result<(&'a str, DateTime<Utc>), AssertionRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let id = client.id.to_string();
    if text("iss") != Some(&id) || text("sub") != Some(&id) {
        return Err(AssertionRefusal::OtherClient);
    }
    let issuer = app.public_url.as_str();
    // Libraries name the issuer, the endpoint they call, or the token endpoint wherever they call (OIDC Core 9).
    let token_endpoint = app.public_url.join("/oauth/token");
    let ours = |aud: &Value| {
        aud.as_str()
            .is_some_and(|aud| aud == issuer || aud == endpoint || aud == token_endpoint)
    };
    let meant_for_us = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(ours),
        Some(one) => ours(one),
        None => false,
    };
    if !meant_for_us {
        return Err(AssertionRefusal::AudienceMismatch);
    }
    let time = |name: &str| {
        let seconds = claims.get(name)?.as_f64()?;
        DateTime::from_timestamp(seconds as i64, 0)
    };
    let in_future = |name: &str| match claims.get(name) {
        None => false,
        Some(_) => time(name).is_none_or(|at| at > now + SKEW),
    };
    let expires_at = time("exp").ok_or(AssertionRefusal::BadTime)?;
    if expires_at <= now || expires_at > now + LONGEST + SKEW {
        return Err(AssertionRefusal::BadTime);
    }
    if in_future("nbf") || in_future("iat") {
        return Err(AssertionRefusal::BadTime);
    }
    let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI);
    Ok((jti.ok_or(AssertionRefusal::IdMissing)?, expires_at))
}

async fn signed_claims(
    app: &App,
    client: &Application,
    assertion: &str,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, AssertionRefusal> {
    if let Some(jwks) = &client.jwks {
        let keys = ClientKeys::parse(jwks.to_string().as_bytes());
        let keys = keys.map_err(AssertionRefusal::NoKeys)?;
        return keys.verify(assertion).map_err(unacceptable);
    }
    let uri = client.jwks_uri.as_deref().map(Url::parse);
    let Some(Ok(uri)) = uri else {
        let reason = "neither jwks nor jwks_uri is registered";
        return Err(AssertionRefusal::NoKeys(reason.to_owned()));
    };
    let keys = app.client_keys.at(uri);
    let verified = keys.verify(assertion, now, &app.egress).await;
    verified.map_err(|error| match error {
        ConnectorError::IdpUnreachable { .. } | ConnectorError::DiscoveryInvalid { .. } => {
            AssertionRefusal::NoKeys(error.to_string())
        }
        error => unacceptable(error),
    })
}

/// In words for a client: the verifier's own speak of id tokens.
fn unacceptable(error: ConnectorError) -> AssertionRefusal {
    AssertionRefusal::Unacceptable(match error {
        ConnectorError::SignatureInvalid { .. } => "is signed by none of the client's keys",
        ConnectorError::SignatureAlgorithmForbidden { .. } => {
            "is not signed with RS256, PS256, ES256 or EdDSA"
        }
        _ => "is no readable JWT",
    })
}
