//! Errors of the token endpoint (RFC 6749 5.2) and of userinfo (RFC 6750 3) in the standards' own words.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{Error, Fault};
use crate::flows::pushed_requests::PushRefusal;
use crate::flows::tokens::{AccessRefusal, GrantRefusal};
use crate::http::limits::{BodyRefused, Limited};

/// What goes back instead of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    /// The value of `WWW-Authenticate`.
    challenge: Option<String>,
    /// Seconds: the value of `Retry-After`.
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// A text in the characters that `error_description` may have (RFC 6749 4.1.2.1 and 5.2): what a stranger sent is
/// quoted in some.
pub(in crate::http) fn described(text: &str) -> String {
    let allowed = |character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    text.chars().map(allowed).collect()
}

impl OauthError {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: described(&description.into()),
            challenge: None,
            retry_after: None,
        }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid_request(format!("{parameter} is missing"))
    }

    pub(super) fn unsupported_grant_type() -> Self {
        let description = "grant_type must be authorization_code or refresh_token";
        Self::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            description,
        )
    }

    /// `by_basic`: the client used the `Authorization` header, so the answer must name its scheme.
    pub(super) fn invalid_client(description: &str, by_basic: bool) -> Self {
        Self {
            challenge: by_basic.then(|| r#"Basic realm="tenon", charset="UTF-8""#.to_owned()),
            ..Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
        }
    }

    /// RFC 6750 3.1: without a token there is nothing wrong with it, so the challenge has no code.
    pub(super) fn token_missing() -> Self {
        Self {
            challenge: Some(r#"Bearer realm="tenon""#.to_owned()),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_request",
                "an access token is needed in Authorization: Bearer",
            )
        }
    }

    /// No standard code exists for it; CIBA's and the device grant's is the nearest.
    pub(super) fn too_many_requests() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "slow_down",
            "too many requests",
        )
    }

    /// Has its log line and tells a stranger nothing.
    fn internal(error: &Error) -> Self {
        tracing::error!(%error, code = error.code(), "an OAuth request failed");
        Self::new(
            error.status(),
            "server_error",
            "the server could not answer; try again",
        )
    }

    pub(super) fn into_response(self) -> Response {
        let body = Body {
            error: self.error,
            error_description: &self.description,
        };
        let mut response = poem::web::Json(body).into_response();
        response.set_status(self.status);
        keep_out_of_caches(&mut response);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge.and_then(|value| value.parse().ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// RFC 6749 5.1.
pub(super) fn keep_out_of_caches(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

impl From<GrantRefusal> for OauthError {
    fn from(refusal: GrantRefusal) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            refusal.error(),
            refusal.to_string(),
        )
    }
}

impl From<PushRefusal> for OauthError {
    fn from(refusal: PushRefusal) -> Self {
        Self::new(StatusCode::BAD_REQUEST, refusal.error, refusal.description)
    }
}

impl From<AccessRefusal> for OauthError {
    fn from(refusal: AccessRefusal) -> Self {
        let status = match refusal {
            AccessRefusal::InsufficientScope => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        let (error, description) = (refusal.error(), refusal.to_string());
        let mut challenge =
            format!(r#"Bearer realm="tenon", error="{error}", error_description="{description}""#);
        if refusal == AccessRefusal::InsufficientScope {
            challenge.push_str(r#", scope="openid""#);
        }
        Self {
            challenge: Some(challenge),
            ..Self::new(status, error, description)
        }
    }
}

impl From<Limited> for OauthError {
    fn from(limited: Limited) -> Self {
        Self {
            retry_after: Some(limited.retry_after()),
            ..Self::too_many_requests()
        }
    }
}

impl From<BodyRefused> for OauthError {
    fn from(refused: BodyRefused) -> Self {
        let status = match refused {
            BodyRefused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyRefused::TooSlow => StatusCode::REQUEST_TIMEOUT,
        };
        Self::new(status, "invalid_request", refused.to_string())
    }
}

impl From<Error> for OauthError {
    fn from(error: Error) -> Self {
        match error.fault() {
            // Two changed the same row at once: the client may try again.
            Fault::Caller | Fault::Customer => {
                Self::new(error.status(), "invalid_request", error.to_string())
            }
            Fault::Operator => Self::internal(&error),
        }
    }
}
