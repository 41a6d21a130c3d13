//! Lenient in, strict out: what a directory wrote becomes the value that its attribute's row describes, or
//! nothing. `null`, `[]`, blank text and absence are all the same: unassigned (RFC 7643 section 2.5).

use serde_json::{Map, Value};

use crate::error::{ScimError, excerpt};
use crate::quirk::{Quirk, Quirks};
use crate::schema::{Attribute, Kind, Mutability};

/// The most values of one multi-valued attribute; group members are not counted here.
pub(crate) const MAX_VALUES: usize = 200;

/// `true` or `false` in any case: Entra ID and OneLogin send booleans as text.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    is("true")
        .then_some(true)
        .or_else(|| is("false").then_some(false))
}

/// Whether a directory may set the attribute and sees it again. Whatever else it sends is left out.
pub(crate) fn is_kept(attribute: &Attribute) -> bool {
    matches!(
        attribute.mutability,
        Mutability::ReadWrite | Mutability::Immutable
    )
}

/// The value of a whole attribute: an array for a multi-valued one. None where it is unassigned.
///
/// Errors: `invalidValue` where the value can't be read as the attribute's type.
pub(crate) fn value(
    attribute: &Attribute,
    input: &Value,
    quirks: &Quirks,
) -> Result<Option<Value>, ScimError> {
    Reader {
        attribute,
        parent: None,
        quirks,
    }
    .value(input)
}

/// The value of a sub-attribute.
pub(crate) fn sub_value(
    attribute: &Attribute,
    sub: &Attribute,
    input: &Value,
    quirks: &Quirks,
) -> Result<Option<Value>, ScimError> {
    Reader {
        attribute: sub,
        parent: Some(attribute),
        quirks,
    }
    .value(input)
}

/// One element of a multi-valued attribute, which some directories wrap in an array.
pub(crate) fn element(
    attribute: &Attribute,
    input: &Value,
    quirks: &Quirks,
) -> Result<Option<Value>, ScimError> {
    let reader = Reader {
        attribute,
        parent: None,
        quirks,
    };
    match input {
        Value::Array(one) if one.len() == 1 => {
            quirks.note(Quirk::WrappedValue);
            reader.single(&one[0])
        }
        _ => reader.single(input),
    }
}

struct Reader<'a> {
    attribute: &'a Attribute,
    parent: Option<&'a Attribute>,
    quirks: &'a Quirks,
}

