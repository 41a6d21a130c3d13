//! The peers without Tenon between them: where one of these fails, the harness is at fault and not the gateway.

use integration::{
    Chromium, Delivery, UserAgent,
    peers::{Application, Language, Library, OidcProvider, SimpleSamlPhp, verify_webhooks},
    text,
};
use serde_json::{Value, json};

async fn sign_in_at_oidc_provider(library: Library) {
    let provider =
        OidcProvider::start(json!({"people": {"alice": {"email": "alice@acme.example"}}})).await;
    let mut application = Application::start(library).await;
    let client = provider
        .register(&application.redirect_uri(), "client_secret_basic")
        .await;
    application.configure(&json!({
        "issuer": provider.issuer(),
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "scope": "openid profile email offline_access",
    }));

    let mut browser = UserAgent::new();
    let page = browser
        .get(&application.login_url("prompt=consent&login_hint=alice"))
        .await;
    assert_eq!(page.form().value("login"), "alice");
    let page = provider.sign_in(&mut browser, &page, "alice").await;

    let result: Value = serde_json::from_str(&page.body).expect("JSON");
    let refresh_token = text(&result["tokens"]["refresh_token"]);
    let refreshed = application
        .call("refresh", &refresh_token)
        .await
        .expect(200);
    for claims in [&result["claims"], &result["userinfo"], &refreshed["claims"]] {
        assert_eq!(claims["email"], "alice@acme.example", "{result}");
    }
}

#[tokio::test]
async fn openid_client_signs_in_at_oidc_provider() {
    sign_in_at_oidc_provider(Library::OpenidClient).await;
}

#[tokio::test]
async fn oauth4webapi_signs_in_at_oidc_provider() {
    sign_in_at_oidc_provider(Library::Oauth4webapi).await;
}

#[tokio::test]
async fn authlib_signs_in_at_oidc_provider() {
    sign_in_at_oidc_provider(Library::Authlib).await;
}

#[tokio::test]
async fn simplesamlphp_shows_its_metadata() {
    let idp = SimpleSamlPhp::start(json!({"uid": ["alice"]})).await;
    let metadata = idp.metadata().await;
    assert!(
        metadata.contains(&format!("entityID=\"{}\"", idp.metadata_url())),
        "{metadata}"
    );
    assert!(metadata.contains("<ds:X509Certificate>"), "{metadata}");
}

#[tokio::test]
async fn the_webhook_libraries_refuse_a_delivery_that_nobody_signed() {
    let delivery = Delivery {
        headers: vec![
            ("webhook-id".into(), "evt_1".into()),
            ("webhook-timestamp".into(), "1795325738".into()),
            ("webhook-signature".into(), "v1,bm9ib2R5".into()),
        ],
        body: "{}".into(),
        at: std::time::Instant::now(),
    };
    let secret = "whsec_dGhyb3ctYXdheSBzZWNyZXQgb2YgdGhlIHRlc3Q=";
    for language in [Language::JavaScript, Language::Python] {
        let refused = verify_webhooks(language, secret, std::slice::from_ref(&delivery)).await;
        assert!(refused.is_err(), "{language:?}");
    }
}

#[tokio::test]
async fn chromium_opens_a_page() {
    let mut browser = Chromium::start().await;
    browser
        .goto("data:text/html,<title>t</title><p>hello</p>")
        .await;
    assert_eq!(browser.text("p").await, "hello");
    assert_eq!(text(&browser.script("document.title").await), "t");
    assert_eq!(browser.problems().await, Vec::<String>::new());
}
