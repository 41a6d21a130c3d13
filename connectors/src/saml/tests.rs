use super::*;

const CERTIFICATE: &str = include_str!("../../../fixtures/saml/keys/idp.crt.pem");
const WEAK: &str = include_str!("../../../fixtures/saml/keys/weak.crt.pem");
const PRIVATE: &str = include_str!("../../../fixtures/saml/keys/sp.key.pem");

fn settings() -> SamlSettings {
    SamlSettings {
        idp_entity_id: "https://idp.example/metadata".to_owned(),
        sso_url: "https://idp.example/sso".to_owned(),
        certificates: vec![CERTIFICATE.to_owned()],
        ..SamlSettings::default()
    }
}

fn endpoints() -> SpEndpoints {
    SpEndpoints {
        entity_id: "https://sso.example/metadata".to_owned(),
        acs_url: "https://sso.example/acs".to_owned(),
        slo_url: "https://sso.example/slo".to_owned(),
        metadata_url: "https://sso.example/metadata".to_owned(),
        redirect_uri: String::new(),
        ..SpEndpoints::default()
    }
}

fn problems(settings: &SamlSettings) -> Vec<String> {
    match SamlConnector::open(settings, &endpoints(), &SpKeys::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| problem.field).collect(),
    }
}

#[test]
fn every_problem_of_the_settings_is_reported_at_once() {
    let bad = SamlSettings {
        idp_entity_id: String::new(),
        sso_url: "http://idp.example/sso".to_owned(),
        slo_url: Some("ftp://idp.example/slo".to_owned()),
        certificates: vec![CERTIFICATE.to_owned(), WEAK.to_owned(), PRIVATE.to_owned()],
        name_id_format: Some("persistent".to_owned()),
        sign_requests: true,
        want_encrypted_assertions: true,
        ..SamlSettings::default()
    };
    assert_eq!(
        problems(&bad),
        [
            "saml.idp_entity_id",
            "saml.sso_url",
            "saml.slo_url",
            "saml.name_id_format",
            "saml.certificates[1]",
            "saml.certificates[2]",
            "saml.sign_requests",
            "saml.want_encrypted_assertions",
        ]
    );
    assert_eq!(problems(&settings()), Vec::<String>::new());
}

#[test]
fn our_own_entity_id_is_no_idp() {
    let ours = SamlSettings {
        idp_entity_id: endpoints().entity_id,
        ..settings()
    };
    assert_eq!(problems(&ours), ["saml.idp_entity_id"]);
}

#[test]
fn without_a_certificate_nothing_would_be_verified() {
    let none = SamlSettings {
        certificates: Vec::new(),
        ..settings()
    };
    assert_eq!(problems(&none), ["saml.certificates"]);
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for good in [
        "https://a.example/x?y=1",
        "http://localhost:8080/",
        "http://127.0.0.1/",
        "http://[::1]:1/",
    ] {
        assert_eq!(check_url(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "a",
        "http://a.example/",
        "ftp://a.example/",
        "https://u:p@a.example/",
        "https://a.example/#b",
    ] {
        assert!(check_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_response_without_limits_is_not_even_decoded() {
    let connector = SamlConnector::open(&settings(), &endpoints(), &SpKeys::default());
    let connector = connector.unwrap_or_else(|problems| panic!("{problems:?}"));
    let saml_response = Some("A".repeat(1024 * 1024 + 1));
    assert_eq!(peek_in_response_to(saml_response.as_deref().unwrap()), None);
    let completion = connector.complete(
        Callback::SamlPost { saml_response },
        None,
        DateTime::UNIX_EPOCH,
    );
    assert_eq!(completion.outcome.unwrap_err().code(), "response_too_large");
}

#[test]
fn the_request_a_response_answers_can_be_seen_before_it_is_believed() {
    let encode = |xml: &str| base64::encode(xml.as_bytes());
    assert_eq!(
        peek_in_response_to(&encode("<a InResponseTo='_r1'/>")).as_deref(),
        Some("_r1")
    );
    assert_eq!(peek_in_response_to(&encode("<a/>")), None);
    assert_eq!(peek_in_response_to("%"), None);
}
