use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem::{Endpoint, Request, http::Method};

use super::*;
use crate::sandbox::idp::testing::practice_idp;

const ACS: &str = "http://localhost:8080/saml/conn_1/acs";

async fn send(
    idp: &Arc<PracticeIdp>,
    method: Method,
    path: &str,
    form: &str,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri_str(path)
        .content_type("application/x-www-form-urlencoded")
        .body(form.to_owned());
    let mut response = routes(Arc::clone(idp)).get_response(request).await;
    let location = response.header("location").map(str::to_owned);
    let body = response.take_body().into_string().await.unwrap();
    (response.status(), location.unwrap_or(body))
}

fn idp() -> Arc<PracticeIdp> {
    let idp = practice_idp();
    idp.trust("http://localhost:8080");
    idp.set_tile(Tile {
        audience: "http://localhost:8080/saml/conn_1/metadata".into(),
        acs_url: ACS.into(),
    });
    idp.register_client(OidcClient {
        client_id: "tenon".into(),
        client_secret: "s".into(),
    });
    Arc::new(idp)
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn authn_request(acs_url: &str, more: &str) -> String {
    let xml = format!(
        "<p:AuthnRequest xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1\" \
         AssertionConsumerServiceURL=\"{acs_url}\"{more}><a:Issuer \
         xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">http://localhost:8080/saml/conn_1/metadata\
         </a:Issuer></p:AuthnRequest>"
    );
    format!(
        "SAMLRequest={}&RelayState=relay",
        encode(&STANDARD.encode(xml))
    )
}

#[tokio::test]
async fn a_person_is_picked_and_the_signed_response_goes_to_the_acs() {
    let idp = idp();
    let (status, page) = send(&idp, Method::POST, "/saml/sso", &authn_request(ACS, "")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Ada Berg") && page.contains("audience_mismatch"));

    let answer = format!(
        "audience=x&acs_url={}&in_response_to=_1&relay_state=relay&person=acme-1001&fault=",
        encode(ACS)
    );
    let (status, page) = send(&idp, Method::POST, "/saml/answer", &answer).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains(&format!("action=\"{ACS}\"")));
    assert!(page.contains("name=\"SAMLResponse\"") && page.contains("value=\"relay\""));
}

#[tokio::test]
async fn a_request_of_a_stranger_is_refused() {
    let idp = idp();
    let request = authn_request("https://evil.example/acs", "");
    let (status, page) = send(&idp, Method::POST, "/saml/sso", &request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("no service that this identity provider knows"));
    let answer = "audience=x&acs_url=https%3A%2F%2Fevil.example%2Facs&person=acme-1001";
    let (status, _) = send(&idp, Method::POST, "/saml/answer", answer).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_passive_request_gets_no_page() {
    let idp = idp();
    let request = authn_request(ACS, " IsPassive=\"true\"");
    let (_, page) = send(&idp, Method::POST, "/saml/sso", &request).await;
    assert!(page.contains("name=\"SAMLResponse\""));
    let query = format!(
        "/oidc/authorize?client_id=tenon&redirect_uri={}&state=s&prompt=none",
        encode("http://localhost:8080/oidc/conn_1/callback")
    );
    let (status, location) = send(&idp, Method::GET, &query, "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(location.contains("error=login_required"), "{location}");
}

#[tokio::test]
async fn the_switches_are_kept_for_the_next_sign_in() {
    let idp = idp();
    let (status, _) = send(
        &idp,
        Method::POST,
        "/switches",
        "fault=wrong_key&sign=both&encrypt=1",
    )
    .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let expected = Behaviour {
        fault: Some(Fault::WrongKey),
        sign: Sign::Both,
        encrypt: true,
    };
    assert_eq!(idp.behaviour(), expected);
    let (_, page) = send(&idp, Method::GET, "/", "").await;
    assert!(page.contains("value=\"wrong_key\" selected"));
    send(&idp, Method::POST, "/switches", "fault=&sign=assertion").await;
    assert_eq!(idp.behaviour(), Behaviour::default());
}

#[tokio::test]
async fn the_client_may_authenticate_in_the_header() {
    let idp = idp();
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/oidc/token")
        .content_type("application/x-www-form-urlencoded")
        .header(
            "authorization",
            format!("Basic {}", STANDARD.encode("tenon:s")),
        )
        .body("grant_type=authorization_code&code=unknown");
    let mut response = routes(Arc::clone(&idp)).get_response(request).await;
    assert_eq!(
        response.take_body().into_string().await.unwrap(),
        "{\"error\":\"invalid_grant\"}"
    );
}