impl Reader<'_> {
    fn value(&self, input: &Value) -> Result<Option<Value>, ScimError> {
        if self.attribute.multi_valued {
            self.multi_valued(input)
        } else {
            self.single(input)
        }
    }

    fn multi_valued(&self, input: &Value) -> Result<Option<Value>, ScimError> {
        // Rippling sends one object where the array has one element.
        let inputs = match input {
            Value::Array(inputs) => inputs.as_slice(),
            one => {
                self.quirks.note_if(one.is_object(), Quirk::ObjectForArray);
                std::slice::from_ref(one)
            }
        };
        if inputs.len() > MAX_VALUES {
            return self.refuse(format!(
                "{} values are more than {MAX_VALUES}",
                inputs.len()
            ));
        }
        let values: Result<Vec<_>, _> = inputs.iter().map(|input| self.single(input)).collect();
        let values: Vec<Value> = values?.into_iter().flatten().collect();
        Ok((!values.is_empty()).then_some(Value::Array(values)))
    }

    fn single(&self, input: &Value) -> Result<Option<Value>, ScimError> {
        if input.is_null() {
            return Ok(None);
        }
        if self.attribute.is_complex() {
            return self.complex(input);
        }
        let plain = unwrapped(input);
        self.quirks
            .note_if(!std::ptr::eq(plain, input), Quirk::WrappedValue);
        match (self.attribute.kind, plain) {
            (_, Value::Null) => Ok(None),
            (_, Value::Array(values)) if values.is_empty() => Ok(None),
            (_, Value::String(text)) if text.trim().is_empty() => {
                self.quirks.note(Quirk::BlankText);
                Ok(None)
            }
            (Kind::Boolean, Value::Bool(value)) => Ok(Some((*value).into())),
            (Kind::Boolean, Value::String(text)) => {
                self.quirks.note(Quirk::BooleanAsText);
                match boolean(text) {
                    Some(value) => Ok(Some(value.into())),
                    None => self.refuse(format!("{:?} is neither true nor false", excerpt(text))),
                }
            }
            (Kind::Boolean, _) => self.refuse("it is true or false"),
            (Kind::Integer, Value::Number(number)) => Ok(Some(number.clone().into())),
            (Kind::Integer, _) => self.refuse("it is a whole number"),
            (_, Value::String(text)) => self.text(text),
            (_, Value::Number(number)) => {
                self.quirks.note(Quirk::NumberForText);
                self.text(&number.to_string())
            }
            _ => self.refuse("it is text"),
        }
    }

    fn text(&self, text: &str) -> Result<Option<Value>, ScimError> {
        if text.contains('\0') {
            return self.refuse("text can't contain the character U+0000");
        }
        if let Some(limit) = self.attribute.max_length
            && text.chars().count() > limit
        {
            return self.refuse(format!("it is longer than {limit} characters"));
        }
        let base64 =
            |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c) || c.is_whitespace();
        if self.attribute.kind == Kind::Binary && !text.chars().all(base64) {
            return self.refuse("it is base64");
        }
        Ok(Some(text.into()))
    }

    fn complex(&self, input: &Value) -> Result<Option<Value>, ScimError> {
        let parts = match input {
            Value::Object(parts) => parts,
            Value::Array(one) if one.is_empty() => return Ok(None),
            Value::Array(one) if one.len() == 1 && !self.attribute.multi_valued => {
                self.quirks.note(Quirk::WrappedValue);
                return self.complex(&one[0]);
            }
            // Entra ID sends the manager as its bare id, others an email as its bare address.
            Value::String(_) | Value::Number(_) => {
                return match self.attribute.sub_attribute("value") {
                    Some(sub) => {
                        self.quirks.note(match self.attribute.is_link() {
                            true => Quirk::BareManager,
                            false => Quirk::BareValue,
                        });
                        let reader = Reader {
                            attribute: sub,
                            parent: Some(self.attribute),
                            quirks: self.quirks,
                        };
                        Ok(reader
                            .single(input)?
                            .map(|value| object([(sub.name, value)])))
                    }
                    None => self.refuse("it is an object"),
                };
            }
            _ => return self.refuse("it is an object"),
        };
        let mut known = Map::new();
        for (name, part) in parts {
            let sub = self.attribute.sub_attribute(name);
            self.quirks.note_if(sub.is_none(), Quirk::UnknownAttribute);
            let Some(sub) = sub.filter(|sub| is_kept(sub)) else {
                continue;
            };
            let null = sub.name == "$ref" && part.is_null();
            self.quirks.note_if(null, Quirk::NullReference);
            let reader = Reader {
                attribute: sub,
                parent: Some(self.attribute),
                quirks: self.quirks,
            };
            if let Some(value) = reader.value(part)? {
                known.insert(sub.name.into(), value);
            }
        }
        if self.attribute.is_link() {
            link(&mut known, self.quirks);
        }
        Ok((!known.is_empty()).then_some(Value::Object(known)))
    }

    fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, ScimError> {
        let name = match self.parent {
            Some(parent) => format!("{}.{}", parent.name, self.attribute.name),
            None => self.attribute.name.to_owned(),
        };
        Err(ScimError::value(name, problem))
    }
}

/// Keeps the id of a link; its `$ref` is computed from it when the resource is rendered.
fn link(parts: &mut Map<String, Value>, quirks: &Quirks) {
    let reference = parts.remove("$ref");
    if parts.contains_key("value") {
        return;
    }
    let id = reference
        .as_ref()
        .and_then(Value::as_str)
        .and_then(last_segment);
    if let Some(id) = id {
        quirks.note(Quirk::LinkByReference);
        parts.insert("value".into(), id.into());
    }
}

/// The id at the end of a resource's URL.
pub(crate) fn last_segment(url: &str) -> Option<&str> {
    url.trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|id| !id.is_empty())
}

/// Older Entra ID applications wrap a plain value as `[{"value": …}]`.
fn unwrapped(input: &Value) -> &Value {
    match input {
        Value::Array(one) if one.len() == 1 => unwrapped(&one[0]),
        Value::Object(parts) => match parts.get("value") {
            Some(value) if !value.is_object() => value,
            _ => input,
        },
        _ => input,
    }
}

