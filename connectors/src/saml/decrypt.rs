//! Decryption of EncryptedAssertion, EncryptedID and EncryptedAttribute (SAML Core 6, W3C xmlenc-core1).
//!
//! That something opens with our public key's counterpart proves nothing about who sent it. And every
//! failure past the choice of algorithms is the one `decryption_failed`: which step failed is what an
//! attacker with a stolen ciphertext asks for (Jager and Somorovsky 2011).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::base64;
use super::oaep::{Oaep, PrivateKey, Sha};
use super::response::SAML;
use super::signature::DS;
use super::xml::{Document, Element, Source, XmlError, trim};
use crate::{ConnectorError, SpKeys};

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const IV_LEN: usize = 16;
const GCM_NONCE_LEN: usize = 12;

/// EncryptedKeys tried for one element: an IdP encrypts to one service, or to its old and new key.
const MAX_ENCRYPTED_KEYS: usize = 4;

/// Our private keys, parsed once.
pub(super) struct Decryptor {
    keys: Vec<PrivateKey>,
    sp_entity_id: String,
}

impl Decryptor {
    /// Every pair of the connection decrypts, so that a rotated key stays readable. `None` in the place of
    /// a key that is no RSA key.
    pub(super) fn new(keys: &SpKeys, sp_entity_id: &str) -> Option<Self> {
        let keys = keys
            .pairs
            .iter()
            .map(|pair| PrivateKey::from_pkcs8(&pair.private_key));
        Some(Self {
            keys: keys.collect::<Option<_>>()?,
            sp_entity_id: sp_entity_id.to_owned(),
        })
    }

    /// The plaintext of the EncryptedData inside `wrapper`, ready to be parsed in its place.
    ///
    /// Errors: `decryption_failed`, `encryption_algorithm_forbidden`.
    pub(super) fn open(&self, wrapper: Element<'_>) -> Result<Source, ConnectorError> {
        let failed = || ConnectorError::DecryptionFailed;
        let data = wrapper.only(XENC, "EncryptedData").ok_or_else(failed)?;
        let algorithm = ContentAlgorithm::of(data)?;
        let ciphertext = cipher_value(data).ok_or_else(failed)?;
        let keys = self.encrypted_keys(wrapper, data);
        if keys.is_empty() {
            return Err(failed());
        }
        for encrypted_key in keys {
            let oaep = Oaep::of(encrypted_key)?;
            let Some(wrapped) = cipher_value(encrypted_key) else {
                continue;
            };
            for private_key in &self.keys {
                let opened = private_key
                    .decrypt(&oaep, &wrapped)
                    .and_then(|key| algorithm.decrypt(&key, ciphertext.clone()));
                if let Some(plaintext) = opened {
                    return Source::new(plaintext).map_err(|_| failed());
                }
            }
        }
        Err(failed())
    }

    /// The EncryptedKey elements that may hold the content key: inside the EncryptedData's KeyInfo, or
    /// beside it (Shibboleth, with or without a RetrievalMethod that points there). Those addressed to us
    /// where any is; `Recipient` is a hint and no more.
    fn encrypted_keys<'d>(&self, wrapper: Element<'d>, data: Element<'d>) -> Vec<Element<'d>> {
        let is_key = |e: &Element<'d>| e.is(XENC, "EncryptedKey");
        let inside = data
            .only(DS, "KeyInfo")
            .into_iter()
            .flat_map(Element::children);
        let keys: Vec<_> = inside.chain(wrapper.children()).filter(is_key).collect();
        let ours = |e: &Element<'d>| e.attribute("Recipient") == Some(self.sp_entity_id.as_str());
        let addressed = keys.iter().any(ours);
        keys.into_iter()
            .filter(|e| !addressed || ours(e))
            .take(MAX_ENCRYPTED_KEYS)
            .collect()
    }
}

/// Parses a plaintext where its ciphertext stood, under the same rules as everything else, and as one
/// element of the expected name.
///
/// Errors: `dtd_forbidden`, else `decryption_failed`.
pub(super) fn parse<'p>(
    plaintext: &'p Source,
    context: &[(&'p str, &'p str)],
    local: &str,
) -> Result<Document<'p>, ConnectorError> {
    let document = Document::parse_fragment(plaintext, context).map_err(|error| match error {
        XmlError::Dtd => ConnectorError::DtdForbidden,
        _ => ConnectorError::DecryptionFailed,
    })?;
    if document.root().is(SAML, local) {
        Ok(document)
    } else {
        Err(ConnectorError::DecryptionFailed)
    }
}

fn cipher_value(encrypted: Element<'_>) -> Option<Vec<u8>> {
    let value = encrypted
        .only(XENC, "CipherData")?
        .only(XENC, "CipherValue")?;
    base64::decode(value.text()?)
}

