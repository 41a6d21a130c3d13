//! Turns operations, as they were sent, into changes whose names are resolved and whose values have their
//! attribute's type.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{AttributeChange, Change, Effect, Operator, field, members};
use crate::error::{ScimError, excerpt};
use crate::normalize;
use crate::path::Path;
use crate::quirk::{Quirk, Quirks};
use crate::resource::{AttributePath, ResourceType};
use crate::schema::Mutability;

pub(super) struct Reader<'q> {
    resource_type: ResourceType,
    quirks: &'q Quirks,
    pub(super) changes: Vec<Change>,
}

impl<'q> Reader<'q> {
    pub(super) fn new(resource_type: ResourceType, quirks: &'q Quirks) -> Self {
        Self {
            resource_type,
            quirks,
            changes: Vec::new(),
        }
    }

    /// One element of `Operations`.
    pub(super) fn operation(&mut self, operation: &Value) -> Result<(), ScimError> {
        let Some(operation) = operation.as_object() else {
            return Err(ScimError::syntax("an operation is an object"));
        };
        let op = field(operation, "op").and_then(Value::as_str);
        let capitals = op.is_some_and(|op| op.bytes().any(|b| b.is_ascii_uppercase()));
        self.quirks.note_if(capitals, Quirk::CapitalisedOp);
        let operator = match op {
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
        let parsed = Path::parse(self.resource_type, path, self.quirks)?;
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
            let Ok(parsed) = Path::parse(self.resource_type, &text, self.quirks) else {
                self.quirks.note(Quirk::UnknownAttribute);
                continue;
            };
            self.note_key(key, &parsed);
            if let Path::Attribute { path, .. } = &parsed {
                if let (None, "id", Value::String(id)) =
                    (path.extension(), path.attribute.name, value)
                {
                    self.changes.push(Change::ClaimId(id.clone()));
                }
                let write_only = path.attribute.mutability == Mutability::WriteOnly;
                self.quirks.note_if(write_only, Quirk::PasswordDiscarded);
                if !normalize::is_kept(path.attribute) || !normalize::is_kept(path.leaf()) {
                    continue;
                }
            }
            self.change(operator, parsed, &text, value)?;
        }
        Ok(())
    }

    /// A key that is more than the name of an attribute or a schema.
    fn note_key(&self, key: &str, parsed: &Path) {
        let Path::Attribute { path, filter } = parsed else {
            return;
        };
        self.quirks.note_if(filter.is_some(), Quirk::PathKey);
        if filter.is_none() {
            self.quirks.note_if(key.contains(':'), Quirk::UrnKey);
            self.quirks.note_if(path.sub.is_some(), Quirk::DottedKey);
        }
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
                let value = normalize::custom(&path, value, self.quirks)?;
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
            self.quirks.note(Quirk::PasswordDiscarded); // taken, and thrown away
            return Ok(());
        }
        if (self.resource_type, path.attribute.name) == (ResourceType::Group, "members") {
            let operation = members::read(operator, path, filter, text, value, self.quirks)?;
            self.changes.extend(operation.map(Change::Members));
            return Ok(());
        }
        if let (true, Value::Object(parts)) = (merges(operator, &path), value) {
            return self.parts(operator, path, parts, text);
        }
        let (path, value) = unlinked(path, value, self.quirks);
        let effect = effect(operator, &path, filter.is_some(), &value, self.quirks)?;
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
            let sub = path.attribute.sub_attribute(name);
            self.quirks.note_if(sub.is_none(), Quirk::UnknownAttribute);
            let sub = sub.filter(|sub| normalize::is_kept(sub));
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
fn unlinked<'a>(
    path: AttributePath,
    value: &'a Value,
    quirks: &Quirks,
) -> (AttributePath, Cow<'a, Value>) {
    let by_reference = path.attribute.is_link() && path.sub.is_some_and(|sub| sub.name == "$ref");
    if !by_reference {
        return (path, Cow::Borrowed(value));
    }
    quirks.note(Quirk::LinkByReference);
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
    quirks: &Quirks,
) -> Result<Effect, ScimError> {
    if operator == Operator::Remove {
        let lists = !selected && path.sub.is_none() && path.attribute.multi_valued;
        if !lists || value.is_null() {
            return Ok(Effect::Remove);
        }
        quirks.note(Quirk::ValuesRemovedByList);
        let listed = match normalize::value(path.attribute, value, quirks)? {
            Some(Value::Array(listed)) => listed,
            _ => Vec::new(),
        };
        return Ok(Effect::RemoveListed(listed));
    }
    let value = match path.sub {
        Some(sub) => normalize::sub_value(path.attribute, sub, value, quirks)?,
        None if selected => normalize::element(path.attribute, value, quirks)?,
        None => normalize::value(path.attribute, value, quirks)?,
    };
    Ok(match (operator, value) {
        (_, None) => Effect::Unassign,
        (Operator::Replace, Some(value)) => Effect::Replace(value),
        (_, Some(value)) => Effect::Add(value),
    })
}