/// A value of an extension whose schema we don't know: kept as it is, but for what is unassigned.
///
/// Errors: `invalidValue` for a U+0000, which PostgreSQL can't store.
pub(crate) fn custom(
    name: &str,
    input: &Value,
    quirks: &Quirks,
) -> Result<Option<Value>, ScimError> {
    let has_nul = |text: &str| text.contains('\0');
    match input {
        Value::Null => Ok(None),
        Value::String(text) if has_nul(text) => Err(ScimError::value(
            excerpt(name),
            "text can't contain the character U+0000",
        )),
        Value::String(text) if text.trim().is_empty() => {
            quirks.note(Quirk::BlankText);
            Ok(None)
        }
        Value::Array(values) => {
            let kept: Result<Vec<_>, _> = values.iter().map(|v| custom(name, v, quirks)).collect();
            let kept: Vec<Value> = kept?.into_iter().flatten().collect();
            Ok((!kept.is_empty()).then_some(Value::Array(kept)))
        }
        Value::Object(parts) => {
            let mut kept = Map::new();
            for (key, part) in parts {
                if has_nul(key) {
                    let problem = "a name can't contain the character U+0000";
                    return Err(ScimError::value(excerpt(name), problem));
                }
                if let Some(value) = custom(key, part, quirks)? {
                    kept.insert(key.clone(), value);
                }
            }
            Ok((!kept.is_empty()).then_some(Value::Object(kept)))
        }
        other => Ok(Some(other.clone())),
    }
}

pub(crate) fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    Value::Object(
        parts
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ENTERPRISE_USER, USER};

    fn read(name: &str, input: Value) -> Result<Option<Value>, ScimError> {
        let attribute = USER
            .attribute(name)
            .or_else(|| ENTERPRISE_USER.attribute(name))
            .unwrap();
        value(attribute, &input, &Quirks::default())
    }

    #[test]
    fn booleans_may_be_text_in_any_case() {
        for (input, expected) in [
            (json!("False"), false),
            (json!("TRUE"), true),
            (json!(true), true),
        ] {
            assert_eq!(read("active", input).unwrap(), Some(expected.into()));
        }
        assert!(read("active", json!("yes")).is_err());
        assert!(read("active", json!(1)).is_err());
    }

    #[test]
    fn null_empty_and_blank_are_unassigned() {
        for input in [json!(null), json!([]), json!(""), json!("  ")] {
            assert_eq!(read("title", input.clone()).unwrap(), None, "{input}");
        }
        for input in [
            json!(null),
            json!([]),
            json!([null]),
            json!([{}]),
            json!([{"value": ""}]),
        ] {
            assert_eq!(read("emails", input.clone()).unwrap(), None, "{input}");
        }
        // OneLogin's template leaves the parts of an unknown manager blank.
        let blank = json!({"value": " ", "displayName": " ", "managerId": 7});
        assert_eq!(read("manager", blank).unwrap(), None);
    }

    #[test]
    fn a_manager_may_be_an_id_an_object_or_a_reference() {
        let expected = Some(json!({"value": "dusr_1"}));
        for input in [
            json!("dusr_1"),
            json!({"value": "dusr_1", "$ref": "https://other.example/Users/dusr_1"}),
            json!({"$ref": "../Users/dusr_1"}),
            json!([{"VALUE": "dusr_1", "displayName": "Ada"}]),
        ] {
            assert_eq!(read("manager", input.clone()).unwrap(), expected, "{input}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_the_sub_attribute() {
        let error = read(
            "emails",
            json!([{"value": "a@x.example", "primary": "maybe"}]),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "emails.primary: \"maybe\" is neither true nor false"
        );
        assert!(read("emails", json!([{"value": {"a": {}}}])).is_err());
        assert!(read("name", json!("Ada")).is_err());
        assert!(read("userName", json!("a\0b")).is_err());
        assert!(read("userName", json!("a".repeat(513))).is_err());
    }

    #[test]
    fn values_are_kept_as_they_were_sent() {
        let sent = json!([{"value": "+49 (30) 1234-5", "type": "Work"}]);
        assert_eq!(read("phoneNumbers", sent.clone()).unwrap(), Some(sent));
        assert_eq!(
            read("employeeNumber", json!(7017)).unwrap(),
            Some(json!("7017"))
        );
    }
}
