//! XML that is written in its exclusive canonical form from the start, so that what is digested is what is
//! sent (Canonical XML 1.0, Exclusive XML Canonicalization 1.0).

use std::{collections::BTreeMap, fmt::Write};

/// An element whose namespace declarations stand where the prefix is first used.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: &'static str,
    namespaces: BTreeMap<&'static str, &'static str>,
    attributes: BTreeMap<&'static str, String>,
    content: String,
}

impl Element {
    /// `name` is the qualified name.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            namespaces: BTreeMap::new(),
            attributes: BTreeMap::new(),
            content: String::new(),
        }
    }

    /// Declares `prefix`. Leave it out where an ancestor that is digested with this element has it.
    pub(super) fn xmlns(mut self, prefix: &'static str, uri: &'static str) -> Self {
        self.namespaces.insert(prefix, uri);
        self
    }

    /// An attribute without a namespace.
    pub(super) fn attr(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.insert(name, value.into());
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        escape(&mut self.content, text, false);
        self
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        child.write(&mut self.content);
        self
    }

    pub(super) fn children(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// A child that is canonical already.
    pub(super) fn raw(mut self, xml: &str) -> Self {
        self.content.push_str(xml);
        self
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "<{}", self.name);
        for (prefix, uri) in &self.namespaces {
            let _ = write!(out, " xmlns:{prefix}=\"{uri}\"");
        }
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"");
            escape(out, value, true);
            out.push('"');
        }
        let _ = write!(out, ">{}</{}>", self.content, self.name);
    }
}

/// Canonical XML 1.0 section 2.3: the characters that text and attribute values replace.
fn escape(out: &mut String, value: &str, attribute: bool) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' if !attribute => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' if attribute => out.push_str("&#x9;"),
            '\n' if attribute => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_and_special_characters_are_replaced() {
        let element = Element::new("a:b")
            .xmlns("z", "urn:z")
            .xmlns("a", "urn:a")
            .attr("NotOnOrAfter", "x\"<>&\n")
            .attr("ID", "1")
            .text("<&>\r\n\"");
        assert_eq!(
            element.render(),
            "<a:b xmlns:a=\"urn:a\" xmlns:z=\"urn:z\" ID=\"1\" NotOnOrAfter=\"x&quot;&lt;>&amp;&#xA;\">\
             &lt;&amp;&gt;&#xD;\n\"</a:b>"
        );
    }
}
