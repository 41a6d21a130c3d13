//! Pushed authorization requests in a browser's hands (RFC 9126).

use integration::{Api, Page, RelyingParty, UserAgent};

use crate::Scene;

impl Scene {
    /// A handle for a sign-in request with more parameters.
    async fn push(&self, more: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("response_type", "code"),
            ("redirect_uri", RelyingParty::REDIRECT_URI),
            ("scope", "openid email offline_access"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            (
                "code_challenge",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            ),
            ("code_challenge_method", "S256"),
        ];
        form.extend(more);
        let answer = self.app.call("/oauth/par", &form).await.expect(201);
        integration::text(&answer["request_uri"])
    }

    async fn open(&self, browser: &mut UserAgent, client_id: &str, request_uri: &str) -> Page {
        let url = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", client_id)
            .append_pair("request_uri", request_uri)
            .finish();
        let url = format!("{}/oauth/authorize?{url}", self.app.issuer);
        browser.get(&url).await
    }
}

#[tokio::test]
async fn a_pushed_request_signs_in_once_and_for_its_client_alone() {
    let scene = Scene::start().await;
    let other = RelyingParty::register(&scene.tenon).await;
    let uri = scene.push(&[("login_hint", "ada@acme.example")]).await;

    let mut browser = UserAgent::new();
    let refused = scene.open(&mut browser, &other.client_id, &uri).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.tenon_error(), "invalid_request_uri");

    let page = scene.open(&mut browser, &scene.app.client_id, &uri).await;
    let posting = scene
        .idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let landed = browser.submit(&posting, posting.form()).await;
    scene.app.redeem(&landed).await.expect(200);

    let again = scene.open(&mut browser, &scene.app.client_id, &uri).await;
    assert_eq!(again.status, 400);
    assert_eq!(again.tenon_error(), "invalid_request_uri");
}

#[tokio::test]
async fn a_handle_that_was_never_given_is_refused_on_a_page() {
    let scene = Scene::start().await;
    let mut browser = UserAgent::new();
    for uri in [
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:guess",
    ] {
        let page = scene.open(&mut browser, &scene.app.client_id, uri).await;
        assert_eq!(page.status, 400, "{uri}");
        assert_eq!(page.tenon_error(), "invalid_request_uri", "{uri}");
    }
}

#[tokio::test]
async fn a_request_pushed_at_one_replica_opens_at_another() {
    let scene = Scene::start().await;
    let replica = scene.tenon.replica().await;
    let replica = replica.as_ref().unwrap_or(&scene.tenon);
    let uri = scene
        .push(&[("login_hint", "nobody@nowhere.example")])
        .await;
    let query = format!(
        "client_id={}&request_uri={}",
        scene.app.client_id,
        uri.replace(':', "%3A")
    );
    let at = Api::at(replica.url(), None);
    let page = at.get(&format!("/oauth/authorize?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.json);
    let again = at.get(&format!("/oauth/authorize?{query}")).await;
    assert_eq!(again.status, 400);
    assert_eq!(again.header("tenon-error"), "invalid_request_uri");
}
