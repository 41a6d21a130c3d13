//! Signing in: from the authorization request to the IdP, and back to the application with a code.
//!
//! [`begin()`] leaves a pending login; [`complete()`] checks what the IdP sent and keeps the identity under a
//! one-time handle; [`finish()`] is the continue step, where the browser that began must be the one that ends.
//! Network calls happen before a transaction opens, never inside one.

mod account;
mod begin;
mod complete;
mod documents;
mod finish;
mod open;
mod response;
mod unsolicited;

pub(crate) use begin::message_id;
pub use begin::{Begun, begin};
pub(crate) use complete::check_email;
pub use complete::{Answer, Refusal, complete};
pub use finish::{Decision, Finished, finish};
pub use open::{
    ConnectionCache, OpenConnection, client_jwks, oidc_endpoints, open, sp_endpoints, sp_metadata,
};
pub use response::kept_response;
pub use unsolicited::restart;

use chrono::TimeDelta;

/// How long a login may wait for the IdP, and then for its browser.
pub const LOGIN_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Longest user agent kept.
const MAX_USER_AGENT: usize = 512;

/// The browser at the other end, as far as it is known.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Value of the cookie that binds a login to its browser; `None` where it was not sent.
    pub cookie: Option<String>,
    pub ip: String,
    pub user_agent: String,
    pub request_id: String,
}

impl Browser {
    fn user_agent(&self) -> String {
        self.user_agent.chars().take(MAX_USER_AGENT).collect()
    }
}
