use integration::{RelyingParty, UserAgent, claims};
use serde_json::json;

use crate::acme;

#[tokio::test]
async fn a_person_types_an_email_signs_in_over_oidc_and_lands_in_the_application() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();

    let page = browser.get(&app.authorize_url("")).await;
    let page = browser
        .submit(&page, page.form().fill("email", "ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;

    let tokens = app.redeem(&landed).await.expect(200);
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["email"], "ada@acme.example");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["org_id"], organization["id"]);
    assert_eq!(claims["connection_id"], connection["id"]);
    assert_eq!(claims["connection_type"], "oidc");
}

#[tokio::test]
async fn a_callback_works_once_and_only_in_the_browser_that_started_it() {
    let (tenon, organization, idp) = acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let form = page.form();
    let callback = {
        let person = &idp.practice().people()[0];
        let request = gateway::sandbox::idp::AuthorizeRequest {
            client_id: form.value("client_id").to_owned(),
            redirect_uri: form.value("redirect_uri").to_owned(),
            state: form.value("state").to_owned(),
            nonce: Some(form.value("nonce").to_owned()),
            scope: form.value("scope").to_owned(),
            code_challenge: Some(form.value("code_challenge").to_owned()),
        };
        idp.practice()
            .authorize(&request, person, None)
            .expect("an answer")
    };

    let mut victim = UserAgent::new();
    assert_eq!(
        victim.get(&callback).await.tenon_error(),
        "browser_mismatch"
    );
    let page = browser.get(&callback).await;
    let code = page.tenon_error();
    assert!(matches!(code, "state_mismatch" | "login_expired"), "{code}");
}

#[tokio::test]
async fn a_callback_that_nobody_asked_for_is_refused() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let callback = integration::text(&connection["oidc"]["redirect_uri"]);
    let mut browser = UserAgent::new();
    for query in [
        "",
        "?code=x",
        "?code=x&state=y",
        "?state=y",
        "?error=access_denied&state=y",
    ] {
        let page = browser.get(&format!("{callback}{query}")).await;
        assert_eq!(page.tenon_error(), "state_mismatch", "{query}");
    }
}
