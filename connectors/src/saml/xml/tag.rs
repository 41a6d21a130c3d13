//! The inside of a tag: its name and attributes, as the grammar has them and not a bit looser.

use std::borrow::Cow;

use super::chars::{is_ncname, is_xml_space, resolve_reference};

/// A qualified name, split and checked (Namespaces 1.0, section 4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'t> {
    pub(super) full: &'t str,
    pub(super) prefix: &'t str,
    pub(super) local: &'t str,
}

impl<'t> Name<'t> {
    pub(super) fn parse(full: &'t str) -> Option<Self> {
        let (prefix, local) = match full.bytes().position(|b| b == b':') {
            Some(colon) if is_ncname(&full[..colon]) => (&full[..colon], &full[colon + 1..]),
            Some(_) => return None,
            None => ("", full),
        };
        is_ncname(local).then_some(Self {
            full,
            prefix,
            local,
        })
    }
}

/// Reads `name="value"` pairs one after another.
pub(super) struct Attributes<'t> {
    rest: &'t str,
}

impl<'t> Attributes<'t> {
    /// `inside` is what stands between a tag's name and its end.
    pub(super) fn new(inside: &'t str) -> Self {
        Self { rest: inside }
    }

    /// The next attribute's name and raw value.
    pub(super) fn next(&mut self) -> Result<Option<(&'t str, &'t str)>, &'static str> {
        let start = skip_space(self.rest);
        if start.is_empty() {
            self.rest = start;
            return Ok(None);
        }
        if start.len() == self.rest.len() {
            return Err("attributes must be separated by white space");
        }
        let name_len = start
            .bytes()
            .position(|b| b == b'=' || is_xml_space(b))
            .ok_or("an attribute has no value")?;
        let (name, rest) = start.split_at(name_len);
        let rest = skip_space(rest)
            .strip_prefix('=')
            .ok_or("an attribute has no value")?;
        let rest = skip_space(rest);
        let quote = match rest.as_bytes().first() {
            Some(b'"') => b'"',
            Some(b'\'') => b'\'',
            _ => return Err("an attribute's value is not quoted"),
        };
        let len = rest.as_bytes()[1..]
            .iter()
            .position(|&b| b == quote)
            .ok_or("an attribute's value does not end")?;
        self.rest = &rest[len + 2..];
        Ok(Some((name, &rest[1..=len])))
    }
}

fn skip_space(text: &str) -> &str {
    let len = text.bytes().take_while(|&b| is_xml_space(b)).count();
    &text[len..]
}

/// Attribute-value normalisation of XML 1.0 section 3.3.3 for a document without a DTD: white space
/// becomes a space, unless it was written as a character reference.
pub(super) fn normalize_value(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let special = |b: u8| matches!(b, b'&' | b'<' | b'\t' | b'\n');
    let Some(first) = raw.bytes().position(special) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut at = Some(first);
    while let Some(index) = at {
        value.push_str(&rest[..index]);
        match rest.as_bytes()[index] {
            b'<' => return Err("'<' in an attribute's value"),
            b'&' => {
                let end = rest[index..].find(';').ok_or("a reference does not end")?;
                let name = &rest[index + 1..index + end];
                value.push(resolve_reference(name).ok_or("an unknown entity")?);
                rest = &rest[index + end + 1..];
            }
            _ => {
                value.push(' ');
                rest = &rest[index + 1..];
            }
        }
        at = rest.bytes().position(special);
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}
