//! The provider's published keys (JWK Set, RFC 7517) and what they verify.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::cache::Fetched;
use super::fetch;
use super::jws::Jws;
use crate::{ConnectorError, HttpClient};

const MAX_KEY_SET_BYTES: usize = 512 * 1024;

/// The signing keys of a provider that we can use, parsed once per fetch.
pub(super) struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// RFC 7517 section 4, RFC 7518 section 6, RFC 8037. Private members are not even read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads the key set. An empty one is a fault of the IdP's, and must not take the place of one that is not. Errors: `idp_unreachable`, `discovery_invalid`.
pub(super) async fn fetch(
    jwks_uri: &Url,
    http: &impl HttpClient,
) -> Result<Fetched<KeySet>, ConnectorError> {
    let (body, lifetime) = fetch::document(http, jwks_uri, MAX_KEY_SET_BYTES).await?;
    let invalid = |reason: String| ConnectorError::DiscoveryInvalid {
        reason: format!("the keys at {jwks_uri} can't be read: {reason}"),
    };
    let document: Document =
        serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    if document.keys.is_empty() {
        return Err(invalid("there are none".to_owned()));
    }
    let value = document.into();
    Ok(Fetched {
        value,
        document: String::from_utf8_lossy(&body).into_owned(),
        lifetime,
    })
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl From<Document> for KeySet {
    fn from(document: Document) -> Self {
        let jwks = document
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok());
        Self {
            keys: jwks.filter_map(Key::new).collect(),
        }
    }
}

impl KeySet {
    /// Keys of kinds that are unknown, broken or not meant for signatures are passed over: a provider may
    /// publish them beside the ones that we need (RFC 7517 section 5).
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(document.into())
    }

    /// Tries every key that fits the token's algorithm and `kid`: without a `kid` there may be several.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> Result<(), ConnectorError> {
        let fits = |key: &&Key| {
            let named = jws.kid.is_none() || key.kid.is_none() || key.kid == jws.kid;
            named && key.algorithms.contains(&jws.algorithm)
        };
        let mut candidates = self.keys.iter().filter(fits).peekable();
        let reason = match (candidates.peek(), &jws.kid) {
            (Some(_), _) => "no published key made it".to_owned(),
            (None, Some(kid)) => format!("no published key has the id {kid}"),
            (None, None) => format!("no published key is made for {:?}", jws.algorithm),
        };
        let made = |key: &Key| {
            let (signature, signed) = (jws.signature, jws.signed.as_bytes());
            jsonwebtoken::crypto::verify(signature, signed, &key.key, jws.algorithm)
                .unwrap_or(false)
        };
        if candidates.any(made) {
            Ok(())
        } else {
            Err(ConnectorError::SignatureInvalid { reason })
        }
    }
}

impl Key {
    fn new(jwk: Jwk) -> Option<Self> {
        let verifies = jwk
            .key_ops
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if jwk.usage.is_some_and(|usage| usage != "sig") || !verifies {
            return None;
        }
        let (key, fitting) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => (
                DecodingKey::from_rsa_components(&jwk.n?, &jwk.e?).ok()?,
                RSA,
            ),
            ("EC", Some("P-256")) => (
                DecodingKey::from_ec_components(&jwk.x?, &jwk.y?).ok()?,
                &[Algorithm::ES256][..],
            ),
            ("EC", Some("P-384")) => (
                DecodingKey::from_ec_components(&jwk.x?, &jwk.y?).ok()?,
                &[Algorithm::ES384][..],
            ),
            ("OKP", Some("Ed25519")) => (
                DecodingKey::from_ed_components(&jwk.x?).ok()?,
                &[Algorithm::EdDSA][..],
            ),
            _ => return None,
        };
        // A key may bind itself to one algorithm (RFC 7517 section 4.4).
        let bound = |algorithm: &&Algorithm| {
            jwk.alg
                .as_ref()
                .is_none_or(|alg| allowed(alg) == Some(**algorithm))
        };
        let algorithms: Vec<Algorithm> = fitting.iter().filter(bound).copied().collect();
        (!algorithms.is_empty()).then_some(Self {
            kid: jwk.kid,
            algorithms,
            key,
        })
    }
}

/// The algorithms that may sign an ID token, by exact name. `none` and the HMAC family are never among them:
/// a public key must not become an HMAC secret.
pub(super) fn allowed(name: &str) -> Option<Algorithm> {
    static NAMES: LazyLock<Vec<(String, Algorithm)>> = LazyLock::new(|| {
        let others = [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
        // RFC 9864 has a name for EdDSA with the only curve of it that we know.
        let ed25519 = [("Ed25519".to_owned(), Algorithm::EdDSA)];
        RSA.iter()
            .copied()
            .chain(others)
            .map(|a| (format!("{a:?}"), a))
            .chain(ed25519)
            .collect()
    });
    NAMES
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, algorithm)| *algorithm)
}

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_asymmetric_algorithms_by_exact_name_are_allowed() {
        for name in [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
            "Ed25519",
        ] {
            assert!(allowed(name).is_some(), "{name}");
        }
        for name in [
            "none", "None", "", "HS256", "HS512", "rs256", "RS256 ", "RSA1_5", "ES256K", "Ed448",
        ] {
            assert!(allowed(name).is_none(), "{name}");
        }
    }

    #[test]
    fn keys_for_other_purposes_are_passed_over() {
        let rsa = r#""kty":"RSA","n":"AQAB","e":"AQAB""#;
        let usable = |members: &str| {
            KeySet::parse(format!(r#"{{"keys":[{{{members}}}]}}"#).as_bytes())
                .unwrap()
                .keys
                .len()
        };
        assert_eq!(usable(rsa), 1);
        assert_eq!(
            usable(&format!(
                r#"{rsa},"use":"sig","alg":"RS256","key_ops":["verify"]"#
            )),
            1
        );
        assert_eq!(usable(&format!(r#"{rsa},"use":"enc""#)), 0);
        assert_eq!(usable(&format!(r#"{rsa},"alg":"RSA-OAEP""#)), 0);
        assert_eq!(usable(&format!(r#"{rsa},"alg":"ES256""#)), 0);
        assert_eq!(usable(&format!(r#"{rsa},"key_ops":["encrypt"]"#)), 0);
        assert_eq!(usable(r#""kty":"oct","k":"AQAB""#), 0);
        assert_eq!(
            usable(r#""kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB""#),
            0
        );
        assert_eq!(usable(r#""kty":"RSA","n":"not base64!","e":"AQAB""#), 0);
        assert!(KeySet::parse(b"{}").is_err() && KeySet::parse(b"<html>").is_err());
    }
}
