//! The meaning of a filter, on resources as they are rendered. The database gives the same answers; this
//! is what the tests hold it against.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{CompareOperator, Filter, Literal};
use crate::resource::{AttributePath, fold, same_folded};
use crate::schema::Attribute;

impl Filter {
    /// Whether a rendered resource, of the type that the filter was read for, satisfies it.
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|f| f.matches(resource)),
            Self::Or(all) => all.iter().any(|f| f.matches(resource)),
            Self::Not(inner) => !inner.matches(resource),
            Self::Present(path) => path
                .values(resource)
                .iter()
                .any(|value| is_present(below(value, path))),
            Self::Compare {
                path,
                operator,
                value,
            } => {
                let values = path.values(resource).iter().filter_map(|v| below(v, path));
                some_value(values, path.leaf(), *operator, value)
            }
            Self::Element { path, filter } => path
                .values(resource)
                .iter()
                .filter_map(Value::as_object)
                .any(|element| matches_element(filter, element)),
        }
    }
}

/// Whether one element of a multi-valued attribute satisfies the filter between its brackets.
pub fn matches_element(filter: &Filter, element: &Map<String, Value>) -> bool {
    let value_of = |path: &AttributePath| path.sub.and_then(|sub| element.get(sub.name));
    match filter {
        Filter::And(all) => all.iter().all(|f| matches_element(f, element)),
        Filter::Or(all) => all.iter().any(|f| matches_element(f, element)),
        Filter::Not(inner) => !matches_element(inner, element),
        Filter::Present(path) => is_present(value_of(path)),
        Filter::Compare {
            path,
            operator,
            value,
        } => some_value(value_of(path).into_iter(), path.leaf(), *operator, value),
        Filter::Element { .. } => false,
    }
}

/// The part of a value that a path with a sub-attribute means.
fn below<'a>(value: &'a Value, path: &AttributePath) -> Option<&'a Value> {
    match path.sub {
        Some(sub) => value.get(sub.name),
        None => Some(value),
    }
}

/// A value counts when it is neither null nor empty (RFC 7643 section 2.5).
fn is_present(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(values)) => values.iter().any(|v| is_present(Some(v))),
        Some(Value::Object(parts)) => parts.values().any(|v| is_present(Some(v))),
        Some(_) => true,
    }
}

/// One value is enough (RFC 7644 section 3.4.2.2); no value at all satisfies only `ne`.
fn some_value<'a>(
    values: impl Iterator<Item = &'a Value>,
    attribute: &Attribute,
    operator: CompareOperator,
    literal: &Literal,
) -> bool {
    let mut values = values.filter(|value| !value.is_null()).peekable();
    if values.peek().is_none() {
        return operator == CompareOperator::NotEqual;
    }
    values.any(|value| compare(value, attribute, operator, literal))
}

fn compare(
    value: &Value,
    attribute: &Attribute,
    operator: CompareOperator,
    literal: &Literal,
) -> bool {
    match (value, literal) {
        (Value::Bool(value), Literal::Boolean(literal)) => ordered(operator, value, literal),
        (Value::String(value), Literal::Instant(literal)) => DateTime::parse_from_rfc3339(value)
            .is_ok_and(|at| ordered(operator, &at.with_timezone(&Utc), literal)),
        (Value::String(value), Literal::Text(literal)) if attribute.case_exact => {
            operator.holds(value, literal)
        }
        (Value::String(value), Literal::Text(literal)) if operator == CompareOperator::Equal => {
            same_folded(value, literal)
        }
        (Value::String(value), Literal::Text(literal)) => {
            operator.holds(&fold(value), &fold(literal))
        }
        _ => false,
    }
}

impl CompareOperator {
    /// Whether it holds between two texts, byte by byte: fold both first where case does not count.
    pub fn holds(self, value: &str, literal: &str) -> bool {
        match self {
            Self::Contains => value.contains(literal),
            Self::StartsWith => value.starts_with(literal),
            Self::EndsWith => value.ends_with(literal),
            _ => ordered(self, value, literal),
        }
    }
}

fn ordered<T: PartialOrd + ?Sized>(operator: CompareOperator, value: &T, literal: &T) -> bool {
    match operator {
        CompareOperator::Equal => value == literal,
        CompareOperator::NotEqual => value != literal,
        CompareOperator::Greater => value > literal,
        CompareOperator::GreaterOrEqual => value >= literal,
        CompareOperator::Less => value < literal,
        CompareOperator::LessOrEqual => value <= literal,
        CompareOperator::Contains | CompareOperator::StartsWith | CompareOperator::EndsWith => {
            false
        }
    }
}
