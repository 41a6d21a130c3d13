//! What the claims of an ID token must say (OIDC Core 1.0 sections 2 and 3.1.3.7).
//!
//! Signatures are verified by `jsonwebtoken` over aws-lc-rs and claims here, not by openidconnect's own
//! verifier: that one checks no `azp`, knows no leeway, refuses a token without `kid` beside several keys, and
//! has one error where CONTRACT section 8 has eight codes.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::jws::Jws;
use crate::ConnectorError;

/// How far the two clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// A token issued longer ago was not issued for this login, which lives ten minutes.
const MAX_AGE: TimeDelta = TimeDelta::hours(24);

/// What this login and this connection know beforehand.
pub(super) struct Expectations<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds.
    pub(super) max_age: Option<u64>,
    pub(super) tenant: Option<Tenant<'a>>,
    pub(super) access_token: Option<&'a str>,
    /// The code that was redeemed for it.
    pub(super) code: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Whose people may enter where a provider signs for everybody's.
pub(super) struct Tenant<'a> {
    /// The first one present counts.
    pub(super) claims: Vec<&'a str>,
    /// What it must be; `None` while none is saved where one has to be: then it is nobody's.
    pub(super) expected: Option<&'a str>,
    /// Whether a token without any is refused.
    pub(super) required: bool,
}

/// The claims of a token whose signature was verified, if they are meant for this login. Errors:
/// `token_invalid`, `issuer_mismatch`, `audience_mismatch`, `tenant_mismatch`, `nonce_mismatch`,
/// `assertion_expired`.
pub(super) fn validate(
    jws: &Jws<'_>,
    expected: &Expectations<'_>,
) -> Result<Map<String, Value>, ConnectorError> {
    let claims = jws.claims()?;
    not_a_logout_token(&claims)?;
    issuer(&claims, expected.issuer)?;
    audience(&claims, expected.client_id)?;
    times(&claims, expected.now)?;
    nonce(&claims, expected.nonce)?;
    matching_hash(&claims, "at_hash", jws.algorithm, expected.access_token)?;
    matching_hash(&claims, "c_hash", jws.algorithm, expected.code)?;
    authentication_age(&claims, expected.max_age, expected.now)?;
    if let Some(tenant) = &expected.tenant {
        tenant.matches(&claims)?;
    }
    Ok(claims)
}

/// What a valid logout token says (Back-Channel Logout 1.0, section 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// `sub`; this or `session` is there.
    pub subject: Option<String>,
    /// The provider's `sid`.
    pub session: Option<String>,
    /// `jti`: it may come once, until `keep_until`.
    pub id: String,
    pub keep_until: DateTime<Utc>,
}

/// The member of `events` that makes a token a logout token (section 2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token whose signature was verified (section 2.6). Errors: `token_invalid`,
/// `issuer_mismatch`, `audience_mismatch`, `assertion_expired`.
pub(super) fn logout(
    jws: &Jws<'_>,
    expected_issuer: &str,
    client_id: &str,
    now: DateTime<Utc>,
) -> Result<LogoutToken, ConnectorError> {
    let claims = jws.claims()?;
    issuer(&claims, expected_issuer)?;
    audience(&claims, client_id)?;
    times(&claims, now)?;
    let event = claims.get("events").and_then(|them| them.get(LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(invalid("it is no logout token: the event is missing"));
    }
    if claims.contains_key("nonce") {
        // Else an ID token that somebody captured could be made to look like one.
        return Err(invalid("a logout token must not carry a nonce"));
    }
    let named = |name| text(&claims, name).filter(|text| !text.is_empty());
    let (subject, session) = (named("sub"), named("sid"));
    if subject.is_none() && session.is_none() {
        return Err(invalid(
            "it names neither a person (sub) nor a session (sid)",
        ));
    }
    let id = named("jti").ok_or_else(|| invalid("it has no jti"))?;
    let until = time(&claims, "exp")?.unwrap_or(now).min(now + MAX_AGE);
    Ok(LogoutToken {
        subject: subject.map(str::to_owned),
        session: session.map(str::to_owned),
        id: id.to_owned(),
        keep_until: until + LEEWAY,
    })
}

/// A logout token may come without a `typ`, and the same key signed it (Back-Channel Logout 1.0, section 4).
fn not_a_logout_token(claims: &Map<String, Value>) -> Result<(), ConnectorError> {
    match claims.get("events") {
        Some(Value::Object(_)) => Err(invalid("it is a logout token")),
        _ => Ok(()),
    }
}

fn issuer(claims: &Map<String, Value>, expected: &str) -> Result<(), ConnectorError> {
    match text(claims, "iss") {
        Some(found) if found == expected => Ok(()),
        found => Err(ConnectorError::IssuerMismatch {
            expected: expected.to_owned(),
            found: shown(found),
        }),
    }
}

/// `aud` holds our client id; beside others only if `azp` says that the token was issued to us.
fn audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), ConnectorError> {
    let mismatch = |found| ConnectorError::AudienceMismatch {
        expected: client_id.to_owned(),
        found,
    };
    let audiences: Vec<String> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => return Err(invalid("it has no audience")),
    };
    if !audiences.iter().any(|audience| audience == client_id) {
        return Err(mismatch(audiences));
    }
    match claims.get("azp") {
        Some(Value::String(party)) if party == client_id => Ok(()),
        Some(party) => Err(mismatch(vec![format!(
            "azp {}",
            party.as_str().unwrap_or("that is no text")
        )])),
        None if audiences.iter().all(|audience| audience == client_id) => Ok(()),
        None => Err(mismatch(audiences)),
    }
}

