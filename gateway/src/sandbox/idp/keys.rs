//! The practice IdP's keys: RSA-2048 with a self-signed certificate.

use std::{io, path::Path, sync::OnceLock};

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::IdpError;

/// One signing key.
#[derive(Debug)]
pub struct SigningKey {
    pair: RsaKeyPair,
    /// X.509 DER.
    pub certificate: Vec<u8>,
}

impl SigningKey {
    /// A new key; takes a tenth of a second or so.
    pub fn generate(name: &str) -> Result<Self, IdpError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| IdpError::Key)?;
        let pkcs8 = pair.as_der().map_err(|_| IdpError::Key)?;
        Self::with_certificate(pkcs8.as_ref(), name)
    }

    fn with_certificate(pkcs8: &[u8], name: &str) -> Result<Self, IdpError> {
        let key = rcgen::KeyPair::try_from(pkcs8).map_err(|_| IdpError::Key)?;
        let mut certificate = rcgen::CertificateParams::default();
        certificate.distinguished_name = rcgen::DistinguishedName::new();
        certificate
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        certificate.not_before = rcgen::date_time_ymd(2024, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(2044, 1, 1);
        let certificate = certificate.self_signed(&key).map_err(|_| IdpError::Key)?;
        let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| IdpError::Key)?;
        Ok(Self {
            pair,
            certificate: certificate.der().to_vec(),
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2): `rsa-sha256` of XML signatures and `RS256` of JWS.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        if self
            .pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .is_err()
        {
            // Cannot happen with a key that was parsed; an empty signature verifies nowhere.
            signature.clear();
        }
        signature
    }

    /// The private key as PKCS#8 DER.
    pub(super) fn pkcs8(&self) -> Result<Vec<u8>, IdpError> {
        let der = self.pair.as_der().map_err(|_| IdpError::Key)?;
        Ok(der.as_ref().to_vec())
    }

    pub fn certificate_base64(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// Modulus and exponent, big-endian (RFC 7518 6.3.1).
    pub fn public_numbers(&self) -> (Vec<u8>, Vec<u8>) {
        let public = self.pair.public_key();
        (
            public.modulus().big_endian_without_leading_zero().to_vec(),
            public.exponent().big_endian_without_leading_zero().to_vec(),
        )
    }
}

/// The key that metadata names, and another one for the failure switch `wrong_key`.
#[derive(Debug)]
pub struct IdpKeys {
    pub signing: SigningKey,
    stranger: OnceLock<SigningKey>,
}

/// What the file holds. The certificate is kept too: gateways pin it.
#[derive(Serialize, Deserialize)]
struct Stored {
    pkcs8: String,
    certificate: String,
}

impl IdpKeys {
    pub fn generate() -> Result<Self, IdpError> {
        Ok(Self {
            signing: SigningKey::generate("Practice IdP")?,
            stranger: OnceLock::new(),
        })
    }

    /// The key of an earlier start, or a new one that is kept in `file`.
    pub fn load_or_generate(file: &Path) -> Result<Self, IdpError> {
        match std::fs::read(file) {
            Ok(stored) => Self::parse(&stored).ok_or(IdpError::Key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate()?;
                let stored = Stored {
                    pkcs8: STANDARD.encode(keys.signing.pkcs8()?),
                    certificate: keys.signing.certificate_base64(),
                };
                crate::sandbox::state::write_private(file, &stored)?;
                Ok(keys)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn parse(stored: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(stored).ok()?;
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(stored.pkcs8).ok()?).ok()?;
        let certificate = STANDARD.decode(stored.certificate).ok()?;
        Some(Self {
            signing: SigningKey { pair, certificate },
            stranger: OnceLock::new(),
        })
    }

    /// A key that no gateway knows.
    pub(super) fn stranger(&self) -> Result<&SigningKey, IdpError> {
        if let Some(key) = self.stranger.get() {
            return Ok(key);
        }
        let key = SigningKey::generate("Somebody else")?;
        Ok(self.stranger.get_or_init(|| key))
    }
}
