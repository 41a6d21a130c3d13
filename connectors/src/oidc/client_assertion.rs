//! `private_key_jwt`: the client proves itself with a key instead of a secret (OIDC Core section 9, RFC 7523).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

use crate::settings::{SpKeyPair, SpKeys};

/// One of the connection's signing keys, parsed once.
pub(super) struct Signer {
    key: RsaKeyPair,
    thumbprint: String,
}

impl Signer {
    /// `None` where the key is not an RSA key in PKCS#8.
    pub(super) fn new(pair: &SpKeyPair) -> Option<Self> {
        let key = RsaKeyPair::from_pkcs8(&pair.private_key).ok()?;
        let thumbprint = thumbprint(pair);
        Some(Self { key, thumbprint })
    }

    /// A token for one request, valid for a minute. Its `jti` comes from the code, which is used once with each
    /// key, so that this crate needs no random numbers.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        code: &str,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let header = json!({
            "alg": "RS256", "typ": "JWT", "kid": self.thumbprint, "x5t#S256": self.thumbprint,
        });
        let once = format!("{}.{code}", self.thumbprint);
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": URL_SAFE_NO_PAD.encode(digest(&SHA256, once.as_bytes())),
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::minutes(1)).timestamp(),
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new(); // PKCS#1 v1.5 draws none
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The public half of the connection's keys as a JWK Set (RFC 7517), for a provider that reads them at our
/// `jwks_uri`: what signs now, what signs next, and what signed before.
pub fn jwks(keys: &SpKeys) -> Value {
    let keys: Vec<Value> = keys.pairs.iter().filter_map(public_jwk).collect();
    json!({ "keys": keys })
}

fn public_jwk(pair: &SpKeyPair) -> Option<Value> {
    let key = RsaKeyPair::from_pkcs8(&pair.private_key).ok()?;
    let public = DecodingKey::from_rsa_der(key.public_key().as_ref());
    let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&public, None).ok()?).ok()?;
    let thumbprint = thumbprint(pair);
    let members = json!({
        "kid": thumbprint, "use": "sig", "alg": "RS256", "x5t#S256": thumbprint,
        "x5c": [STANDARD.encode(&pair.certificate)],
    });
    jwk.as_object_mut()?.extend(members.as_object()?.clone());
    Some(jwk)
}

/// SHA-256 of the certificate: how Entra ID, Okta and others find the key that was uploaded.
fn thumbprint(pair: &SpKeyPair) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.certificate))
}
