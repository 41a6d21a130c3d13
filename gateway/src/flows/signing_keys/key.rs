//! One signing key: made, parsed, signing and verifying.
//!
//! The tokens are put together here and signed with aws-lc-rs, not with jsonwebtoken: that one parses the
//! private key again for each signature, which for RSA takes longer than to sign (2.7 ms against 0.44 ms in
//! all, measured side by side in a debug build; 77 µs against 29 µs for P-256).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::model::{SigningAlgorithm, SigningKeyState};
use crate::store::signing_keys::StoredSigningKey;

/// A new private key.
pub(super) struct KeyMaterial {
    pub(super) alg: SigningAlgorithm,
    pub(super) pkcs8: zeroize::Zeroizing<Vec<u8>>,
    /// The members that make the key (RFC 7638 3.2), in the order of their names.
    pub(super) public: Value,
}

impl KeyMaterial {
    /// RSA takes a tenth of a second or so. aws-lc draws from its own generator.
    pub(super) fn generate(alg: SigningAlgorithm) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let pkcs8 = match alg {
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| pair.as_der().map(|der| der.as_ref().to_vec())),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map(|document| document.as_ref().to_vec())
            }
            SigningAlgorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8(&random).map(|document| document.as_ref().to_vec())
            }
        };
        let pkcs8 = zeroize::Zeroizing::new(pkcs8.map_err(|_| refused())?);
        let public = KeyPair::parse(alg, &pkcs8)?.public_members();
        Ok(Self { alg, pkcs8, public })
    }

    /// The JWK thumbprint with SHA-256 (RFC 7638 3).
    pub(super) fn kid(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.public.to_string().as_bytes()))
    }

    /// As `/oauth/jwks` shows it.
    pub(super) fn published_jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = kid.into();
        jwk["alg"] = self.alg.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }
}

/// A private key as the library holds it.
enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    fn parse(alg: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let pair = match alg {
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Self::Rsa),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Self::P256)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
        };
        pair.map_err(|error| Error::Secret(format!("a signing key: {error}")))
    }

    fn public_key(&self) -> Result<ParsedPublicKey, Error> {
        let parsed = match self {
            Self::Rsa(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()),
            Self::P256(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()),
            Self::Ed25519(pair) => ParsedPublicKey::new(&ED25519, pair.public_key()),
        };
        parsed.map_err(|error| Error::Secret(format!("a signing key: {error}")))
    }

    /// RFC 7518 6.2.1 and 6.3.1, RFC 8037 2.
    fn public_members(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                json!({
                    "e": encode(key.exponent().big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encode(key.modulus().big_endian_without_leading_zero()),
                })
            }
            Self::P256(pair) => {
                // An uncompressed point (SEC 1 2.3.3): 4, then two coordinates of 32 bytes.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map(|()| signature)
            }
            Self::P256(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Self::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
        }
        .map_err(|_| refused())
    }
}

/// A published key, parsed.
pub struct SigningKey {
    pub kid: String,
    pub alg: SigningAlgorithm,
    pub(super) state: SigningKeyState,
    pair: KeyPair,
    public: ParsedPublicKey,
}

impl SigningKey {
    pub(super) fn open(stored: &StoredSigningKey, pkcs8: &[u8]) -> Result<Self, Error> {
        let pair = KeyPair::parse(stored.alg, pkcs8)?;
        let public = pair.public_key()?;
        Ok(Self {
            kid: stored.kid.clone(),
            alg: stored.alg,
            state: stored.state,
            pair,
            public,
        })
    }

    /// Does work that signs: RSA on the blocking pool, since a signature takes about a millisecond, in which
    /// the reactor would answer a hundred others; the curves right here.
    pub async fn signing<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match self.pair {
            KeyPair::Rsa(_) => tokio::task::spawn_blocking(move || work(&self))
                .await
                .map_err(|error| Error::Internal(error.to_string()))?,
            KeyPair::P256(_) | KeyPair::Ed25519(_) => work(&self),
        }
    }

    /// A JWS in compact serialization (RFC 7515 7.1): `header.payload.signature`. `typ` is what keeps one
    /// kind of token from passing for another (RFC 8725 3.11).
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, Error> {
        let header = json!({ "alg": self.alg.as_str(), "typ": typ, "kid": self.kid });
        let payload =
            serde_json::to_vec(claims).map_err(|error| Error::Internal(error.to_string()))?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Whether this key made `signature` over `message`.
    pub fn verifies(&self, message: &str, signature: &[u8]) -> bool {
        self.public
            .verify_sig(message.as_bytes(), signature)
            .is_ok()
    }
}

fn refused() -> Error {
    Error::Internal("the cryptographic library refused to make a key or a signature".to_owned())
}
