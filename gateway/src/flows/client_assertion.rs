//! `private_key_jwt`: an application proves itself by a JWT that its own key signed (RFC 7523 3, OIDC Core 9).

mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;
use crate::error::Error;
use crate::ids::ApplicationId;
use crate::model::{Application, Timestamp};
use crate::store::spent_ids;
pub use keys::ClientKeys;

/// The algorithms, for the discovery document. No HMAC: our side keeps no secret that could make one, and a
/// public key must not become one.
pub const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// How far ahead `exp` may lie: libraries ask for up to an hour, and each id is kept that long.
const LONGEST: TimeDelta = TimeDelta::hours(1);
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);
const MAX_ASSERTION: usize = 16 * 1024;
const MAX_JTI: usize = 512;

/// Why an assertion proves nothing. The client is told, since it made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefusal {
    #[error("client_assertion is not a JWT that can be read")]
    Unreadable,
    #[error("client_assertion is a token of another type")]
    WrongType,
    #[error(
        "client_assertion is signed with an algorithm that is not RS256, PS256, ES256 or EdDSA"
    )]
    WrongAlgorithm,
    #[error("iss and sub of client_assertion are not both the client_id")]
    WrongClient,
    #[error("aud of client_assertion is not this issuer or its token endpoint")]
    WrongAudience,
    #[error("client_assertion has expired, is not valid yet, or is valid for more than an hour")]
    WrongTime,
    #[error("client_assertion has no usable jti")]
    NoId,
    #[error("no key of the client made client_assertion")]
    WrongSignature,
    #[error("client_assertion was used before")]
    Reused,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who the assertion says made it, unchecked: where the request itself doesn't name the client.
pub fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let claims: Subject = decode(assertion.split('.').nth(1)?)?;
    Some(claims.sub)
}

/// Checks an assertion, cheap things first, and spends its id. `audiences` are our own names.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn verify(
    app: &App,
    client: &Application,
    assertion: &str,
    audiences: &[String],
) -> Result<Result<(), AssertionRefusal>, Error> {
    let read = match read(app, client.id, assertion, audiences) {
        Ok(read) => read,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let keys = &app.client_keys;
    if !keys.made(app, client, &read).await {
        return Ok(Err(AssertionRefusal::WrongSignature));
    }
    let id = format!("client assertion {} {}", client.id, read.jti);
    let tx = app.store.begin().await?;
    let first = spent_ids::spend(&tx, app.vault.hash(&id), read.forget_at).await?;
    tx.commit().await?;
    Ok(if first {
        Ok(())
    } else {
        Err(AssertionRefusal::Reused)
    })
}

/// An assertion of which all but the signature and the id holds.
struct Read<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signed: &'a str,
    signature: &'a str,
    jti: String,
    forget_at: Timestamp,
}

fn read<'a>(
    app: &App,
    client: ApplicationId,
    assertion: &'a str,
    audiences: &[String],
) -> Result<Read<'a>, AssertionRefusal> {
    use AssertionRefusal as Refusal;
    let (signed, signature) = Some(assertion)
        .filter(|text| text.len() <= MAX_ASSERTION)
        .and_then(|text| text.rsplit_once('.'))
        .ok_or(Refusal::Unreadable)?;
    let (header, payload) = signed.split_once('.').ok_or(Refusal::Unreadable)?;
    let header: Header = decode(header).ok_or(Refusal::Unreadable)?;
    // No token of another kind passes for an assertion (RFC 8725 3.11).
    let typ = header.typ.as_deref().unwrap_or("JWT");
    if !["JWT", "client-authentication+jwt"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(typ))
        || header.crit.is_some()
    {
        return Err(Refusal::WrongType);
    }
    let algorithm = algorithm(&header.alg).ok_or(Refusal::WrongAlgorithm)?;
    let claims: Claims = decode(payload).ok_or(Refusal::Unreadable)?;
    let own_id = client.to_string();
    if claims.iss != own_id || claims.sub != own_id {
        return Err(Refusal::WrongClient);
    }
    // One that is meant for others too could be presented here by them.
    let meant = match &claims.aud {
        Audience::One(one) => audiences.contains(one),
        Audience::Many(many) => !many.is_empty() && many.iter().all(|one| audiences.contains(one)),
    };
    if !meant {
        return Err(Refusal::WrongAudience);
    }
    let now = app.clock.now();
    let at = |seconds: f64| DateTime::from_timestamp(seconds as i64, 0).ok_or(Refusal::WrongTime);
    let expires_at = at(claims.exp)?;
    let begins = [claims.nbf, claims.iat].into_iter().flatten().map(at);
    let early = begins
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .any(|begin| begin > now + CLOCK_SKEW);
    if early || expires_at + CLOCK_SKEW <= now || expires_at > now + LONGEST + CLOCK_SKEW {
        return Err(Refusal::WrongTime);
    }
    let jti = claims
        .jti
        .filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI)
        .ok_or(Refusal::NoId)?;
    Ok(Read {
        algorithm,
        kid: header.kid,
        signed,
        signature,
        jti,
        forget_at: Timestamp(expires_at + CLOCK_SKEW),
    })
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "PS256" => Some(Algorithm::PS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
