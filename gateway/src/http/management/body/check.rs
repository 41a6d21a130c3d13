//! A JSON value against a schema of the document: the subset of JSON Schema that our types use.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::ParseFromParameter;
use regex::Regex;
use serde_json::{Map, Value};

use crate::error::FieldProblem;
use crate::model::Timestamp;

/// More are not reported: nobody reads them, and a hostile body has many.
const MAX_PROBLEMS: usize = 50;

/// Every problem of `value`, in the order of the schema's fields. Null in an optional field is no problem: it
/// means absent, or in a PATCH "clear this".
pub(super) fn check(
    value: &Value,
    schema: &MetaSchemaRef,
    registry: &Registry,
) -> Vec<FieldProblem> {
    let mut checker = Checker {
        registry,
        problems: Vec::new(),
    };
    checker.value(value, schema, "");
    checker.problems
}

struct Checker<'a> {
    registry: &'a Registry,
    problems: Vec<FieldProblem>,
}

impl Checker<'_> {
    fn report(&mut self, path: &str, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            let field = if path.is_empty() { "(body)" } else { path };
            self.problems.push(FieldProblem::new(field, message));
        }
    }

    fn value(&mut self, value: &Value, schema: &MetaSchemaRef, path: &str) {
        let registry = self.registry;
        match schema {
            MetaSchemaRef::Inline(schema) => self.against(value, schema, path),
            MetaSchemaRef::Reference(name) => {
                if let Some(schema) = registry.schemas.get(name) {
                    self.against(value, schema, path);
                }
            }
        }
    }

    fn against(&mut self, value: &Value, schema: &MetaSchema, path: &str) {
        for part in &schema.all_of {
            self.value(value, part, path);
        }
        if !schema.any_of.is_empty() {
            return self.any_of(value, &schema.any_of, path);
        }
        if !schema.enum_items.is_empty() {
            if !schema.enum_items.contains(value) {
                let accepted: Vec<String> =
                    schema.enum_items.iter().map(ToString::to_string).collect();
                self.report(path, format!("has to be one of {}", accepted.join(", ")));
            }
            return;
        }
        match (schema.ty, value) {
            ("object", Value::Object(fields)) => self.object(fields, schema, path),
            ("array", Value::Array(items)) => self.array(items, schema, path),
            ("string", Value::String(text)) => self.string(text, schema, path),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.number(number.as_f64().unwrap_or(f64::MAX), schema, path);
            }
            ("number", Value::Number(number)) => {
                self.number(number.as_f64().unwrap_or(f64::MAX), schema, path);
            }
            ("boolean", Value::Bool(_)) => {}
            ("object" | "array" | "string" | "integer" | "number" | "boolean", _) => {
                let article = if matches!(schema.ty, "object" | "array" | "integer") {
                    "an"
                } else {
                    "a"
                };
                self.report(path, format!("has to be {article} {}", schema.ty));
            }
            _ => {}
        }
    }

    /// The first alternative's problems are told when none fits: it is the one that we recommend.
    fn any_of(&mut self, value: &Value, alternatives: &[MetaSchemaRef], path: &str) {
        let mut problems = alternatives.iter().map(|alternative| {
            let mut checker = Checker {
                registry: self.registry,
                problems: Vec::new(),
            };
            checker.value(value, alternative, path);
            checker.problems
        });
        let first = problems.next().unwrap_or_default();
        if !first.is_empty() && !problems.any(|it| it.is_empty()) {
            self.problems.extend(first);
        }
    }

    fn object(&mut self, fields: &Map<String, Value>, schema: &MetaSchema, path: &str) {
        for (name, field) in &schema.properties {
            let required = schema.required.contains(name);
            match fields.get(*name) {
                None if required => self.report(&join(path, name), "is required"),
                Some(Value::Null) if required => {
                    self.report(&join(path, name), "is required and can't be null");
                }
                None | Some(Value::Null) => {}
                Some(value) => self.value(value, field, &join(path, name)),
            }
        }
        let known = |name: &str| schema.properties.iter().any(|(it, _)| *it == name);
        for (name, value) in fields.iter().filter(|(name, _)| !known(name)) {
            match &schema.additional_properties {
                Some(any) => self.value(value, any, &join(path, name)),
                None => self.report(&join(path, name), "is not a field of this request"),
            }
        }
    }

    fn array(&mut self, items: &[Value], schema: &MetaSchema, path: &str) {
        if schema.max_items.is_some_and(|max| items.len() > max) {
            let max = schema.max_items.unwrap_or_default();
            return self.report(path, format!("has at most {max} entries"));
        }
        if schema.min_items.is_some_and(|min| items.len() < min) {
            let min = schema.min_items.unwrap_or_default();
            self.report(path, format!("has at least {min} entries"));
        }
        if let Some(item) = &schema.items {
            for (at, value) in items.iter().enumerate() {
                self.value(value, item, &format!("{path}[{at}]"));
            }
        }
    }

    fn string(&mut self, text: &str, schema: &MetaSchema, path: &str) {
        let length = text.chars().count();
        if schema.max_length.is_some_and(|max| length > max) {
            let max = schema.max_length.unwrap_or_default();
            return self.report(path, format!("has at most {max} characters"));
        }
        if schema.min_length.is_some_and(|min| length < min) {
            let message = match schema.min_length {
                Some(1) => "can't be empty".to_owned(),
                min => format!("has at least {} characters", min.unwrap_or_default()),
            };
            return self.report(path, message);
        }
        if let Some(pattern) = &schema.pattern
            && !matches(pattern, text)
        {
            return self.report(path, format!("has to match {pattern}"));
        }
        if schema.format == Some("date-time") && Timestamp::parse_from_parameter(text).is_err() {
            self.report(
                path,
                "has to be an RFC 3339 time such as 2026-11-22T09:30:00.123Z",
            );
        }
    }

    fn number(&mut self, number: f64, schema: &MetaSchema, path: &str) {
        if schema.minimum.is_some_and(|minimum| number < minimum) {
            let minimum = schema.minimum.unwrap_or_default();
            self.report(path, format!("has to be at least {minimum}"));
        }
        if schema.maximum.is_some_and(|maximum| number > maximum) {
            let maximum = schema.maximum.unwrap_or_default();
            self.report(path, format!("has to be at most {maximum}"));
        }
    }
}

