//! Errors as SCIM shows them (RFC 7644 section 3.12): JSON whatever went wrong, and no more about a fault of
//! ours than where to find it in the log.

use poem::Response;
use poem::http::{StatusCode, header};
use scim::{ErrorResponse, ScimError, ScimType};

use super::answer::CONTENT_TYPE;
use crate::error::{Error, Fault};
use crate::http::limits::BodyRefused;
use crate::model::Timestamp;
use crate::store::StoreError;

const ACCEPTED: &str = "application/scim+json, application/json";
/// In seconds: somebody has to look at a held directory first.
const HELD_RETRY_AFTER: u64 = 3_600;
/// `Retry-After`, where other writers were in the way for too long.
const BUSY_SECONDS: u64 = 2;

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum Refusal {
    Error(Error),
    /// Whether a token was given says only what the caller knows.
    Unauthorized {
        token_given: bool,
    },
    /// Who has a token of this directory may know that it was good once.
    TokenExpired {
        at: Timestamp,
    },
    /// The body says that it is no JSON.
    MediaType {
        found: String,
    },
    MethodNotAllowed {
        /// What the endpoint can do.
        allow: &'static str,
    },
    /// `/Me`, which this service does not offer (RFC 7644 section 3.11).
    NoAlias,
    /// Discovery documents take no filter (RFC 7644 section 4).
    FilterForbidden,
    Body(BodyRefused),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<ScimError> for Refusal {
    fn from(error: ScimError) -> Self {
        Self::Error(error.into())
    }
}

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        let body = self.to_error_response();
        let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::builder()
            .status(status)
            .content_type(CONTENT_TYPE);
        match &self {
            // RFC 6750 section 3: a request without a token gets no error code.
            Self::Unauthorized { token_given } => {
                let challenge = if *token_given {
                    "Bearer realm=\"scim\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"scim\""
                };
                response = response.header(header::WWW_AUTHENTICATE, challenge);
            }
            // RFC 6750 section 3.1.
            Self::TokenExpired { .. } => {
                let challenge = "Bearer realm=\"scim\", error=\"invalid_token\", \
                                 error_description=\"the token has expired\"";
                response = response.header(header::WWW_AUTHENTICATE, challenge);
            }
            // RFC 9110 section 15.5.16.
            Self::MediaType { .. } => {
                response = response.header(header::ACCEPT, ACCEPTED);
            }
            Self::MethodNotAllowed { allow } => {
                response = response.header(header::ALLOW, *allow);
            }
            Self::Error(Error::TooManyRequests { retry_after }) => {
                response = response.header(header::RETRY_AFTER, *retry_after);
            }
            // Directories try such a change again; a 409 they would give up.
            Self::Error(Error::DirectoryHeld { .. }) => {
                response = response.header(header::RETRY_AFTER, HELD_RETRY_AFTER);
            }
            Self::Error(Error::Store(error)) if error.is_transient() => {
                tracing::warn!(%error, "a SCIM request lost every race");
                response = response.header(header::RETRY_AFTER, BUSY_SECONDS);
            }
            _ => self.log(),
        }
        response.body(body.to_json().to_string())
    }

    /// As the answer to one operation of a bulk request.
    pub(super) fn into_error_response(self) -> ErrorResponse {
        self.log();
        self.to_error_response()
    }

    /// A fault of ours.
    fn log(&self) {
        if let Self::Error(error) = self
            && error.fault() == Fault::Operator
        {
            tracing::error!(%error, code = error.code(), "a SCIM request failed");
        }
    }

    pub(super) fn to_error_response(&self) -> ErrorResponse {
        let new = |status: StatusCode, scim_type, detail: &str| {
            ErrorResponse::new(status.as_u16(), scim_type, detail)
        };
        match self {
            Self::Error(Error::Scim(error)) => error.into(),
            // Nobody's version was wrong, so it is no conflict: the same request will do.
            Self::Error(Error::Store(error)) if error.is_transient() => {
                let detail = "others are changing the same resource; send the request again";
                new(StatusCode::SERVICE_UNAVAILABLE, None, detail)
            }
            Self::Error(error) => {
                let status = error.status();
                let scim_type = match error {
                    Error::Conflict { code, .. } if *code == "uniqueness" => {
                        Some(ScimType::Uniqueness)
                    }
                    Error::Malformed(_) => Some(ScimType::InvalidSyntax),
                    Error::InvalidCursor => Some(ScimType::InvalidCursor),
                    _ => None,
                };
                if error.fault() == Fault::Operator {
                    return new(
                        status,
                        None,
                        "the request failed; X-Request-Id names it in our log",
                    );
                }
                new(status, scim_type, &error.to_string())
            }
            Self::Unauthorized { .. } => {
                let detail = "a bearer token of this directory is needed";
                new(StatusCode::UNAUTHORIZED, None, detail)
            }
            Self::TokenExpired { at } => {
                let detail = format!(
                    "this token of the directory expired at {at}; ask for a new one and put it in its place"
                );
                new(StatusCode::UNAUTHORIZED, None, &detail)
            }
            Self::MediaType { found } => {
                let detail = format!("the body is sent as {found:?}; send JSON, as {ACCEPTED}");
                new(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, &detail)
            }
            Self::MethodNotAllowed { allow } => {
                let detail = format!("this endpoint has no such method, only {allow}");
                new(StatusCode::METHOD_NOT_ALLOWED, None, &detail)
            }
            Self::NoAlias => {
                let detail =
                    "a directory's token stands for no user, so there is no /Me; use /Users";
                new(StatusCode::NOT_IMPLEMENTED, None, detail)
            }
            Self::FilterForbidden => {
                let detail = "discovery documents can't be filtered";
                new(StatusCode::FORBIDDEN, None, detail)
            }
            Self::Body(refused) => {
                let status = match refused {
                    BodyRefused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyRefused::TooSlow => StatusCode::REQUEST_TIMEOUT,
                };
                new(status, None, &refused.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_lost_to_the_end_is_503_and_says_when_to_come_back() {
        let response = Refusal::from(StoreError::Stale).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
