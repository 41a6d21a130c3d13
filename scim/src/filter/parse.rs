//! The reader of filters and of the filters inside PATCH paths. One pass, bounded in length, depth and
//! number of comparisons.

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

use super::{CompareOperator, Filter, Literal, MAX_COMPARISONS, MAX_DEPTH, MAX_LENGTH};
use crate::error::{ScimError, excerpt};
use crate::quirk::{Quirk, Quirks};
use crate::resource::{AttributePath, ResourceType};
use crate::schema::{Kind, Returned};

pub(crate) struct Parser<'a> {
    resource_type: ResourceType,
    text: &'a str,
    quirks: &'a Quirks,
    at: usize,
    depth: usize,
    comparisons: usize,
    /// The attribute whose brackets surround the current position.
    element: Option<AttributePath>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(
        resource_type: ResourceType,
        text: &'a str,
        quirks: &'a Quirks,
    ) -> Result<Self, ScimError> {
        let parser = Self {
            resource_type,
            text,
            quirks,
            at: 0,
            depth: 0,
            comparisons: 0,
            element: None,
        };
        if text.len() > MAX_LENGTH {
            return Err(parser.wrong(format!("it is longer than {MAX_LENGTH} bytes")));
        }
        Ok(parser)
    }

    /// `or` binds loosest, then `and`, then `not` (RFC 7644 section 3.4.2.2).
    pub(crate) fn filter(&mut self) -> Result<Filter, ScimError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(format!("it is nested deeper than {MAX_DEPTH}")));
        }
        let filter = self.joined("or", Filter::Or, |parser| {
            parser.joined("and", Filter::And, Self::term)
        })?;
        self.depth -= 1;
        Ok(filter)
    }

    fn joined(
        &mut self,
        word: &str,
        join: fn(Vec<Filter>) -> Filter,
        branch: impl Fn(&mut Self) -> Result<Filter, ScimError>,
    ) -> Result<Filter, ScimError> {
        let first = branch(self)?;
        if !self.take_word(word) {
            return Ok(first);
        }
        let mut branches = vec![first, branch(self)?];
        while self.take_word(word) {
            branches.push(branch(self)?);
        }
        Ok(join(branches))
    }

    fn term(&mut self) -> Result<Filter, ScimError> {
        if self.take_symbol('(') {
            return self.closed(')');
        }
        let before = self.at;
        if self.take_word("not") {
            if self.take_symbol('(') {
                return Ok(Filter::Not(Box::new(self.closed(')')?)));
            }
            self.at = before;
            return Err(self.wrong("after not, an opening parenthesis is expected"));
        }
        let path = self.path()?;
        if self.take_symbol('[') {
            return self.element(path);
        }
        self.comparison(path)
    }

    fn closed(&mut self, end: char) -> Result<Filter, ScimError> {
        let filter = self.filter()?;
        if self.take_symbol(end) {
            Ok(filter)
        } else {
            Err(self.wrong(format!("{end:?} is expected")))
        }
    }

    /// The rest of `emails[…]`, behind the opening bracket, with what may follow the closing one.
    fn element(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        let filter = self.element_filter(path)?;
        let filter = if self.text[self.at..].starts_with('.') {
            self.at += 1;
            self.quirks.note(Quirk::ValuePathSubAttribute);
            self.element = Some(path);
            let sub = self.path()?;
            let compared = self.comparison(sub)?;
            self.element = None;
            match filter {
                Filter::And(mut all) => {
                    all.push(compared);
                    Filter::And(all)
                }
                one => Filter::And(vec![one, compared]),
            }
        } else {
            filter
        };
        Ok(Filter::Element {
            path,
            filter: Box::new(filter),
        })
    }

    /// The filter between the brackets behind `path`, whose opening one has been read.
    pub(crate) fn element_filter(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        if self.element.is_some() {
            return Err(self.wrong("brackets inside of brackets"));
        }
        if path.sub.is_some() || !path.attribute.is_complex() {
            return Err(self.wrong(format!("{path} has no sub-attributes to select by")));
        }
        self.element = Some(path);
        let filter = self.closed(']')?;
        self.element = None;
        Ok(filter)
    }

    /// An attribute's name.
    fn path(&mut self) -> Result<AttributePath, ScimError> {
        self.skip_space();
        let start = self.at;
        let name = self.word();
        if name.is_empty() {
            return Err(self.wrong("an attribute is expected"));
        }
        let path = match self.element {
            Some(element) => element
                .attribute
                .sub_attribute(name)
                .map(|sub| element.with_sub(Some(sub))),
            None => self.resource_type.resolve(name),
        };
        // What is never returned can't be asked for either: a filter would tell it letter by letter.
        let path = path.filter(|path| path.leaf().returned != Returned::Never);
        self.at = start + name.len();
        path.ok_or_else(|| match self.element {
            Some(element) => ScimError::FilterAttributeUnknown {
                name: excerpt(&format!("{element}.{name}")),
                resource: self.resource_type.name(),
            },
            None => ScimError::FilterAttributeUnknown {
                name: excerpt(name),
                resource: self.resource_type.name(),
            },
        })
    }

    /// `pr`, or an operator and a value.
    fn comparison(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(ScimError::FilterTooLarge {
                limit: MAX_COMPARISONS,
            });
        }
        if self.take_word("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = CompareOperator::ALL
            .into_iter()
            .find(|o| self.take_word(o.as_str()));
        let Some(operator) = operator else {
            return Err(self.wrong("an operator is expected: eq ne co sw ew gt ge lt le pr"));
        };
        let value = self.value()?;
        compare(path, operator, value, self.quirks)
    }

    /// A JSON string, number, `true`, `false` or `null` (the words in any case).
    fn value(&mut self) -> Result<Value, ScimError> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let length = if rest.starts_with('"') {
            quoted_length(rest)
        } else {
            Some(self.word().len())
        };
        let Some(length) = length.filter(|length| *length > 0) else {
            return Err(self.wrong("a value is expected, such as \"text\", true or null"));
        };
        let written = &rest[..length];
        let folded = written.to_ascii_lowercase();
        let literal = match folded.as_str() {
            "true" | "false" | "null" => &folded,
            _ => written,
        };
        let value = serde_json::from_str(literal).ok();
        let Some(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) =
            value
        else {
            let problem = format!(
                "{:?} is no value; write text in double quotes",
                excerpt(written)
            );
            return Err(self.wrong(problem));
        };
        self.at += length;
        Ok(value)
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), ScimError> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.wrong("and, or, or the end is expected"))
        }
    }

    /// Jumps to a byte offset of the text, for the caller that has read what stands before it.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The characters up to the next space, parenthesis, bracket or quote; they are not consumed.
    fn word(&self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"');
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let before = self.at;
        self.skip_space();
        let word = self.word();
        if word.eq_ignore_ascii_case(wanted) {
            self.at += word.len();
            return true;
        }
        self.at = before;
        false
    }

    fn take_symbol(&mut self, symbol: char) -> bool {
        let before = self.at;
        self.skip_space();
        if self.text[self.at..].starts_with(symbol) {
            self.at += symbol.len_utf8();
            return true;
        }
        self.at = before;
        false
    }

    fn wrong(&self, problem: impl Into<String>) -> ScimError {
        let position = self
            .text
            .get(..self.at)
            .map_or(0, |read| read.chars().count())
            + 1;
        ScimError::FilterMalformed {
            position,
            problem: problem.into(),
        }
    }
}

