//! Client libraries act as the application, unmodified: two certified ones, and Python's usual one.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use integration::{
    Answer, ClientKey, Gateway, Idp, MetadataHost, Page, Served, Tenon, UserAgent, claims,
    peers::{Application, Library},
    text,
};
use serde_json::{Value, json};

const ADA: &str = "ada@acme.example";

/// How an application is registered, and how it asks.
#[derive(Clone, Copy)]
struct Case {
    /// Of the id tokens.
    algorithm: &'static str,
    authentication: &'static str,
    /// What signs its assertions.
    key: Option<&'static str>,
    /// Whether the key stands at a `jwks_uri`.
    published: bool,
    pushed: bool,
    response_mode: &'static str,
}

const BASIC: Case = Case {
    algorithm: "RS256",
    authentication: "client_secret_basic",
    key: None,
    published: false,
    pushed: false,
    response_mode: "query",
};

const CASES: [Case; 5] = [
    BASIC,
    Case {
        algorithm: "ES256",
        authentication: "client_secret_post",
        pushed: true,
        response_mode: "form_post",
        ..BASIC
    },
    Case {
        algorithm: "EdDSA",
        authentication: "private_key_jwt",
        key: Some("ES256"),
        pushed: true,
        ..BASIC
    },
    Case {
        authentication: "private_key_jwt",
        key: Some("EdDSA"),
        published: true,
        response_mode: "form_post",
        ..BASIC
    },
    Case {
        authentication: "none",
        ..BASIC
    },
];

struct Scene<G> {
    tenon: G,
    organization: Value,
    idp: Idp,
    application: Application,
    /// Where its key stands.
    keys: Option<MetadataHost>,
    client_id: Value,
    case: Case,
}

/// One person's sign-in, as the library reports it.
struct SignedIn {
    browser: UserAgent,
    claims: Value,
    userinfo: Value,
    tokens: Value,
}

impl<G: Gateway> Scene<G> {
    async fn open(tenon: G, library: Library, case: Case) -> Self {
        let mut application = Application::start(library).await;
        let organization = tenon.api().organization("Acme", &["acme.example"]).await;
        let idp = Idp::start(&tenon, &[ADA]).await;
        idp.saml_connection(&tenon, &organization, json!({})).await;
        let public = case.authentication == "none";
        let key = case.key.map(ClientKey::generate);
        let mut registration = json!({
            "name": "App",
            "redirect_uris": [application.redirect_uri()],
            "post_logout_redirect_uris": [application.goodbye_uri()],
            "type": if public { "public" } else { "confidential" },
            "id_token_signing_alg": case.algorithm,
            "token_endpoint_auth_method": case.authentication,
        });
        let mut keys = None;
        match &key {
            Some(key) if case.published => {
                let host = MetadataHost::start(&key.public().to_string()).await;
                registration["jwks_uri"] = json!(host.url());
                keys = Some(host);
            }
            Some(key) => registration["jwks"] = key.public(),
            None => {}
        }
        let client = tenon.api().application(registration).await;
        assert_eq!(client["client_secret"].is_null(), public || key.is_some());
        application.configure(&json!({
            "issuer": tenon.url(),
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "algorithm": case.algorithm,
            "authentication": case.authentication,
            "key": key.map(|key| key.private()),
            "pushed": case.pushed,
        }));
        Self {
            tenon,
            organization,
            idp,
            application,
            keys,
            client_id: client["client_id"].clone(),
            case,
        }
    }

    async fn sign_in(&self) -> SignedIn {
        let mut browser = UserAgent::new();
        let query = format!(
            "organization_id={}&login_hint={ADA}&response_mode={}",
            text(&self.organization["id"]),
            self.case.response_mode,
        );
        let page = browser.get(&self.application.login_url(&query)).await;
        let query = page.url.query().unwrap_or_default();
        assert!(query.contains("SAMLRequest"), "{} {}", page.url, page.body);
        let posting = self.idp.sign_in(&mut browser, &page, ADA, None).await;
        let mut page = browser.submit(&posting, posting.form()).await;
        if self.case.response_mode == "form_post" {
            assert_eq!(page.form().action.as_str(), self.application.redirect_uri());
            page = browser.submit(&page, page.form()).await;
        }
        let mut report = report(&page);
        SignedIn {
            browser,
            claims: report["claims"].take(),
            userinfo: report["userinfo"].take(),
            tokens: report["tokens"].take(),
        }
    }