fn times(claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), ConnectorError> {
    let until = time(claims, "exp")?.ok_or_else(|| invalid("it has no exp"))?;
    if now >= until + LEEWAY {
        return Err(ConnectorError::AssertionExpired {
            until: rfc3339(until),
            now: rfc3339(now),
        });
    }
    let issued = time(claims, "iat")?.ok_or_else(|| invalid("it has no iat"))?;
    if issued > now + LEEWAY {
        return Err(invalid(&format!(
            "issued at {}; it is {} here",
            rfc3339(issued),
            rfc3339(now)
        )));
    }
    if issued + MAX_AGE < now {
        return Err(invalid(&format!(
            "issued at {}, long before this login",
            rfc3339(issued)
        )));
    }
    match time(claims, "nbf")? {
        Some(from) if from > now + LEEWAY => Err(invalid(&format!(
            "not valid before {}; it is {} here",
            rfc3339(from),
            rfc3339(now)
        ))),
        _ => Ok(()),
    }
}

/// A session that the provider lets end before it began is none (`session_expiry`): ours would be over at once.
pub(super) fn session_is_open(
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), ConnectorError> {
    match time(claims, "session_expiry")? {
        Some(until) if until <= now => Err(ConnectorError::AssertionExpired {
            until: rfc3339(until),
            now: rfc3339(now),
        }),
        _ => Ok(()),
    }
}

/// Binds the token to this login: a token that somebody captured elsewhere has another nonce.
fn nonce(claims: &Map<String, Value>, expected: &str) -> Result<(), ConnectorError> {
    if text(claims, "nonce") == Some(expected) {
        Ok(())
    } else {
        Err(ConnectorError::NonceMismatch)
    }
}

/// `at_hash` and `c_hash` are optional in the code flow, but where one comes it must fit (3.1.3.8, 3.3.2.11).
fn matching_hash(
    claims: &Map<String, Value>,
    claim: &str,
    algorithm: Algorithm,
    hashed: Option<&str>,
) -> Result<(), ConnectorError> {
    let (Some(hash), Some(hashed)) = (claims.get(claim), hashed) else {
        return Ok(());
    };
    let with = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &digest::SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        _ => &digest::SHA512, // RS512, PS512; EdDSA hashes with SHA-512 (RFC 8032 section 5.1)
    };
    let digest = digest::digest(with, hashed.as_bytes());
    let (half, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
    if hash.as_str() == Some(URL_SAFE_NO_PAD.encode(half).as_str()) {
        Ok(())
    } else {
        Err(invalid(&format!("{claim} belongs to another answer")))
    }
}

/// With `max_age` asked for, `auth_time` must come and be young enough (3.1.2.1).
fn authentication_age(
    claims: &Map<String, Value>,
    max_age: Option<u64>,
    now: DateTime<Utc>,
) -> Result<(), ConnectorError> {
    let Some(max_age) = max_age else {
        return Ok(());
    };
    let at = time(claims, "auth_time")?
        .ok_or_else(|| invalid("max_age was asked for and auth_time is missing"))?;
    if at > now + LEEWAY {
        return Err(invalid(&format!(
            "signed in at {}; it is {} here",
            rfc3339(at),
            rfc3339(now)
        )));
    }
    let max_age = i64::try_from(max_age).ok().and_then(TimeDelta::try_seconds);
    let until = max_age.and_then(|max_age| at.checked_add_signed(max_age));
    match until {
        Some(until) if now >= until + LEEWAY => Err(ConnectorError::AssertionExpired {
            until: rfc3339(until),
            now: rfc3339(now),
        }),
        _ => Ok(()), // longer than time itself
    }
}

impl Tenant<'_> {
    /// A provider for everybody (Entra ID, Google) signs for every tenant; only the saved one may enter here.
    fn matches(&self, claims: &Map<String, Value>) -> Result<(), ConnectorError> {
        let found = self.claims.iter().find_map(|name| text(claims, name));
        let fits = match (found, self.expected) {
            // GUIDs and host names know no case.
            (Some(found), Some(expected)) => found.eq_ignore_ascii_case(expected),
            (_, None) => false,
            (None, Some(_)) => !self.required,
        };
        if fits {
            return Ok(());
        }
        let any = || {
            let claims = self.claims.join(", ");
            format!("one ({claims}) that is saved as oidc.tenant")
        };
        Err(ConnectorError::TenantMismatch {
            expected: self.expected.map_or_else(any, str::to_owned),
            found: shown(found),
        })
    }
}

/// A `NumericDate` (RFC 7519 section 2), fractions cut off.
pub(super) fn time(
    claims: &Map<String, Value>,
    name: &str,
) -> Result<Option<DateTime<Utc>>, ConnectorError> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds
        // Within four-digit years no later sum of times can overflow.
        .filter(|seconds| (0..=LAST_SECOND).contains(seconds))
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map(Some)
        .ok_or_else(|| invalid(&format!("{name} is not a time")))
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

fn shown(found: Option<&str>) -> String {
    found.unwrap_or("nothing").to_owned()
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn invalid(reason: &str) -> ConnectorError {
    ConnectorError::TokenInvalid {
        reason: reason.to_owned(),
    }
}
