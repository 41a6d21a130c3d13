//! Key-encryption keys: they wrap data keys and nothing else.

use super::{
    DataKey, Secret, SecretsError, TokenHasher,
    seal::{FORMAT, SealingKey, length_prefixed, split_sealed},
};
use crate::clock::Entropy;

/// One key-encryption key as configured: an id that stands beside what it wrapped, and 32 bytes.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    pub id: String,
    pub key: Secret<[u8; 32]>,
}

/// Whose key is wrapped. A wrapped key opens only for the owner that it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner<'a> {
    /// Seals the secrets of this organization (its id).
    Organization(&'a str),
    /// Seals what stands above the organizations: signing keys, endpoints without an organization.
    Deployment,
    /// The keyed hash of issued tokens.
    TokenHash,
}

impl KeyOwner<'_> {
    fn aad(&self, key_id: &str) -> Vec<u8> {
        let (kind, owner) = match self {
            Self::Organization(id) => ("organization", *id),
            Self::Deployment => ("deployment", ""),
            Self::TokenHash => ("token_hash", ""),
        };
        length_prefixed(&[FORMAT, key_id, kind, owner])
    }
}

/// The configured key-encryption keys: the first wraps, all unwrap. A wrapped key is stored as
/// `v1.<id of the key-encryption key>.<base64url>`.
pub struct KeyRing {
    primary: RingKey,
    older: Vec<RingKey>,
}

struct RingKey {
    id: String,
    key: SealingKey,
}

impl KeyRing {
    /// The first of `keys` wraps from now on; the others still unwrap what they wrapped.
    pub fn new(keys: &[EncryptionKey]) -> Result<Self, SecretsError> {
        let ring_key = |key: &EncryptionKey| {
            Ok(RingKey {
                id: key.id.clone(),
                key: SealingKey::new(key.key.expose())?,
            })
        };
        let (primary, older) = keys.split_first().ok_or(SecretsError::NoKey)?;
        Ok(Self {
            primary: ring_key(primary)?,
            older: older
                .iter()
                .map(ring_key)
                .collect::<Result<_, SecretsError>>()?,
        })
    }

    /// The id of the key that wraps from now on.
    pub fn primary_id(&self) -> &str {
        &self.primary.id
    }

    /// A new data key, and its wrapped form to store.
    pub fn generate_data_key(
        &self,
        owner: KeyOwner<'_>,
        entropy: &dyn Entropy,
    ) -> Result<(DataKey, String), SecretsError> {
        let bytes = random_key(entropy);
        Ok((
            DataKey::new(bytes.expose())?,
            self.wrap(owner, &bytes, entropy)?,
        ))
    }

    pub fn open_data_key(
        &self,
        owner: KeyOwner<'_>,
        wrapped: &str,
    ) -> Result<DataKey, SecretsError> {
        DataKey::new(self.unwrap_key(owner, wrapped)?.expose())
    }

    /// The key for token hashes, made once in the life of a deployment, and its wrapped form to store.
    pub fn generate_token_hasher(
        &self,
        entropy: &dyn Entropy,
    ) -> Result<(TokenHasher, String), SecretsError> {
        let bytes = random_key(entropy);
        let wrapped = self.wrap(KeyOwner::TokenHash, &bytes, entropy)?;
        Ok((TokenHasher::new(bytes.expose())?, wrapped))
    }

    pub fn open_token_hasher(&self, wrapped: &str) -> Result<TokenHasher, SecretsError> {
        TokenHasher::new(self.unwrap_key(KeyOwner::TokenHash, wrapped)?.expose())
    }

    /// The same key wrapped by the first key-encryption key; `None` when it is already. All that a rotation
    /// has to do: the values sealed with the key stay as they are.
    pub fn rewrap(
        &self,
        owner: KeyOwner<'_>,
        wrapped: &str,
        entropy: &dyn Entropy,
    ) -> Result<Option<String>, SecretsError> {
        let (id, _) = split_sealed(wrapped)?;
        if id == self.primary.id {
            return Ok(None);
        }
        let bytes = self.unwrap_key(owner, wrapped)?;
        self.wrap(owner, &bytes, entropy).map(Some)
    }

    fn wrap(
        &self,
        owner: KeyOwner<'_>,
        bytes: &Secret<[u8; 32]>,
        entropy: &dyn Entropy,
    ) -> Result<String, SecretsError> {
        let id = &self.primary.id;
        let sealed = self
            .primary
            .key
            .seal(&owner.aad(id), bytes.expose(), entropy)?;
        Ok(format!("{FORMAT}.{id}.{sealed}"))
    }

    fn unwrap_key(
        &self,
        owner: KeyOwner<'_>,
        wrapped: &str,
    ) -> Result<Secret<[u8; 32]>, SecretsError> {
        let (id, sealed) = split_sealed(wrapped)?;
        let ring_key = std::iter::once(&self.primary)
            .chain(&self.older)
            .find(|key| key.id == id)
            .ok_or_else(|| SecretsError::UnknownKey { id: id.to_owned() })?;
        let bytes = ring_key.key.open(&owner.aad(id), sealed)?;
        let key = <[u8; 32]>::try_from(bytes.expose().as_slice());
        key.map(Secret::new)
            .map_err(|_| SecretsError::UnknownFormat)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = std::iter::once(&self.primary)
            .chain(&self.older)
            .map(|key| &key.id);
        formatter.debug_list().entries(ids).finish()
    }
}

fn random_key(entropy: &dyn Entropy) -> Secret<[u8; 32]> {
    let mut key = Secret::new([0; 32]);
    entropy.fill(key.expose_mut());
    key
}
