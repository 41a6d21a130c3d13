//! The other side of `private_key_jwt` (RFC 7523, OIDC Core 9): an application's public keys, read and used as a
//! provider's are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use url::Url;

use super::cache::Cached;
use super::jws::Jws;
use super::keys::{self, KeySet};
use crate::{ConnectorError, HttpClient};

/// What an application may sign its assertions with. The last two are one (RFC 9864): libraries write either.
pub const ASSERTION_ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/// How long a `jwks_uri` that could not be read is left alone: whoever knows a client's id can send assertions,
/// and they must not become requests.
const FAILURE_LASTS: TimeDelta = TimeDelta::seconds(10);

/// An application's public keys, as registered.
pub struct ClientKeys(KeySet);

impl ClientKeys {
    /// # Errors
    /// What is wrong with the document.
    pub fn parse(jwks: &[u8]) -> Result<Self, String> {
        KeySet::parse(jwks).map(Self)
    }

    /// The claims of an assertion that one of these keys has signed; nothing in them is checked.
    pub fn verify(&self, assertion: &str) -> Result<Map<String, Value>, ConnectorError> {
        let jws = parse(assertion)?;
        self.0.verify(&jws)?;
        jws.claims()
    }
}

/// The public keys at an application's `jwks_uri`: read when they are first needed, kept as long as the server
/// says, and read again for a signature that none of them made, since that is how a client rotates its keys
/// (RFC 7517 has no other way to tell).
pub struct PublishedKeys {
    jwks_uri: Url,
    keys: Cached<KeySet>,
}

impl PublishedKeys {
    pub fn at(jwks_uri: Url) -> Self {
        Self {
            jwks_uri,
            keys: Cached::remembering_failures(FAILURE_LASTS),
        }
    }

    /// As [`ClientKeys::verify`].
    pub async fn verify(
        &self,
        assertion: &str,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Result<Map<String, Value>, ConnectorError> {
        let jws = parse(assertion)?;
        let fetch = || keys::fetch(&self.jwks_uri, http);
        let keys = self.keys.get(now, fetch()).await?;
        if let Err(error) = keys.verify(&jws) {
            match self.keys.refetch(now, &keys, fetch()).await {
                Some(newer) => newer.verify(&jws)?,
                None => return Err(error),
            }
        }
        jws.claims()
    }
}

fn parse(assertion: &str) -> Result<Jws<'_>, ConnectorError> {
    let jws = Jws::parse_client_assertion(assertion)?;
    let allowed = [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];
    if allowed.contains(&jws.algorithm) {
        Ok(jws)
    } else {
        Err(ConnectorError::SignatureAlgorithmForbidden {
            algorithm: format!("{:?}", jws.algorithm),
        })
    }
}

/// Whom an assertion names as its client, believed only to look its keys up.
pub fn claimed_subject(assertion: &str) -> Option<String> {
    let payload = assertion.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}
