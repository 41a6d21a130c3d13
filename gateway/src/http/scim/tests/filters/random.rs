//! Random resources and random filters, both from the schemas: no attribute is left out.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use scim::schema::{ENTERPRISE_USER, Kind, Mutability, Returned};
use scim::{AttributePath, CompareOperator, ResourceType};
use serde_json::{Map, Value, json};

/// A small world of values, so that filters often match, and one in which SQL could differ: case in several scripts,
/// what quotes and wildcards mean, the order of bytes and of UTF-16, and composed characters.
const TEXTS: [&str; 28] = [
    "a",
    "A",
    "ab",
    "aB c",
    "B%",
    "b_",
    "Ä",
    "ä",
    "ß",
    "ẞ",
    "ΝΙΚΟΣ",
    "νικος",
    "İ",
    "ı",
    "日本",
    "\u{e000}",
    "𝄞",
    "é",
    "e\u{301}",
    "\"q\"",
    "\\",
    "'",
    "work",
    "Work",
    "home",
    "x] or (y",
    "true",
    "*",
];
/// Base64.
const BINARY: [&str; 3] = ["QQ==", "YQ==", "qQ=="];

fn one<'a, T: ?Sized>(random: &mut TestRng, of: &[&'a T]) -> &'a T {
    of[random.random_range(0..of.len())]
}

fn text(random: &mut TestRng) -> String {
    match random.random_range(0..40) {
        // Longer than what the index on values holds.
        0 => "Ä".repeat(600),
        1..10 => format!("{}{}", one(random, &TEXTS), one(random, &TEXTS)),
        _ => one(random, &TEXTS).to_owned(),
    }
}

fn value(random: &mut TestRng, kind: Kind, max_length: Option<usize>) -> Value {
    match kind {
        Kind::Boolean => random.random_bool(0.5).into(),
        Kind::Binary => one(random, &BINARY).into(),
        _ => {
            let text: String = text(random);
            text.chars()
                .take(max_length.unwrap_or(usize::MAX))
                .collect::<String>()
                .into()
        }
    }
}

/// A user in which any attribute that a directory may set has a value or none. It lacks its `userName` and manager.
pub(super) fn user(random: &mut TestRng) -> Value {
    let (mut core, mut extension) = (Map::new(), Map::new());
    for path in ResourceType::User.attributes() {
        let attribute = path.attribute;
        let is_set = matches!(attribute.mutability, Mutability::ReadWrite)
            && !["userName", "manager", "meta", "schemas", "id"].contains(&attribute.name);
        if !is_set || random.random_bool(0.4) {
            continue;
        }
        let filled = if !attribute.is_complex() {
            value(random, attribute.kind, attribute.max_length)
        } else {
            let count = if attribute.multi_valued {
                random.random_range(0..4)
            } else {
                1
            };
            let primary = random.random_range(0..6);
            let elements = (0..count).map(|index| {
                let mut element = Map::new();
                for sub in attribute.sub_attributes {
                    if sub.name == "primary" {
                        // At most one is the primary one.
                        if index == primary {
                            element.insert("primary".to_owned(), true.into());
                        }
                    } else if random.random_bool(0.7) {
                        element
                            .insert(sub.name.to_owned(), value(random, sub.kind, sub.max_length));
                    }
                }
                Value::Object(element)
            });
            let mut elements: Vec<Value> = elements.collect();
            if attribute.multi_valued {
                elements.into()
            } else {
                elements.remove(0)
            }
        };
        match path.extension() {
            Some(_) => extension.insert(attribute.name.to_owned(), filled),
            None => core.insert(attribute.name.to_owned(), filled),
        };
    }
    core.insert(ENTERPRISE_USER.urn.to_owned(), extension.into());
    core.into()
}

/// Writes filters on one type of resource.
pub(super) struct Writer<'a> {
    pub(super) random: &'a mut TestRng,
    pub(super) resource_type: ResourceType,
    pub(super) resources: &'a [Map<String, Value>],
    /// Texts that the resources hold, ids and times among them.
    pub(super) held: &'a [String],
}

