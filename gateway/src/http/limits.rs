//! What one caller may take: bytes of a body, time to send them, requests a second.

mod body;
mod failures;
mod rate;

pub use body::{BodyLimit, BodyRefused, DEFAULT_BODY_LIMIT};
pub use failures::{FailedDecryptions, MissedHints};
pub use rate::{Limit, Limited, PerAddress, RateLimits};