/// The patterns are those of our own types: a handful, each compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return regex.is_match(text);
    }
    let Ok(regex) = Regex::new(pattern) else {
        return false;
    };
    let is_match = regex.is_match(text);
    compiled.insert(pattern.to_owned(), regex);
    is_match
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::Type;
    use poem_openapi::{Enum, Object};
    use serde_json::json;

    use super::*;

    #[derive(Enum)]
    #[oai(rename_all = "snake_case")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Object)]
    struct Inner {
        colour: Colour,
        at: Option<Timestamp>,
    }

    #[derive(Object)]
    struct Outer {
        #[oai(validator(min_length = 1, max_length = 5))]
        name: String,
        /// With a description, which makes the reference an `allOf`.
        inner: Option<Inner>,
        tags: Option<Vec<String>>,
        #[oai(validator(maximum(value = "300")))]
        ttl: Option<i64>,
        free: Option<std::collections::BTreeMap<String, Value>>,
    }

    fn problems(value: Value) -> Vec<String> {
        let mut registry = Registry::new();
        Outer::register(&mut registry);
        check(&value, &Outer::schema_ref(), &registry)
            .into_iter()
            .map(|problem| format!("{} {}", problem.field, problem.message))
            .collect()
    }

    #[test]
    fn a_right_value_has_no_problems() {
        let value = json!({
            "name": "a", "inner": {"colour": "red", "at": "2026-11-22T09:30:00.123Z"},
            "tags": null, "ttl": 300, "free": {"anything": [1, {"x": null}]}
        });
        assert_eq!(problems(value), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_named_with_its_path() {
        let value = json!({
            "name": "too long", "inner": {"colour": "blue", "at": "now", "size": 1},
            "tags": ["a", 2], "ttl": 301, "extra": true
        });
        assert_eq!(
            problems(value),
            [
                "name has at most 5 characters",
                "inner.colour has to be one of \"red\", \"green\"",
                "inner.at has to be an RFC 3339 time such as 2026-11-22T09:30:00.123Z",
                "inner.size is not a field of this request",
                "tags[1] has to be a string",
                "ttl has to be at most 300",
                "extra is not a field of this request",
            ]
        );
        assert_eq!(
            problems(json!({"name": null})),
            ["name is required and can't be null"]
        );
        assert_eq!(problems(json!({"name": ""})), ["name can't be empty"]);
        assert_eq!(problems(json!([])), ["(body) has to be an object"]);
    }
}
