//! Turns operations, as they were sent, into changes whose names are resolved and whose values have their
//! attribute's type.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{AttributeChange, Change, Effect, Operator, field, members};
use crate::error::{ScimError, excerpt};
use crate::normalize;
use crate::path::Path;
use crate::resource::{AttributePath, ResourceType};
use crate::schema::Mutability;

pub(super) struct Reader {
    resource_type: ResourceType,
    pub(super) changes: Vec<Change>,
}

impl Reader {
    pub(super) fn new(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            changes: Vec::new(),
        }
    }

    /// One element of `Operations`.
    pub(super) fn operation(&mut self, operation: &Value) -> Result<(), ScimError> {
        let Some(operation) = operation.as_object() else {
            return Err(ScimError::syntax("an operation is an object"));
        };
        let operator = match field(operation, "op").and_then(Value::as_str) {
            Some(op) if op.eq_ignore_ascii_case("add") => Operator::Add,
            Some(op) if op.eq_ignore_ascii_case("replace") => Operator::Replace,
            Some(op) if op.eq_ignore_ascii_case("remove") => Operator::Remove,
            Some(op) => {
                let problem = format!("op is add, replace or remove, not {:?}", excerpt(op));
                return Err(ScimError::syntax(problem));
            }
            None => return Err(ScimError::syntax("op is missing")),
        };
        let value = field(operation, "value");
        let path = match field(operation, "path") {
            None | Some(Value::Null) => "",
            Some(Value::String(path)) => path.trim(),
            Some(_) => return Err(ScimError::syntax("path is text")),
        };
        if path.is_empty() {
            if operator == Operator::Remove {
                return Err(ScimError::RemoveWithoutPath);
            }
            let Some(Value::Object(value)) = value else {
                return Err(ScimError::syntax("without a path, the value is an object"));
            };
            return self.object(operator, "", value);
        }
        if operator != Operator::Remove && value.is_none() {
            return Err(ScimError::value(
                excerpt(path),
                "the operation has no value",
            ));
        }
        let parsed = Path::parse(self.resource_type, path)?;
        if let Path::Attribute { path, .. } = &parsed {
            // `schemas` follows from the attributes, so saying it again does no harm.
            if path.names() == (None, "schemas", None) {
                return Ok(());
            }
            let read_only = |mutability| mutability == Mutability::ReadOnly;
            if read_only(path.attribute.mutability) || read_only(path.leaf().mutability) {
                return Err(ScimError::ReadOnly {
                    attribute: path.to_string(),
                });
            }
        }
        self.change(operator, parsed, path, value.unwrap_or(&Value::Null))
    }

    /// Each key is an operation of its own with that path; Entra ID writes `name.givenName` and
    /// `urn:…:User:employeeNumber`. Unknown and read-only ones are left out: Okta sends `id` along.
    pub(super) fn object(
        &mut self,
        operator: Operator,
        prefix: &str,
        object: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        for (key, value) in object {
            let text = format!("{prefix}{key}");
            let Ok(parsed) = Path::parse(self.resource_type, &text) else {
                continue;
            };
            if let Path::Attribute { path, .. } = &parsed {
                if let (None, "id", Value::String(id)) =
                    (path.extension(), path.attribute.name, value)
                {
                    self.changes.push(Change::ClaimId(id.clone()));
                }
                if !normalize::is_kept(path.attribute) || !normalize::is_kept(path.leaf()) {
                    continue;
                }
            }
            self.change(operator, parsed, &text, value)?;
        }
        Ok(())
    }

    fn change(
        &mut self,
        operator: Operator,
        parsed: Path,
        text: &str,
        value: &Value,
    ) -> Result<(), ScimError> {
        let (path, filter) = match parsed {
            Path::Resource => {
                return match value.as_object() {
                    Some(object) if operator != Operator::Remove => {
                        self.object(operator, "", object)
                    }
                    _ => Err(ScimError::path(text, "name the attribute")),
                };
            }
            Path::Extension(urn) => return self.extension(operator, urn, value),
            Path::Custom(path) => {
                let value = normalize::custom(&path, value)?;
                self.changes.push(Change::Custom {
                    path,
                    operator,
                    value,
                });
                return Ok(());
            }
            Path::Attribute { path, filter } => (path, filter),
        };
        if path.attribute.mutability == Mutability::WriteOnly {
            return Ok(()); // a password: taken, and thrown away
        }
        if (self.resource_type, path.attribute.name) == (ResourceType::Group, "members") {
            let operation = members::read(operator, path, filter, text, value)?;
            self.changes.extend(operation.map(Change::Members));
            return Ok(());
        }
        if let (true, Value::Object(parts)) = (merges(operator, &path), value) {
            return self.parts(operator, path, parts, text);
        }
        let (path, value) = unlinked(path, value);
        let effect = effect(operator, &path, filter.is_some(), &value)?;
        // To add nothing to a list changes nothing; to set a single attribute to nothing clears it.
        let adds_nothing = operator == Operator::Add && matches!(effect, Effect::Unassign);
        if !(adds_nothing && path.attribute.multi_valued) {
            let text = text.to_owned();
            self.changes.push(Change::Attribute(AttributeChange {
                path,
                filter,
                effect,
                text,
            }));
        }
        Ok(())
    }

    /// An object for a complex attribute sets the parts it names and leaves the others (RFC 7644 section
    /// 3.5.2.3). A part that is null is cleared.
    fn parts(
        &mut self,
        operator: Operator,
        path: AttributePath,
        parts: &Map<String, Value>,
        text: &str,
    ) -> Result<(), ScimError> {
        for (name, value) in parts {
            let sub = path
                .attribute
                .sub_attribute(name)
                .filter(|sub| normalize::is_kept(sub));
            if let Some(sub) = sub {
                let text = format!("{text}.{}", sub.name);
                self.change(
                    operator,
                    Path::Attribute {
                        path: path.with_sub(Some(sub)),
                        filter: None,
                    },
                    &text,
                    value,
                )?;
            }
        }
        Ok(())
    }

    fn extension(
        &mut self,
        operator: Operator,
        urn: &'static str,
        value: &Value,
    ) -> Result<(), ScimError> {
        match value {
            Value::Object(object) if operator != Operator::Remove => {
                self.object(operator, &format!("{urn}:"), object)
            }
            Value::Null if operator == Operator::Add => Ok(()),
            _ if operator == Operator::Remove || value.is_null() => {
                self.changes.push(Change::RemoveExtension(urn));
                Ok(())
            }
            _ => Err(ScimError::value(urn, "it is an object")),
        }
    }
}