/// The length of the JSON string at the start, with its quotes.
fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// An instant whose year in UTC has four digits, as it must be written (RFC 3339 section 5.6): an offset may lead
/// out of them.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (0..=9999).contains(&at.year()).then_some(at)
}

/// The URN of a schema that we publish, as we write it.
fn published(urn: &str) -> Option<&'static str> {
    let mut urns = ResourceType::ALL
        .into_iter()
        .flat_map(ResourceType::schemas);
    urns.find(|known| known.eq_ignore_ascii_case(urn))
}

/// A comparison whose value has the attribute's type.
fn compare(
    path: AttributePath,
    operator: CompareOperator,
    value: Value,
    quirks: &Quirks,
) -> Result<Filter, ScimError> {
    use CompareOperator::{Contains, EndsWith, Equal, NotEqual, StartsWith};
    let refuse = |problem: &str| {
        Err(ScimError::FilterComparison {
            attribute: path.to_string(),
            problem: problem.into(),
        })
    };
    // `emails eq "x"` and `members eq "x"` mean the `value` (RFC 7643 section 2.4: its significant one).
    let path = match path.leaf().sub_attribute("value") {
        Some(value) => {
            quirks.note(Quirk::ComparedAsValue);
            path.with_sub(Some(value))
        }
        None if path.leaf().is_complex() => {
            return refuse("it has parts; compare one of them");
        }
        None => path,
    };
    if value.is_null() {
        return match operator {
            Equal => Ok(Filter::Not(Box::new(Filter::Present(path)))),
            NotEqual => Ok(Filter::Present(path)),
            _ => refuse("null only compares with eq and ne"),
        };
    }
    let value = match (path.leaf().kind, value) {
        (Kind::Boolean, value) => {
            if !matches!(operator, Equal | NotEqual) {
                return refuse("a boolean only compares with eq and ne");
            }
            // Entra ID writes roles[primary eq "True"].value.
            let value = match &value {
                Value::Bool(value) => Some(*value),
                Value::String(text) => {
                    quirks.note(Quirk::BooleanAsText);
                    crate::normalize::boolean(text)
                }
                _ => None,
            };
            match value {
                Some(value) => Literal::Boolean(value),
                None => return refuse("it is true or false"),
            }
        }
        (Kind::DateTime, Value::String(text)) => {
            if matches!(operator, Contains | StartsWith | EndsWith) {
                return refuse("a time compares with eq, ne, gt, ge, lt and le");
            }
            match instant(&text) {
                Some(at) => Literal::Instant(at),
                None => return refuse("it is a time such as \"2026-11-22T09:30:00Z\""),
            }
        }
        (Kind::DateTime, _) => return refuse("it is a time such as \"2026-11-22T09:30:00Z\""),
        (Kind::Binary, Value::String(text)) => {
            if !matches!(operator, Equal | NotEqual) {
                return refuse("binary only compares with eq and ne");
            }
            Literal::Text(text)
        }
        // The URNs of schemas are the same in any case (SCIM.md section 3), other references are not.
        (_, Value::String(text)) if path.names().1 == "schemas" => {
            Literal::Text(published(&text).map_or(text, str::to_owned))
        }
        (_, Value::String(text)) => Literal::Text(text),
        _ => return refuse("it is text; write the value in double quotes"),
    };
    if matches!(&value, Literal::Text(text) if text.contains('\0')) {
        return refuse("text can't contain the character U+0000");
    }
    Ok(Filter::Compare {
        path,
        operator,
        value,
    })
}
