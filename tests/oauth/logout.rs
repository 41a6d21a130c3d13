//! The end of sessions: the application asks for it, or hears of it.

use integration::{Delivery, Page, RelyingParty, Sink, UserAgent, claims, text};
use serde_json::{Value, json};

use super::Scene;

const GOODBYE: &str = "https://app.example/goodbye";

struct SignedIn {
    scene: Scene,
    sink: Sink,
    tokens: Value,
}

impl SignedIn {
    /// At an application that wants to hear of ended sessions.
    async fn start() -> Self {
        let sink = Sink::start().await;
        let application = json!({
            "name": "App",
            "redirect_uris": [RelyingParty::REDIRECT_URI],
            "post_logout_redirect_uris": [GOODBYE],
            "backchannel_logout_uri": sink.url(),
        });
        let mut scene = Scene::start().await;
        scene.app = RelyingParty::register_with(&scene.tenon, application).await;
        let tokens = scene.app.redeem(&scene.sign_in().await).await.expect(200);
        Self {
            scene,
            sink,
            tokens,
        }
    }

    async fn logout(&self, parameters: &[(&str, &str)]) -> Page {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let url = format!("{}/oauth/logout?{query}", self.scene.app.issuer);
        UserAgent::new().get(&url).await
    }

    async fn has_ended(&self) -> bool {
        self.scene.app.userinfo(&self.tokens).await.status == 401
    }
}

/// The claims of what the application was told.
fn logout_token(delivery: &Delivery) -> Value {
    let form = std::str::from_utf8(&delivery.body).expect("a form");
    let token = form.strip_prefix("logout_token=").expect("a logout token");
    claims(&json!(token))
}

#[tokio::test]
async fn the_application_ends_the_session_and_gets_the_person_back() {
    let signed_in = SignedIn::start().await;
    let hint = text(&signed_in.tokens["id_token"]);
    let page = signed_in
        .logout(&[
            ("id_token_hint", &hint),
            ("post_logout_redirect_uri", GOODBYE),
            ("state", "s t"),
        ])
        .await;
    assert_eq!(page.url.as_str(), format!("{GOODBYE}?state=s+t"));
    assert!(signed_in.has_ended().await);
    let refreshed = signed_in.scene.app.refresh(&signed_in.tokens).await;
    assert_eq!(refreshed.json["error"], "invalid_grant");
    // Once more changes nothing and says nothing else.
    let again = signed_in.logout(&[("id_token_hint", &hint)]).await;
    assert_eq!(again.status, 200);
    assert!(again.body.contains("Signed out"), "{}", again.body);
}

#[tokio::test]
async fn a_logout_that_is_not_the_applications_own_ends_nothing_and_leads_nowhere() {
    let signed_in = SignedIn::start().await;
    let hint = text(&signed_in.tokens["id_token"]);
    let access = text(&signed_in.tokens["access_token"]);
    let other = RelyingParty::register(&signed_in.scene.tenon).await;
    let (head, _) = hint.rsplit_once('.').expect("a JWT");
    let forged = format!("{head}.AAAA");
    for parameters in [
        [("id_token_hint", &*forged), ("state", "")],
        [("id_token_hint", &*access), ("state", "")],
        [("id_token_hint", &*hint), ("client_id", &*other.client_id)],
        [
            ("id_token_hint", &*hint),
            ("post_logout_redirect_uri", "https://app.example/goodbye/"),
        ],
        [
            ("id_token_hint", &*hint),
            ("post_logout_redirect_uri", "https://evil.example/"),
        ],
        [("post_logout_redirect_uri", GOODBYE), ("state", "x")],
        [("client_id", "app_nobody"), ("state", "x")],
    ] {
        let page = signed_in.logout(&parameters).await;
        assert_eq!(page.status, 400, "{parameters:?}: {}", page.body);
        assert!(page.url.path().ends_with("/oauth/logout"), "{}", page.url);
    }
    let id = &*signed_in.scene.app.client_id;
    let page = signed_in.logout(&[("client_id", id)]).await;
    assert!(page.body.contains("none was ended"), "{}", page.body);
    assert!(!signed_in.has_ended().await);
}

