//! From text to tree. quick-xml finds where each piece of markup begins and ends; everything that makes a
//! document well-formed beyond that is checked here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::Event;

use super::chars::{is_xml_space, resolve_reference};
use super::tag::{Attributes, Name, normalize_value};
use super::{
    AttributeNode, Declaration, Document, ElementNode, MAX_ATTRIBUTES, MAX_DECLARATIONS, MAX_DEPTH,
    MAX_ELEMENTS, NO_NAMESPACE, NO_PREFIX, NamespaceId, Node, PrefixId, Source, XML_NAMESPACE,
    XML_PREFIX, XMLNS_NAMESPACE, XmlError, line_of,
};

/// Up to this many prefixes are searched one by one; more, which no IdP sends, go through a map so that
/// the time stays linear.
const FEW_PREFIXES: usize = 16;

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
            Ok(Event::Eof) => {
                builder.finish()?;
                return Ok(builder.document);
            }
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

/// Text between two tags, which may come in several pieces: references, CDATA, comments in between.
enum Pending<'t> {
    None,
    One(&'t str),
    Joined(String),
}

struct Builder<'t> {
    text: &'t str,
    document: Document<'t>,
    open: Vec<Open>,
    elements: usize,
    root_seen: bool,
    pending: Pending<'t>,
    /// The namespace bound to each prefix at this place, by `PrefixId`.
    bound: Vec<Option<NamespaceId>>,
    /// What the open elements' declarations replaced.
    replaced: Vec<(PrefixId, Option<NamespaceId>)>,
    many_prefixes: HashMap<&'t str, PrefixId>,
    /// Indices of attributes of type ID.
    ids: Vec<u32>,
}

