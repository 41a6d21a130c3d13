//! Base64 as XML carries it: wrapped and indented at will (XML Schema part 2, 3.2.16).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::xml::is_xml_space;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `None` when anything but base64 and white space is in it.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(is_xml_space) {
        return ENGINE.decode(text).ok();
    }
    let dense: Vec<u8> = text.bytes().filter(|&b| !is_xml_space(b)).collect();
    ENGINE.decode(dense).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}