impl Writer<'_> {
    pub(super) fn filter(&mut self) -> String {
        let depth = self.random.random_range(0..4);
        self.branch(depth, None)
    }

    fn branch(&mut self, depth: u32, element: Option<AttributePath>) -> String {
        if depth == 0 {
            return self.leaf(element);
        }
        let first = self.branch(depth - 1, element);
        match self.random.random_range(0..6) {
            // Without parentheses, precedence decides.
            0 | 1 => {
                let word = self.cased("and");
                format!("{first} {word} {}", self.branch(depth - 1, element))
            }
            2 | 3 => {
                let word = self.cased("or");
                format!("{first}  {word} {}", self.branch(depth - 1, element))
            }
            4 => format!("{}({first})", self.cased("not ")),
            _ => format!("( {first} )"),
        }
    }

    fn leaf(&mut self, element: Option<AttributePath>) -> String {
        if let Some(element) = element {
            let sub = self.sub(element);
            let name = sub.sub.map_or("", |sub| sub.name);
            let name = self.cased(name);
            return self.comparison(&name, sub);
        }
        let attributes: Vec<AttributePath> = self
            .resource_type
            .attributes()
            .filter(|path| path.attribute.returned != Returned::Never)
            .collect();
        let path = attributes[self.random.random_range(0..attributes.len())];
        let is_complex = path.attribute.is_complex();
        let name = self.name(path);
        if is_complex && self.random.random_bool(0.4) {
            let depth = self.random.random_range(0..3);
            let inside = self.branch(depth, Some(path));
            if self.random.random_bool(0.2) {
                // As Entra ID has it.
                let sub = self.sub(path);
                let behind = format!("{name}[{inside}].{}", sub.sub.map_or("", |sub| sub.name));
                return self.comparison(&behind, sub);
            }
            return format!("{name}[{inside}]");
        }
        if is_complex && self.random.random_bool(0.7) {
            let path = self.sub(path);
            let name = self.name(path);
            return self.comparison(&name, path);
        }
        self.comparison(&name, path)
    }

    fn sub(&mut self, mut path: AttributePath) -> AttributePath {
        let subs = path.attribute.sub_attributes;
        path.sub = Some(&subs[self.random.random_range(0..subs.len())]);
        path
    }

    /// What a path is called, whatever the case, with its schema or without.
    fn name(&mut self, path: AttributePath) -> String {
        let urn = self.resource_type.schema().urn;
        match path.extension() {
            None if self.random.random_bool(0.1) => self.cased(&format!("{urn}:{path}")),
            _ => self.cased(&path.to_string()),
        }
    }

    fn cased(&mut self, text: &str) -> String {
        match self.random.random_range(0..10) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            _ => text.to_owned(),
        }
    }

    fn comparison(&mut self, name: &str, path: AttributePath) -> String {
        use CompareOperator::{Contains, EndsWith, Equal, NotEqual, StartsWith};
        // A complex attribute stands for its value.
        let leaf = path.leaf().sub_attribute("value").unwrap_or(path.leaf());
        let present = self.random.random_range(0..8) == 0;
        if present || leaf.is_complex() {
            return format!("{name} {}", self.cased("pr"));
        }
        let fits = |operator: &CompareOperator| match leaf.kind {
            Kind::Boolean | Kind::Binary => matches!(operator, Equal | NotEqual),
            Kind::DateTime => !matches!(operator, Contains | StartsWith | EndsWith),
            _ => true,
        };
        let operators: Vec<_> = CompareOperator::ALL.into_iter().filter(fits).collect();
        let operator = operators[self.random.random_range(0..operators.len())];
        let operand = self.operand(path, leaf.kind, operator);
        format!("{name} {} {operand}", self.cased(operator.as_str()))
    }

    fn operand(&mut self, path: AttributePath, kind: Kind, operator: CompareOperator) -> String {
        let is_equality = matches!(operator, CompareOperator::Equal | CompareOperator::NotEqual);
        if is_equality && self.random.random_range(0..12) == 0 {
            return self.cased("null");
        }
        match kind {
            Kind::Boolean => one(
                self.random,
                &["true", "false", "TRUE", "\"False\"", "\"true\""],
            )
            .to_owned(),
            Kind::DateTime => self.time(),
            _ => self.text(path),
        }
    }

    /// A time that a resource has, or one near it, in some zone.
    fn time(&mut self) -> String {
        let times: Vec<&String> = self
            .held
            .iter()
            .filter(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
            .collect();
        let time = times[self.random.random_range(0..times.len())];
        let at = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        let zone = chrono::FixedOffset::east_opt(self.random.random_range(-12..13) * 1800).unwrap();
        let moved = [0, 0, 0, 1, -1, 400_000, 1_000_000, -3_600_000_000];
        let moved = moved[self.random.random_range(0..moved.len())];
        let at = (at + chrono::Duration::microseconds(moved)).with_timezone(&zone);
        json!(at.to_rfc3339()).to_string()
    }

    /// A text that a resource has, mostly in this place, or a piece of one, in some case and some spelling of JSON.
    fn text(&mut self, path: AttributePath) -> String {
        let text = match self.random.random_range(0..20) {
            0 => Some(String::new()),
            1..4 => Some(text(self.random)),
            4..6 => None,
            _ => self.held_at(path),
        };
        let text =
            text.unwrap_or_else(|| self.held[self.random.random_range(0..self.held.len())].clone());
        let length = text.chars().count();
        let text: String = match self.random.random_range(0..3) {
            0 if length > 1 => {
                let start = self.random.random_range(0..length);
                let count = self.random.random_range(1..=length - start);
                text.chars().skip(start).take(count).collect()
            }
            _ => text,
        };
        let text = self.cased(&text);
        if self.random.random_bool(0.1) {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            return format!("\"{}\"", units.collect::<String>());
        }
        json!(text).to_string()
    }

    /// What the resource that chance picks has there.
    fn held_at(&mut self, path: AttributePath) -> Option<String> {
        let resource = &self.resources[self.random.random_range(0..self.resources.len())];
        let values = path.values(resource);
        if values.is_empty() {
            return None;
        }
        let value = &values[self.random.random_range(0..values.len())];
        let text = value[path.sub.map_or("value", |sub| sub.name)].as_str();
        text.or(value.as_str()).map(str::to_owned)
    }
}
