//! The one door to the network, held by the gateway: this crate only describes what it needs.

use std::future::Future;

/// One outgoing request. The client follows no redirects, bounds time and size, and checks each address.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub method: http::Method,
    pub url: url::Url,
    pub headers: Vec<(http::HeaderName, String)>,
    pub body: Vec<u8>,
    /// Reading stops with [`HttpFailure::TooLarge`] past this many bytes.
    pub max_response_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct HttpResponse {
    pub status: http::StatusCode,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

/// Why no answer came. The text is for the trace: no secrets.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpFailure {
    #[error("the address of {host} is not allowed: {reason}")]
    Forbidden { host: String, reason: String },
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no complete answer in time")]
    Timeout,
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

/// Implemented by the gateway's egress client, and by recorded conversations in tests.
pub trait HttpClient: Sync {
    fn send(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, HttpFailure>> + Send;
}
