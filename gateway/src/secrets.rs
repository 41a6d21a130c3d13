//! Secrets in memory and at rest (SECURITY-MODEL G25 to G28).
//!
//! Three layers of keys. The *key-encryption keys* come from the configuration and never touch the database.
//! They wrap one random *data key* per organization, one for the deployment, and the key that issued tokens
//! are hashed with. Data keys seal the secrets in the tables. So a new key-encryption key only means to wrap
//! a handful of keys again: what they sealed, and every token hash, stays as it is.

mod keyring;
mod seal;
mod secret;
mod token_hash;

pub use keyring::{EncryptionKey, KeyOwner, KeyRing};
pub use seal::{Aad, DataKey};
pub use secret::Secret;
pub use token_hash::TokenHasher;

/// Why a key or a sealed value does not open. Says nothing about the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    #[error("no encryption key is configured")]
    NoKey,
    #[error("a sealed value is not in a format this version knows")]
    UnknownFormat,
    #[error("sealed with the key {id:?}, which is not among the configured ones")]
    UnknownKey { id: String },
    /// The wrong key, an altered value, or a value that was moved from another row.
    #[error("a sealed value does not open here")]
    DoesNotOpen,
    #[error("the cryptographic library refused the operation")]
    LibraryRefused,
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests;
