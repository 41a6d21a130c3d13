//! The protocol is the same from both ends, so the IdP of these tests is a connector too, with the keys of the IdP.

use super::*;
use crate::{SamlSettings, SpEndpoints, SpKeyPair, SpKeys};

const SP_KEY: &str = include_str!("../../../../fixtures/saml/keys/sp.key.pem");
const SP_CERTIFICATE: &str = include_str!("../../../../fixtures/saml/keys/sp.crt.pem");
const IDP_KEY: &str = include_str!("../../../../fixtures/saml/keys/idp.key.pem");
const IDP_CERTIFICATE: &str = include_str!("../../../../fixtures/saml/keys/idp.crt.pem");

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("--"));
    base64::decode(&lines.collect::<String>()).unwrap()
}

fn end(name: &str) -> SpEndpoints {
    SpEndpoints {
        entity_id: format!("https://{name}.example/metadata"),
        acs_url: format!("https://{name}.example/acs"),
        slo_url: format!("https://{name}.example/slo"),
        metadata_url: String::new(),
        ..SpEndpoints::default()
    }
}

/// The party `own`, to whom `peer` is the other end.
fn connector(
    own: &str,
    peer: &str,
    keys: [&str; 2],
    trusted: &str,
    by: SsoBinding,
) -> SamlConnector {
    let settings = SamlSettings {
        idp_entity_id: end(peer).entity_id,
        sso_url: format!("https://{peer}.example/sso"),
        slo_url: Some(end(peer).slo_url),
        slo_binding: by,
        certificates: vec![trusted.to_owned()],
        ..SamlSettings::default()
    };
    let pair = SpKeyPair {
        private_key: der(keys[0]),
        certificate: der(keys[1]),
    };
    let keys = SpKeys { pairs: vec![pair] };
    SamlConnector::open(&settings, &end(own), &keys).unwrap_or_else(|_| panic!("settings"))
}

fn ours(by: SsoBinding) -> SamlConnector {
    connector("sp", "idp", [SP_KEY, SP_CERTIFICATE], IDP_CERTIFICATE, by)
}

fn idp(by: SsoBinding) -> SamlConnector {
    connector("idp", "sp", [IDP_KEY, IDP_CERTIFICATE], SP_CERTIFICATE, by)
}

fn now() -> DateTime<Utc> {
    "2026-12-01T09:00:00Z".parse().unwrap()
}

fn ada() -> NameId {
    NameId {
        value: "ada & \"co\"".to_owned(),
        format: Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned()),
        name_qualifier: Some("https://idp.example/metadata".to_owned()),
        sp_name_qualifier: None,
    }
}

fn request_of(sender: &SamlConnector) -> Begin {
    let name_id = ada();
    let logout = BeginLogout {
        request_id: "_logout1",
        relay_state: "key/+ 1",
        name_id: &name_id,
        session_index: Some("_session7"),
        now: now(),
    };
    sender.begin_logout(&logout).unwrap()
}

/// What a browser carries over: the query, or the form's body.
fn carried(begin: &Begin) -> String {
    match begin {
        Begin::Redirect { url } => url.split_once('?').unwrap().1.to_owned(),
        Begin::PostForm { fields, .. } => url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish(),
    }
}

fn read(
    receiver: &SamlConnector,
    by: SsoBinding,
    carried: &str,
    now: DateTime<Utc>,
) -> Result<LogoutMessage, ConnectorError> {
    let callback = match by {
        SsoBinding::Redirect => LogoutCallback::Redirect { query: carried },
        SsoBinding::Post => LogoutCallback::Post { form: carried },
    };
    receiver.read_logout(callback, now)
}

fn refused(by: SsoBinding, carried: &str) -> &'static str {
    read(&ours(by), by, carried, now()).unwrap_err().code()
}

#[test]
fn a_request_arrives_and_its_answer_finds_the_way_back_by_both_bindings() {
    for by in [SsoBinding::Redirect, SsoBinding::Post] {
        let (sp, idp) = (ours(by), idp(by));
        let sent = carried(&request_of(&idp));
        let LogoutMessage::Request(request) = read(&sp, by, &sent, now()).unwrap() else {
            panic!("no request");
        };
        assert_eq!(request.name_id, ada());
        assert_eq!(request.session_indexes, ["_session7"]);
        assert_eq!(request.relay_state.as_deref(), Some("key/+ 1"));

        let answer = sp.answer_logout(&request, "_answer1", now()).unwrap();
        let LogoutMessage::Response(response) = read(&idp, by, &carried(&answer), now()).unwrap()
        else {
            panic!("no response");
        };
        assert_eq!(response.in_response_to, "_logout1");
        assert_eq!(response.problem, None);
        assert_eq!(response.relay_state.as_deref(), Some("key/+ 1"));
    }
}

