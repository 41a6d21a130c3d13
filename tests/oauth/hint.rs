//! `id_token_hint`: the application says who is to sign in (OIDC Core 3.1.2.1 and 3.1.2.2).

use integration::{Idp, Page, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::json;

struct Scene {
    tenon: Tenon,
    idp: Idp,
    app: RelyingParty,
}

impl Scene {
    async fn start() -> Self {
        let tenon = Tenon::start().await;
        let organization = tenon.api().organization("Acme", &["acme.example"]).await;
        let idp = Idp::start(&tenon, &["ada@acme.example", "ben@acme.example"]).await;
        idp.oidc_connection(&tenon, &organization, json!({})).await;
        let app = RelyingParty::register(&tenon).await;
        Self { tenon, idp, app }
    }

    async fn sign_in(&self, email: &str, more: &str) -> Page {
        let mut browser = UserAgent::new();
        let url = self.app.authorize_url(&format!("login_hint={email}{more}"));
        let page = browser.get(&url).await;
        self.idp.sign_in(&mut browser, &page, email, None).await
    }
}

#[tokio::test]
async fn only_the_user_of_the_hint_signs_in() {
    let scene = Scene::start().await;
    let first = scene.sign_in("ada@acme.example", "").await;
    let tokens = scene.app.redeem(&first).await.expect(200);
    let hint = format!("&id_token_hint={}", text(&tokens["id_token"]));
    let again = scene.sign_in("ada@acme.example", &hint).await;
    let again = scene.app.redeem(&again).await.expect(200);
    assert_eq!(
        claims(&again["id_token"])["sub"],
        claims(&tokens["id_token"])["sub"]
    );

    let other = scene.sign_in("ben@acme.example", &hint).await;
    assert_eq!(other.query("error").as_deref(), Some("login_required"));
    assert_eq!(other.query("state").as_deref(), Some("the-state"));
    let description = other.query("error_description").unwrap_or_default();
    assert!(
        description.starts_with("user_mismatch (lgn_"),
        "{description}"
    );
    let api = scene.tenon.api();
    let failed = api.get("/logins?outcome=failed").await.expect(200);
    assert_eq!(failed["data"][0]["code"], "user_mismatch");
}

#[tokio::test]
async fn a_hint_that_is_no_id_token_of_this_client_is_a_wrong_request() {
    let scene = Scene::start().await;
    let landed = scene.sign_in("ada@acme.example", "").await;
    let tokens = scene.app.redeem(&landed).await.expect(200);
    let id_token = text(&tokens["id_token"]);
    let (head, _) = id_token.rsplit_once('.').expect("a JWT");
    let other = RelyingParty::register(&scene.tenon).await;
    let access = text(&tokens["access_token"]);
    let ask = async |app: &RelyingParty, hint: &str| {
        let url = app.authorize_url(&format!("login_hint=ada@acme.example&id_token_hint={hint}"));
        let page = UserAgent::new().get(&url).await;
        page.query("error").unwrap_or_default()
    };
    assert_eq!(ask(&scene.app, "x").await, "invalid_request");
    assert_eq!(ask(&scene.app, &access).await, "invalid_request");
    let forged = format!("{head}.AAAA");
    assert_eq!(ask(&scene.app, &forged).await, "invalid_request");
    assert_eq!(ask(&other, &id_token).await, "invalid_request");

    let pushed = [
        ("response_type", "code"),
        ("redirect_uri", RelyingParty::REDIRECT_URI),
        ("scope", "openid"),
        ("id_token_hint", "x"),
    ];
    let answer = scene.app.call("/oauth/par", &pushed).await;
    assert_eq!(answer.json["error"], "invalid_request");
}
