//! Tenon as the application's OpenID provider.

mod form_post;
mod hint;
mod logout;
mod par;
mod replicas;

use integration::{Api, Idp, Page, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::{Value, json};

struct Scene {
    tenon: Tenon,
    organization: Value,
    idp: Idp,
    app: RelyingParty,
}

impl Scene {
    async fn start() -> Self {
        let tenon = Tenon::start().await;
        let organization = tenon.api().organization("Acme", &["acme.example"]).await;
        let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
        idp.saml_connection(&tenon, &organization, json!({})).await;
        let app = RelyingParty::register(&tenon).await;
        Self {
            tenon,
            organization,
            idp,
            app,
        }
    }

    async fn sign_in(&self) -> Page {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&self.app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = self
            .idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        browser.submit(&posting, posting.form()).await
    }

    async fn authorize(&self, query: &str) -> Page {
        UserAgent::new().get(&self.app.authorize_url(query)).await
    }
}

#[tokio::test]
async fn the_discovery_document_tells_what_there_is() {
    let tenon = Tenon::start().await;
    let at = |path: &str| {
        let api = Api::at(tenon.url(), None);
        let path = path.to_owned();
        async move { api.get(&path).await.expect(200) }
    };
    let discovery = at("/.well-known/openid-configuration").await;
    assert_eq!(discovery["issuer"], tenon.url());
    for (name, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("userinfo_endpoint", "/oauth/userinfo"),
        ("jwks_uri", "/oauth/jwks"),
        ("end_session_endpoint", "/oauth/logout"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("pushed_authorization_request_endpoint", "/oauth/par"),
    ] {
        assert_eq!(discovery[name], format!("{}{path}", tenon.url()));
    }
    assert_eq!(
        discovery["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        discovery["code_challenge_methods_supported"],
        json!(["S256"])
    );
    let algorithms = discovery["id_token_signing_alg_values_supported"]
        .as_array()
        .expect("a list");
    assert!(
        algorithms.contains(&json!("RS256")) && algorithms.contains(&json!("ES256")),
        "{algorithms:?}"
    );
    assert_eq!(
        at("/.well-known/oauth-authorization-server").await["issuer"],
        tenon.url()
    );
    let keys = at("/oauth/jwks").await;
    for key in keys["keys"].as_array().expect("keys") {
        assert_eq!(key["d"], json!(null), "a private key is published");
        assert!(key["kid"].is_string() && key["alg"].is_string(), "{key}");
    }
}

#[tokio::test]
async fn a_code_works_once_and_using_it_again_ends_what_it_gave() {
    let scene = Scene::start().await;
    let landed = scene.sign_in().await;
    let tokens = scene.app.redeem(&landed).await.expect(200);
    scene.app.userinfo(&tokens).await.expect(200);
    let again = scene.app.redeem(&landed).await;
    assert_eq!(again.status, 400);
    assert_eq!(again.json["error"], "invalid_grant");
    assert_eq!(
        scene.app.refresh(&tokens).await.json["error"],
        "invalid_grant"
    );
    assert_eq!(scene.app.userinfo(&tokens).await.status, 401);
}

#[tokio::test]
async fn a_code_is_worth_nothing_to_another_client_or_without_the_verifier() {
    let scene = Scene::start().await;
    let other = RelyingParty::register(&scene.tenon).await;
    let code = scene.app.code(&scene.sign_in().await);
    let form = |verifier: &'static str| {
        vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", RelyingParty::REDIRECT_URI),
            ("code_verifier", verifier),
        ]
    };
    let mut wrong = form("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXx");
    wrong.push(("code", &code));
    assert_eq!(scene.app.token(&wrong).await.json["error"], "invalid_grant");

    let code = scene.app.code(&scene.sign_in().await);
    let mut stolen = form("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    stolen.push(("code", &code));
    assert_eq!(other.token(&stolen).await.json["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_rotates_and_forgives_a_lost_reply() {
    let scene = Scene::start().await;
    let tokens = scene.app.redeem(&scene.sign_in().await).await.expect(200);
    let second = scene.app.refresh(&tokens).await.expect(200);
    assert_ne!(second["refresh_token"], tokens["refresh_token"]);
    // The reply got lost: the same client asks again within ten seconds.
    let repeated = scene.app.refresh(&tokens).await.expect(200);
    assert_eq!(repeated["refresh_token"], second["refresh_token"]);
    let third = scene.app.refresh(&second).await.expect(200);
    scene.app.userinfo(&third).await.expect(200);
}

#[tokio::test]
async fn a_deactivated_user_has_no_session_and_no_token_left() {
    let scene = Scene::start().await;
    let api = scene.tenon.api();
    let directory = api.directory(&scene.organization, "Acme").await;
    let scim = Api::scim(&directory);
    let ada = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example",
        "emails": [{"value": "ada@acme.example", "primary": true}],
        "active": true,
    });
    let ada = scim.post("/Users", ada).await.expect(201);
    let tokens = scene.app.redeem(&scene.sign_in().await).await.expect(200);
    let sub = text(&claims(&tokens["id_token"])["sub"]);
    let sessions = api
        .get(&format!("/sessions?user_id={sub}"))
        .await
        .expect(200);
    assert_eq!(sessions["data"][0]["state"], "active", "{sessions}");

    let disable = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {"active": false}}],
    });
    scim.patch(&format!("/Users/{}", text(&ada["id"])), disable)
        .await
        .expect(200);

    assert_eq!(
        scene.app.refresh(&tokens).await.json["error"],
        "invalid_grant"
    );
    assert_eq!(scene.app.userinfo(&tokens).await.status, 401);
    let sessions = api
        .get(&format!("/sessions?user_id={sub}"))
        .await
        .expect(200);
    assert_eq!(sessions["data"][0]["state"], "revoked", "{sessions}");
    let mut browser = UserAgent::new();
    let page = browser
        .get(&scene.app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = scene
        .idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let page = browser.submit(&posting, posting.form()).await;
    assert_eq!(page.tenon_error(), "user_deactivated");
}

