//! The IdP's certificates: pasted by people in every form that consoles offer, parsed once, and only used
//! as a holder of a public key and two dates. There is no chain to build: a key is trusted because the
//! connection lists it.

use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as aws, ParsedPublicKey, VerificationAlgorithm};
use chrono::{DateTime, SecondsFormat, Utc};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::SignatureAlgorithm;
use super::base64;

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;

/// What a person wants to see of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CertificateInfo {
    /// Normalised: 64 columns.
    pub pem: String,
    pub subject: String,
    /// SHA-256 of the DER form, lower-case hexadecimal.
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// `RSA 2048`, `EC P-256`.
    pub key: String,
}

/// Reads a certificate in PEM, DER, or bare base64. The error says in plain words what came instead.
pub fn parse_certificate(input: &[u8]) -> Result<CertificateInfo, String> {
    Certificate::parse(input).map(|certificate| certificate.info)
}

pub(super) struct Certificate {
    info: CertificateInfo,
    der: Vec<u8>,
    key: VerificationKey,
}

impl Certificate {
    pub(super) fn parse(input: &[u8]) -> Result<Self, String> {
        let der = to_der(input)?;
        let (rest, parsed) = x509_parser::certificate::X509Certificate::from_der(&der)
            .map_err(|_| "this is not an X.509 certificate".to_owned())?;
        if !rest.is_empty() {
            return Err("there is something after the end of the certificate".to_owned());
        }
        let (key, description) = VerificationKey::parse(parsed.public_key())?;
        let instant = |time: x509_parser::time::ASN1Time| {
            DateTime::from_timestamp(time.timestamp(), 0)
                .ok_or_else(|| "the certificate's dates cannot be read".to_owned())
        };
        let info = CertificateInfo {
            pem: to_pem(&der),
            subject: parsed.subject().to_string(),
            fingerprint: fingerprint(&der),
            not_before: instant(parsed.validity().not_before)?,
            not_after: instant(parsed.validity().not_after)?,
            key: description,
        };
        Ok(Self { info, der, key })
    }

    pub(super) fn info(&self) -> &CertificateInfo {
        &self.info
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether this certificate's key made `signature` over the text that `digest` is of.
    pub(super) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &digest::Digest,
        signature: &[u8],
    ) -> bool {
        self.key.verifies(algorithm, digest, signature)
    }

    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.key.der == other.key.der
    }

    /// When it was or will be valid, if not now.
    pub(super) fn outside_validity(&self, now: DateTime<Utc>) -> Option<String> {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        if now > self.info.not_after {
            Some(text(self.info.not_after))
        } else if now < self.info.not_before {
            Some(format!(
                "{} (from {})",
                text(self.info.not_after),
                text(self.info.not_before)
            ))
        } else {
            None
        }
    }
}

/// SHA-256, as IdP consoles show it.
pub(super) fn fingerprint(der: &[u8]) -> String {
    use std::fmt::Write;
    digest::digest(&digest::SHA256, der)
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn to_der(input: &[u8]) -> Result<Vec<u8>, String> {
    if input.first() == Some(&0x30) && std::str::from_utf8(input).map_or(true, |t| !is_base64(t)) {
        return Ok(input.to_vec());
    }
    let text = std::str::from_utf8(input).map_err(|_| "this is not a certificate".to_owned())?;
    if text.contains("PRIVATE KEY-----") {
        return Err(
            "this is a private key, which nobody may have: replace that key at the identity \
                    provider, and paste its certificate here"
                .to_owned(),
        );
    }
    let body = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => {
            let (body, after) = rest
                .split_once("-----END CERTIFICATE-----")
                .ok_or("the certificate's last line is missing")?;
            if after.contains("-----BEGIN") {
                return Err("several certificates in one field: paste each on its own".to_owned());
            }
            body
        }
        None if text.contains("-----BEGIN") => {
            return Err("this is a PEM file, but not one of a certificate".to_owned());
        }
        None => text,
    };
    base64::decode(body)
        .filter(|der| !der.is_empty())
        .ok_or_else(|| "this is not a certificate in PEM or base64".to_owned())
}

fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"+/=\r\n\t ".contains(&b))
}

