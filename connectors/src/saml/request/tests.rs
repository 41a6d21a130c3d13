use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_parser::prelude::FromDer;

use super::super::certificate::Certificate;
use super::super::signature::{Trust, verify};
use super::*;

const PRIVATE: &str = include_str!("../../../../fixtures/saml/keys/sp.key.pem");
const CERTIFICATE: &str = include_str!("../../../../fixtures/saml/keys/sp.crt.pem");

fn der(pem: &str) -> Vec<u8> {
    base64::decode(
        &pem.lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<String>(),
    )
    .unwrap()
}

fn signer() -> Signer {
    Signer::new(&SpKeyPair {
        private_key: der(PRIVATE),
        certificate: der(CERTIFICATE),
    })
    .unwrap()
}

fn template() -> Template {
    Template {
        sp_entity_id: "https://sso.example/metadata".to_owned(),
        acs_url: "https://sso.example/acs".to_owned(),
        sso_url: "https://idp.example/sso?tenant=a".to_owned(),
        sso_binding: SsoBinding::Redirect,
        name_id_format: None,
        force_authn: false,
        send_subject: false,
    }
}

fn login() -> BeginLogin {
    BeginLogin {
        request_id: "_request1".to_owned(),
        state: "state/+1".to_owned(),
        nonce: String::new(),
        code_verifier: String::new(),
        login_hint: Some("pat&lee@acme.example".to_owned()),
        domain_hint: None,
        force_authn: false,
        passive: false,
        consent: false,
        select_account: false,
        max_age: None,
        acr_values: Vec::new(),
        now: "2026-12-01T09:00:00Z".parse().unwrap(),
    }
}

/// The query's pairs as they stand, and the request inside.
fn redirect(template: &Template, login: &BeginLogin, signer: Option<&Signer>) -> (String, String) {
    let Begin::Redirect { url } = template.begin(login, signer) else {
        panic!("no redirect")
    };
    let query = url
        .strip_prefix("https://idp.example/sso?tenant=a&")
        .unwrap()
        .to_owned();
    let parsed = url::Url::parse(&url).unwrap();
    let request = parsed
        .query_pairs()
        .find(|(name, _)| name == "SAMLRequest")
        .unwrap()
        .1
        .into_owned();
    let inflated =
        miniz_oxide::inflate::decompress_to_vec(&base64::decode(&request).unwrap()).unwrap();
    (query, String::from_utf8(inflated).unwrap())
}

#[test]
fn a_redirect_carries_a_deflated_request() {
    let (query, xml) = redirect(&template(), &login(), None);
    assert!(
        query.starts_with("SAMLRequest=") && query.ends_with("&RelayState=state%2F%2B1"),
        "{query}"
    );
    assert_eq!(
        xml,
        concat!(
            r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_request1" Version="2.0" IssueInstant="2026-12-01T09:00:00.000Z" Destination="https://idp.example/sso?tenant=a" AssertionConsumerServiceURL="https://sso.example/acs" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">"#,
            "<saml:Issuer>https://sso.example/metadata</saml:Issuer></samlp:AuthnRequest>"
        )
    );
}

#[test]
fn everything_that_can_be_asked_for_is_asked_in_the_schemas_order() {
    let template = Template {
        name_id_format: Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned()),
        force_authn: true,
        send_subject: true,
        ..template()
    };
    let login = BeginLogin {
        passive: true,
        consent: false,
        select_account: false,
        acr_values: vec!["urn:a".to_owned(), "urn:b".to_owned()],
        ..login()
    };
    let (_, xml) = redirect(&template, &login, None);
    assert!(xml.contains(r#" ForceAuthn="true" IsPassive="true">"#));
    let (_, inside) = xml.split_once("</saml:Issuer>").unwrap();
    assert_eq!(
        inside,
        concat!(
            r#"<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat&amp;lee@acme.example</saml:NameID></saml:Subject>"#,
            r#"<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" AllowCreate="true"/>"#,
            r#"<samlp:RequestedAuthnContext Comparison="exact"><saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:b</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"#,
            "</samlp:AuthnRequest>"
        )
    );
}

#[test]
fn a_signed_redirect_is_signed_over_its_own_octets() {
    let (query, _) = redirect(&template(), &login(), Some(&signer()));
    let (signed, signature) = query.split_once("&Signature=").unwrap();
    assert!(
        signed.ends_with("&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256")
    );
    let signature = percent_encoding::percent_decode_str(signature)
        .decode_utf8()
        .unwrap();
    let certificate = der(CERTIFICATE);
    let (_, certificate) =
        x509_parser::certificate::X509Certificate::from_der(&certificate).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, certificate.public_key().raw)
        .verify(signed.as_bytes(), &base64::decode(&signature).unwrap())
        .unwrap();
}

#[test]
fn a_posted_request_is_signed_inside() {
    let template = Template {
        sso_binding: SsoBinding::Post,
        ..template()
    };
    let Begin::PostForm { url, fields } = template.begin(&login(), Some(&signer())) else {
        panic!("no form")
    };
    assert_eq!(url, "https://idp.example/sso?tenant=a");
    assert_eq!(fields[1], ("RelayState".to_owned(), "state/+1".to_owned()));
    let source = Source::new(base64::decode(&fields[0].1).unwrap()).unwrap();
    let document = Document::parse(&source).unwrap();
    let names: Vec<_> = document
        .root()
        .children()
        .map(|child| child.local_name())
        .collect();
    assert_eq!(names, ["Issuer", "Signature"]);
    let signature = document.root().only(DS, "Signature").unwrap();
    let trust = Trust {
        certificates: vec![Certificate::parse(CERTIFICATE.as_bytes()).unwrap()],
        allow_sha1: false,
    };
    assert!(verify(document.root(), signature, &trust).is_ok());
}

#[test]
fn an_unsigned_form_has_no_signature() {
    let template = Template {
        sso_binding: SsoBinding::Post,
        ..template()
    };
    let Begin::PostForm { fields, .. } = template.begin(&login(), None) else {
        panic!("no form")
    };
    let xml = String::from_utf8(base64::decode(&fields[0].1).unwrap()).unwrap();
    assert!(!xml.contains("Signature"));
}