    async fn call(&self, page: &str, token: &Value) -> Answer {
        self.application.call(page, &text(token)).await
    }

    async fn refresh(&self, token: &Value) -> Value {
        self.call("refresh", token).await.expect(200)
    }

    /// The error of a call that is refused.
    async fn refused(&self, page: &str, token: &Value) -> String {
        text(&self.call(page, token).await.expect(400)["error"])
    }

    /// What introspection says; a public client has none.
    async fn introspect(&self, token: &Value) -> Option<Value> {
        if self.case.authentication == "none" {
            assert_eq!(self.refused("introspect", token).await, "invalid_client");
            return None;
        }
        Some(self.call("introspect", token).await.expect(200))
    }

    async fn is_active(&self, token: &Value, active: bool) {
        if let Some(status) = self.introspect(token).await {
            assert_eq!(status["active"], active, "{status}");
            assert_eq!(status.get("sub").is_some(), active, "{status}");
        }
    }

    /// The library has checked signature, issuer, audience, nonce and times; these are the values.
    fn check(&self, signed_in: &SignedIn) {
        let SignedIn {
            claims: told,
            userinfo,
            tokens,
            ..
        } = signed_in;
        assert_eq!(told["iss"], self.tenon.url());
        assert_eq!(told["aud"], self.client_id);
        let known = told["sub"].as_str().expect("a subject");
        assert!(known.starts_with("usr_"), "{known}");
        for who in [told, userinfo] {
            assert_eq!(who["sub"], known);
            assert_eq!(who["email"], ADA);
            assert_eq!(who["email_verified"], true);
            assert_eq!(who["org_id"], self.organization["id"]);
        }
        assert_eq!(algorithm(&tokens["id_token"]), self.case.algorithm);
        assert_eq!(tokens["expires_in"], 300, "{tokens}");
        let access = claims(&tokens["access_token"]);
        assert_eq!(access["aud"], self.client_id);
        assert_eq!(access["sid"], told["sid"]);
    }

    async fn check_rotation(&self, signed_in: &SignedIn) {
        let SignedIn { claims, tokens, .. } = signed_in;
        let first = &tokens["refresh_token"];
        self.is_active(first, true).await;
        let refreshed = self.refresh(first).await;
        let second = &refreshed["tokens"]["refresh_token"];
        assert_ne!(second, first);
        for name in ["iss", "aud", "sub", "sid", "auth_time", "org_id", "email"] {
            assert_eq!(refreshed["claims"][name], claims[name], "{name}");
        }
        assert_ne!(refreshed["tokens"]["access_token"], tokens["access_token"]);
        self.is_active(first, false).await;
        self.is_active(second, true).await;
        // The reply got lost: the same client hears the same again.
        let again = self.refresh(first).await;
        assert_eq!(&again["tokens"]["refresh_token"], second);
        self.refresh(second).await;
    }
}

