//! Writing the few messages of ours: every value is escaped here, so none can be forgotten.

use super::xml::c14n::{escape_text, escape_value};

/// XML text under construction.
pub(super) struct Xml {
    out: Vec<u8>,
}

impl Xml {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::with_capacity(1024),
        }
    }

    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.push(b'>');
    }

    pub(super) fn close(&mut self, name: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.extend_from_slice(b"/>");
    }

    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        escape_text(text, &mut self.out);
        self.close(name);
    }

    /// XML that another writer made.
    pub(super) fn raw(&mut self, xml: &str) {
        self.out.extend_from_slice(xml.as_bytes());
    }

    pub(super) fn finish(self) -> String {
        // Only whole strings went in, and ASCII between them.
        String::from_utf8(self.out).unwrap_or_default()
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        for (name, value) in attributes {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            escape_value(value, &mut self.out);
            self.out.push(b'"');
        }
    }
}
