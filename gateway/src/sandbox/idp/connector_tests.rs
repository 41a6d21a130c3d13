//! The practice IdP against the connectors: what it says is understood, and each flaw has the code that its
//! switch promises.

use connectors::{
    Begin, BeginLogin, Callback, Completion, Connector, Expected, HttpClient, HttpFailure,
    HttpRequest, HttpResponse, OidcSettings, SamlSettings, Settings, SpEndpoints, SpKeyPair,
    SpKeys, saml::parse_idp_metadata,
};
use serde_json::Value;

use super::{testing::practice_idp, *};
use crate::clock::SystemClock;

const SP: &str = "http://localhost:8080";

fn sp_endpoints() -> SpEndpoints {
    SpEndpoints {
        entity_id: format!("{SP}/saml/conn_1/metadata"),
        acs_url: format!("{SP}/saml/conn_1/acs"),
        slo_url: format!("{SP}/saml/conn_1/slo"),
        metadata_url: format!("{SP}/saml/conn_1/metadata"),
        redirect_uri: format!("{SP}/oidc/conn_1/callback"),
    }
}

fn begin_login() -> BeginLogin {
    BeginLogin {
        request_id: "_5f1c0a".into(),
        state: "the-state".into(),
        nonce: "the-nonce".into(),
        code_verifier: "a-verifier-of-at-least-forty-three-characters-".into(),
        login_hint: Some("gina@globex.example".into()),
        domain_hint: None,
        force_authn: false,
        passive: false,
        consent: false,
        select_account: false,
        max_age: None,
        acr_values: Vec::new(),
        now: SystemClock.now(),
    }
}

fn expected() -> Expected {
    let begin = begin_login();
    Expected {
        request_id: begin.request_id,
        state: begin.state,
        nonce: begin.nonce,
        code_verifier: begin.code_verifier,
        max_age: None,
    }
}

/// A network on which only the practice IdP lives.
struct Network<'a>(&'a PracticeIdp);

impl HttpClient for Network<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let idp = self.0;
        let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body)
            .into_owned()
            .collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let header = |name: &str| {
            let found = request.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let (status, body): (u16, Value) = match request.url.path() {
            "/idp/oidc/.well-known/openid-configuration" => (200, idp.oidc_discovery()),
            "/idp/oidc/jwks" => (200, idp.oidc_jwks()),
            "/idp/oidc/token" => {
                let answer = idp.token(&TokenRequest {
                    grant_type: field("grant_type"),
                    code: field("code"),
                    redirect_uri: field("redirect_uri"),
                    code_verifier: form.get("code_verifier").cloned(),
                    client_id: field("client_id"),
                    client_secret: field("client_secret"),
                });
                match answer {
                    Ok(tokens) => (200, tokens),
                    Err(TokenError(error)) => (400, serde_json::json!({"error": error})),
                }
            }
            "/idp/oidc/userinfo" => {
                let token = header("authorization").replace("Bearer ", "");
                idp.userinfo(&token)
                    .map_or((401, Value::Null), |claims| (200, claims))
            }
            path => return Err(HttpFailure::Unreachable(path.to_owned())),
        };
        let mut headers = http::HeaderMap::new();
        headers.insert(
            "content-type",
            http::HeaderValue::from_static("application/json"),
        );
        Ok(HttpResponse {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_string().into_bytes(),
        })
    }
}

fn saml_connector(idp: &PracticeIdp, keys: &SpKeys) -> Connector {
    let metadata = parse_idp_metadata(&idp.saml_metadata()).unwrap().remove(0);
    let settings = Settings::Saml(SamlSettings {
        idp_entity_id: metadata.entity_id,
        sso_url: metadata.sso_url,
        sso_binding: metadata.sso_binding,
        certificates: metadata.certificates,
        ..SamlSettings::default()
    });
    Connector::open(&settings, &sp_endpoints(), keys)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Begins a login, lets the practice IdP answer it, completes it.
async fn saml_login(
    idp: &PracticeIdp,
    sign: Sign,
    keys: &SpKeys,
    fault: Option<Fault>,
) -> Completion {
    let connector = saml_connector(idp, keys);
    let Ok(Begin::Redirect { url }) = connector.begin(begin_login(), &Network(idp)).await else {
        panic!("redirect is the default binding");
    };
    let url = url::Url::parse(&url).unwrap();
    let (_, parameter) = url
        .query_pairs()
        .find(|(name, _)| name == "SAMLRequest")
        .unwrap();
    let request = AuthnRequest::from_redirect(&parameter).unwrap();
    let certificate = keys.pairs.first().map(|pair| pair.certificate.clone());
    let response = idp
        .saml_response(&SamlAnswer {
            person: &idp.people()[1],
            audience: &request.issuer,
            acs_url: &request.acs_url,
            in_response_to: Some(&request.id),
            context_class: None,
            sign,
            encrypt_for: certificate.as_deref(),
            fault,
        })
        .unwrap();
    let callback = Callback::SamlPost {
        saml_response: Some(response),
    };
    connector
        .complete(
            callback,
            Some(&expected()),
            SystemClock.now(),
            &Network(idp),
        )
        .await
}

#[tokio::test]
async fn a_saml_login_yields_the_person_whatever_is_signed_or_encrypted() {
    let idp = practice_idp();
    let sp = SigningKey::generate("sp").unwrap();
    let pair = SpKeyPair {
        private_key: sp.pkcs8().unwrap(),
        certificate: sp.certificate.clone(),
    };
    for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
        for keys in [
            SpKeys::default(),
            SpKeys {
                pairs: vec![pair.clone()],
            },
        ] {
            let completion = saml_login(&idp, sign, &keys, None).await;
            let identity = completion
                .outcome
                .unwrap_or_else(|error| panic!("{sign:?}: {error}"));
            assert_eq!(identity.email.as_deref(), Some("ben@acme.example"));
            assert_eq!(identity.given_name.as_deref(), Some("Ben"));
            assert_eq!(identity.groups, ["Engineering", "Support"]);
        }
    }
}