/// The whole life of two sign-ins: of one session the application itself ends the tokens, of the other the person
/// does by signing out.
async fn live(library: Library, case: Case) {
    let scene = Scene::open(Tenon::start().await, library, case).await;
    let signed_in = scene.sign_in().await;
    scene.check(&signed_in);
    let (claims, tokens) = (&signed_in.claims, &signed_in.tokens);
    let (access, refresh) = (&tokens["access_token"], &tokens["refresh_token"]);
    if let Some(status) = scene.introspect(access).await {
        assert_eq!(status["active"], true, "{status}");
        assert_eq!(status["client_id"], scene.client_id);
        for name in ["iss", "sub", "sid", "org_id", "auth_time"] {
            assert_eq!(status[name], claims[name], "{name}");
        }
    }
    scene.call("revoke", access).await.expect(200);
    scene.is_active(access, false).await;
    scene.is_active(refresh, true).await;
    let refreshed = scene.refresh(refresh).await["tokens"].take();
    let (access, refresh) = (&refreshed["access_token"], &refreshed["refresh_token"]);
    scene.call("revoke", refresh).await.expect(200);
    scene.is_active(access, false).await;
    scene.is_active(refresh, false).await;
    assert_eq!(scene.refused("refresh", refresh).await, "invalid_grant");
    // RFC 7009 2.2: what is over already needs no revocation, and is no error.
    scene.call("revoke", refresh).await.expect(200);

    let mut signed_in = scene.sign_in().await;
    assert_eq!(signed_in.claims["sub"], claims["sub"]);
    assert_ne!(signed_in.claims["sid"], claims["sid"]);
    scene.check_rotation(&signed_in).await;
    let tokens = &signed_in.tokens;
    let url = scene.application.logout_url(&text(&tokens["id_token"]));
    let page = signed_in.browser.get(&url).await;
    let goodbye = page.url.as_str().split('?').next();
    assert_eq!(goodbye, Some(&*scene.application.goodbye_uri()));
    report(&page);
    scene.is_active(&tokens["access_token"], false).await;
    let refused = scene.refused("refresh", &tokens["refresh_token"]).await;
    assert_eq!(refused, "invalid_grant");
    if let Some(keys) = &scene.keys {
        assert_eq!(keys.asked(), (1, 0), "one fetch for all assertions");
    }
}

/// A refresh token comes once more, after the ten seconds in which a lost reply is forgiven.
async fn reuse(library: Library) {
    let scene = Scene::open(Served::start().await, library, BASIC).await;
    let signed_in = scene.sign_in().await;
    let first = &signed_in.tokens["refresh_token"];
    let refreshed = scene.refresh(first).await["tokens"].take();
    scene.tenon.clock.advance(Duration::from_secs(11));
    assert_eq!(scene.refused("refresh", first).await, "invalid_grant");
    let second = &refreshed["refresh_token"];
    for token in [first, second, &refreshed["access_token"]] {
        scene.is_active(token, false).await;
    }
    assert_eq!(scene.refused("refresh", second).await, "invalid_grant");
    let sessions = format!("/sessions?user_id={}", text(&signed_in.claims["sub"]));
    let sessions = scene.tenon.api().get(&sessions).await.expect(200);
    assert_eq!(sessions["data"][0]["id"], signed_in.claims["sid"]);
    assert_eq!(sessions["data"][0]["state"], "revoked");
}

/// What the application said, in JSON.
#[track_caller]
fn report(page: &Page) -> Value {
    assert_eq!(page.status, 200, "{} {}", page.url, page.body);
    serde_json::from_str(&page.body).expect("JSON")
}

/// What a JWT says it was signed with.
fn algorithm(token: &Value) -> String {
    let header = text(token).split('.').next().map(str::to_owned);
    let header = URL_SAFE_NO_PAD.decode(header.expect("a JWT"));
    let header: Value = serde_json::from_slice(&header.expect("base64url")).expect("JSON");
    text(&header["alg"])
}

async fn in_every_way(library: Library) {
    for case in CASES {
        live(library, case).await;
    }
}

#[tokio::test]
async fn openid_client_lives_with_its_tokens_in_every_way() {
    in_every_way(Library::OpenidClient).await;
}

#[tokio::test]
async fn oauth4webapi_lives_with_its_tokens_in_every_way() {
    in_every_way(Library::Oauth4webapi).await;
}

#[tokio::test]
async fn authlib_lives_with_its_tokens_in_every_way() {
    in_every_way(Library::Authlib).await;
}

#[tokio::test]
async fn a_refresh_token_that_any_library_uses_again_ends_its_family() {
    for library in [
        Library::OpenidClient,
        Library::Oauth4webapi,
        Library::Authlib,
    ] {
        reuse(library).await;
    }
}
