//! Bulk requests (RFC 7644 section 3.7): what they hold, in which order their operations can be done, and
//! what they are answered.

mod plan;
mod references;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

pub use self::plan::Step;
pub use self::references::Resolved;
use crate::error::{ErrorResponse, ScimError, excerpt};
use crate::patch::field;

const BULK_RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// The body of `POST /Bulk`.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    pub operations: Vec<BulkOperation>,
    /// After so many errors, what is left is not done.
    pub fail_on_errors: Option<usize>,
}

/// One operation, as it was written. What is wrong with it is for its own answer, not for that of the
/// request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOperation {
    /// In capital letters.
    pub method: String,
    pub bulk_id: Option<String>,
    /// Relative to the directory's base URL: `/Users`, `/Groups/bulkId:team`.
    pub path: String,
    /// What `If-Match` is to a request of its own.
    pub version: Option<String>,
    pub data: Option<Value>,
}

impl BulkRequest {
    /// Reads `{"schemas": […], "failOnErrors"?, "Operations": [{"method", "bulkId"?, "path", "version"?,
    /// "data"?}]}`.
    ///
    /// Errors: `invalidSyntax` for what is no bulk request, `invalidValue` for a `failOnErrors` below 1 and
    /// a `bulkId` that two creations share, 413 for more operations than allowed.
    pub fn parse(body: &Value, max_operations: usize) -> Result<Self, ScimError> {
        let body = body
            .as_object()
            .ok_or_else(|| ScimError::syntax("the body is a JSON object"))?;
        let operations = field(body, "Operations")
            .and_then(Value::as_array)
            .ok_or_else(|| ScimError::syntax("Operations is an array"))?;
        if operations.len() > max_operations {
            return Err(ScimError::LimitExceeded {
                what: "operations of a bulk request",
                found: operations.len(),
                limit: max_operations,
            });
        }
        let operations = operations.iter().map(BulkOperation::parse);
        let request = Self {
            operations: operations.collect::<Result<_, _>>()?,
            fail_on_errors: fail_on_errors(field(body, "failOnErrors"))?,
        };
        let mut seen = HashSet::new();
        for id in request.operations.iter().filter_map(BulkOperation::creates) {
            if !seen.insert(id) {
                let problem = format!("{:?} names two operations", excerpt(id));
                return Err(ScimError::value("bulkId", problem));
            }
        }
        Ok(request)
    }

    /// The order in which to do the operations: as they stand, but for what one of them refers to, which
    /// comes before it. Where references go round in a circle, one creation is done without and completed
    /// afterwards.
    pub fn plan(&self) -> Vec<Step> {
        plan::plan(&self.operations)
    }
}

fn fail_on_errors(value: Option<&Value>) -> Result<Option<usize>, ScimError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(number @ 1..) => Ok(Some(number)),
            _ => Err(ScimError::value("failOnErrors", "it is a number from 1")),
        },
    }
}

impl BulkOperation {
    fn parse(operation: &Value) -> Result<Self, ScimError> {
        let operation = operation
            .as_object()
            .ok_or_else(|| ScimError::syntax("an operation is a JSON object"))?;
        let text = |name: &str| match field(operation, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(ScimError::syntax(format!("an operation's {name} is text"))),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            method: text("method")?.unwrap_or_default().to_ascii_uppercase(),
            bulk_id: filled(text("bulkId")?),
            path: text("path")?.unwrap_or_default(),
            version: filled(text("version")?),
            data: field(operation, "data").filter(|d| !d.is_null()).cloned(),
        })
    }

    pub(crate) fn is_creation(&self) -> bool {
        self.method == "POST"
    }

    /// The `bulkId` that others can refer to: the one of a resource that does not exist yet.
    fn creates(&self) -> Option<&str> {
        self.bulk_id.as_deref().filter(|_| self.is_creation())
    }

    /// What is wrong with the operation itself, before anybody looks at its data.
    pub fn check(&self) -> Result<(), ScimError> {
        let relative = self.path.starts_with('/') && !self.path.starts_with("//");
        if !relative {
            let problem = "it starts with a slash, below the directory's base URL";
            return Err(ScimError::value("path", problem));
        }
        match self.method.as_str() {
            "POST" if self.bulk_id.is_none() => Err(ScimError::RequiredMissing {
                attribute: "bulkId".into(),
            }),
            "POST" | "PUT" | "PATCH" if self.data.is_none() => Err(ScimError::RequiredMissing {
                attribute: "data".into(),
            }),
            "POST" | "PUT" | "PATCH" | "DELETE" => Ok(()),
            other => {
                let problem = format!("POST, PUT, PATCH or DELETE, not {:?}", excerpt(other));
                Err(ScimError::value("method", problem))
            }
        }
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkResult {
    pub method: String,
    pub bulk_id: Option<String>,
    /// None only where a creation failed.
    pub location: Option<String>,
    pub version: Option<String>,
    pub status: u16,
    pub error: Option<ErrorResponse>,
}

impl BulkResult {
    fn into_json(self) -> Value {
        let mut row = Map::new();
        let texts = [
            ("location", self.location),
            ("method", Some(self.method)),
            ("bulkId", self.bulk_id),
            ("version", self.version),
            ("status", Some(self.status.to_string())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                row.insert(name.into(), text.into());
            }
        }
        if let Some(error) = self.error {
            row.insert("response".into(), error.to_json());
        }
        Value::Object(row)
    }
}

/// The answer to a bulk request: `status` is a string (RFC 7644 section 3.7).
pub fn bulk_response(results: impl IntoIterator<Item = BulkResult>) -> Value {
    let operations: Vec<Value> = results.into_iter().map(BulkResult::into_json).collect();
    json!({"schemas": [BULK_RESPONSE_URN], "Operations": operations})
}

#[cfg(test)]
mod tests;
