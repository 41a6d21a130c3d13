//! A user's attributes as rows: what `scim_filter.rs` turns filters and sort keys into queries on.

use std::borrow::Cow;

use scim::User;
use scim::schema::{Attribute, ENTERPRISE_USER, USER};
use serde_json::{Map, Value};

/// One value, in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeValue {
    /// As [`scim::AttributePath`] prints it: `emails.type`, `urn:…:User:department`.
    pub(super) path: Cow<'static, str>,
    /// Which element of a multi-valued attribute; the primary one is 0.
    pub(super) element: i64,
    pub(super) value: String,
}

/// Attributes with a column in `directory_users`.
const IN_COLUMNS: [&str; 2] = ["userName", "displayName"];

pub(super) fn of(user: &User) -> Vec<AttributeValue> {
    let mut values = Vec::new();
    let attributes = user.attributes();
    for attribute in USER.attributes {
        if !IN_COLUMNS.contains(&attribute.name)
            && let Some(value) = attributes.get(attribute.name)
        {
            push_attribute(&mut values, Cow::Borrowed(attribute.name), attribute, value);
        }
    }
    for (urn, extension) in attributes.iter().filter(|(key, _)| key.contains(':')) {
        let element = i64::try_from(values.len()).unwrap_or_default();
        values.push(AttributeValue {
            path: Cow::Borrowed("schemas"),
            element,
            value: urn.clone(),
        });
        if let (true, Value::Object(extension)) = (urn == ENTERPRISE_USER.urn, extension) {
            for attribute in ENTERPRISE_USER.attributes {
                if let Some(value) = extension.get(attribute.name) {
                    let path = format!("{urn}:{}", attribute.name);
                    push_attribute(&mut values, Cow::Owned(path), attribute, value);
                }
            }
        }
    }
    values
}

fn push_attribute(
    values: &mut Vec<AttributeValue>,
    path: Cow<'static, str>,
    attribute: &Attribute,
    value: &Value,
) {
    let mut elements: Vec<&Value> = match value {
        Value::Array(elements) => elements.iter().collect(),
        one => vec![one],
    };
    // Sorting goes by the primary value (RFC 7644 section 3.4.2.3), so that one gets the first number.
    elements.sort_by_key(|element| element.get("primary") != Some(&Value::Bool(true)));
    for (element, value) in (0..).zip(elements) {
        match value {
            Value::Object(parts) => {
                push_parts(values, &path, element, attribute, parts);
                let (path, value) = (path.clone(), String::new());
                values.push(AttributeValue {
                    path,
                    element,
                    value,
                });
            }
            simple => push_simple(values, path.clone(), element, attribute, simple),
        }
    }
}

fn push_parts(
    values: &mut Vec<AttributeValue>,
    path: &str,
    element: i64,
    attribute: &Attribute,
    parts: &Map<String, Value>,
) {
    for sub in attribute.sub_attributes {
        if let Some(value) = parts.get(sub.name) {
            let path = Cow::Owned(format!("{path}.{}", sub.name));
            push_simple(values, path, element, sub, value);
        }
    }
}

fn push_simple(
    values: &mut Vec<AttributeValue>,
    path: Cow<'static, str>,
    element: i64,
    attribute: &Attribute,
    value: &Value,
) {
    let value = match value {
        Value::String(text) if attribute.case_exact => text.clone(),
        Value::String(text) => scim::fold(text),
        Value::Bool(value) => value.to_string(),
        _ => return,
    };
    values.push(AttributeValue {
        path,
        element,
        value,
    });
}
