//! A value that must not be seen.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Holds a secret: prints as dots, is wiped when dropped, and has no `==`, so that a comparison has to go
/// through [`Secret::matches`].
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }

    pub(super) fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether `offered` is this secret, in a time that depends on its length only (G28).
    pub fn matches(&self, offered: impl AsRef<[u8]>) -> bool {
        self.0.as_ref().ct_eq(offered.as_ref()).into()
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("•••")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
