//! Errors as the management API shows them: RFC 9457 `application/problem+json`.

use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::{IntoResponse, Response};
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};

use crate::error::{Error, Fault, FieldProblem};
use crate::http::limits::BodyRefused;
use crate::store::StoreError;

const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong, for the caller of the management API. Whatever converts into an [`Error`] becomes one
/// with `?`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Error(#[from] Error),
    /// What no flow knows of: it concerns HTTP itself.
    #[error("{detail}")]
    Http {
        status: http::StatusCode,
        code: &'static str,
        detail: String,
    },
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// A field of the request that is at fault.
#[derive(Object)]
#[oai(rename = "FieldProblem")]
struct FieldBody {
    /// Its path in the body, as in `saml.certificates[0]`, or the name of the parameter.
    field: String,
    message: String,
}

/// An error (RFC 9457). `code` is stable, `detail` is for people.
#[derive(Object)]
#[oai(rename = "Problem")]
struct Body {
    /// Always `about:blank`: `code` says which problem it is.
    #[oai(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    code: String,
    /// Names this request in the logs.
    request_id: String,
    /// The fields at fault, all of them; empty where no field is.
    errors: Vec<FieldBody>,
}

impl Problem {
    pub(super) fn http(
        status: http::StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Http {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// What poem raised, in our words. Only our own errors and those of its extractors tell details.
    pub(super) fn from_poem(error: poem::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(other) => other,
        };
        if let Some(ParsePathError { .. }) = error.downcast_ref() {
            // What is not an id names nothing: as unknown as an id that was never given out.
            return Error::NotFound("resource").into();
        }
        if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
            if *name == "cursor" {
                return Error::InvalidCursor.into();
            }
            return Error::invalid(*name, readable(reason)).into();
        }
        if let Some(error) = error.downcast_ref::<ContentTypeError>() {
            return Self::http(error.status(), "unsupported_media_type", error.to_string());
        }
        match BodyRefused::in_error(&error) {
            Some(refused @ BodyRefused::TooLarge { .. }) => {
                let status = http::StatusCode::PAYLOAD_TOO_LARGE;
                return Self::http(status, "body_too_large", refused.to_string());
            }
            Some(refused @ BodyRefused::TooSlow) => {
                let status = http::StatusCode::REQUEST_TIMEOUT;
                return Self::http(status, "body_too_slow", refused.to_string());
            }
            None => {}
        }
        if error.is::<NotFoundError>() {
            return Self::of_status(http::StatusCode::NOT_FOUND);
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::of_status(http::StatusCode::METHOD_NOT_ALLOWED);
        }
        match error.status() {
            status if status.is_client_error() => {
                Error::Malformed(readable(&error.to_string())).into()
            }
            _ => Error::Internal(error.to_string()).into(),
        }
    }

    /// An answer that bears a status and no more: poem's own for an unknown path or method.
    pub(super) fn of_status(status: http::StatusCode) -> Self {
        match status {
            http::StatusCode::NOT_FOUND => Self::http(status, "not_found", "there is no such path"),
            http::StatusCode::METHOD_NOT_ALLOWED => Self::http(
                status,
                "method_not_allowed",
                "this path does not take this method",
            ),
            status if status.is_client_error() => {
                Error::Malformed("the request is not one of this API".to_owned()).into()
            }
            status => Error::Internal(format!("the handler answered {status}")).into(),
        }
    }

    fn status_code(&self) -> http::StatusCode {
        match self {
            Self::Error(error) => error.status(),
            Self::Http { status, .. } => *status,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Error(error) => error.code(),
            Self::Http { code, .. } => code,
        }
    }

    /// What an outsider may read: in full if it can be mended there, and no word about our inside.
    fn detail(&self) -> String {
        match self {
            Self::Error(error) if error.fault() == Fault::Operator => {
                "this is not your fault; name the request id to whoever runs this service"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }

    fn fields(&self) -> &[FieldProblem] {
        match self {
            Self::Error(Error::Invalid(fields)) => fields,
            _ => &[],
        }
    }

    /// The answer.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let status = self.status_code();
        let code = self.code();
        if status.is_server_error() {
            tracing::error!(request_id, code, error = %self, "a request failed");
        }
        let body = Body {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self
                .fields()
                .iter()
                .map(|problem| FieldBody {
                    field: problem.field.clone(),
                    message: problem.message.clone(),
                })
                .collect(),
        };
        let mut response = Response::builder()
            .status(status)
            .content_type(CONTENT_TYPE)
            .header(http::header::CACHE_CONTROL, "no-store");
        if status == http::StatusCode::UNAUTHORIZED {
            // RFC 6750 3
            response = response.header(http::header::WWW_AUTHENTICATE, r#"Bearer realm="tenon""#);
        }
        match self {
            Self::Error(Error::TooManyRequests { retry_after }) => {
                response = response.header(http::header::RETRY_AFTER, *retry_after);
            }
            _ if status == http::StatusCode::SERVICE_UNAVAILABLE => {
                response = response.header(http::header::RETRY_AFTER, 1);
            }
            _ => {}
        }
        response.body(body.to_json_string())
    }
}

/// poem-openapi names Rust types in its sentences: only the part that says what is wrong is for a caller.
fn readable(reason: &str) -> String {
    let start = reason
        .find("\": ")
        .filter(|_| reason.starts_with("failed to parse \""));
    let reason = start.map_or(reason, |at| &reason[at + 3..]);
    let end = reason
        .find(" (occurred while parsing")
        .unwrap_or(reason.len());
    reason[..end].to_owned()
}

impl ResponseError for Problem {
    fn status(&self) -> http::StatusCode {
        self.status_code()
    }

    fn as_response(&self) -> Response {
        self.render("")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.render("")
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let problem = |status: Option<u16>, description: &'static str| MetaResponse {
            description,
            status,
            status_range: None,
            content: vec![MetaMediaType {
                content_type: CONTENT_TYPE,
                schema: Body::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses {
            responses: vec![
                problem(
                    Some(400),
                    "The request is not valid; `errors` names the fields.",
                ),
                problem(Some(401), "No valid API key."),
                problem(Some(403), "The key lacks the right."),
                problem(Some(404), "Unknown, or another organization's."),
                problem(
                    Some(429),
                    "Too many requests; `Retry-After` says when to come back.",
                ),
                problem(None, "Any other error."),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        Body::register(registry);
    }
}
