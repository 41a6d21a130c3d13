//! The one door for outgoing HTTP: metadata, keys, token endpoints, webhooks (SECURITY-MODEL G29, G30).
//!
//! Whatever URL a customer gives and whatever DNS answers: https only, except into `egress_allow`; the name is
//! resolved once, every address is checked, and the connection goes to a checked address. No redirects, no
//! proxy from the environment, no cookies, no decompression. Time (body included), size and concurrency are
//! bounded.

mod address;
mod client;
mod dns;
mod host_limit;
mod policy;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use url::Url;

pub use client::Egress;
pub use dns::{Dns, DnsError, Lookup, TxtAnswer};
pub use policy::{BlockReason, Blocked};

/// Metadata, discovery documents, keys, token endpoints.
pub const CONNECTOR_TIMEOUT: Duration = Duration::from_secs(5);
/// A webhook's receiver, its body included.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a webhook's answer is read before the connection is closed.
pub const WEBHOOK_BODY: usize = 16 * 1024;

#[derive(Debug, Clone)]
pub struct EgressRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// From the wait for a free place to the last byte of the answer.
    pub timeout: Duration,
    pub max_body: MaxBody,
}

impl EgressRequest {
    /// A webhook delivery: POST, 15 s, the first 16 KiB of the answer.
    pub fn webhook(url: Url, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            url,
            headers,
            body,
            timeout: WEBHOOK_TIMEOUT,
            max_body: MaxBody::Truncate(WEBHOOK_BODY),
        }
    }
}

/// What happens to an answer with more bytes than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxBody {
    /// [`EgressError::TooLarge`].
    Refuse(usize),
    /// The rest is not read, and the connection closed.
    Truncate(usize),
}

#[derive(Debug, Clone)]
pub struct EgressResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no answer. The texts are fit for a customer's eyes: they hold a host and a reason, no path, no
/// query, no header.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EgressError {
    /// No connection was tried.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// DNS, connect, TLS or HTTP failed.
    #[error("no answer from {host}: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("no complete answer from {host} within {} s", timeout.as_secs_f32())]
    Timeout { host: String, timeout: Duration },
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge { host: String, limit: usize },
    /// Too many requests to this host, or in all, are under way: the peer is not to blame.
    #[error("too many requests to {host} are under way")]
    Busy { host: String },
}

#[cfg(test)]
mod tests;
