//! That both read the whole corpus alike is what `tests/saml_fixtures.rs` shows with this feature on. Here:
//! what happens when they do not.

use super::super::certificate::Certificate;
use super::super::response::{self, Carried, RawResponse};
use super::super::signature;
use super::*;

const XML: &str =
    include_str!("../../../../fixtures/saml/accept/okta-response-and-assertion/response.xml");
const CERTIFICATE: &str = include_str!("../../../../fixtures/saml/keys/idp.crt.pem");
const OTHER: &str = include_str!("../../../../fixtures/saml/keys/stranger.crt.pem");

/// What the second opinion says when the first read `first` in a response that it has verified, after which
/// somebody has put `certificate` in the place of the one that signed.
fn opinion(xml: &str, certificate: &str, first: Option<&NameId>) -> Result<(), ConnectorError> {
    let trust = |certificate: &str| Trust {
        certificates: vec![Certificate::parse(certificate.as_bytes()).unwrap()],
        allow_sha1: false,
    };
    let field = base64::encode(xml.as_bytes());
    let original = RawResponse::decode(Some(&base64::encode(XML.as_bytes()))).unwrap();
    let document = original.parse().unwrap();
    let read = response::Response::read(&document).unwrap();
    let Ok(Carried::Plain(assertion)) = read.assertion() else {
        panic!("an encrypted assertion");
    };
    let verify = |element, elsewhere| {
        let found = response::signature_of(element, elsewhere).unwrap().unwrap();
        Some(signature::verify(element, found, &trust(CERTIFICATE)).unwrap())
    };
    let accepted = Accepted {
        field: &field,
        response: read.element,
        assertion,
        of_response: verify(read.element, Some(assertion)),
        of_assertion: verify(assertion, None),
        trust: &trust(certificate),
        encrypted_id: None,
    };
    accepted.names(first)
}

fn pat() -> NameId {
    NameId {
        value: "pat@acme.example".to_owned(),
        format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified".to_owned()),
        name_qualifier: None,
        sp_name_qualifier: None,
    }
}

#[test]
fn two_readers_who_agree_let_the_person_in() {
    assert_eq!(opinion(XML, CERTIFICATE, Some(&pat())), Ok(()));
}

#[test]
fn another_subject_is_refused() {
    let doctored = NameId {
        value: "eve@acme.example".to_owned(),
        ..pat()
    };
    let formatted = NameId {
        format: None,
        ..pat()
    };
    for first in [Some(&doctored), Some(&formatted), None] {
        let refused = opinion(XML, CERTIFICATE, first).unwrap_err();
        assert_eq!(refused.code(), "assertion_ambiguous", "{first:?}");
    }
}

#[test]
fn what_only_one_of_them_verifies_is_refused() {
    let changed = XML.replace("pat@acme.example", "eve@acme.example");
    let eve = NameId {
        value: "eve@acme.example".to_owned(),
        ..pat()
    };
    for (xml, certificate, first) in [(changed.as_str(), CERTIFICATE, eve), (XML, OTHER, pat())] {
        let refused = opinion(xml, certificate, Some(&first)).unwrap_err();
        assert_eq!(refused.code(), "signature_invalid");
    }
}
