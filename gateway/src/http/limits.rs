//! What one caller may take: bytes of a body, time to send them, requests a second.

mod body;
mod decryption;
mod rate;

pub use body::{BodyLimit, BodyRefused, DEFAULT_BODY_LIMIT};
pub use decryption::FailedDecryptions;
pub use rate::{Limit, Limited, PerAddress, RateLimits};