/// Two flaws are the gateway's to notice: it knows the organization's domains and what was used before.
const GATEWAYS_OWN: [Fault; 2] = [Fault::OutsideDomain, Fault::Replay];

#[tokio::test]
async fn each_saml_flaw_ends_in_the_code_that_its_switch_names() {
    let idp = practice_idp();
    for fault in Fault::ALL {
        if fault.saml_codes().is_empty() || GATEWAYS_OWN.contains(&fault) {
            continue;
        }
        let completion = saml_login(&idp, Sign::Both, &SpKeys::default(), Some(fault)).await;
        let code = completion.outcome.map_err(|error| error.code());
        assert!(
            code.as_ref()
                .is_err_and(|code| fault.saml_codes().contains(code)),
            "{fault:?}: {code:?}"
        );
    }
}

async fn oidc_login(idp: &PracticeIdp, fault: Option<Fault>) -> Completion {
    idp.trust(SP);
    idp.register_client(OidcClient {
        client_id: "tenon".into(),
        client_secret: "s3cret".into(),
    });
    let settings = Settings::Oidc(OidcSettings {
        issuer: idp.oidc_issuer(),
        client_id: "tenon".into(),
        client_secret: Some("s3cret".into()),
        token_endpoint_auth_method: connectors::TokenEndpointAuthMethod::ClientSecretPost,
        scopes: ["openid", "email", "profile", "groups"]
            .map(str::to_owned)
            .into(),
        ..OidcSettings::default()
    });
    let connector = Connector::open(&settings, &sp_endpoints(), &SpKeys::default())
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let network = Network(idp);
    let Begin::Redirect { url } = connector.begin(begin_login(), &network).await.unwrap() else {
        panic!("OIDC redirects");
    };
    let query = |url: &str| -> HashMap<String, String> {
        url::Url::parse(url)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect()
    };
    let sent = query(&url);
    let request = AuthorizeRequest {
        client_id: sent["client_id"].clone(),
        redirect_uri: sent["redirect_uri"].clone(),
        state: sent["state"].clone(),
        nonce: sent.get("nonce").cloned(),
        scope: sent["scope"].clone(),
        code_challenge: sent.get("code_challenge").cloned(),
        acr_values: String::new(),
    };
    let mut back = query(&idp.authorize(&request, &idp.people()[4], fault).unwrap());
    let callback = Callback::OidcRedirect {
        code: back.remove("code"),
        state: back.remove("state"),
        iss: back.remove("iss"),
        error: back.remove("error"),
        error_description: back.remove("error_description"),
    };
    connector
        .complete(callback, Some(&expected()), SystemClock.now(), &network)
        .await
}

#[tokio::test]
async fn an_oidc_login_yields_the_person() {
    let completion = oidc_login(&practice_idp(), None).await;
    let identity = completion.outcome.unwrap();
    assert_eq!(identity.subject, "globex-2001");
    assert_eq!(identity.email.as_deref(), Some("gina@globex.example"));
    assert_eq!(identity.groups, ["Platform"]);
}

#[tokio::test]
async fn each_oidc_flaw_ends_in_the_code_that_its_switch_names() {
    let idp = practice_idp();
    oidc_login(&idp, None).await.outcome.unwrap();
    for fault in Fault::ALL {
        // Whether an email is there and may be used, the gateway asks.
        if fault.oidc_codes().is_empty() || matches!(fault, Fault::OutsideDomain | Fault::NoEmail) {
            continue;
        }
        let code = oidc_login(&idp, Some(fault))
            .await
            .outcome
            .map_err(|error| error.code());
        assert!(
            code.as_ref()
                .is_err_and(|code| fault.oidc_codes().contains(code)),
            "{fault:?}: {code:?}"
        );
    }
}
