//! Canonical XML of one element and what is below it: exclusive (W3C xml-exc-c14n) and, for SignedInfo
//! only, inclusive 1.0 (W3C xml-c14n). Always without comments, which the tree does not even hold.
//!
//! Both are one algorithm here. Inclusive form renders a declaration wherever it is in scope and not
//! rendered yet; exclusive form does that only for the prefixes of its PrefixList, and for the others
//! where an element or attribute visibly uses them. A whole element is no general node set, which leaves
//! out everything else that the two specifications have to say about subsets.

use super::{Declaration, Document, Element, NO_NAMESPACE, NO_PREFIX, NamespaceId, Node};
use super::{PrefixId, XML_NAMESPACE, XML_PREFIX};

/// A canonicalization method, comments always left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::saml) enum Method<'a> {
    /// `http://www.w3.org/2001/10/xml-exc-c14n#`, with the tokens of InclusiveNamespaces' PrefixList.
    Exclusive { prefix_list: &'a str },
    /// `http://www.w3.org/TR/2001/REC-xml-c14n-20010315`
    Inclusive,
}

/// The canonical form would be far larger than the document: many elements that each render one long
/// namespace name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::saml) struct TooLong;

/// Appends the canonical form of `element` to `out`, leaving out the subtree of `omitted` (the
/// enveloped-signature transform, W3C xmldsig-core 6.6.4).
pub(in crate::saml) fn canonicalize(
    element: Element<'_>,
    omitted: Option<Element<'_>>,
    method: &Method<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TooLong> {
    let document = element.document();
    // Real responses at most double: a prefix declared once above is rendered at every value that uses it.
    let limit = out.len() + 4 * document.text().len() + 4096;
    let omitted = omitted.map(|omitted| omitted.index);
    let mut canon = Canon::new(document, method);
    canon.declared_above(element);
    if *method == Method::Inclusive {
        canon.inherit_xml_attributes(element);
    }

    let nodes = &document.nodes;
    let end = element.node().end;
    let mut next = element.index;
    while next < end {
        while canon.open.last().is_some_and(|open| open.end <= next) {
            canon.end_tag(out);
        }
        match &nodes[next as usize] {
            Node::Text(at) => {
                escape_text(&document.texts[*at as usize], out);
                next += 1;
            }
            Node::Element(node) if Some(next) == omitted => next = node.end,
            Node::Element(_) => {
                canon.start_tag(
                    Element {
                        document,
                        index: next,
                    },
                    out,
                );
                next += 1;
            }
        }
        if out.len() > limit {
            return Err(TooLong);
        }
    }
    while !canon.open.is_empty() {
        canon.end_tag(out);
    }
    Ok(())
}

struct Canon<'d> {
    document: &'d Document<'d>,
    /// By `PrefixId`: rendered wherever in scope, as inclusive form does it.
    inclusive: Vec<bool>,
    /// By `PrefixId`: the namespace that the nearest rendered declaration gives.
    rendered: Vec<NamespaceId>,
    replaced: Vec<(PrefixId, NamespaceId)>,
    open: Vec<Open<'d>>,
    /// Declarations to consider at the apex, for they stand above it.
    above: Vec<Declaration>,
    /// `xml:lang` and the like that stand above the apex (xml-c14n 2.4).
    xml_attributes: Vec<(&'d str, &'d str, &'d str)>,
    // Room that is used again for each element.
    declarations: Vec<(&'d str, &'d str)>,
    attributes: Vec<(&'d str, &'d str, &'d str, &'d str)>,
}

struct Open<'d> {
    name: &'d str,
    end: u32,
    /// Length of `replaced` before this element.
    replaced: usize,
}

impl<'d> Canon<'d> {
    fn new(document: &'d Document<'d>, method: &Method<'_>) -> Self {
        let prefixes = &document.prefixes;
        let mut inclusive = vec![*method == Method::Inclusive; prefixes.len()];
        if let Method::Exclusive { prefix_list } = method
            && !prefix_list.is_empty()
        {
            let mut known: Vec<(&str, usize)> = prefixes.iter().copied().zip(0..).collect();
            known.sort_unstable();
            for token in prefix_list.split_ascii_whitespace() {
                let prefix = if token == "#default" { "" } else { token };
                if let Ok(at) = known.binary_search_by_key(&prefix, |&(known, _)| known) {
                    inclusive[known[at].1] = true;
                }
            }
        }
        Self {
            document,
            inclusive,
            rendered: vec![NO_NAMESPACE; prefixes.len()],
            replaced: Vec::new(),
            open: Vec::with_capacity(16),
            above: Vec::new(),
            xml_attributes: Vec::new(),
            declarations: Vec::new(),
            attributes: Vec::new(),
        }
    }

