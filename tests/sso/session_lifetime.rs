//! SECURITY-MODEL G10: our session ends when the IdP's does or the application's limit is reached, whichever is
//! sooner, and each sign-in opens another one.

use chrono::{DateTime, TimeDelta, Utc};
use gateway::clock::Clock as _;
use gateway::sandbox::idp::IdpSession;
use integration::{Gateway as _, Idp, RelyingParty, Served, UserAgent, claims, text};
use serde_json::{Value, json};

const PERSON: &str = "ada@acme.example";
/// Seconds.
const LIMIT: i64 = 7200;

struct Scene {
    tenon: Served,
    idp: Idp,
    app: RelyingParty,
    saml: bool,
}

impl Scene {
    async fn start(saml: bool) -> Self {
        let tenon = Served::start().await;
        let organization = tenon.api().organization("Acme", &["acme.example"]).await;
        let idp = Idp::start(&tenon, &[PERSON]).await;
        match saml {
            true => idp.saml_connection(&tenon, &organization, json!({})).await,
            false => idp.oidc_connection(&tenon, &organization, json!({})).await,
        };
        let application = json!({
            "name": "App",
            "redirect_uris": [RelyingParty::REDIRECT_URI],
            "refresh_token_ttl": LIMIT,
        });
        let app = RelyingParty::register_with(&tenon, application).await;
        Self {
            tenon,
            idp,
            app,
            saml,
        }
    }

    async fn sign_in(&self) -> Value {
        let mut browser = UserAgent::new();
        let url = self.app.authorize_url(&format!("login_hint={PERSON}"));
        let page = browser.get(&url).await;
        let page = self.idp.sign_in(&mut browser, &page, PERSON, None).await;
        let landed = match self.saml {
            true => browser.submit(&page, page.form()).await,
            false => page,
        };
        self.app.redeem(&landed).await.expect(200)
    }

    fn advance(&self, by: TimeDelta) {
        self.tenon.clock.advance(by.to_std().expect("forwards"));
    }

    async fn session(&self, id: &Value) -> Value {
        let sessions = self.tenon.api().get("/sessions").await.expect(200);
        let mut sessions = sessions["data"].as_array().expect("a list").iter();
        let session = sessions.find(|session| session["id"] == *id);
        session.expect("it is listed").clone()
    }

    /// A session that the IdP bounds, or not, lives for so many seconds and no longer.
    async fn lives(&self, lasts: Option<TimeDelta>, seconds: i64) -> Value {
        let bound = TimeDelta::seconds(seconds);
        let age = TimeDelta::zero();
        self.idp.practice().set_session(IdpSession { age, lasts });
        // The IdP's word has whole seconds in OIDC.
        let earliest = self.tenon.clock.now() - TimeDelta::seconds(1) + bound;
        let tokens = self.sign_in().await;
        let latest = self.tenon.clock.now() + bound;
        let id = &claims(&tokens["id_token"])["sid"];
        let session = self.session(id).await;
        assert_eq!(session["state"], "active");
        let ends: DateTime<Utc> = text(&session["expires_at"]).parse().expect("a time");
        assert!((earliest..=latest).contains(&ends), "{session} {latest}");

        self.advance(bound - TimeDelta::seconds(60));
        let last = self.app.refresh(&tokens).await.expect(200);
        let left = last["expires_in"].as_i64().expect("seconds");
        assert!((0..=60).contains(&left), "no token outlives it: {left}");
        self.app.userinfo(&last).await.expect(200);

        self.advance(TimeDelta::seconds(60));
        let refused = self.app.refresh(&last).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(refused.json["error"], "invalid_grant");
        assert_eq!(self.app.userinfo(&last).await.status, 401);
        for name in ["access_token", "refresh_token"] {
            let form = [("token", &*text(&last[name]))];
            let status = self.app.call("/oauth/introspect", &form).await;
            assert_eq!(status.expect(200), json!({"active": false}), "{name}");
        }
        assert_eq!(self.session(id).await["state"], "expired");
        id.clone()
    }

    async fn bounds(&self) {
        let hours = |hours: i64| Some(TimeDelta::hours(hours));
        let mut seen = Vec::new();
        for (lasts, seconds) in [(hours(1), 3600), (None, LIMIT), (hours(3), LIMIT)] {
            let id = self.lives(lasts, seconds).await;
            assert!(!seen.contains(&id), "an id of its own for each sign-in");
            seen.push(id);
        }
    }
}

#[tokio::test]
async fn session_lifetime() {
    Scene::start(true).await.bounds().await;
    Scene::start(false).await.bounds().await;
}

