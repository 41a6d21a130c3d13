//! Changes below the URN of a schema that we don't know: kept as they are written, names matched whatever
//! their case.

use serde_json::{Map, Value};

use super::Operator;
use crate::error::ScimError;
use crate::normalize::MAX_VALUES;
use crate::resource::strip_urn;

/// The most extensions of a resource, and the most attributes of one.
const MAX_EXTENSIONS: usize = 20;
const MAX_ATTRIBUTES: usize = 200;

/// Applies a change to `<schema URN>` or `<schema URN>:<attribute>[.<sub-attribute>]`.
///
/// Errors: `invalidPath` where no schema URN can be told, `invalidValue` for an extension that is no
/// object.
pub(super) fn apply(
    attributes: &mut Map<String, Value>,
    path: &str,
    operator: Operator,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    let (urn, rest) = split(attributes, path, value)?;
    let extensions = attributes.keys().filter(|key| key.contains(':')).count();
    if extensions >= MAX_EXTENSIONS && !attributes.contains_key(&urn) {
        let problem = format!("a resource has at most {MAX_EXTENSIONS} extensions");
        return Err(ScimError::value(urn, problem));
    }
    let Some(rest) = rest else {
        return whole(attributes, &urn, operator, value);
    };
    if operator == Operator::Remove && !attributes.contains_key(&urn) {
        return Ok(());
    }
    let slot = attributes
        .entry(urn)
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(mut holder) = slot.as_object_mut() else {
        return Ok(());
    };
    let (name, sub) = match rest.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (rest.as_str(), None),
    };
    let mut name = known(holder, name);
    if let Some(sub) = sub {
        let slot = holder
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(parts) = slot.as_object_mut() else {
            return Err(ScimError::path(path, "the attribute has no parts"));
        };
        holder = parts;
        name = known(holder, sub);
    }
    set(holder, name, operator, value)
}

fn whole(
    attributes: &mut Map<String, Value>,
    urn: &str,
    operator: Operator,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    match value {
        _ if operator == Operator::Remove => {
            attributes.remove(urn);
        }
        None if operator == Operator::Replace => {
            attributes.remove(urn);
        }
        None => {}
        Some(Value::Object(new)) => {
            let slot = attributes
                .entry(urn)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(extension) = slot.as_object_mut() {
                for (name, value) in new {
                    let name = known(extension, name);
                    set(extension, name, operator, Some(value))?;
                }
            }
        }
        Some(_) => return Err(ScimError::value(urn, "it is an object")),
    }
    Ok(())
}

fn set(
    holder: &mut Map<String, Value>,
    name: String,
    operator: Operator,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    let value = match (operator, value) {
        (Operator::Remove, _) | (Operator::Replace, None) => {
            holder.remove(&name);
            return Ok(());
        }
        (Operator::Add, None) => return Ok(()),
        (_, Some(value)) => value,
    };
    let count = holder.len();
    match (holder.get_mut(&name), value, operator) {
        (None, ..) if count >= MAX_ATTRIBUTES => {
            let problem = format!("an extension has at most {MAX_ATTRIBUTES} attributes");
            return Err(ScimError::value(name, problem));
        }
        (Some(Value::Object(old)), Value::Object(new), _) => old.extend(new.clone()),
        (Some(Value::Array(old)), Value::Array(new), Operator::Add) => {
            if old.len() + new.len() > MAX_VALUES {
                let problem = format!("more than {MAX_VALUES} values");
                return Err(ScimError::value(name, problem));
            }
            for value in new {
                if !old.contains(value) {
                    old.push(value.clone());
                }
            }
        }
        _ => {
            holder.insert(name, value.clone());
        }
    }
    Ok(())
}

/// Where the schema's URN ends: at an extension that the resource has, else behind the `2.0:User` that
/// schema URNs end in, else at the last colon.
fn split(
    attributes: &Map<String, Value>,
    path: &str,
    value: Option<&Value>,
) -> Result<(String, Option<String>), ScimError> {
    let mut extensions: Vec<&String> = attributes.keys().filter(|key| key.contains(':')).collect();
    extensions.sort_by_key(|urn| std::cmp::Reverse(urn.len()));
    for urn in extensions {
        if path.eq_ignore_ascii_case(urn) {
            return Ok((urn.clone(), None));
        }
        if let Some(rest) = strip_urn(path, urn) {
            return Ok((urn.clone(), Some(rest.to_owned())));
        }
    }
    let no_urn = || ScimError::path(path, "no schema URN can be told in it");
    let (head, last) = path.rsplit_once(':').ok_or_else(no_urn)?;
    let version = head.rsplit(':').next().unwrap_or_default();
    let is_version =
        version.contains('.') && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_version || value.is_some_and(Value::is_object) || last.starts_with("//") {
        return Ok((path.to_owned(), None));
    }
    if !head.contains(':') || last.is_empty() {
        return Err(no_urn());
    }
    Ok((head.to_owned(), Some(last.to_owned())))
}

/// The name as the holder already has it.
fn known(holder: &Map<String, Value>, name: &str) -> String {
    let known = holder.keys().find(|key| key.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_owned(), String::clone)
}
