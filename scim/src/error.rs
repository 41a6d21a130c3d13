//! What this crate refuses, and the SCIM error body (RFC 7644 section 3.12).

use serde_json::{Map, Value, json};

/// Why a request can't be served. Each is the caller's to mend; the text is for the caller, in full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScimError {
    #[error("the filter is wrong at character {position}: {problem}")]
    FilterMalformed { position: usize, problem: String },
    #[error("the filter names {name:?}, {}", why_unknown(name, resource))]
    FilterAttributeUnknown {
        name: String,
        resource: &'static str,
    },
    #[error("the filter compares {attribute}: {problem}")]
    FilterComparison { attribute: String, problem: String },
    #[error("the filter has more than {limit} comparisons")]
    FilterTooLarge { limit: usize },
    #[error(
        "the filter has more than {limit} comparisons that read every resource (co, ew, ne, pr, not)"
    )]
    FilterTooSlow { limit: usize },
    #[error("too many resources to look through in time; ask with eq, or for less")]
    ListTooSlow,
    #[error("the path {path:?} can't be used: {problem}")]
    PathInvalid { path: String, problem: String },
    #[error("{path:?} matches nothing")]
    NoTarget { path: String },
    #[error("a remove operation needs a path")]
    RemoveWithoutPath,
    #[error("{attribute} can't be changed by a directory")]
    ReadOnly { attribute: String },
    #[error("{attribute} is required and can't be removed")]
    RequiredRemoved { attribute: String },
    #[error("{attribute} is required")]
    RequiredMissing { attribute: String },
    #[error("{attribute}: {problem}")]
    ValueInvalid { attribute: String, problem: String },
    #[error("{problem}")]
    SyntaxInvalid { problem: String },
    #[error("{what}: {found} is more than the {limit} allowed")]
    LimitExceeded {
        what: &'static str,
        found: usize,
        limit: usize,
    },
    #[error("count must be a whole number, not {found:?}")]
    CountInvalid { found: String },
    #[error("with a cursor, count is from 1 to {limit}, not {found:?}")]
    PageSizeInvalid { found: String, limit: usize },
    #[error("the cursor is not one of this list")]
    CursorInvalid,
    #[error("the cursor has expired; begin again without one")]
    CursorExpired,
    /// An operation of a PATCH request, counted from 1.
    #[error("operation {number}: {error}")]
    Operation {
        number: usize,
        error: Box<ScimError>,
    },
}

/// The detail error keyword (RFC 7644 table 9, RFC 9865 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    InvalidFilter,
    TooMany,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
    InvalidVers,
    Sensitive,
    InvalidCursor,
    ExpiredCursor,
    InvalidCount,
}

