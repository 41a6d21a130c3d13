//! How issued tokens are stored.

use aws_lc_rs::{hkdf, hmac};

use super::{SecretsError, hex};

/// Keyed hash for API keys, directory tokens, codes, refresh tokens, handles: the table holds the hash only,
/// and without the key a dump can't even be tried against guesses (G25). The tokens carry at least 128 random
/// bits, so no slow hash is needed.
pub struct TokenHasher {
    key: hmac::Key,
}

impl TokenHasher {
    /// The HMAC key is derived from the stored secret (HKDF, RFC 5869), so that the secret can serve another
    /// purpose later without two uses of one key.
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, SecretsError> {
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
            .extract(secret)
            .expand(&[b"tenon token hash v1"], hmac::HMAC_SHA256)
            .map(|okm| Self { key: okm.into() })
            .map_err(|_| SecretsError::LibraryRefused)
    }

    /// HMAC-SHA-256 of the token, in lower-case hex (64 characters): what is stored and looked up.
    pub fn hash(&self, token: &str) -> String {
        hex(hmac::sign(&self.key, token.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for TokenHasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenHasher(•••)")
    }
}
