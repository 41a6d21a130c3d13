use integration::{RelyingParty, UserAgent, claims, text};
use serde_json::{Value, json};

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
            acr_values: String::new(),
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
async fn a_secret_that_changes_on_one_side_first_locks_nobody_out() {
    let (tenon, organization, idp) = acme().await;
    let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let (api, app) = (tenon.api(), RelyingParty::register(&tenon).await);
    // Not known at the provider yet.
    let ahead = json!({"oidc": {"client_secret": "tomorrow's"}});
    let path = format!("/connections/{}", text(&made["id"]));
    api.patch(&path, ahead).await.expect(200);
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    app.redeem(&landed).await.expect(200);

    let logins = api.get("/logins").await.expect(200);
    let login = format!("/logins/{}", text(&logins["data"][0]["id"]));
    let trace = api.get(&login).await.expect(200)["checks"].clone();
    let checks = trace.as_array().expect("a trace").iter();
    let warned: Vec<_> = checks
        .filter(|check| check["status"] == "warning")
        .collect();
    assert_eq!(warned.len(), 1, "{trace}");
    assert_eq!(warned[0]["check"], "token_exchange");
    assert_eq!(warned[0]["code"], "client_secret_refused");
}

#[tokio::test]
async fn the_keys_of_private_key_jwt_are_published_and_rotate_with_overlap() {
    let (tenon, organization, idp) = acme().await;
    let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
    assert!(made["oidc"]["jwks_uri"].is_null(), "{made}");
    let (api, path) = (tenon.api(), format!("/connections/{}", text(&made["id"])));
    let by_key = json!({"oidc": {"token_endpoint_auth_method": "private_key_jwt"}});
    let connection = api.patch(&path, by_key).await.expect(200);
    let url = text(&connection["oidc"]["jwks_uri"]);
    let published = async || -> Vec<String> {
        let page = UserAgent::new().get(&url).await;
        let set: Value = serde_json::from_str(&page.body).expect("a JWK Set");
        let keys = set["keys"].as_array().expect("keys").iter();
        keys.map(|key| {
            assert!(key["n"].is_string() && key.get("d").is_none(), "{key}");
            text(&key["kid"])
        })
        .collect()
    };
    let first = published().await;
    assert_eq!(first.len(), 1);

    let rotate = format!("{path}/rotate_keys");
    api.post(&rotate, json!({})).await.expect(200);
    let announced = published().await;
    assert_eq!((announced.len(), &announced[0]), (2, &first[0]));
    let now = json!({"activate_now": true});
    api.post(&rotate, now).await.expect(200);
    let switched = published().await;
    assert_eq!(switched, [announced[1].clone(), first[0].clone()]);

    let nobody = UserAgent::new()
        .get(&url.replace("/oidc/conn_", "/oidc/conn_0"))
        .await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_callback_that_nobody_asked_for_is_refused() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let callback = text(&connection["oidc"]["redirect_uri"]);
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