#[test]
fn the_order_of_a_signed_query_is_the_senders_own_affair() {
    let sent = carried(&request_of(&idp(SsoBinding::Redirect)));
    let mut pairs: Vec<&str> = sent.split('&').collect();
    pairs.reverse();
    let query = format!("tenant=a&{}", pairs.join("&"));
    assert!(
        read(
            &ours(SsoBinding::Redirect),
            SsoBinding::Redirect,
            &query,
            now()
        )
        .is_ok()
    );
}

#[test]
fn what_was_changed_or_not_signed_ends_nothing() {
    let by = SsoBinding::Redirect;
    let sent = carried(&request_of(&idp(by)));
    let without = |name: &str| -> String {
        let pairs = sent.split('&').filter(|pair| !pair.starts_with(name));
        pairs.collect::<Vec<_>>().join("&")
    };
    assert_eq!(refused(by, &without("Signature=")), "signature_missing");
    assert_eq!(refused(by, &without("SigAlg=")), "signature_missing");
    assert_eq!(refused(by, &without("RelayState=")), "signature_invalid");
    assert_eq!(refused(by, &without("SAMLRequest=")), "response_missing");
    let other_state = sent.replace("key%2F", "key%2E");
    assert_eq!(refused(by, &other_state), "signature_invalid");
    let as_answer = sent.replace("SAMLRequest=", "SAMLResponse=");
    assert_eq!(refused(by, &as_answer), "signature_invalid");
    let weak = sent.replace(
        "SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256",
        "SigAlg=http%3A%2F%2Fwww.w3.org%2F2000%2F09%2Fxmldsig%23rsa-sha1",
    );
    assert_ne!(weak, sent);
    assert_eq!(refused(by, &weak), "signature_algorithm_forbidden");
    let twice = format!("{sent}&SAMLRequest=eA");
    assert_eq!(refused(by, &twice), "response_malformed");
    let both = format!("{sent}&SAMLResponse=eA");
    assert_eq!(refused(by, &both), "response_malformed");

    // Our own message, sent back to us: our key is not the IdP's.
    let own = carried(&request_of(&ours(by)));
    assert_eq!(refused(by, &own), "signature_invalid");

    let by = SsoBinding::Post;
    let Begin::PostForm { fields, .. } = request_of(&idp(by)) else {
        panic!("no form");
    };
    let xml = String::from_utf8(base64::decode(&fields[0].1).unwrap()).unwrap();
    let form = |xml: &str| {
        let field = base64::encode(xml.as_bytes());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLRequest", &field).finish()
    };
    let other_person = xml.replace("ada &amp; ", "eve &amp; ");
    assert_ne!(other_person, xml);
    assert_eq!(refused(by, &form(&other_person)), "signature_invalid");
    let (head, rest) = xml.split_once("<ds:Signature").unwrap();
    let (_, tail) = rest.split_once("</ds:Signature>").unwrap();
    assert_eq!(
        refused(by, &form(&format!("{head}{tail}"))),
        "signature_missing"
    );
    assert_eq!(refused(by, &form("<!DOCTYPE x><x/>")), "dtd_forbidden");
    assert_eq!(refused(by, "RelayState=x"), "response_missing");
}

#[test]
fn a_message_for_another_time_place_or_party_is_refused() {
    for by in [SsoBinding::Redirect, SsoBinding::Post] {
        let sent = carried(&request_of(&idp(by)));
        let at = |minutes| now() + chrono::TimeDelta::minutes(minutes);
        let code = |result: Result<LogoutMessage, ConnectorError>| result.unwrap_err().code();
        assert_eq!(
            code(read(&ours(by), by, &sent, at(20))),
            "assertion_expired"
        );
        assert_eq!(
            code(read(&ours(by), by, &sent, at(-5))),
            "assertion_not_yet_valid"
        );
        let elsewhere = connector(
            "other",
            "idp",
            [SP_KEY, SP_CERTIFICATE],
            IDP_CERTIFICATE,
            by,
        );
        assert_eq!(
            code(read(&elsewhere, by, &sent, now())),
            "destination_mismatch"
        );
        let stranger = connector("sp", "idp2", [SP_KEY, SP_CERTIFICATE], IDP_CERTIFICATE, by);
        assert_eq!(code(read(&stranger, by, &sent, now())), "issuer_mismatch");
    }
}

#[test]
fn a_redirect_that_inflates_without_end_is_stopped() {
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 10 * 1024 * 1024], 9);
    let query = format!(
        "SAMLRequest={}&SigAlg=x&Signature=eA",
        base64::encode(&bomb).replace('+', "%2B")
    );
    assert_eq!(refused(SsoBinding::Redirect, &query), "response_too_large");
}

#[test]
fn without_an_address_there_is_nothing_to_begin() {
    let mut sp = ours(SsoBinding::Redirect);
    sp.settings.slo_url = None;
    let name_id = ada();
    let logout = BeginLogout {
        request_id: "_1",
        relay_state: "k",
        name_id: &name_id,
        session_index: None,
        now: now(),
    };
    assert_eq!(sp.begin_logout(&logout), None);
}