/// Whether an object given for this path is merged part by part. A link such as the manager has a single
/// part of its own, its `value`.
fn merges(operator: Operator, path: &AttributePath) -> bool {
    operator != Operator::Remove
        && path.sub.is_none()
        && path.attribute.is_complex()
        && !path.attribute.multi_valued
        && !path.attribute.is_link()
}

/// A link by its `$ref` is the link by the whole: the id is read from the URL.
fn unlinked<'a>(path: AttributePath, value: &'a Value) -> (AttributePath, Cow<'a, Value>) {
    let by_reference = path.attribute.is_link() && path.sub.is_some_and(|sub| sub.name == "$ref");
    if !by_reference {
        return (path, Cow::Borrowed(value));
    }
    let id = value.as_str().and_then(normalize::last_segment);
    let value = path.attribute.sub_attribute("value");
    (
        path.with_sub(value),
        Cow::Owned(id.map_or(Value::Null, Value::from)),
    )
}

fn effect(
    operator: Operator,
    path: &AttributePath,
    selected: bool,
    value: &Value,
) -> Result<Effect, ScimError> {
    if operator == Operator::Remove {
        let lists = !selected && path.sub.is_none() && path.attribute.multi_valued;
        if !lists || value.is_null() {
            return Ok(Effect::Remove);
        }
        let listed = match normalize::value(path.attribute, value)? {
            Some(Value::Array(listed)) => listed,
            _ => Vec::new(),
        };
        return Ok(Effect::RemoveListed(listed));
    }
    let value = match path.sub {
        Some(sub) => normalize::sub_value(path.attribute, sub, value)?,
        None if selected => normalize::element(path.attribute, value)?,
        None => normalize::value(path.attribute, value)?,
    };
    Ok(match (operator, value) {
        (_, None) => Effect::Unassign,
        (Operator::Replace, Some(value)) => Effect::Replace(value),
        (_, Some(value)) => Effect::Add(value),
    })
}
