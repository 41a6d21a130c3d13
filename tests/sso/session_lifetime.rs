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