struct Open {
    index: u32,
    /// Length of `replaced` before this element's declarations.
    replaced: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, context: &[(&'t str, &'t str)]) -> Self {
        let mut builder = Self {
            text,
            document: Document {
                nodes: Vec::with_capacity(text.bytes().filter(|&b| b == b'<').count() + 8),
                attributes: Vec::with_capacity(text.len() / 96 + 8),
                declarations: Vec::new(),
                inherited: 0,
                prefixes: vec!["", "xml"],
                namespaces: vec![Cow::Borrowed(""), Cow::Borrowed(XML_NAMESPACE)],
                text,
            },
            open: Vec::with_capacity(16),
            elements: 0,
            root_seen: false,
            pending: Pending::None,
            bound: vec![Some(NO_NAMESPACE), Some(NamespaceId(1))],
            replaced: Vec::new(),
            many_prefixes: HashMap::new(),
            ids: Vec::new(),
        };
        for &(prefix, namespace) in context {
            builder.declare(prefix, Cow::Borrowed(namespace));
        }
        builder.replaced.clear();
        builder.document.inherited = builder.document.declarations.len() as u32;
        builder
    }

    fn take(&mut self, event: &Event<'t>, span: &'t str, from: usize) -> Result<(), Fault> {
        match event {
            Event::Start(_) => self.start(&span[1..span.len() - 1], false),
            Event::Empty(_) => self.start(&span[1..span.len() - 2], true),
            Event::End(_) => self.end(&span[2..span.len() - 1]),
            Event::Text(_) => {
                if span.contains("]]>") {
                    return Err("']]>' in text".into());
                }
                self.text(span)
            }
            Event::CData(_) => {
                self.inside_root()?;
                self.text(&span[9..span.len() - 3])
            }
            Event::GeneralRef(_) => {
                self.inside_root()?;
                let c = resolve_reference(&span[1..span.len() - 1]).ok_or("an unknown entity")?;
                let mut buffer = [0; 4];
                self.joined_text().push_str(c.encode_utf8(&mut buffer));
                Ok(())
            }
            // `<!--a--->` is caught here; two hyphens inside by quick-xml.
            Event::Comment(_) if span[4..span.len() - 3].ends_with('-') => {
                Err("'--' in a comment".into())
            }
            Event::Comment(_) => Ok(()),
            Event::Decl(_) if from == 0 => {
                declaration(&span[5..span.len() - 2]).map_err(Fault::from)
            }
            Event::Decl(_) => Err("an XML declaration that is not at the start".into()),
            Event::DocType(_) => Err(XmlError::Dtd.into()),
            Event::PI(_) => Err("a processing instruction".into()),
            Event::Eof => Ok(()),
        }
    }

    fn inside_root(&self) -> Result<(), Fault> {
        if self.open.is_empty() {
            Err("text outside the root element".into())
        } else {
            Ok(())
        }
    }

    fn text(&mut self, piece: &'t str) -> Result<(), Fault> {
        if self.open.is_empty() {
            if piece.bytes().all(is_xml_space) {
                return Ok(());
            }
            return self.inside_root();
        }
        match &mut self.pending {
            Pending::None if !piece.is_empty() => self.pending = Pending::One(piece),
            Pending::None => {}
            Pending::One(_) => self.joined_text().push_str(piece),
            Pending::Joined(joined) => joined.push_str(piece),
        }
        Ok(())
    }

    fn joined_text(&mut self) -> &mut String {
        match self.pending {
            Pending::None => self.pending = Pending::Joined(String::new()),
            Pending::One(piece) => self.pending = Pending::Joined(piece.to_owned()),
            Pending::Joined(_) => {}
        }
        match &mut self.pending {
            Pending::Joined(joined) => joined,
            Pending::None | Pending::One(_) => unreachable!("just made"),
        }
    }

    fn flush_text(&mut self) {
        let text = match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::None => return,
            Pending::One(piece) => Cow::Borrowed(piece),
            Pending::Joined(joined) => Cow::Owned(joined),
        };
        self.document.nodes.push(Node::Text(text));
    }

    fn start(&mut self, inside: &'t str, empty: bool) -> Result<(), Fault> {
        if self.open.is_empty() && std::mem::replace(&mut self.root_seen, true) {
            return Err("more than one root element".into());
        }
        if self.open.len() == MAX_DEPTH {
            return Err(XmlError::TooLarge("64 levels of elements").into());
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(XmlError::TooLarge("50,000 elements").into());
        }
        self.flush_text();

        let name_len = inside
            .bytes()
            .position(is_xml_space)
            .unwrap_or(inside.len());
        let name = Name::parse(&inside[..name_len]).ok_or("not an element's name")?;
        let replaced = self.replaced.len();
        let declarations = self.document.declarations.len() as u32;
        let attributes = self.document.attributes.len() as u32;
        if name_len < inside.len() {
            self.read_attributes(&inside[name_len..])?;
            self.refuse_duplicate_declarations(declarations as usize)?;
            self.resolve_attributes(attributes as usize)?;
            self.refuse_duplicate_attributes(attributes as usize)?;
        }
        let (prefix, namespace) = self.resolve(name.prefix)?;
        let index = self.document.nodes.len() as u32;
        self.document.nodes.push(Node::Element(ElementNode {
            name: name.full,
            local: (name.full.len() - name.local.len()) as u32,
            prefix,
            namespace,
            parent: self.open.last().map_or(0, |open| open.index),
            end: index + 1,
            attributes,
            declarations,
            attribute_count: (self.document.attributes.len() as u32 - attributes) as u16,
            declaration_count: (self.document.declarations.len() as u32 - declarations) as u16,
        }));
        self.open.push(Open { index, replaced });
        if empty {
            self.close();
        }
        Ok(())
    }

    /// Declarations take effect at once; the prefixes of the other attributes are resolved when all
    /// declarations of the tag are known.
    fn read_attributes(&mut self, inside: &'t str) -> Result<(), Fault> {
        let limit = self.document.attributes.len() + MAX_ATTRIBUTES;
        let mut attributes = Attributes::new(inside);
        let mut declarations = 0;
        while let Some((name, value)) = attributes.next()? {
            let value = normalize_value(value)?;
            let name = Name::parse(name).ok_or("not an attribute's name")?;
            let declared = match (name.prefix, name.local) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => {
                    if self.document.attributes.len() == limit {
                        return Err(XmlError::TooLarge("256 attributes of one element").into());
                    }
                    self.document.attributes.push(AttributeNode {
                        name: name.full,
                        local: name.local,
                        prefix: NO_PREFIX,
                        namespace: NO_NAMESPACE,
                        value,
                    });
                    continue;
                }
            };
            declarations += 1;
            if declarations > MAX_DECLARATIONS {
                let limit = "64 namespace declarations of one element";
                return Err(XmlError::TooLarge(limit).into());
            }
            check_declaration(declared, &value)?;
            self.declare(declared, value);
        }
        Ok(())
    }

    fn declare(&mut self, prefix: &'t str, namespace: Cow<'t, str>) {
        let prefix = match self.find_prefix(prefix) {
            Some(known) => known,
            None => self.add_prefix(prefix),
        };
        let namespace = if namespace.is_empty() {
            NO_NAMESPACE
        } else {
            self.document.namespaces.push(namespace);
            NamespaceId(self.document.namespaces.len() as u32 - 1)
        };
        let bound = &mut self.bound[prefix.0 as usize];
        self.replaced.push((prefix, bound.replace(namespace)));
        self.document
            .declarations
            .push(Declaration { prefix, namespace });
    }

    fn find_prefix(&self, prefix: &str) -> Option<PrefixId> {
        let known = &self.document.prefixes;
        if known.len() > FEW_PREFIXES {
            return self.many_prefixes.get(prefix).copied();
        }
        known
            .iter()
            .position(|&p| p == prefix)
            .map(|at| PrefixId(at as u32))
    }

    fn add_prefix(&mut self, prefix: &'t str) -> PrefixId {
        let id = PrefixId(self.document.prefixes.len() as u32);
        self.document.prefixes.push(prefix);
        self.bound.push(None);
        if self.document.prefixes.len() == FEW_PREFIXES + 1 {
            let known = self.document.prefixes.iter().zip(0..);
            self.many_prefixes = known.map(|(&p, at)| (p, PrefixId(at))).collect();
        } else if self.document.prefixes.len() > FEW_PREFIXES {
            self.many_prefixes.insert(prefix, id);
        }
        id
    }

    fn resolve(&self, prefix: &str) -> Result<(PrefixId, NamespaceId), Fault> {
        let id = if prefix.is_empty() {
            Some(NO_PREFIX)
        } else {
            self.find_prefix(prefix)
        };
        id.and_then(|id| Some((id, self.bound[id.0 as usize]?)))
            .ok_or_else(|| Fault::from("a namespace prefix that is not declared"))
    }

    fn resolve_attributes(&mut self, from: usize) -> Result<(), Fault> {
        for at in from..self.document.attributes.len() {
            let attribute = &self.document.attributes[at];
            let (name, local) = (attribute.name, attribute.local);
            let of_type_id = if name.len() == local.len() {
                // Without a prefix an attribute is in no namespace.
                matches!(local, "ID" | "Id")
            } else {
                let (prefix, namespace) = self.resolve(&name[..name.len() - local.len() - 1])?;
                let attribute = &mut self.document.attributes[at];
                (attribute.prefix, attribute.namespace) = (prefix, namespace);
                prefix == XML_PREFIX && local == "id"
            };
            if of_type_id {
                self.ids.push(at as u32);
            }
        }
        Ok(())
    }

    /// Two attributes of one expanded name (Namespaces 1.0, section 6.3).
    fn refuse_duplicate_attributes(&self, from: usize) -> Result<(), Fault> {
        let own = &self.document.attributes[from..];
        let same = |a: &AttributeNode<'t>, b: &AttributeNode<'t>| {
            a.local == b.local
                && (a.namespace == b.namespace
                    || self.document.namespace(a.namespace) == self.document.namespace(b.namespace))
        };
        let doubled = if own.len() <= 8 {
            own.iter()
                .enumerate()
                .any(|(at, a)| own[..at].iter().any(|b| same(a, b)))
        } else {
            let mut sorted: Vec<_> = own.iter().collect();
            sorted.sort_unstable_by_key(|a| (a.local, self.document.namespace(a.namespace)));
            sorted.windows(2).any(|pair| same(pair[0], pair[1]))
        };
        if doubled {
            Err("an attribute appears twice".into())
        } else {
            Ok(())
        }
    }

    fn refuse_duplicate_declarations(&self, from: usize) -> Result<(), Fault> {
        let own = &self.document.declarations[from..];
        let doubled = own
            .iter()
            .enumerate()
            .any(|(at, a)| own[..at].iter().any(|b| a.prefix == b.prefix));
        if doubled {
            Err("a namespace prefix is declared twice".into())
        } else {
            Ok(())
        }
    }

    fn end(&mut self, inside: &str) -> Result<(), Fault> {
        let open = self.open.last().ok_or("an end tag without a start tag")?;
        let Node::Element(element) = &self.document.nodes[open.index as usize] else {
            unreachable!("only elements are open");
        };
        let rest = inside
            .strip_prefix(element.name)
            .ok_or("an end tag that does not match")?;
        if !rest.bytes().all(is_xml_space) {
            return Err("an end tag that does not match".into());
        }
        self.flush_text();
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        let end = self.document.nodes.len() as u32;
        let Some(open) = self.open.pop() else { return };
        if let Node::Element(element) = &mut self.document.nodes[open.index as usize] {
            element.end = end;
        }
        while self.replaced.len() > open.replaced {
            if let Some((prefix, before)) = self.replaced.pop() {
                self.bound[prefix.0 as usize] = before;
            }
        }
    }

    fn finish(&self) -> Result<(), XmlError> {
        let fault = |reason: &'static str| Fault::from(reason).at(self.text, self.text.len());
        if !self.open.is_empty() {
            return Err(fault("an element is not closed"));
        }
        if !self.root_seen {
            return Err(fault("no root element"));
        }
        let mut seen = HashSet::with_capacity(self.ids.len());
        let ids = self
            .ids
            .iter()
            .map(|&at| self.document.attributes[at as usize].value.as_ref());
        if !ids.into_iter().all(|id: &str| seen.insert(id)) {
            return Err(fault("two elements have the same ID"));
        }
        Ok(())
    }
}

/// Namespaces 1.0, section 3, and no relative names: canonical XML has no form for them, and an engine
/// that skips what it cannot canonicalise digests nothing (CVE-2025-66568).
fn check_declaration(prefix: &str, namespace: &str) -> Result<(), Fault> {
    if prefix == "xmlns" || namespace == XMLNS_NAMESPACE {
        return Err("the prefix xmlns is declared".into());
    }
    if (prefix == "xml") != (namespace == XML_NAMESPACE) {
        return Err("the prefix xml is misused".into());
    }
    if namespace.is_empty() {
        return if prefix.is_empty() {
            Ok(())
        } else {
            Err("a prefix without namespace".into())
        };
    }
    let scheme = namespace.split(':').next().unwrap_or_default();
    let is_scheme = scheme.len() < namespace.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if is_scheme {
        Ok(())
    } else {
        Err("a namespace name that is not absolute".into())
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
