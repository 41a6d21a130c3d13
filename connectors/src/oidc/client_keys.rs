//! The other side of `private_key_jwt` (RFC 7523, OIDC Core 9): an application's public keys, read and used as a
//! provider's are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use url::Url;

use super::jws::Jws;
use super::keys::{self, KeySet};
use crate::{ConnectorError, HttpClient};

/// What an application may sign its assertions with.
pub const ASSERTION_ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// An application's public keys, parsed.
pub struct ClientKeys(KeySet);

impl ClientKeys {
    /// # Errors
    /// What is wrong with the document.
    pub fn parse(jwks: &[u8]) -> Result<Self, String> {
        KeySet::parse(jwks).map(Self)
    }

    /// Reads the keys at the application's `jwks_uri`, and says how long they may be kept.
    pub async fn fetch(
        jwks_uri: &Url,
        http: &impl HttpClient,
    ) -> Result<(Self, TimeDelta), ConnectorError> {
        let fetched = keys::fetch(jwks_uri, http).await?;
        Ok((Self(fetched.value), fetched.lifetime))
    }

    /// The claims of an assertion that one of these keys has signed; nothing in them is checked.
    pub fn verify(&self, assertion: &str) -> Result<Map<String, Value>, ConnectorError> {
        let jws = Jws::parse_client_assertion(assertion)?;
        let allowed = [
            Algorithm::RS256,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
        ];
        if !allowed.contains(&jws.algorithm) {
            return Err(ConnectorError::SignatureAlgorithmForbidden {
                algorithm: format!("{:?}", jws.algorithm),
            });
        }
        self.0.verify(&jws)?;
        jws.claims()
    }
}

/// Whom an assertion names as its client, believed only to look its keys up.
pub fn claimed_subject(assertion: &str) -> Option<String> {
    let payload = assertion.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}
