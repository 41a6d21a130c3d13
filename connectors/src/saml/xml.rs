//! A strict and bounded XML tree: one parser for everything that comes from outside.
//!
//! XML 1.0 and Namespaces 1.0 without the parts that attackers live on: no DOCTYPE, no processing
//! instruction, no entity but the five predefined ones, UTF-8 only, and no recovery. What two parsers could
//! read in two ways is an error here. Comments are dropped and the text around them joined, so that the
//! canonical form and the extracted value are the same characters (CVE-2017-11427).
//!
//! Nodes lie in one vector in document order, each element with the index where its subtree ends: walking
//! a subtree is walking a slice, and nothing recurses.

pub(super) mod c14n;
mod chars;
mod parse;
mod tag;

use std::borrow::Cow;

use crate::ConnectorError;

#[cfg(feature = "second-opinion")]
pub(super) use chars::is_ncname;
pub(super) use chars::{is_xml_space, trim};
pub(super) use parse::peek_root_attribute;

/// Deepest nesting of elements.
pub(super) const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 50_000;
const MAX_ATTRIBUTES: usize = 256;
const MAX_DECLARATIONS: usize = 64;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Why a text is no document of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("line {line}: {reason}")]
    Malformed { line: usize, reason: String },
    #[error("not UTF-8")]
    NotUtf8,
    #[error("a document type declaration (DTD) is not allowed")]
    Dtd,
    #[error("more than {0}")]
    TooLarge(&'static str),
}

impl From<XmlError> for ConnectorError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::Dtd => Self::DtdForbidden,
            XmlError::TooLarge(limit) => Self::ResponseTooLarge {
                limit: limit.to_owned(),
            },
            other => Self::ResponseMalformed {
                reason: other.to_string(),
            },
        }
    }
}

/// Text that may be parsed: UTF-8 without a byte order mark, only characters that XML 1.0 knows
/// (production 2), line ends normalised (2.11).
#[derive(Debug)]
pub(super) struct Source(String);

impl Source {
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, XmlError> {
        let mut text = String::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        // A second mark would be a character outside the root element, and quick-xml would swallow it.
        let forbidden = if text.starts_with('\u{feff}') {
            Some(0)
        } else {
            None
        };
        if let Some(at) = forbidden.or_else(|| chars::first_forbidden(&text)) {
            return Err(XmlError::Malformed {
                line: line_of(&text, at),
                reason: "a character that XML does not allow".to_owned(),
            });
        }
        if text.contains('\r') {
            text = text.replace("\r\n", "\n").replace('\r', "\n");
        }
        Ok(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PrefixId(u32);

/// The default namespace's "prefix".
const NO_PREFIX: PrefixId = PrefixId(0);
const XML_PREFIX: PrefixId = PrefixId(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NamespaceId(u32);

const NO_NAMESPACE: NamespaceId = NamespaceId(0);

#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    texts: Vec<Cow<'t, str>>,
    attributes: Vec<AttributeNode<'t>>,
    declarations: Vec<Declaration>,
    /// How many of `declarations` came from the place where a fragment stood.
    inherited: u32,
    prefixes: Vec<&'t str>,
    namespaces: Vec<Cow<'t, str>>,
    /// In document order, with the index of their node.
    sought: Vec<(Sought, u32)>,
}

/// The elements that are looked for at any depth. The parser notes where they are: a hostile response has
/// ten thousands of others, which would have to be walked through again for every question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sought {
    Assertion,
    EncryptedAssertion,
    Signature,
    EntityDescriptor,
    X509Certificate,
}

impl Sought {
    fn named(local: &str) -> Option<Self> {
        Some(match local {
            "Assertion" => Self::Assertion,
            "EncryptedAssertion" => Self::EncryptedAssertion,
            "Signature" => Self::Signature,
            "EntityDescriptor" => Self::EntityDescriptor,
            "X509Certificate" => Self::X509Certificate,
            _ => return None,
        })
    }
}

#[derive(Debug)]
enum Node<'t> {
    Element(ElementNode<'t>),
    /// Index into `texts`.
    Text(u32),
}

/// Kept small, and without anything to drop: a hostile response has ten thousands of them.
#[derive(Debug)]
struct ElementNode<'t> {
    /// As written, prefix included.
    name: &'t str,
    /// Where the local part of `name` begins.
    local: u32,
    prefix: PrefixId,
    namespace: NamespaceId,
    parent: u32,
    /// Index after the subtree's last node.
    end: u32,
    attributes: u32,
    declarations: u32,
    attribute_count: u16,
    declaration_count: u16,
}

impl<'t> ElementNode<'t> {
    fn local(&self) -> &'t str {
        &self.name[self.local as usize..]
    }
}