/// SECURITY-MODEL G10: nothing that a browser brings or sees before a sign-in names the session after it.
#[tokio::test]
async fn session_fixation() {
    for saml in [true, false] {
        let scene = Scene::start(saml).await;
        let mut browser = UserAgent::new();
        let mut sessions: Vec<String> = Vec::new();
        let mut brought = String::new();
        for _ in 0..3 {
            let hint = format!("login_hint={PERSON}{brought}");
            let asked = browser.get(&scene.app.authorize_url(&hint)).await;
            let page = scene.idp.sign_in(&mut browser, &asked, PERSON, None).await;
            let landed = match saml {
                true => browser.submit(&page, page.form()).await,
                false => page.clone(),
            };
            let tokens = scene.app.redeem(&landed).await.expect(200);
            let id = text(&claims(&tokens["id_token"])["sid"]);
            // The page that the IdP ends with is the last one before it over SAML, and the end itself over OIDC.
            let before = if saml {
                vec![&asked, &page]
            } else {
                vec![&asked]
            };
            for page in before {
                let seen = format!("{} {:?} {}", page.url, page.headers, page.body);
                assert!(!seen.contains(&id), "{seen}");
            }
            assert!(!landed.url.as_str().contains(&id), "{}", landed.url);
            assert!(!sessions.contains(&id), "the same browser, another session");
            // The next sign-in brings what this one got, in the names that it could have.
            let query = ["sid", "session_id", "session", "session_state"];
            brought = query.map(|name| format!("&{name}={id}")).concat();
            sessions.push(id);
        }
        // And each is a session of its own: one that ends takes no other along.
        let api = scene.tenon.api();
        let path = format!("/sessions/{}", sessions[1]);
        assert!(api.delete(&path).await.status.is_success());
        for (number, state) in ["active", "revoked", "active"].into_iter().enumerate() {
            let session = scene.session(&json!(sessions[number])).await;
            assert_eq!(session["state"], state, "{number}");
        }
    }
}

/// SECURITY-MODEL G10: a session that nobody uses ends before its time, and use never moves its end.
#[tokio::test]
async fn an_idle_session_expires_and_one_in_use_lives_to_its_end() {
    const IDLE: i64 = 1800;
    let scene = Scene::start(true).await;
    let path = format!("/applications/{}", scene.app.client_id);
    let set = async |idle: Value| {
        let change = json!({"session_idle_ttl": idle});
        scene.tenon.api().patch(&path, change).await.expect(200)
    };
    let refused = async |tokens: &Value| {
        let refused = scene.app.refresh(tokens).await;
        assert_eq!(refused.json["error"], "invalid_grant", "{}", refused.body);
        assert_eq!(scene.app.userinfo(tokens).await.status, 401);
        for name in ["access_token", "refresh_token"] {
            let form = [("token", &*text(&tokens[name]))];
            let status = scene.app.call("/oauth/introspect", &form).await;
            assert_eq!(status.expect(200), json!({"active": false}), "{name}");
        }
        let id = &claims(&tokens["id_token"])["sid"];
        assert_eq!(scene.session(id).await["state"], "expired");
    };
    assert_eq!(set(json!(IDLE)).await["session_idle_ttl"], IDLE);
    // The clock goes on by itself too: five minutes are room for a busy machine.
    let unused = scene.sign_in().await;
    let mut used = scene.sign_in().await;
    scene.advance(TimeDelta::seconds(IDLE - 300));
    used = scene.app.refresh(&used).await.expect(200);
    scene.advance(TimeDelta::seconds(300));
    refused(&unused).await;
    // 7,200 seconds are its end, of which 1,800 have gone by.
    for _ in 0..3 {
        scene.advance(TimeDelta::seconds(IDLE - 600));
        used = scene.app.refresh(&used).await.expect(200);
        scene.app.userinfo(&used).await.expect(200);
    }
    scene.advance(TimeDelta::seconds(1800 - 300));
    let last = scene.app.refresh(&used).await.expect(200);
    let left = last["expires_in"].as_i64().expect("seconds");
    assert!((0..=300).contains(&left), "{left}");
    scene.advance(TimeDelta::seconds(300));
    refused(&last).await;

    // What was used twice is known after any while, as long as the session lives.
    let first = scene.sign_in().await;
    let mut thief = first.clone();
    for _ in 0..2 {
        scene.advance(TimeDelta::seconds(IDLE - 300));
        thief = scene.app.refresh(&thief).await.expect(200);
    }
    assert_eq!(
        scene.app.refresh(&first).await.json["error"],
        "invalid_grant"
    );
    let id = &claims(&thief["id_token"])["sid"];
    assert_eq!(scene.session(id).await["state"], "revoked");

    // Without the limit a session is back at its end with the next use.
    let freed = scene.sign_in().await;
    assert_eq!(set(Value::Null).await["session_idle_ttl"], Value::Null);
    // Replicas learn of it within a second.
    let freed = scene.app.refresh(&freed).await.expect(200);
    scene.advance(TimeDelta::seconds(IDLE + 60));
    scene.app.refresh(&freed).await.expect(200);
}
