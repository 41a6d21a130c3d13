//! Sealing one secret for one place in one table.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad as AeadAad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Secret, SecretsError, hex};
use crate::clock::Entropy;

/// Leads every sealed text, so that a later format can stand beside this one.
pub(super) const FORMAT: &str = "v1";

/// Where a sealed value lives. It opens only there: a ciphertext that somebody copies to another row, column
/// or organization is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aad<'a> {
    pub table: &'a str,
    pub column: &'a str,
    /// The primary key of the row, as text.
    pub row: &'a str,
    /// Empty for rows that belong to the deployment.
    pub organization: &'a str,
}

impl Aad<'_> {
    /// Each part behind its length, so that no two places have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        length_prefixed(&[FORMAT, self.table, self.column, self.row, self.organization])
    }
}

/// Seals and opens the secrets of one organization, or of the deployment. AES-256-GCM with a random nonce for
/// each write; at the rate at which connections and endpoints change, its limit of 2^32 writes is out of sight.
pub struct DataKey {
    /// A fingerprint, so that values of two data keys can stand side by side while one replaces the other.
    id: String,
    key: SealingKey,
}

impl DataKey {
    pub(super) fn new(bytes: &[u8; 32]) -> Result<Self, SecretsError> {
        let mut fingerprint = digest::Context::new(&digest::SHA256);
        fingerprint.update(b"tenon data key id");
        fingerprint.update(bytes);
        let id = hex(&fingerprint.finish().as_ref()[..4]);
        Ok(Self {
            id,
            key: SealingKey::new(bytes)?,
        })
    }

    /// The text to store: `v1.<id of the data key>.<base64url of nonce, ciphertext and tag>`.
    pub fn seal(
        &self,
        aad: Aad<'_>,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<String, SecretsError> {
        let sealed = self.key.seal(&aad.bytes(), plaintext, entropy)?;
        Ok(format!("{FORMAT}.{}.{sealed}", self.id))
    }

    /// The secret that was sealed for this place.
    pub fn open(&self, aad: Aad<'_>, sealed: &str) -> Result<Secret<Vec<u8>>, SecretsError> {
        let (id, body) = split_sealed(sealed)?;
        if id != self.id {
            return Err(SecretsError::UnknownKey { id: id.to_owned() });
        }
        self.key.open(&aad.bytes(), body)
    }

    /// Like [`DataKey::open`], for secrets that were text.
    pub fn open_text(&self, aad: Aad<'_>, sealed: &str) -> Result<Secret<String>, SecretsError> {
        let bytes = self.open(aad, sealed)?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| SecretsError::DoesNotOpen)?;
        Ok(Secret::new(text.to_owned()))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DataKey(•••)")
    }
}

/// AES-256-GCM over base64url, shared by data keys and key-encryption keys.
pub(super) struct SealingKey(LessSafeKey);

impl SealingKey {
    pub(super) fn new(bytes: &[u8; 32]) -> Result<Self, SecretsError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SecretsError::LibraryRefused)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    pub(super) fn seal(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<String, SecretsError> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut body = plaintext.to_vec();
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                AeadAad::from(aad),
                &mut body,
            )
            .map_err(|_| SecretsError::LibraryRefused)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &body, tag.as_ref()].concat()))
    }

    pub(super) fn open(&self, aad: &[u8], sealed: &str) -> Result<Secret<Vec<u8>>, SecretsError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| SecretsError::UnknownFormat)?;
        let (nonce, body) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SecretsError::UnknownFormat)?;
        // Decrypted in place inside a `Secret`, so that the plaintext is wiped whatever happens.
        let mut buffer = Secret::new(body.to_vec());
        let length = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                AeadAad::from(aad),
                buffer.expose_mut(),
            )
            .map_err(|_| SecretsError::DoesNotOpen)?
            .len();
        buffer.expose_mut().truncate(length);
        Ok(buffer)
    }
}

/// The key's id and the body of `v1.<id>.<body>`.
pub(super) fn split_sealed(sealed: &str) -> Result<(&str, &str), SecretsError> {
    let rest = sealed
        .strip_prefix("v1.")
        .ok_or(SecretsError::UnknownFormat)?;
    rest.split_once('.').ok_or(SecretsError::UnknownFormat)
}

/// `parts` so that their borders are part of the bytes.
pub(super) fn length_prefixed(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