#[derive(Debug)]
struct AttributeNode<'t> {
    name: &'t str,
    local: &'t str,
    prefix: PrefixId,
    namespace: NamespaceId,
    value: Cow<'t, str>,
}

#[derive(Debug, Clone, Copy)]
struct Declaration {
    prefix: PrefixId,
    namespace: NamespaceId,
}

impl<'t> Document<'t> {
    /// Parses a whole document.
    pub(super) fn parse(source: &'t Source) -> Result<Self, XmlError> {
        parse::parse(source, &[])
    }

    /// Parses one element that stood inside another document, where `context` were the namespaces in
    /// scope (XML Encryption 4.3.3: the plaintext replaces the EncryptedData element).
    pub(super) fn parse_fragment(
        source: &'t Source,
        context: &[(&'t str, &'t str)],
    ) -> Result<Self, XmlError> {
        parse::parse(source, context)
    }

    pub(super) fn root(&self) -> Element<'_> {
        Element {
            document: self,
            index: 0,
        }
    }

    /// The text that was parsed.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    fn namespace(&self, id: NamespaceId) -> &str {
        &self.namespaces[id.0 as usize]
    }
}

/// One element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.name())
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d ElementNode<'d> {
        match &self.document.nodes[self.index as usize] {
            Node::Element(element) => element,
            // Handles are made for elements only: by `root`, `children`, `descendants` and `parent`.
            Node::Text(_) => unreachable!("a handle points at an element"),
        }
    }

    pub(super) fn document(self) -> &'d Document<'d> {
        self.document
    }

    /// As written, prefix included: for messages only.
    pub(super) fn name(self) -> &'d str {
        self.node().name
    }

    pub(super) fn local_name(self) -> &'d str {
        self.node().local()
    }

    pub(super) fn namespace(self) -> &'d str {
        self.document.namespace(self.node().namespace)
    }

    /// Compares the expanded name.
    pub(super) fn is(self, namespace: &str, local: &str) -> bool {
        let node = self.node();
        node.local() == local && self.document.namespace(node.namespace) == namespace
    }

    /// The attribute of this name in no namespace.
    pub(super) fn attribute(self, local: &str) -> Option<&'d str> {
        self.attribute_nodes()
            .iter()
            .find(|a| a.namespace == NO_NAMESPACE && a.local == local)
            .map(|a| a.value.as_ref())
    }

    /// The attribute of this expanded name.
    pub(super) fn attribute_in(self, namespace: &str, local: &str) -> Option<&'d str> {
        self.attribute_nodes()
            .iter()
            .find(|a| a.local == local && self.document.namespace(a.namespace) == namespace)
            .map(|a| a.value.as_ref())
    }

    fn attribute_nodes(self) -> &'d [AttributeNode<'d>] {
        let node = self.node();
        &self.document.attributes[node.attributes as usize..][..usize::from(node.attribute_count)]
    }

    fn declarations(self) -> &'d [Declaration] {
        let node = self.node();
        let from = node.declarations as usize;
        &self.document.declarations[from..][..usize::from(node.declaration_count)]
    }

    pub(super) fn parent(self) -> Option<Self> {
        (self.index != 0).then(|| Self {
            index: self.node().parent,
            ..self
        })
    }

    pub(super) fn children(self) -> Children<'d> {
        Children {
            document: self.document,
            next: self.index + 1,
            end: self.node().end,
        }
    }

    /// All elements below this one, in document order, that have one of these local names in the
    /// namespace.
    pub(super) fn descendants(
        self,
        namespace: &str,
        locals: &[Sought],
    ) -> impl Iterator<Item = Self> {
        let document = self.document;
        let end = self.node().end;
        let first = document
            .sought
            .partition_point(|&(_, index)| index <= self.index);
        document.sought[first..]
            .iter()
            .take_while(move |&&(_, index)| index < end)
            .filter(move |(sought, _)| locals.contains(sought))
            .map(move |&(_, index)| Self { document, index })
            .filter(move |element| element.namespace() == namespace)
    }

    /// The only child of this name; `None` when there is none or more than one.
    pub(super) fn only(self, namespace: &str, local: &str) -> Option<Self> {
        let mut found = self.children().filter(|child| child.is(namespace, local));
        found.next().filter(|_| found.next().is_none())
    }

    /// All text directly inside; `None` when there are child elements, because then two readers may take
    /// two different values from it.
    pub(super) fn text(self) -> Option<&'d str> {
        match self
            .document
            .nodes
            .get(self.index as usize + 1..self.node().end as usize)?
        {
            [] => Some(""),
            [Node::Text(at)] => Some(&self.document.texts[*at as usize]),
            _ => None,
        }
    }

    /// All text inside, that of child elements included.
    pub(super) fn deep_text(self) -> String {
        let nodes = &self.document.nodes[self.index as usize + 1..self.node().end as usize];
        nodes
            .iter()
            .filter_map(|node| match node {
                Node::Text(at) => Some(self.document.texts[*at as usize].as_ref()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Whether anything but white space stands between the child elements.
    pub(super) fn has_stray_text(self) -> bool {
        let nodes = &self.document.nodes;
        let (mut next, end) = (self.index + 1, self.node().end);
        while next < end {
            match &nodes[next as usize] {
                Node::Text(at) if !trim(&self.document.texts[*at as usize]).is_empty() => {
                    return true;
                }
                Node::Text(_) => next += 1,
                Node::Element(child) => next = child.end,
            }
        }
        false
    }

    /// The namespaces in scope, prefix and name, the default one under "".
    pub(super) fn namespaces_in_scope(self) -> Vec<(&'d str, &'d str)> {
        let document = self.document;
        self.bindings_in_scope()
            .into_iter()
            .map(|d| {
                (
                    document.prefixes[d.prefix.0 as usize],
                    document.namespace(d.namespace),
                )
            })
            .collect()
    }

    /// The declarations in scope, each prefix once, nearest first. `xml` is not listed.
    fn bindings_in_scope(self) -> Vec<Declaration> {
        let mut seen = vec![false; self.document.prefixes.len()];
        let mut found = Vec::new();
        let mut add = |declarations: &[Declaration]| {
            for declaration in declarations {
                if !std::mem::replace(&mut seen[declaration.prefix.0 as usize], true)
                    && declaration.namespace != NO_NAMESPACE
                {
                    found.push(*declaration);
                }
            }
        };
        let mut at = Some(self);
        while let Some(element) = at {
            add(element.declarations());
            at = element.parent();
        }
        add(&self.document.declarations[..self.document.inherited as usize]);
        found
    }
}

/// The child elements of an element, text left out.
#[derive(Clone)]
pub(super) struct Children<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        while self.next < self.end {
            let index = self.next;
            match &self.document.nodes[index as usize] {
                Node::Text(_) => self.next += 1,
                Node::Element(child) => {
                    self.next = child.end;
                    return Some(Element {
                        document: self.document,
                        index,
                    });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
