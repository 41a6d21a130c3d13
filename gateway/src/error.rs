//! Errors of the service: what happened, its stable code, and who can mend it. Flows don't know which face
//! shows them; each face has one mapping (HOUSE section 6).

use connectors::ConnectorError;

use crate::ids::DirectoryId;
use crate::store::StoreError;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Told in full: 4xx.
    Caller,
    /// The customer's IT: the person gets code and login id, IT the trace.
    Customer,
    /// Ours: a request id only, 5xx.
    Operator,
}

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// As in the request: `saml.certificates[0]`.
    pub field: String,
    pub message: String,
}

impl FieldProblem {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Missing, or another tenant's: the same to the caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("no valid credential")]
    Unauthorized,
    /// The key is valid, and the reason why it does not reach this far.
    #[error("this key may not do that: {0}")]
    Forbidden(&'static str),
    #[error("the request is not valid")]
    Invalid(Vec<FieldProblem>),
    #[error("the request can't be read: {0}")]
    Malformed(String),
    /// What the `scim` crate refused.
    #[error("{0}")]
    Scim(#[from] scim::ScimError),
    /// `If-Match` names another version.
    #[error("the resource has changed: its version is another one now")]
    PreconditionFailed,
    #[error("the cursor is not one of this list")]
    InvalidCursor,
    /// A unique value is taken, or the state does not allow it. The code says which.
    #[error("{detail}")]
    Conflict { code: &'static str, detail: String },
    #[error("too many requests; try again in {retry_after} s")]
    TooManyRequests { retry_after: u64 },
    #[error(
        "this directory deactivates or deletes more people within an hour than it may, so whom it takes away stays \
         until somebody looks at it and calls POST /api/v1/directories/{directory}/release"
    )]
    DirectoryHeld { directory: DirectoryId },
    #[error(
        "this user is protected: a directory can neither deactivate nor delete it while it is in the directory's \
         protected_user_ids"
    )]
    UserProtected,
    #[error("the reader's position is gone: {detail}")]
    CursorGone { code: &'static str, detail: String },
    #[error("{0}")]
    Connector(#[from] ConnectorError),
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A stored secret does not open: a wrong key, or a row that was moved.
    #[error("a stored secret does not open: {0}")]
    Secret(String),
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// One field at fault.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem::new(field, message)])
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            detail: detail.into(),
        }
    }

    /// Stable for ever.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid_request",
            Self::Malformed(_) => "malformed_request",
            Self::Scim(error) => error.code(),
            Self::PreconditionFailed => "precondition_failed",
            Self::InvalidCursor => "invalid_cursor",
            Self::Conflict { code, .. } | Self::CursorGone { code, .. } => code,
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::DirectoryHeld { .. } => "directory_held",
            Self::UserProtected => "user_protected",
            Self::Connector(error) => error.code(),
            Self::Store(StoreError::EventTooLarge { .. }) => "event_too_large",
            Self::Store(StoreError::Stale) => "changed_in_between",
            Self::Store(_) => "database_unavailable",
            Self::Secret(_) | Self::Internal(_) => "internal_error",
        }
    }

    pub fn fault(&self) -> Fault {
        match self {
            Self::Connector(_) => Fault::Customer,
            Self::Store(StoreError::EventTooLarge { .. } | StoreError::Stale) => Fault::Caller,
            Self::Store(_) | Self::Secret(_) | Self::Internal(_) => Fault::Operator,
            _ => Fault::Caller,
        }
    }

    /// The HTTP status on every face that has no word of its own for it.
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode;
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Invalid(_) | Self::Malformed(_) | Self::InvalidCursor | Self::Connector(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Scim(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Conflict { .. } | Self::Store(StoreError::Stale) => StatusCode::CONFLICT,
            Self::CursorGone { .. } => StatusCode::GONE,
            Self::TooManyRequests { .. } | Self::DirectoryHeld { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::UserProtected => StatusCode::FORBIDDEN,
            Self::Store(StoreError::EventTooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Secret(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}
