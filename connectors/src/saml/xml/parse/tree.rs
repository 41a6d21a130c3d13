//! The tree under construction: what the tokens say, and all that makes a document well-formed beyond them.

use std::borrow::Cow;
use std::collections::HashSet;

use quick_xml::events::Event;

use super::super::chars::{is_xml_space, resolve_reference};
use super::super::tag::{Attributes, Name, normalize_value};
use super::super::{
    AttributeNode, Document, ElementNode, MAX_ATTRIBUTES, MAX_DECLARATIONS, MAX_DEPTH,
    MAX_ELEMENTS, NO_NAMESPACE, NO_PREFIX, Node, Sought, XML_PREFIX, XmlError,
};
use super::scope::Scope;
use super::{Fault, declaration};

/// Text between two tags, which may come in several pieces: references, CDATA, comments in between.
enum Pending<'t> {
    None,
    One(&'t str),
    Joined(String),
}

pub(super) struct Builder<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    texts: Vec<Cow<'t, str>>,
    attributes: Vec<AttributeNode<'t>>,
    sought: Vec<(Sought, u32)>,
    scope: Scope<'t>,
    inherited: u32,
    open: Vec<Open>,
    elements: usize,
    root_seen: bool,
    pending: Pending<'t>,
    /// Indices of attributes of type ID.
    ids: Vec<u32>,
}

struct Open {
    index: u32,
    /// Of `scope`, before this element's declarations.
    mark: usize,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str, context: &[(&'t str, &'t str)]) -> Self {
        let scope = Scope::new(context);
        // Room for all at once: to grow costs more than to count.
        let count = |wanted: u8| text.bytes().filter(|&b| b == wanted).count();
        Self {
            text,
            nodes: Vec::with_capacity(count(b'<') + 8),
            texts: Vec::with_capacity(text.len() / 128 + 8),
            attributes: Vec::with_capacity(count(b'=').min(text.len() / 8) + 8),
            sought: Vec::new(),
            inherited: scope.declarations.len() as u32,
            scope,
            open: Vec::with_capacity(16),
            elements: 0,
            root_seen: false,
            pending: Pending::None,
            ids: Vec::new(),
        }
    }

    /// One token; `span` is its text and `from` where that begins.
    pub(super) fn take(
        &mut self,
        event: &Event<'t>,
        span: &'t str,
        from: usize,
    ) -> Result<(), Fault> {
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
        self.nodes.push(Node::Text(self.texts.len() as u32));
        self.texts.push(text);
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
        let mark = self.scope.mark();
        let declarations = self.scope.declarations.len() as u32;
        let attributes = self.attributes.len() as u32;
        if name_len < inside.len() {
            self.read_attributes(&inside[name_len..])?;
            self.scope.refuse_duplicates(declarations as usize)?;
            self.resolve_attributes(attributes as usize)?;
            self.refuse_duplicate_attributes(attributes as usize)?;
        }
        let (prefix, namespace) = self.scope.resolve(name.prefix)?;
        let index = self.nodes.len() as u32;
        if let Some(sought) = Sought::named(name.local) {
            self.sought.push((sought, index));
        }
        self.nodes.push(Node::Element(ElementNode {
            name: name.full,
            local: (name.full.len() - name.local.len()) as u32,
            prefix,
            namespace,
            parent: self.open.last().map_or(0, |open| open.index),
            end: index + 1,
            attributes,
            declarations,
            attribute_count: (self.attributes.len() as u32 - attributes) as u16,
            declaration_count: (self.scope.declarations.len() as u32 - declarations) as u16,
        }));
        if empty {
            self.scope.restore(mark);
        } else {
            self.open.push(Open { index, mark });
        }
        Ok(())
    }

    /// Declarations take effect at once; the prefixes of the other attributes are resolved when all
    /// declarations of the tag are known.
    fn read_attributes(&mut self, inside: &'t str) -> Result<(), Fault> {
        let limit = self.attributes.len() + MAX_ATTRIBUTES;
        let mut attributes = Attributes::new(inside);
        let mut declarations = 0;
        while let Some((name, value)) = attributes.next()? {
            let value = normalize_value(value)?;
            let name = Name::parse(name).ok_or("not an attribute's name")?;
            let declared = match (name.prefix, name.local) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => {
                    if self.attributes.len() == limit {
                        return Err(XmlError::TooLarge("256 attributes of one element").into());
                    }
                    self.attributes.push(AttributeNode {
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
            self.scope.declare(declared, value)?;
        }
        Ok(())
    }

    fn resolve_attributes(&mut self, from: usize) -> Result<(), Fault> {
        for (attribute, at) in self.attributes[from..].iter_mut().zip(from as u32..) {
            let (name, local) = (attribute.name, attribute.local);
            let of_type_id = if name.len() == local.len() {
                // Without a prefix an attribute is in no namespace.
                matches!(local, "ID" | "Id")
            } else {
                let prefix = &name[..name.len() - local.len() - 1];
                (attribute.prefix, attribute.namespace) = self.scope.resolve(prefix)?;
                attribute.prefix == XML_PREFIX && local == "id"
            };
            if of_type_id {
                self.ids.push(at);
            }
        }
        Ok(())
    }

    /// Two attributes of one expanded name (Namespaces 1.0, section 6.3).
    fn refuse_duplicate_attributes(&self, from: usize) -> Result<(), Fault> {
        let own = &self.attributes[from..];
        let namespace = |a: &AttributeNode<'t>| self.scope.namespace(a.namespace);
        let same = |a: &AttributeNode<'t>, b: &AttributeNode<'t>| {
            a.local == b.local && (a.namespace == b.namespace || namespace(a) == namespace(b))
        };
        let doubled = if own.len() <= 8 {
            own.iter()
                .enumerate()
                .any(|(at, a)| own[..at].iter().any(|b| same(a, b)))
        } else {
            let mut sorted: Vec<_> = own.iter().collect();
            sorted.sort_unstable_by_key(|a| (a.local, namespace(a)));
            sorted.windows(2).any(|pair| same(pair[0], pair[1]))
        };
        if doubled {
            Err("an attribute appears twice".into())
        } else {
            Ok(())
        }
    }

    fn end(&mut self, inside: &str) -> Result<(), Fault> {
        let open = self.open.last().ok_or("an end tag without a start tag")?;
        let index = open.index as usize;
        let Node::Element(element) = &self.nodes[index] else {
            unreachable!("only elements are open");
        };
        let rest = inside
            .strip_prefix(element.name)
            .ok_or("an end tag that does not match")?;
        if !rest.bytes().all(is_xml_space) {
            return Err("an end tag that does not match".into());
        }
        self.flush_text();
        let end = self.nodes.len() as u32;
        if let Node::Element(element) = &mut self.nodes[index] {
            element.end = end;
        }
        if let Some(open) = self.open.pop() {
            self.scope.restore(open.mark);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Document<'t>, Fault> {
        if !self.open.is_empty() {
            return Err("an element is not closed".into());
        }
        if !self.root_seen {
            return Err("no root element".into());
        }
        let mut seen = HashSet::with_capacity(self.ids.len());
        let mut ids = self
            .ids
            .iter()
            .map(|&at| self.attributes[at as usize].value.as_ref());
        if !ids.all(|id: &str| seen.insert(id)) {
            return Err("two elements have the same ID".into());
        }
        Ok(Document {
            text: self.text,
            nodes: self.nodes,
            texts: self.texts,
            attributes: self.attributes,
            sought: self.sought,
            declarations: self.scope.declarations,
            inherited: self.inherited,
            prefixes: self.scope.prefixes,
            namespaces: self.scope.namespaces,
        })
    }
}
