//! From text to tree. quick-xml finds where each piece of markup begins and ends; everything that makes a
//! document well-formed beyond that is checked in `tree`.

mod scope;
mod tree;

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::tag::{Attributes, normalize_value};
use super::{Document, Source, XmlError, line_of};
use tree::Builder;

pub(super) fn parse<'t>(
    source: &'t Source,
    context: &[(&'t str, &'t str)],
) -> Result<Document<'t>, XmlError> {
    let text = source.as_str();
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    // End tags are compared here, byte for byte, against the open element.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.trim_markup_names_in_closing_tags = false;

    let mut builder = Builder::new(text, context);
    let mut from = 0;
    loop {
        let event = reader.read_event();
        let to = usize::try_from(reader.buffer_position())
            .unwrap_or(text.len())
            .min(text.len());
        let span = &text[from..to];
        let done = match event {
            Ok(Event::Eof) => return builder.finish().map_err(|fault| fault.at(text, text.len())),
            Ok(event) => builder.take(&event, span, from),
            Err(_) if is_doctype(&text[from..]) => return Err(XmlError::Dtd),
            Err(error) => Err(Fault::Malformed(error.to_string().into())),
        };
        done.map_err(|fault| fault.at(text, from))?;
        from = to;
    }
}

fn is_doctype(text: &str) -> bool {
    text.as_bytes()
        .get(..9)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE"))
}

/// An error that does not know its place yet.
enum Fault {
    Malformed(Cow<'static, str>),
    Other(XmlError),
}

impl Fault {
    fn at(self, text: &str, offset: usize) -> XmlError {
        match self {
            Self::Malformed(reason) => XmlError::Malformed {
                line: line_of(text, offset),
                reason: reason.into_owned(),
            },
            Self::Other(error) => error,
        }
    }
}

impl From<&'static str> for Fault {
    fn from(reason: &'static str) -> Self {
        Self::Malformed(reason.into())
    }
}

impl From<XmlError> for Fault {
    fn from(error: XmlError) -> Self {
        Self::Other(error)
    }
}

/// `<?xml version="1.0" encoding="UTF-8"?>` (production 23).
fn declaration(inside: &str) -> Result<(), &'static str> {
    let mut attributes = Attributes::new(inside);
    let mut expected: &[&str] = &["version", "encoding", "standalone"];
    while let Some((name, value)) = attributes.next()? {
        let at = expected
            .iter()
            .position(|&e| e == name)
            .ok_or("a broken XML declaration")?;
        let first = expected.len() == 3;
        expected = &expected[at + 1..];
        match name {
            "version" if value == "1.0" => {}
            "encoding" if !first && value.eq_ignore_ascii_case("utf-8") => {}
            "encoding" if !first => return Err("an encoding other than UTF-8"),
            "standalone" if !first && matches!(value, "yes" | "no") => {}
            _ => return Err("a broken XML declaration"),
        }
    }
    if expected.len() == 3 {
        Err("an XML declaration without version")
    } else {
        Ok(())
    }
}

/// An attribute of the root element, read without any of the checks above: a hint, no more.
pub(in crate::saml) fn peek_root_attribute(text: &str, wanted: &str) -> Option<String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                let mut attributes = Attributes::new(tag.attributes_raw());
                while let Some((name, value)) = attributes.next().ok()? {
                    if name == wanted {
                        return Some(normalize_value(value).ok()?.into_owned());
                    }
                }
                return None;
            }
            Event::Decl(_) | Event::Text(_) | Event::Comment(_) => {}
            _ => return None,
        }
    }
}