impl ScimError {
    /// The variant in snake_case, stable for ever.
    pub fn code(&self) -> &'static str {
        match self {
            Self::FilterMalformed { .. } => "filter_malformed",
            Self::FilterAttributeUnknown { .. } => "filter_attribute_unknown",
            Self::FilterComparison { .. } => "filter_comparison",
            Self::FilterTooLarge { .. } => "filter_too_large",
            Self::FilterTooSlow { .. } => "filter_too_slow",
            Self::ListTooSlow => "list_too_slow",
            Self::PathInvalid { .. } => "path_invalid",
            Self::NoTarget { .. } => "no_target",
            Self::RemoveWithoutPath => "remove_without_path",
            Self::ReadOnly { .. } => "read_only",
            Self::RequiredRemoved { .. } => "required_removed",
            Self::RequiredMissing { .. } => "required_missing",
            Self::ValueInvalid { .. } => "value_invalid",
            Self::SyntaxInvalid { .. } => "syntax_invalid",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::CountInvalid { .. } => "count_invalid",
            Self::PageSizeInvalid { .. } => "page_size_invalid",
            Self::CursorInvalid => "invalid_cursor",
            Self::CursorExpired => "expired_cursor",
            Self::Operation { error, .. } => error.code(),
        }
    }

    /// Each of these answers 400, but for what is too large.
    pub fn status(&self) -> u16 {
        match self {
            Self::LimitExceeded { .. } => 413,
            Self::Operation { error, .. } => error.status(),
            _ => 400,
        }
    }

    pub fn scim_type(&self) -> Option<ScimType> {
        Some(match self {
            Self::FilterMalformed { .. }
            | Self::FilterAttributeUnknown { .. }
            | Self::FilterComparison { .. } => ScimType::InvalidFilter,
            Self::FilterTooLarge { .. } | Self::FilterTooSlow { .. } | Self::ListTooSlow => {
                ScimType::TooMany
            }
            Self::PathInvalid { .. } => ScimType::InvalidPath,
            Self::NoTarget { .. } | Self::RemoveWithoutPath => ScimType::NoTarget,
            Self::ReadOnly { .. } | Self::RequiredRemoved { .. } => ScimType::Mutability,
            Self::RequiredMissing { .. } | Self::ValueInvalid { .. } => ScimType::InvalidValue,
            Self::SyntaxInvalid { .. } => ScimType::InvalidSyntax,
            Self::CountInvalid { .. } => ScimType::InvalidValue,
            Self::PageSizeInvalid { .. } => ScimType::InvalidCount,
            Self::CursorInvalid => ScimType::InvalidCursor,
            Self::CursorExpired => ScimType::ExpiredCursor,
            Self::LimitExceeded { .. } => return None,
            Self::Operation { error, .. } => return error.scim_type(),
        })
    }

    pub(crate) fn value(attribute: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::ValueInvalid {
            attribute: attribute.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn syntax(problem: impl Into<String>) -> Self {
        Self::SyntaxInvalid {
            problem: problem.into(),
        }
    }

    pub(crate) fn path(path: &str, problem: impl Into<String>) -> Self {
        Self::PathInvalid {
            path: excerpt(path),
            problem: problem.into(),
        }
    }

    pub(crate) fn in_operation(self, number: usize) -> Self {
        Self::Operation {
            number,
            error: Box::new(self),
        }
    }
}

impl ScimType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    pub scim_type: Option<ScimType>,
    pub detail: String,
}

pub const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

impl ErrorResponse {
    pub fn new(status: u16, scim_type: Option<ScimType>, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    /// `{"schemas": [...], "status": "400", "scimType": "invalidFilter", "detail": "…"}`. The status is a
    /// string (RFC 7644 section 3.12).
    pub fn to_json(&self) -> Value {
        let mut body = Map::new();
        body.insert("schemas".into(), json!([ERROR_URN]));
        body.insert("status".into(), self.status.to_string().into());
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType".into(), scim_type.as_str().into());
        }
        body.insert("detail".into(), self.detail.clone().into());
        Value::Object(body)
    }
}

impl From<&ScimError> for ErrorResponse {
    fn from(error: &ScimError) -> Self {
        Self::new(error.status(), error.scim_type(), error.to_string())
    }
}

/// Why a filter can't name this attribute.
fn why_unknown(name: &str, resource: &str) -> String {
    let last = name.rsplit(':').next().unwrap_or(name);
    if last.eq_ignore_ascii_case("password") {
        "which is never returned, so that nothing can be found by it either".to_owned()
    } else if name.contains(':') {
        format!(
            "which is in no schema of a {resource} at /Schemas: what is in none is kept, and can't be filtered by"
        )
    } else {
        format!("which a {resource} does not have")
    }
}

/// The start of something a stranger wrote, short enough for an answer and a log line.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_a_string_and_the_detail_names_the_operation() {
        let error = ScimError::ReadOnly {
            attribute: "groups".into(),
        }
        .in_operation(2);
        let body = ErrorResponse::from(&error).to_json();
        assert_eq!(
            body,
            json!({
                "schemas": [ERROR_URN],
                "status": "400",
                "scimType": "mutability",
                "detail": "operation 2: groups can't be changed by a directory"
            })
        );
    }

    #[test]
    fn a_long_path_is_cut_in_the_answer() {
        let ScimError::PathInvalid { path, .. } = ScimError::path(&"é".repeat(500), "no") else {
            panic!("another error")
        };
        assert_eq!(path.chars().count(), 121);
    }
}
