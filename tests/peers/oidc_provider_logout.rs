//! oidc-provider ends a session of its own, or is asked to.

use integration::{
    Api, Page, RelyingParty, Sink, Tenon, UserAgent, claims, peers::OidcProvider, text,
};
use serde_json::{Value, json};

use crate::oidc_provider::{alice, connect};

const GOODBYE: &str = "https://app.example/goodbye";

struct SignedIn {
    tenon: Tenon,
    provider: OidcProvider,
    connection: Value,
    app: RelyingParty,
    sink: Sink,
    browser: UserAgent,
    tokens: Value,
}

impl SignedIn {
    async fn start(at_idp: bool) -> Self {
        Self::start_with(json!({"people": {"alice": alice()}}), at_idp).await
    }

    async fn start_with(options: Value, at_idp: bool) -> Self {
        let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
        let connection = connect(&tenon, &provider, "client_secret_basic").await;
        let path = format!("/connections/{}", text(&connection["id"]));
        let wish = json!({"oidc": {"logout_at_idp": at_idp}});
        tenon.api().patch(&path, wish).await.expect(200);
        let sink = Sink::start().await;
        let application = json!({
            "name": "App",
            "redirect_uris": [RelyingParty::REDIRECT_URI],
            "post_logout_redirect_uris": [GOODBYE],
            "backchannel_logout_uri": sink.url(),
        });
        let app = RelyingParty::register_with(&tenon, application).await;
        let mut signed_in = Self {
            tenon,
            provider,
            connection,
            app,
            sink,
            browser: UserAgent::new(),
            tokens: Value::Null,
        };
        let page = signed_in.authorize().await;
        let browser = &mut signed_in.browser;
        let landed = signed_in.provider.sign_in(browser, &page, "alice").await;
        signed_in.tokens = signed_in.app.redeem(&landed).await.expect(200);
        signed_in
    }

    async fn authorize(&mut self) -> Page {
        let url = self.app.authorize_url("login_hint=alice@acme.example");
        self.browser.get(&url).await
    }

    async fn logout(&mut self) -> Page {
        let hint = text(&self.tokens["id_token"]);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("id_token_hint", &hint)
            .append_pair("post_logout_redirect_uri", GOODBYE)
            .append_pair("state", "bye")
            .finish();
        let url = format!("{}/oauth/logout?{query}", self.app.issuer);
        self.browser.get(&url).await
    }

    async fn has_ended(&self) -> bool {
        self.app.userinfo(&self.tokens).await.status == 401
    }

    /// The provider ends its own session at the person's wish.
    async fn end_at_provider(&mut self) {
        let url = format!("{}/session/end", self.provider.issuer());
        let page = self.browser.get(&url).await;
        self.browser.submit(&page, page.form()).await;
    }

    async fn told(&self) -> Value {
        let page = UserAgent::new()
            .get(&format!("{}/told", self.provider.issuer()))
            .await;
        serde_json::from_str(&page.body).expect("JSON")
    }
}

#[tokio::test]
async fn the_provider_ends_our_session_and_the_applications() {
    let mut signed_in = SignedIn::start(false).await;
    assert!(!signed_in.has_ended().await);
    signed_in.end_at_provider().await;
    // The second time the same token counts for nothing.
    assert_eq!(signed_in.told().await, json!([200, 400]));
    assert!(signed_in.has_ended().await);

    let sid = claims(&signed_in.tokens["id_token"])["sid"].clone();
    let delivery = signed_in.sink.next().await;
    let form = std::str::from_utf8(&delivery.body).expect("a form");
    let token = form.strip_prefix("logout_token=").expect("a logout token");
    assert_eq!(claims(&json!(token))["sid"], sid);
    let api = signed_in.tenon.api();
    let events = api.get("/events?types=session.revoked").await.expect(200);
    let actor = &events["data"][0]["data"]["actor"];
    assert_eq!(actor["kind"], "connection", "{events}");
    assert_eq!(actor["id"], signed_in.connection["id"]);
}

#[tokio::test]
async fn the_person_or_the_providers_session_alone_is_enough() {
    for names in ["sub", "sid"] {
        let options = json!({"people": {"alice": alice()}, "logout_names": names});
        let mut signed_in = SignedIn::start_with(options, false).await;
        signed_in.end_at_provider().await;
        assert_eq!(signed_in.told().await, json!([200, 400]), "{names}");
        assert!(signed_in.has_ended().await, "{names}");
    }
}

#[tokio::test]
async fn a_logout_token_that_is_none_ends_nothing() {
    let signed_in = SignedIn::start(false).await;
    let at = text(&signed_in.connection["oidc"]["backchannel_logout_uri"]);
    let path = at.strip_prefix(&signed_in.tenon.url()).expect("ours");
    let anybody = Api::at(signed_in.tenon.url(), None);
    let hint = text(&signed_in.tokens["id_token"]);
    for token in ["", "x", "eyJhbGciOiJub25lIn0.e30.", &hint] {
        let request = anybody.request(reqwest::Method::POST, path);
        let answer = Api::answer(request.form(&[("logout_token", token)])).await;
        assert_eq!(answer.expect(400)["error"], "invalid_request", "{token}");
    }
    let nobody = path.replace("/oidc/conn_", "/oidc/conn_0");
    let request = anybody.request(reqwest::Method::POST, &nobody);
    let answer = Api::answer(request.form(&[("logout_token", "x")])).await;
    assert_eq!(answer.status, 404);
    assert!(!signed_in.has_ended().await);
}

#[tokio::test]
async fn a_logout_of_the_applications_ends_the_providers_session_too() {
    let mut signed_in = SignedIn::start(true).await;
    let page = signed_in.logout().await;
    assert!(page.url.path().starts_with("/session/end"), "{}", page.url);
    assert!(signed_in.has_ended().await, "whatever the provider says");
    let back = signed_in.browser.submit(&page, page.form()).await;
    assert_eq!(back.url.as_str(), format!("{GOODBYE}?state=bye"));
    // The provider has forgotten the person.
    let page = signed_in.authorize().await;
    assert_eq!(page.form().value("login"), "alice@acme.example");

    // The way back leads nowhere a second time.
    let at = text(&signed_in.connection["oidc"]["post_logout_redirect_uri"]);
    for query in ["", "?state=guessed"] {
        let page = UserAgent::new().get(&format!("{at}{query}")).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("You are signed out"), "{}", page.body);
    }
}

#[tokio::test]
async fn without_the_wish_a_logout_stays_here() {
    let mut signed_in = SignedIn::start(false).await;
    let page = signed_in.logout().await;
    assert_eq!(page.url.as_str(), format!("{GOODBYE}?state=bye"));
    assert!(signed_in.has_ended().await);
    let known = signed_in.authorize().await;
    signed_in.app.redeem(&known).await.expect(200);
}
