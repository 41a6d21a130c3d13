//! What attackers send (SAML.md section 1), and what is merely wrong: each response must be refused with
//! one code. Most start from a valid response and change one thing.

mod content;
mod crypto;
mod encryption;
mod wrapping;
mod xml;

use crate::Fixture;
use crate::message::{IDP, Message, NOW, REQUEST, metadata};

pub(crate) fn all() -> Vec<Fixture> {
    [
        xml::all(),
        wrapping::all(),
        crypto::all(),
        encryption::all(),
        content::all(),
    ]
    .into_iter()
    .flatten()
    .map(Attack::fixture)
    .collect()
}

/// One refused response.
struct Attack {
    code: &'static str,
    flaw: &'static str,
    about: &'static str,
    response: Option<Vec<u8>>,
    keys: Vec<&'static str>,
    pending: bool,
    /// Further lines of case.toml, before the tables.
    extra: String,
    settings: &'static str,
}

impl Attack {
    fn new(
        code: &'static str,
        flaw: &'static str,
        about: &'static str,
        xml: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            code,
            flaw,
            about,
            response: Some(xml.into()),
            keys: vec!["idp"],
            pending: true,
            extra: String::new(),
            settings: "",
        }
    }

    fn with(self, settings: &'static str) -> Self {
        Self { settings, ..self }
    }

    fn fixture(self) -> Fixture {
        let pending = if self.pending {
            format!("in_response_to = \"{REQUEST}\"\n")
        } else {
            String::new()
        };
        let settings = if self.settings.is_empty() {
            String::new()
        } else {
            format!("\n[settings]\n{}\n", self.settings)
        };
        Fixture {
            folder: format!("{}-{}", self.code, self.flaw),
            case: format!(
                "about = {:?}\nnow = \"{NOW}\"\n{pending}code = {:?}\n{}{settings}",
                self.about, self.code, self.extra
            ),
            metadata: metadata(IDP, &self.keys),
            response: self.response,
        }
    }
}

/// The valid response that most attacks start from: assertion signed.
fn signed() -> String {
    Message::valid().signed()
}

/// Replaces, and makes sure that there was something to replace.
fn edit(xml: &str, from: &str, to: &str) -> String {
    assert!(xml.contains(from), "nothing to replace: {from}");
    xml.replace(from, to)
}

/// From the first `start` to the end of the first `end` after it.
fn cut<'x>(xml: &'x str, start: &str, end: &str) -> &'x str {
    let from = xml.find(start).unwrap_or_else(|| panic!("no {start}"));
    let to = xml[from..].find(end).unwrap_or_else(|| panic!("no {end}")) + from + end.len();
    &xml[from..to]
}
