//! `private_key_jwt`: the client proves itself with a key instead of a secret (OIDC Core section 9, RFC 7523), and
//! publishes the public half (RFC 7517).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::settings::{SpKeyPair, SpKeys};

/// The connection's signing key, parsed once.
pub(super) struct Signer {
    key: RsaKeyPair,
    /// SHA-256 of the certificate: how Entra ID, Okta and others find the key that was uploaded.
    thumbprint: String,
}

impl Signer {
    /// `None` where the key is not an RSA key in PKCS#8.
    pub(super) fn new(pair: &SpKeyPair) -> Option<Self> {
        let key = RsaKeyPair::from_pkcs8(&pair.private_key).ok()?;
        let thumbprint = thumbprint(&pair.certificate);
        Some(Self { key, thumbprint })
    }

    /// A token for one request, valid for a minute. Its `jti` comes from the code, which is used once too,
    /// so that this crate needs no random numbers.
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
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": URL_SAFE_NO_PAD.encode(digest(&SHA256, code.as_bytes())),
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

/// The connection's public keys as a JWK Set. The next key stands in it before it is used, and the one before it
/// stays while a replica or a request under way may still sign with it: a provider that reads the set never meets
/// a stranger's key.
pub fn public_keys(keys: &SpKeys) -> String {
    let keys: Vec<Value> = keys.pairs.iter().filter_map(public_key).collect();
    json!({ "keys": keys }).to_string()
}

fn public_key(pair: &SpKeyPair) -> Option<Value> {
    let (_, certificate) = X509Certificate::from_der(&pair.certificate).ok()?;
    let Ok(PublicKey::RSA(rsa)) = certificate.public_key().parsed() else {
        return None;
    };
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(bytes.get(zeros..).unwrap_or_default())
    };
    let thumbprint = thumbprint(&pair.certificate);
    Some(json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": thumbprint,
        "n": integer(rsa.modulus),
        "e": integer(rsa.exponent),
        "x5c": [STANDARD.encode(&pair.certificate)],
        "x5t#S256": thumbprint,
    }))
}

fn thumbprint(certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate))
}