#[tokio::test]
async fn only_an_exact_redirect_uri_gets_an_answer() {
    let scene = Scene::start().await;
    let query = |uri: &str| {
        let uri: String = url::form_urlencoded::byte_serialize(uri.as_bytes()).collect();
        format!(
            "{}/oauth/authorize?response_type=code&client_id={}&scope=openid&redirect_uri={uri}",
            scene.tenon.url(),
            scene.app.client_id
        )
    };
    for uri in [
        "https://evil.example/callback",
        "https://app.example/callback/",
        "https://app.example/callback?x=1",
        "https://app.example/Callback",
        "https://app.example:443/callback",
        "http://app.example/callback",
        "https://app.example/callback#x",
        "https://app.example@evil.example/callback",
        "javascript:alert(1)",
        "",
    ] {
        let page = UserAgent::new().get(&query(uri)).await;
        assert!(
            (400..500).contains(&page.status),
            "{uri}: {} {}",
            page.status,
            page.url
        );
        assert!(
            page.url.as_str().starts_with(&scene.tenon.url()),
            "{uri}: {}",
            page.url
        );
    }
}

#[tokio::test]
async fn errors_go_back_with_standard_codes() {
    let scene = Scene::start().await;
    let api = scene.tenon.api();
    let other = api.organization("Other", &["other.example"]).await;
    let draft = api.connection(&other, json!({"name": "IdP", "type": "saml"}));
    let draft = text(&draft.await["id"]);
    for (query, error) in [
        ("prompt=none", "login_required"),
        (
            "prompt=none&login_hint=ada@nowhere.example",
            "login_required",
        ),
        (
            &*format!("prompt=none&connection_id={draft}"),
            "login_required",
        ),
        ("prompt=none%20login", "invalid_request"),
    ] {
        let page = scene.authorize(query).await;
        assert!(
            page.url.as_str().starts_with(RelyingParty::REDIRECT_URI),
            "{query}: {} {}",
            page.url,
            page.body
        );
        assert_eq!(page.query("error").as_deref(), Some(error), "{query}");
        assert_eq!(page.query("state").as_deref(), Some("the-state"));
        assert_eq!(page.query("iss"), Some(scene.tenon.url()));
    }
    let wrong_secret = RelyingParty {
        client_secret: Some("wrong".to_owned()),
        ..RelyingParty::register(&scene.tenon).await
    };
    let answer = wrong_secret
        .token(&[("grant_type", "authorization_code"), ("code", "x")])
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json["error"], "invalid_client");
    let answer = scene.app.token(&[("grant_type", "password")]).await;
    assert_eq!(answer.json["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn where_no_route_exists_the_page_says_so_and_tells_nothing_else() {
    let scene = Scene::start().await;
    let mut browser = UserAgent::new();
    let page = browser.get(&scene.app.authorize_url("")).await;
    let known_domain = browser
        .submit(&page, page.form().fill("email", "ghost@acme.example"))
        .await;
    assert!(
        known_domain.body.contains("SAMLRequest") || known_domain.url.path().contains("/idp/"),
        "{}",
        known_domain.url
    );

    let mut browser = UserAgent::new();
    let page = browser.get(&scene.app.authorize_url("")).await;
    let unknown = browser
        .submit(&page, page.form().fill("email", "ada@nowhere.example"))
        .await;
    assert_eq!(unknown.status, page.status);
    assert!(
        unknown
            .body
            .contains("find single sign-on for that address"),
        "{}",
        unknown.body
    );
}
