use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;
use crate::sandbox::idp::testing::practice_idp;

fn answer(person: &Person) -> SamlAnswer<'_> {
    SamlAnswer {
        person,
        audience: "http://localhost/saml/conn_1/metadata",
        acs_url: "http://localhost/saml/conn_1/acs",
        in_response_to: Some("_request"),
        context_class: None,
        sign: Sign::Both,
        encrypt_for: None,
        fault: None,
    }
}

#[test]
fn both_signatures_cover_their_elements_as_they_are_sent() {
    let idp = practice_idp();
    let xml = idp.saml_response_xml(&answer(&idp.people()[2])).unwrap();
    let key = &idp.keys.signing;

    // From the inside out: the first signature is the response's, the second the assertion's.
    let signatures: Vec<&str> = between_all(&xml, "<ds:Signature ", "</ds:Signature>");
    assert_eq!(signatures.len(), 2);
    let assertion = between_all(&xml, "<saml:Assertion ", "</saml:Assertion>")[0];
    for (signature, element) in [(signatures[1], assertion), (signatures[0], &*xml)] {
        let digested = element.replacen(signature, "", 1);
        let value = STANDARD.encode(digest(&SHA256, digested.as_bytes()));
        assert!(signature.contains(&format!("<ds:DigestValue>{value}</ds:DigestValue>")));

        let signed = between_all(signature, "<ds:SignedInfo>", "</ds:SignedInfo>")[0];
        let signed = signed.replacen(
            "<ds:SignedInfo>",
            &format!("<ds:SignedInfo xmlns:ds=\"{DS}\">"),
            1,
        );
        let value = between_all(signature, "<ds:SignatureValue>", "</ds:SignatureValue>")[0];
        let value = value
            .trim_start_matches("<ds:SignatureValue>")
            .trim_end_matches("</ds:SignatureValue>");
        let (_, certificate) = x509_parser::parse_x509_certificate(&key.certificate).unwrap();
        UnparsedPublicKey::new(
            &RSA_PKCS1_2048_8192_SHA256,
            &certificate.public_key().subject_public_key.data,
        )
        .verify(signed.as_bytes(), &STANDARD.decode(value).unwrap())
        .unwrap();
    }
}

#[test]
fn each_fault_changes_what_it_names() {
    let idp = practice_idp();
    let person = &idp.people()[0];
    let with = |fault| {
        idp.saml_response_xml(&SamlAnswer {
            fault: Some(fault),
            ..answer(person)
        })
        .unwrap()
    };
    assert!(!with(Fault::Unsigned).contains("<ds:Signature"));
    assert!(
        with(Fault::WrongAudience).contains("<saml:Audience>https://elsewhere.example/metadata<")
    );
    assert!(with(Fault::WrongIssuer).contains("<saml:Issuer>https://elsewhere.example/metadata<"));
    assert!(with(Fault::WrongRecipient).contains("Recipient=\"https://elsewhere.example/acs\""));
    assert!(
        with(Fault::WrongDestination).contains("Destination=\"https://elsewhere.example/acs\"")
    );
    assert!(!with(Fault::WrongRequest).contains("_request"));
    assert!(!with(Fault::NoEmail).contains(&person.email));
    assert!(with(Fault::OutsideDomain).contains("somebody@outside.example"));
    assert!(with(Fault::TransientSubject).contains(TRANSIENT));
    assert!(with(Fault::Refused).contains("status:RequestDenied"));
    assert!(!with(Fault::Refused).contains("<saml:Assertion"));
}

#[test]
fn a_replay_is_the_last_answer_byte_for_byte() {
    let idp = practice_idp();
    let first = idp.saml_response(&answer(&idp.people()[0])).unwrap();
    let replay = SamlAnswer {
        fault: Some(Fault::Replay),
        ..answer(&idp.people()[1])
    };
    assert_eq!(idp.saml_response(&replay).unwrap(), first);
}

#[test]
fn an_encrypted_assertion_shows_nothing() {
    let idp = practice_idp();
    let certificate = idp.keys.signing.certificate.clone();
    let encrypted = SamlAnswer {
        encrypt_for: Some(&certificate),
        ..answer(&idp.people()[0])
    };
    let xml = idp.saml_response_xml(&encrypted).unwrap();
    assert!(xml.contains("<saml:EncryptedAssertion"));
    assert!(!xml.contains("ada@acme.example"));
    let garbage = SamlAnswer {
        encrypt_for: Some(b"no certificate"),
        ..answer(&idp.people()[0])
    };
    assert!(matches!(
        idp.saml_response_xml(&garbage),
        Err(IdpError::Certificate)
    ));
}

fn between_all<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.match_indices(start)
        .filter_map(|(at, _)| {
            text[at..]
                .find(end)
                .map(|length| &text[at..at + length + end.len()])
        })
        .collect()
}