#[tokio::test]
async fn the_application_hears_of_a_session_that_another_ended() {
    let mut signed_in = SignedIn::start().await;
    let id_token = claims(&signed_in.tokens["id_token"]);
    // The first answer is a failure: it is told again.
    signed_in.sink.answer(&[500]);
    let api = signed_in.scene.tenon.api();
    let sid = text(&id_token["sid"]);
    api.delete(&format!("/sessions/{sid}")).await.expect(204);

    let first = logout_token(&signed_in.sink.next().await);
    let second = logout_token(&signed_in.sink.next().await);
    for token in [&first, &second] {
        assert_eq!(token["iss"], id_token["iss"]);
        assert_eq!(token["aud"], id_token["aud"]);
        assert_eq!(token["sub"], id_token["sub"]);
        assert_eq!(token["sid"], id_token["sid"]);
        assert_eq!(token["nonce"], Value::Null);
        let event = "http://schemas.openid.net/event/backchannel-logout";
        assert_eq!(token["events"], json!({ event: {} }));
        let lifetime = token["exp"].as_i64().zip(token["iat"].as_i64());
        assert!(lifetime.is_some_and(|(exp, iat)| exp - iat <= 120));
    }
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn all_sessions_of_an_organization_end_at_once_and_no_other_organizations() {
    let mut signed_in = SignedIn::start().await;
    let api = signed_in.scene.tenon.api();
    let globex = api.organization("Globex", &["globex.example"]).await;
    let revoke = |id: &Value| format!("/organizations/{}/revoke_sessions", text(id));
    let ended = api.post(&revoke(&globex["id"]), json!({})).await;
    assert_eq!(ended.expect(200)["revoked"], 0);
    assert!(!signed_in.has_ended().await);

    let organization = claims(&signed_in.tokens["id_token"])["org_id"].clone();
    let ended = api.post(&revoke(&organization), json!({})).await;
    assert_eq!(ended.expect(200)["revoked"], 1);
    assert!(signed_in.has_ended().await);
    let refreshed = signed_in.scene.app.refresh(&signed_in.tokens).await;
    assert_eq!(refreshed.json["error"], "invalid_grant");
    let told = logout_token(&signed_in.sink.next().await);
    assert_eq!(told["sid"], claims(&signed_in.tokens["id_token"])["sid"]);
}

#[tokio::test]
async fn an_application_that_does_not_answer_holds_up_no_other() {
    let mut signed_in = SignedIn::start().await;
    // Takes connections, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let uri = format!("http://{}/", silent.local_addr().expect("an address"));
    let scene = &mut signed_in.scene;
    let slow = RelyingParty::register_with(
        &scene.tenon,
        json!({
            "name": "Slow",
            "redirect_uris": [RelyingParty::REDIRECT_URI],
            "backchannel_logout_uri": uri,
        }),
    )
    .await;
    let quick = std::mem::replace(&mut scene.app, slow);
    // More than go out at a time, and all of them older.
    for _ in 0..70 {
        let landed = scene.sign_in().await;
        scene.app.redeem(&landed).await.expect(200);
    }
    let api = scene.tenon.api();
    let sub = text(&claims(&signed_in.tokens["id_token"])["sub"]);
    let mine = text(&claims(&signed_in.tokens["id_token"])["sid"]);
    let sessions = api.get(&format!("/sessions?user_id={sub}&limit=100")).await;
    let sessions = sessions.expect(200);
    for session in sessions["data"].as_array().expect("a list") {
        let id = text(&session["id"]);
        if id != mine {
            api.delete(&format!("/sessions/{id}")).await.expect(204);
        }
    }
    let ended = std::time::Instant::now();
    api.delete(&format!("/sessions/{mine}")).await.expect(204);
    let told = logout_token(&signed_in.sink.next().await);
    assert_eq!(told["sid"].as_str(), Some(&*mine));
    // A request may take 15 s.
    let took = ended.elapsed();
    assert!(took < std::time::Duration::from_secs(8), "{took:?}");
    drop((quick, silent));
}
