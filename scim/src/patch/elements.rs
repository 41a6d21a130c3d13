//! Changes of a multi-valued attribute: which elements a path selects, which one Entra ID's `Add` makes,
//! and the two rules of RFC 7643 section 2.4: one primary value, no value twice.

use serde_json::{Map, Value};

use super::{AttributeChange, Effect};
use crate::error::{ScimError, excerpt};
use crate::filter::{Filter, Literal, matches_element};
use crate::normalize::MAX_VALUES;
use crate::quirk::{Quirk, Quirks};
use crate::resource::same_folded;
use crate::schema::Attribute;

type Element = Map<String, Value>;

pub(super) fn apply(
    holder: &mut Element,
    change: &AttributeChange,
    quirks: &Quirks,
) -> Result<(), ScimError> {
    let attribute = change.path.attribute;
    let mut elements: Vec<Element> = match holder.remove(attribute.name) {
        Some(Value::Array(values)) => values.into_iter().filter_map(into_object).collect(),
        _ => Vec::new(),
    };
    let touched = change_elements(&mut elements, change, quirks)?;
    if elements.len() > MAX_VALUES {
        let problem = format!("{} values are more than {MAX_VALUES}", elements.len());
        return Err(ScimError::value(attribute.name, problem));
    }
    keep_one_primary(&mut elements, &touched);
    let values = elements.into_iter().map(Value::Object).collect();
    holder.insert(attribute.name.into(), Value::Array(values));
    Ok(())
}

/// The positions of the elements that the change wrote.
fn change_elements(
    elements: &mut Vec<Element>,
    change: &AttributeChange,
    quirks: &Quirks,
) -> Result<Vec<usize>, ScimError> {
    let attribute = change.path.attribute;
    let selects = |element: &Element| match &change.filter {
        Some(filter) => matches_element(filter, element),
        None => true,
    };
    let value = match &change.effect {
        Effect::RemoveListed(listed) => {
            let is_listed = |element: &Element| {
                listed
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|l| covers(attribute, element, l))
            };
            elements.retain(|element| !is_listed(element));
            return Ok(Vec::new());
        }
        Effect::Remove | Effect::Unassign => {
            match change.path.sub {
                Some(sub) => elements
                    .iter_mut()
                    .filter(|e| selects(e))
                    .for_each(|element| {
                        element.remove(sub.name);
                    }),
                None => elements.retain(|element| !selects(element)),
            }
            return Ok(Vec::new());
        }
        Effect::Add(value) | Effect::Replace(value) => value,
    };
    let replaces = matches!(change.effect, Effect::Replace(_));
    let selected: Vec<usize> = elements
        .iter()
        .enumerate()
        .filter(|(_, e)| selects(e))
        .map(|(index, _)| index)
        .collect();
    match (&change.filter, change.path.sub) {
        (None, None) => {
            if replaces {
                elements.clear();
            }
            let new = value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_object);
            Ok(new
                .map(|element| add(attribute, elements, element))
                .collect())
        }
        (filter, sub) if selected.is_empty() => {
            let mut element = match filter {
                Some(filter) => seed(filter, replaces, attribute, &change.text)?,
                None => Element::new(),
            };
            match sub {
                Some(sub) => drop(element.insert(sub.name.into(), value.clone())),
                None => merge(&mut element, value),
            }
            quirks.note_if(filter.is_some(), Quirk::ElementCreated);
            elements.push(element);
            Ok(vec![elements.len() - 1])
        }
        (filter, sub) => {
            for index in &selected {
                let element = &mut elements[*index];
                match sub {
                    Some(sub) => drop(element.insert(sub.name.into(), value.clone())),
                    None if replaces => replace(element, filter.as_ref(), value),
                    None => merge(element, value),
                }
            }
            Ok(selected)
        }
    }
}