/// How the content is encrypted (xmlenc-core1 5.2). Triple-DES is broken by its block size, and whatever
/// is not listed is refused.
#[derive(Clone, Copy)]
enum ContentAlgorithm {
    Cbc(&'static cipher::Algorithm, usize),
    Gcm(&'static aead::Algorithm),
}

impl ContentAlgorithm {
    fn of(data: Element<'_>) -> Result<Self, ConnectorError> {
        let uri = method(data)?.1;
        Ok(match uri {
            "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => Self::Cbc(&cipher::AES_128, 16),
            "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => Self::Cbc(&cipher::AES_192, 24),
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => Self::Cbc(&cipher::AES_256, 32),
            "http://www.w3.org/2009/xmlenc11#aes128-gcm" => Self::Gcm(&aead::AES_128_GCM),
            "http://www.w3.org/2009/xmlenc11#aes192-gcm" => Self::Gcm(&aead::AES_192_GCM),
            "http://www.w3.org/2009/xmlenc11#aes256-gcm" => Self::Gcm(&aead::AES_256_GCM),
            other => return Err(forbidden(other)),
        })
    }

    /// `content` is the initialisation vector and then the ciphertext.
    fn decrypt(self, key: &[u8], mut content: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Gcm(algorithm) => {
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
                let (nonce, sealed) = content.split_at_mut_checked(GCM_NONCE_LEN)?;
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let len = key.open_in_place(nonce, Aad::empty(), sealed).ok()?.len();
                content.drain(..GCM_NONCE_LEN);
                content.truncate(len);
            }
            Self::Cbc(algorithm, key_len) => {
                if key.len() != key_len {
                    return None;
                }
                let (iv, blocks) = content.split_at_mut_checked(IV_LEN)?;
                if blocks.is_empty() || blocks.len() % IV_LEN != 0 {
                    return None;
                }
                let iv: [u8; IV_LEN] = (&*iv).try_into().ok()?;
                let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
                key.decrypt(blocks, DecryptionContext::Iv128(FixedLength::from(iv)))
                    .ok()?;
                // ISO 10126 padding (xmlenc-core1 5.2.2): the last byte counts, the others are random.
                let padding = usize::from(*blocks.last()?);
                if padding == 0 || padding > IV_LEN {
                    return None;
                }
                let len = blocks.len() - padding;
                content.drain(..IV_LEN);
                content.truncate(len);
            }
        }
        Some(content)
    }
}

impl Oaep {
    /// How the content key is encrypted (xmlenc-core1 5.5.2). RSA1_5 is not in the list: its padding
    /// tells too much (Bleichenbacher 1998).
    fn of(encrypted_key: Element<'_>) -> Result<Self, ConnectorError> {
        let (method, uri) = method(encrypted_key)?;
        let mgf = match uri {
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" => Sha::Sha1,
            "http://www.w3.org/2009/xmlenc11#rsa-oaep" => {
                match method
                    .only(XENC11, "MGF")
                    .and_then(|mgf| mgf.attribute("Algorithm"))
                {
                    None | Some("http://www.w3.org/2009/xmlenc11#mgf1sha1") => Sha::Sha1,
                    Some("http://www.w3.org/2009/xmlenc11#mgf1sha256") => Sha::Sha256,
                    Some(other) => return Err(forbidden(other)),
                }
            }
            other => return Err(forbidden(other)),
        };
        let digest = match method
            .only(DS, "DigestMethod")
            .and_then(|m| m.attribute("Algorithm"))
        {
            None | Some("http://www.w3.org/2000/09/xmldsig#sha1") => Sha::Sha1,
            Some("http://www.w3.org/2001/04/xmlenc#sha256") => Sha::Sha256,
            Some(other) => return Err(forbidden(other)),
        };
        let label = match method.only(XENC, "OAEPparams") {
            None => Vec::new(),
            Some(params) => params
                .text()
                .and_then(base64::decode)
                .ok_or(ConnectorError::DecryptionFailed)?,
        };
        Ok(Self { digest, mgf, label })
    }
}

/// The EncryptionMethod and its algorithm.
fn method(encrypted: Element<'_>) -> Result<(Element<'_>, &str), ConnectorError> {
    encrypted
        .only(XENC, "EncryptionMethod")
        .and_then(|method| Some((method, method.attribute("Algorithm")?)))
        .ok_or_else(|| forbidden("none named"))
}

fn forbidden(algorithm: &str) -> ConnectorError {
    let algorithm = trim(algorithm).to_owned();
    ConnectorError::EncryptionAlgorithmForbidden { algorithm }
}
