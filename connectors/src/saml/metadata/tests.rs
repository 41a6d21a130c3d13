use super::*;

const CERTIFICATE: &str = include_str!("../../../../fixtures/saml/keys/idp.crt.pem");
const NEXT: &str = include_str!("../../../../fixtures/saml/keys/idp-next.crt.pem");
const WEAK: &str = include_str!("../../../../fixtures/saml/keys/weak.crt.pem");
const PRIVATE: &str = include_str!("../../../../fixtures/saml/keys/idp.key.pem");

fn body(pem: &str) -> String {
    pem.lines()
        .filter(|line| !line.starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n      ")
}

fn key(usage: &str, pem: &str) -> String {
    let usage = if usage.is_empty() {
        String::new()
    } else {
        format!(" use=\"{usage}\"")
    };
    format!(
        "<KeyDescriptor{usage}><KeyInfo xmlns=\"{DS}\"><X509Data><X509Certificate>\n      {}\n    </X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
        body(pem)
    )
}

fn service(name: &str, binding: &str, location: &str) -> String {
    format!("<{name} Binding=\"{binding}\" Location=\"{location}\"/>")
}

fn idp(entity_id: &str, inside: &str) -> String {
    format!(
        "<EntityDescriptor xmlns=\"{MD}\" entityID=\"{entity_id}\"><IDPSSODescriptor WantAuthnRequestsSigned=\"true\" protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:1.1:protocol {SAMLP}\">{inside}</IDPSSODescriptor></EntityDescriptor>"
    )
}

fn usual() -> String {
    [
        key("signing", CERTIFICATE),
        key("encryption", NEXT),
        service("SingleLogoutService", REDIRECT, "https://idp.example/slo"),
        "<NameIDFormat> urn:oasis:names:tc:SAML:2.0:nameid-format:persistent </NameIDFormat>"
            .to_owned(),
        service("SingleSignOnService", POST, "https://idp.example/post"),
        service(
            "SingleSignOnService",
            REDIRECT,
            "https://idp.example/redirect",
        ),
    ]
    .concat()
}

fn refusal(text: &str) -> String {
    let problem = parse_idp_metadata(text).expect_err(text);
    assert_eq!(problem.field, "saml.metadata_xml");
    problem.message
}

#[test]
fn an_idp_is_read_whole() {
    let found = parse_idp_metadata(&format!(
        "\u{feff}\n{}\n",
        idp("https://idp.example/", &usual())
    ))
    .unwrap();
    let pem = Certificate::parse(CERTIFICATE.as_bytes())
        .unwrap()
        .info()
        .pem
        .clone();
    assert_eq!(
        found,
        [IdpMetadata {
            entity_id: "https://idp.example/".to_owned(),
            sso_url: "https://idp.example/redirect".to_owned(),
            sso_binding: SsoBinding::Redirect,
            slo_url: Some("https://idp.example/slo".to_owned()),
            slo_binding: SsoBinding::Redirect,
            certificates: vec![pem],
            want_authn_requests_signed: true,
            name_id_formats: vec![
                "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned()
            ],
        }]
    );
}

#[test]
fn certificates_without_a_use_sign_too_and_each_counts_once() {
    let inside = [
        key("", CERTIFICATE),
        key("signing", CERTIFICATE),
        key("signing", NEXT),
        key("signing", WEAK),
        service("SingleSignOnService", POST, "https://idp.example/post"),
    ];
    let found = parse_idp_metadata(&idp("x:y", &inside.concat()))
        .unwrap()
        .remove(0);
    assert_eq!(found.certificates.len(), 2);
    assert_eq!(found.sso_binding, SsoBinding::Post);
    assert_eq!(found.slo_url, None);
}

#[test]
fn a_collection_gives_every_idp_that_can_be_used() {
    let sp = format!(
        "<EntityDescriptor entityID=\"sp\"><SPSSODescriptor protocolSupportEnumeration=\"{SAMLP}\"/></EntityDescriptor>"
    );
    let text = format!(
        "<EntitiesDescriptor xmlns=\"{MD}\"><EntitiesDescriptor>{}{sp}</EntitiesDescriptor>{}{}</EntitiesDescriptor>",
        idp("a", &usual()),
        idp("b", &usual()),
        idp("without-service", &key("signing", CERTIFICATE))
    );
    let found: Vec<_> = parse_idp_metadata(&text)
        .unwrap()
        .into_iter()
        .map(|found| found.entity_id)
        .collect();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn a_refusal_says_what_was_pasted_instead() {
    let sp = format!(
        "<EntityDescriptor xmlns=\"{MD}\" entityID=\"sp\"><SPSSODescriptor protocolSupportEnumeration=\"{SAMLP}\"/></EntityDescriptor>"
    );
    let other = format!("<EntityDescriptor xmlns=\"{MD}\" entityID=\"x\"/>");
    let sso = service("SingleSignOnService", REDIRECT, "https://idp.example/");
    let plain_http = [
        key("signing", CERTIFICATE),
        service("SingleSignOnService", REDIRECT, "http://idp.example/"),
    ]
    .concat();
    let artifact = [
        key("signing", CERTIFICATE),
        service(
            "SingleSignOnService",
            "urn:oasis:names:tc:SAML:2.0:bindings:SOAP",
            "https://idp.example/",
        ),
    ]
    .concat();
    for (pasted, says) in [
        (" \n".to_owned(), "nothing here"),
        (
            "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned(),
            "HTML page",
        ),
        ("\n<html lang=\"en\">".to_owned(), "HTML page"),
        ("https://idp.example/metadata".to_owned(), "an address"),
        (
            "{\"issuer\": \"https://idp.example\"}".to_owned(),
            "OpenID Connect",
        ),
        ("entityID = x".to_owned(), "not XML"),
        (CERTIFICATE.to_owned(), "a certificate, not metadata"),
        (format!("{CERTIFICATE}{PRIVATE}"), "private key"),
        (format!("<!DOCTYPE a []>{}", idp("a", &usual())), "DTD"),
        ("<EntityDescriptor>".to_owned(), "not well-formed"),
        (
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>".to_owned(),
            "<Response> document",
        ),
        (sp, "metadata of a service provider"),
        (other, "no SAML 2.0 identity provider"),
        (idp("", &usual()), "no entityID"),
        (idp("a", &sso), "no signing certificate"),
        (
            idp("a", &[key("signing", WEAK), sso.clone()].concat()),
            "1024 bits",
        ),
        (idp("a", &plain_http), "must begin with https"),
        (
            idp("a", &artifact),
            "neither by HTTP-Redirect nor by HTTP-POST",
        ),
        (
            format!("{}{}", idp("a", &usual()), " ".repeat(MAX_METADATA)),
            "larger than 1 MiB",
        ),
    ] {
        let message = refusal(&pasted);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn our_own_metadata_is_well_formed_and_says_where_to_answer() {
    let sp = SpEndpoints {
        entity_id: "https://sso.example/a?b&c".to_owned(),
        acs_url: "https://sso.example/acs".to_owned(),
        slo_url: "https://sso.example/slo".to_owned(),
        metadata_url: String::new(),
        ..SpEndpoints::default()
    };
    let pair = |certificate: &str| crate::SpKeyPair {
        private_key: Vec::new(),
        certificate: Certificate::parse(certificate.as_bytes())
            .unwrap()
            .der()
            .to_vec(),
    };
    let keys = SpKeys {
        pairs: vec![pair(CERTIFICATE), pair(NEXT)],
    };
    let xml = render(&sp, &keys, true, None);
    let source = Source::new(xml.into_bytes()).unwrap();
    let document = Document::parse(&source).unwrap();
    let root = document.root();
    assert!(root.is(MD, "EntityDescriptor"));
    assert_eq!(
        root.attribute("entityID"),
        Some("https://sso.example/a?b&c")
    );
    let role = root.only(MD, "SPSSODescriptor").unwrap();
    assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"));
    let acs = role.only(MD, "AssertionConsumerService").unwrap();
    assert_eq!(
        (acs.attribute("Binding"), acs.attribute("Location")),
        (Some(POST), Some("https://sso.example/acs"))
    );
    let uses: Vec<_> = role
        .children()
        .filter(|child| child.is(MD, "KeyDescriptor"))
        .map(|descriptor| descriptor.attribute("use").unwrap())
        .collect();
    assert_eq!(uses, ["signing", "signing", "encryption"]);
    let written = role
        .descendants(DS, &[Sought::X509Certificate])
        .last()
        .unwrap()
        .text()
        .unwrap();
    assert_eq!(base64::decode(written).unwrap(), keys.pairs[0].certificate);
}

#[test]
fn our_metadata_is_signed_where_that_is_wanted() {
    use super::super::signature::{Trust, verify};

    const PRIVATE: &str = include_str!("../../../../fixtures/saml/keys/sp.key.pem");
    const PUBLIC: &str = include_str!("../../../../fixtures/saml/keys/sp.crt.pem");
    let der = |pem: &str| {
        let lines = pem.lines().filter(|line| !line.starts_with("--"));
        base64::decode(&lines.collect::<String>()).unwrap()
    };
    let keys = SpKeys {
        pairs: vec![crate::SpKeyPair {
            private_key: der(PRIVATE),
            certificate: der(PUBLIC),
        }],
    };
    let sp = SpEndpoints {
        entity_id: "https://sso.example/metadata".to_owned(),
        acs_url: "https://sso.example/acs".to_owned(),
        slo_url: "https://sso.example/slo".to_owned(),
        metadata_url: "https://sso.example/metadata".to_owned(),
        ..SpEndpoints::default()
    };
    let signer = Signer::new(&keys.pairs[0]).unwrap();
    let xml = render(&sp, &keys, false, Some(&signer));
    let source = Source::new(xml.into_bytes()).unwrap();
    let document = Document::parse(&source).unwrap();
    let trust = Trust {
        certificates: vec![Certificate::parse(PUBLIC.as_bytes()).unwrap()],
        allow_sha1: false,
    };
    // The first child, as the schema has it.
    let first = document.root().children().next().unwrap();
    assert!(first.is(DS, "Signature"));
    assert!(verify(document.root(), first, &trust).is_ok());
    assert!(!render(&sp, &keys, false, None).contains("Signature"));
}