/// What an element that a filter selects nothing of starts from: the filter's `eq` parts. Entra ID adds
/// `emails[type eq "home"].value` where there is none (fixtures/scim/entra). A replace makes one only for
/// a label, `type` or `primary`: a value asked for by itself should be there.
fn seed(
    filter: &Filter,
    replaces: bool,
    attribute: &Attribute,
    text: &str,
) -> Result<Element, ScimError> {
    let no_target = || ScimError::NoTarget {
        path: excerpt(text),
    };
    let parts = filter.equalities().ok_or_else(no_target)?;
    let mut element = Element::new();
    for (path, literal) in parts {
        let name = path.leaf().name;
        if replaces && !matches!(name, "type" | "primary") {
            return Err(no_target());
        }
        let value = match literal {
            Literal::Text(text) => Value::from(text.as_str()),
            Literal::Boolean(value) => Value::from(*value),
            Literal::Instant(_) => return Err(no_target()),
        };
        element.insert(name.into(), value);
    }
    if matches_element(filter, &element) && attribute.is_complex() {
        Ok(element)
    } else {
        Err(no_target())
    }
}

/// Adds a value that is not there yet, and returns its position.
fn add(attribute: &Attribute, elements: &mut Vec<Element>, new: &Element) -> usize {
    if let Some(index) = elements.iter().position(|old| covers(attribute, old, new)) {
        return index;
    }
    match elements
        .iter()
        .position(|old| same_value(attribute, old, new))
    {
        Some(index) => {
            elements[index].extend(new.clone());
            index
        }
        None => {
            elements.push(new.clone());
            elements.len() - 1
        }
    }
}

/// All matching values are replaced (RFC 7644 section 3.5.2.3), but keep what they were selected by.
fn replace(element: &mut Element, filter: Option<&Filter>, value: &Value) {
    let mut new = value.as_object().cloned().unwrap_or_default();
    for (path, _) in filter.and_then(Filter::equalities).unwrap_or_default() {
        let name = path.leaf().name;
        if let (false, Some(old)) = (new.contains_key(name), element.get(name)) {
            new.insert(name.into(), old.clone());
        }
    }
    *element = new;
}

fn merge(element: &mut Element, value: &Value) {
    if let Some(parts) = value.as_object() {
        element.extend(parts.clone());
    }
}

/// The first of the values just written that says it is primary, or else the first of all.
fn keep_one_primary(elements: &mut [Element], touched: &[usize]) {
    let is_primary = |element: &Element| element.get("primary") == Some(&Value::Bool(true));
    let written = touched
        .iter()
        .copied()
        .find(|index| is_primary(&elements[*index]));
    let Some(kept) = written.or_else(|| elements.iter().position(is_primary)) else {
        return;
    };
    for (index, element) in elements.iter_mut().enumerate() {
        if index != kept && is_primary(element) {
            element.insert("primary".into(), false.into());
        }
    }
}

/// Drops elements that have a label but no content, and the later of two with one value and type.
pub(super) fn tidy(attribute: &Attribute, values: &mut Vec<Value>) {
    let mut kept: Vec<Element> = Vec::with_capacity(values.len());
    for element in std::mem::take(values).into_iter().filter_map(into_object) {
        let has_content = element
            .keys()
            .any(|name| name != "type" && name != "primary");
        if has_content {
            add(attribute, &mut kept, &element);
        }
    }
    let first = kept
        .iter()
        .position(|e| e.get("primary") == Some(&Value::Bool(true)));
    keep_one_primary(&mut kept, first.as_slice());
    values.extend(kept.into_iter().map(Value::Object));
}

/// Whether the old element already says everything that the new one does.
fn covers(attribute: &Attribute, old: &Element, new: &Element) -> bool {
    new.iter().all(|(name, value)| match old.get(name) {
        Some(old) => equal(attribute.sub_attribute(name), old, value),
        None => name == "primary" && value == &Value::Bool(false),
    })
}

/// One value with one type is one element (RFC 7643 section 2.4).
fn same_value(attribute: &Attribute, old: &Element, new: &Element) -> bool {
    let same = |name: &str| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) => equal(attribute.sub_attribute(name), old, new),
        (old, new) => old.is_none() && new.is_none(),
    };
    old.contains_key("value") && same("value") && same("type")
}

fn equal(attribute: Option<&Attribute>, old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::String(old), Value::String(new)) => {
            old == new || (attribute.is_some_and(|a| !a.case_exact) && same_folded(old, new))
        }
        _ => old == new,
    }
}

fn into_object(value: Value) -> Option<Element> {
    match value {
        Value::Object(element) => Some(element),
        _ => None,
    }
}
