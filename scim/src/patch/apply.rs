//! One change of one attribute, applied.

use serde_json::{Map, Value};

use super::{AttributeChange, Effect, elements};
use crate::error::ScimError;
use crate::quirk::Quirks;
use crate::resource::ResourceType;

/// Errors: `mutability` or `invalidValue` where a required attribute would be left without a value,
/// `noTarget` where a value to replace does not exist.
pub(super) fn attribute(
    attributes: &mut Map<String, Value>,
    change: &AttributeChange,
    quirks: &Quirks,
) -> Result<(), ScimError> {
    match change.path.extension() {
        Some(urn) => with_object(attributes, urn, |extension| {
            within(extension, change, quirks)
        }),
        None => within(attributes, change, quirks),
    }
}

fn within(
    holder: &mut Map<String, Value>,
    change: &AttributeChange,
    quirks: &Quirks,
) -> Result<(), ScimError> {
    if change.path.attribute.multi_valued {
        return elements::apply(holder, change, quirks);
    }
    let target = change.path.leaf();
    if target.required && matches!(change.effect, Effect::Remove | Effect::Unassign) {
        let attribute = change.path.to_string();
        return Err(match change.effect {
            Effect::Remove => ScimError::RequiredRemoved { attribute },
            _ => ScimError::RequiredMissing { attribute },
        });
    }
    let set = |holder: &mut Map<String, Value>| {
        match &change.effect {
            Effect::Add(value) | Effect::Replace(value) => {
                holder.insert(target.name.into(), value.clone());
            }
            Effect::Remove | Effect::Unassign | Effect::RemoveListed(_) => {
                holder.remove(target.name);
            }
        }
        Ok(())
    };
    match change.path.sub {
        Some(_) => with_object(holder, change.path.attribute.name, set),
        None => set(holder),
    }
}

/// Changes the object under a key, made if there is none. What becomes empty goes when everything is
/// tidied; after an error the whole resource is thrown away.
fn with_object(
    holder: &mut Map<String, Value>,
    key: &str,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<(), ScimError>,
) -> Result<(), ScimError> {
    let mut object = match holder.remove(key) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    change(&mut object)?;
    holder.insert(key.into(), Value::Object(object));
    Ok(())
}

/// Leaves out what is empty, and one of each value that is there twice.
pub(super) fn tidy(resource_type: ResourceType, attributes: &mut Map<String, Value>) {
    let schemas =
        std::iter::once(resource_type.schema()).chain(resource_type.extensions().iter().copied());
    for schema in schemas {
        let extension = attributes
            .get_mut(schema.urn)
            .and_then(Value::as_object_mut);
        let holder = match extension {
            Some(extension) => extension,
            None => &mut *attributes,
        };
        for attribute in schema.attributes.iter().filter(|a| a.multi_valued) {
            if let Some(Value::Array(values)) = holder.get_mut(attribute.name) {
                elements::tidy(attribute, values);
            }
        }
        holder.retain(|_, value| !is_empty(value));
    }
    for (_, extension) in attributes.iter_mut().filter(|(key, _)| key.contains(':')) {
        prune(extension);
    }
    attributes.retain(|_, value| !is_empty(value));
}

/// Takes what is empty out of an extension whose schema we don't know.
fn prune(value: &mut Value) {
    match value {
        Value::Object(parts) => {
            parts.values_mut().for_each(prune);
            parts.retain(|_, part| !is_empty(part));
        }
        Value::Array(values) => {
            values.iter_mut().for_each(prune);
            values.retain(|value| !is_empty(value));
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(parts) => parts.is_empty(),
        Value::Array(values) => values.is_empty(),
        other => other.is_null(),
    }
}
