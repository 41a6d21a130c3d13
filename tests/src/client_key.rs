//! The key pair of an application that authenticates by `private_key_jwt`.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData as _};
use serde_json::{Value, json};

pub struct ClientKey {
    algorithm: &'static str,
    pair: KeyPair,
}

impl ClientKey {
    /// For `ES256` or `EdDSA`.
    pub fn generate(algorithm: &'static str) -> Self {
        let kind = match algorithm {
            "ES256" => &PKCS_ECDSA_P256_SHA256,
            "EdDSA" => &PKCS_ED25519,
            other => panic!("no key for {other}"),
        };
        let pair = KeyPair::generate_for(kind).expect("a key");
        Self { algorithm, pair }
    }

    /// What is registered: a JWK set (RFC 7517 5).
    pub fn public(&self) -> Value {
        let public = self.pair.der_bytes();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match self.algorithm {
            // An uncompressed point: 4, x, y.
            "ES256" => {
                let (x, y) = public[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            _ => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(public)}),
        };
        key["kid"] = json!("client-key");
        key["use"] = json!("sig");
        json!({"keys": [key]})
    }

    /// What the application keeps.
    pub fn private(&self) -> Value {
        let mut pkcs8 = self.pair.serialize_der();
        if self.algorithm == "EdDSA" {
            // The version that brings the public key along (RFC 5958) is not read everywhere: without it, then.
            pkcs8.drain(48..);
            (pkcs8[1], pkcs8[4]) = (46, 0);
        }
        json!({"alg": self.algorithm, "kid": "client-key", "pkcs8": STANDARD.encode(pkcs8)})
    }
}
