//! A SAML response in whatever form somebody got hold of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::Failure;

/// More than any response that a sign-in accepts: that it is too large is for the checks to say.
const MAX: u64 = 8 * 1024 * 1024;

/// The value of the form field `SAMLResponse`, from a file or standard input.
pub(super) fn read(file: Option<&Path>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => File::open(file)
            .and_then(|file| file.take(MAX).read_to_end(&mut bytes))
            .map_err(|error| format!("{}: {error}", file.display()))?,
        None => io::stdin().take(MAX).read_to_end(&mut bytes)?,
    };
    Ok(field(&bytes))
}

/// XML is taken byte for byte, so that a wrong encoding is found as a sign-in would find it.
fn field(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).map(str::trim).unwrap_or("<");
    if text.trim_start_matches('\u{feff}').starts_with('<') {
        return STANDARD.encode(bytes);
    }
    let form = |text: &str| {
        url::form_urlencoded::parse(text.as_bytes())
            .find(|(name, _)| name == "SAMLResponse")
            .map(|(_, value)| value.into_owned())
    };
    match form(text) {
        Some(value) => value,
        // Copied out of a form: the padding is escaped, and so are plus and slash.
        None if text.contains('%') => form(&format!("SAMLResponse={text}")).unwrap_or_default(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_known_in_every_form_it_is_copied_in() {
        let xml = "<samlp:Response>?</samlp:Response>";
        let value = STANDARD.encode(xml);
        let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for form in [
            xml.to_owned(),
            format!("{value}\n"),
            escaped.clone(),
            format!("RelayState=x&SAMLResponse={escaped}"),
        ] {
            assert_eq!(field(form.as_bytes()), value, "{form}");
        }
    }

    #[test]
    fn xml_that_is_no_text_is_kept_as_it_is() {
        let utf_16 = [0xff, 0xfe, b'<', 0];
        assert_eq!(field(&utf_16), STANDARD.encode(utf_16));
        let marked = "\u{feff}<x/>";
        assert_eq!(field(marked.as_bytes()), STANDARD.encode(marked));
    }
}