    fn declared_above(&mut self, apex: Element<'d>) {
        if self.inclusive.contains(&true) {
            self.above = apex.bindings_in_scope();
        }
    }

    fn inherit_xml_attributes(&mut self, apex: Element<'d>) {
        let mut at = apex.parent();
        while let Some(element) = at {
            for attribute in element.attribute_nodes() {
                let known = |&(_, local, _): &(&str, &str, &str)| local == attribute.local;
                if attribute.prefix == XML_PREFIX
                    && apex.attribute_in(XML_NAMESPACE, attribute.local).is_none()
                    && !self.xml_attributes.iter().any(known)
                {
                    let inherited = (attribute.name, attribute.local, attribute.value.as_ref());
                    self.xml_attributes.push(inherited);
                }
            }
            at = element.parent();
        }
    }

    fn start_tag(&mut self, element: Element<'d>, out: &mut Vec<u8>) {
        let node = element.node();
        let apex = self.open.is_empty();
        let open = Open {
            name: node.name,
            end: node.end,
            replaced: self.replaced.len(),
        };
        self.open.push(open);

        self.render(node.prefix, node.namespace);
        for attribute in element.attribute_nodes() {
            if attribute.prefix != NO_PREFIX {
                self.render(attribute.prefix, attribute.namespace);
            }
        }
        if apex {
            for declaration in std::mem::take(&mut self.above) {
                self.render_if_inclusive(declaration);
            }
        } else {
            for &declaration in element.declarations() {
                self.render_if_inclusive(declaration);
            }
        }

        out.push(b'<');
        out.extend_from_slice(node.name.as_bytes());
        self.declarations.sort_unstable();
        for (prefix, namespace) in self.declarations.drain(..) {
            out.extend_from_slice(b" xmlns");
            if !prefix.is_empty() {
                out.push(b':');
                out.extend_from_slice(prefix.as_bytes());
            }
            out.extend_from_slice(b"=\"");
            escape_value(namespace, out);
            out.push(b'"');
        }
        let document = self.document;
        self.attributes
            .extend(element.attribute_nodes().iter().map(|a| {
                (
                    document.namespace(a.namespace),
                    a.local,
                    a.name,
                    a.value.as_ref(),
                )
            }));
        if apex {
            let inherited = self.xml_attributes.drain(..);
            self.attributes
                .extend(inherited.map(|(name, local, v)| (XML_NAMESPACE, local, name, v)));
        }
        if self.attributes.len() > 1 {
            self.attributes.sort_unstable();
        }
        for (_, _, name, value) in self.attributes.drain(..) {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            escape_value(value, out);
            out.push(b'"');
        }
        out.push(b'>');
    }

    fn render_if_inclusive(&mut self, declaration: Declaration) {
        if self.inclusive[declaration.prefix.0 as usize] {
            self.render(declaration.prefix, declaration.namespace);
        }
    }

    /// Notes a declaration for the tag at hand, unless the output around it already has it.
    fn render(&mut self, prefix: PrefixId, namespace: NamespaceId) {
        let before = self.rendered[prefix.0 as usize];
        let same = before == namespace
            || self.document.namespace(before) == self.document.namespace(namespace);
        if prefix == XML_PREFIX || same {
            return;
        }
        self.rendered[prefix.0 as usize] = namespace;
        self.replaced.push((prefix, before));
        let name = self.document.prefixes[prefix.0 as usize];
        self.declarations
            .push((name, self.document.namespace(namespace)));
    }

    fn end_tag(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.pop() else { return };
        out.extend_from_slice(b"</");
        out.extend_from_slice(open.name.as_bytes());
        out.push(b'>');
        while self.replaced.len() > open.replaced {
            if let Some((prefix, before)) = self.replaced.pop() {
                self.rendered[prefix.0 as usize] = before;
            }
        }
    }
}

pub(in crate::saml) fn escape_text(text: &str, out: &mut Vec<u8>) {
    escape(text, out, |b| match b {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'\r' => Some(b"&#xD;"),
        _ => None,
    });
}

pub(in crate::saml) fn escape_value(value: &str, out: &mut Vec<u8>) {
    escape(value, out, |b| match b {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'"' => Some(b"&quot;"),
        b'\t' => Some(b"&#x9;"),
        b'\n' => Some(b"&#xA;"),
        b'\r' => Some(b"&#xD;"),
        _ => None,
    });
}

#[inline]
fn escape(text: &str, out: &mut Vec<u8>, escaped: impl Fn(u8) -> Option<&'static [u8]>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if let Some(replacement) = escaped(byte) {
            out.extend_from_slice(&bytes[from..at]);
            out.extend_from_slice(replacement);
            from = at + 1;
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests;