pub(super) fn to_pem(der: &[u8]) -> String {
    let encoded = base64::encode(der);
    let mut pem = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// A public key, made ready for each algorithm when that is first used: to parse one costs more than to
/// verify with it.
struct VerificationKey {
    kind: KeyKind,
    /// SubjectPublicKeyInfo.
    der: Vec<u8>,
    ready: [OnceLock<Option<ParsedPublicKey>>; SignatureAlgorithm::COUNT],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
}

impl VerificationKey {
    fn parse(key: &SubjectPublicKeyInfo<'_>) -> Result<(Self, String), String> {
        let unsupported =
            || "the key is of a kind that signs no SAML here: use RSA or ECDSA".to_owned();
        let (kind, description) = match key.parsed().map_err(|_| unsupported())? {
            PublicKey::RSA(rsa) => {
                let leading_zeros = rsa.modulus.iter().take_while(|&&b| b == 0).count();
                let modulus = &rsa.modulus[leading_zeros..];
                let unused = modulus.first().map_or(0, |b| b.leading_zeros() as usize);
                let bits = modulus.len() * 8 - unused;
                if bits < MIN_RSA_BITS {
                    return Err(format!(
                        "the key has {bits} bits and can be broken: RSA needs {MIN_RSA_BITS}"
                    ));
                }
                if bits > MAX_RSA_BITS {
                    return Err(format!(
                        "the key has {bits} bits: RSA here ends at {MAX_RSA_BITS}"
                    ));
                }
                (KeyKind::Rsa, format!("RSA {bits}"))
            }
            PublicKey::EC(_) => {
                let curve = key
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|p| p.as_oid().ok());
                match curve {
                    Some(curve) if curve == OID_EC_P256 => (KeyKind::P256, "EC P-256".to_owned()),
                    Some(curve) if curve == OID_NIST_EC_P384 => {
                        (KeyKind::P384, "EC P-384".to_owned())
                    }
                    _ => return Err("the key is on a curve other than P-256 and P-384".to_owned()),
                }
            }
            _ => return Err(unsupported()),
        };
        let key = Self {
            kind,
            der: key.raw.to_vec(),
            ready: Default::default(),
        };
        let usual = match kind {
            KeyKind::Rsa => SignatureAlgorithm::RsaSha256,
            KeyKind::P256 => SignatureAlgorithm::EcdsaSha256,
            KeyKind::P384 => SignatureAlgorithm::EcdsaSha384,
        };
        key.ready(usual).ok_or("the public key is not valid")?;
        Ok((key, description))
    }

    fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &digest::Digest,
        signature: &[u8],
    ) -> bool {
        let Some(key) = self.ready(algorithm) else {
            return false;
        };
        if self.kind == KeyKind::Rsa {
            return key.verify_digest_sig(digest, signature).is_ok();
        }
        let half = if self.kind == KeyKind::P256 { 32 } else { 48 };
        signature.len() == 2 * half
            && key
                .verify_digest_sig(digest, &ecdsa_to_der(signature.split_at(half)))
                .is_ok()
    }

    fn ready(&self, algorithm: SignatureAlgorithm) -> Option<&ParsedPublicKey> {
        use SignatureAlgorithm as Alg;
        let verification: &'static dyn VerificationAlgorithm = match (self.kind, algorithm) {
            (KeyKind::Rsa, Alg::RsaSha1) => &aws::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (KeyKind::Rsa, Alg::RsaSha256) => &aws::RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, Alg::RsaSha384) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, Alg::RsaSha512) => &aws::RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::Rsa, Alg::PssSha256) => &aws::RSA_PSS_2048_8192_SHA256,
            (KeyKind::Rsa, Alg::PssSha384) => &aws::RSA_PSS_2048_8192_SHA384,
            (KeyKind::Rsa, Alg::PssSha512) => &aws::RSA_PSS_2048_8192_SHA512,
            (KeyKind::P256, Alg::EcdsaSha256) => &aws::ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Alg::EcdsaSha384) => &aws::ECDSA_P256_SHA384_ASN1,
            (KeyKind::P384, Alg::EcdsaSha256) => &aws::ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Alg::EcdsaSha384) => &aws::ECDSA_P384_SHA384_ASN1,
            _ => return None,
        };
        self.ready[algorithm as usize]
            .get_or_init(|| ParsedPublicKey::new(verification, &self.der).ok())
            .as_ref()
    }
}

/// XML-DSig writes r and s side by side (RFC 9231 2.3.6), the library reads `SEQUENCE { r, s }`.
fn ecdsa_to_der((r, s): (&[u8], &[u8])) -> Vec<u8> {
    let mut integers = Vec::with_capacity(r.len() + s.len() + 8);
    for half in [r, s] {
        let zeros = half
            .iter()
            .take_while(|&&b| b == 0)
            .count()
            .min(half.len() - 1);
        let digits = &half[zeros..];
        let sign = digits[0] & 0x80 != 0;
        // All lengths are below 128: at most 49 bytes each.
        integers.extend([0x02, (digits.len() + usize::from(sign)) as u8]);
        integers.extend(sign.then_some(0));
        integers.extend_from_slice(digits);
    }
    let mut der = vec![0x30, integers.len() as u8];
    der.append(&mut integers);
    der
}

#[cfg(test)]
mod tests;
