use std::collections::BTreeMap;

use super::fake_idp::{Login, METADATA, noon, sp};
use crate::oidc::OidcConnector;
use crate::{Begin, BeginLogin, OidcSettings, SpKeys, TokenEndpointAuthMethod};

fn login() -> BeginLogin {
    BeginLogin {
        request_id: "_1".into(),
        state: "s-1".into(),
        nonce: "n-1".into(),
        // RFC 7636, appendix B.
        code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
        login_hint: None,
        domain_hint: None,
        force_authn: false,
        passive: false,
        consent: false,
        select_account: false,
        max_age: None,
        acr_values: Vec::new(),
        now: noon(),
    }
}

async fn query(at: &Login, login: &BeginLogin) -> BTreeMap<String, String> {
    let begun = at.connector().begin(login, &at.idp).await.unwrap();
    let Begin::Redirect { url } = begun else {
        panic!("{begun:?}")
    };
    let url = url::Url::parse(&url).unwrap();
    assert_eq!(
        url.as_str().split('?').next(),
        Some("https://idp.example/authorize")
    );
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn the_request_carries_state_nonce_and_an_s256_challenge() {
    let query = query(&Login::new(), &login()).await;
    let expected = [
        ("client_id", "tenon"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
        ("nonce", "n-1"),
        ("redirect_uri", "https://tenon.example/oidc/conn_1/callback"),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "s-1"),
    ];
    assert_eq!(
        query,
        expected
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    );
}

#[tokio::test]
async fn hints_and_demands_of_the_application_go_along() {
    let mut at = Login::new();
    at.settings.scopes = vec!["openid".into(), "groups".into()];
    let mut login = login();
    login.login_hint = Some("ada@acme.example".into());
    login.force_authn = true;
    login.max_age = Some(60);
    login.acr_values = vec!["phr".into(), "phrh".into()];
    let asked = query(&at, &login).await;
    assert_eq!(asked["login_hint"], "ada@acme.example");
    assert_eq!(asked["prompt"], "login");
    assert_eq!(asked["max_age"], "60");
    assert_eq!(asked["acr_values"], "phr phrh");
    assert_eq!(asked["scope"], "openid groups");
    assert!(!asked.contains_key("domain_hint") && !asked.contains_key("hd"));
    login.consent = true;
    login.select_account = true;
    let asked = query(&at, &login).await;
    assert_eq!(asked["prompt"], "login consent select_account");
    login.passive = true;
    assert_eq!(query(&at, &login).await["prompt"], "none");
}

#[tokio::test]
async fn entra_and_google_get_the_domain_under_their_own_names() {
    let mut at = Login::new();
    let mut login = login();
    login.login_hint = Some("ada@acme.example".into());
    at.settings.provider = Some("entra".into());
    at.settings.tenant = Some("11111111-2222-3333-4444-555555555555".into());
    assert_eq!(query(&at, &login).await["domain_hint"], "acme.example");
    at.settings.provider = Some("google".into());
    at.settings.tenant = Some("acme-group.example".into());
    assert_eq!(query(&at, &login).await["hd"], "acme-group.example");
    at.settings.tenant = None;
    assert_eq!(query(&at, &login).await["hd"], "acme.example");
    login.login_hint = None;
    login.domain_hint = Some("globex.example".into());
    assert_eq!(query(&at, &login).await["hd"], "globex.example");
}

#[tokio::test]
async fn without_metadata_no_login_begins() {
    let mut at = Login::new();
    at.idp.down = vec![METADATA];
    let error = at.connector().begin(&login(), &at.idp).await.unwrap_err();
    assert_eq!(error.code(), "idp_unreachable");
}

#[test]
fn all_problems_of_the_settings_are_reported_at_once() {
    let settings = OidcSettings {
        issuer: "idp.example".into(),
        token_endpoint_auth_method: TokenEndpointAuthMethod::PrivateKeyJwt,
        client_secret: Some(String::new()),
        ..OidcSettings::default()
    };
    let problems = OidcConnector::open(&settings, &sp(), &SpKeys::default())
        .err()
        .unwrap();
    let fields: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    let expected = [
        "oidc.client_id",
        "oidc.issuer",
        "oidc.client_secret",
        "oidc.token_endpoint_auth_method",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn an_issuer_is_a_plain_url() {
    for issuer in [
        "",
        "ftp://idp.example",
        "https://idp.example?x=1",
        "https://idp.example#x",
        "https://user@idp.example",
        "https://idp.example ",
        "https://idp.example/.well-known/openid-configuration",
    ] {
        let mut settings = Login::new().settings;
        settings.issuer = issuer.into();
        let problems = OidcConnector::open(&settings, &sp(), &SpKeys::default())
            .err()
            .unwrap();
        assert_eq!(problems[0].field, "oidc.issuer", "{issuer}");
    }
}
