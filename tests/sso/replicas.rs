//! Two replicas on one database, and everything at once: what is accepted once is accepted once in all
//! (SECURITY-MODEL G7, G17). SQLite has one process, which then gets both requests.

use std::time::{Duration, Instant};

use gateway::sandbox::idp::{AuthnRequest, SamlAnswer, Sign};
use integration::{Answer, Api, Idp, RelyingParty, Tenon, claims, text};
use reqwest::{Method, header};
use serde_json::{Value, json};
use url::Url;

/// How often both are asked at once about one code; half as often about one response.
const ROUNDS: usize = 20;

struct Scene {
    tenon: Tenon,
    other: Option<Tenon>,
    organization: Value,
    idp: Idp,
    app: RelyingParty,
}

/// What the IdP's page posts, and the browser's cookie.
struct Posting {
    path: String,
    form: [(&'static str, String); 2],
    cookie: String,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(&["ada@acme.example"]).await
    }

    async fn start_with(people: &[&str]) -> Self {
        let tenon = Tenon::start().await;
        let organization = tenon.api().organization("Acme", &["acme.example"]).await;
        let idp = Idp::start(&tenon, people).await;
        let other = tenon.replica().await;
        let made = idp.saml_connection(&tenon, &organization, json!({})).await;
        let any = json!({"email_domain_policy": "any"});
        let path = format!("/connections/{}", text(&made["id"]));
        tenon.api().patch(&path, any).await.expect(200);
        let app = RelyingParty::register(&tenon).await;
        let scene = Self {
            tenon,
            other,
            organization,
            idp,
            app,
        };
        // The other one learns of connections within a second.
        let [_, other] = scene.replicas();
        let begin = scene.begin_path();
        while other.get(&begin).await.status.as_u16() != 303 {
            tokio::task::yield_now().await;
        }
        scene
    }

    fn replicas(&self) -> [Api; 2] {
        let other = self.other.as_ref().unwrap_or(&self.tenon);
        [&self.tenon, other].map(|replica| Api::at(replica.url(), None))
    }

    fn begin_path(&self) -> String {
        let url = self.app.authorize_url("login_hint=ada@acme.example");
        self.path_of(&url)
    }

    /// Of an address of the gateway, whichever replica is asked.
    fn path_of(&self, url: &str) -> String {
        let path = url.strip_prefix(&self.tenon.url());
        path.unwrap_or_else(|| panic!("{url} is not the gateway's"))
            .to_owned()
    }

    async fn answered(&self) -> Posting {
        self.answered_for(0).await
    }

    /// The person of this number signs in.
    async fn answered_for(&self, person: usize) -> Posting {
        let [first, _] = self.replicas();
        let begun = first.get(&self.begin_path()).await;
        let cookie = begun.header("set-cookie").split(';').next();
        let sent = Url::parse(begun.header("location")).expect("the IdP's address");
        let request = AuthnRequest::from_redirect(&query(&sent, "SAMLRequest"));
        let request = request.expect("a readable AuthnRequest");
        let practice = self.idp.practice();
        let response = practice.saml_response(&SamlAnswer {
            person: &practice.people()[person],
            audience: &request.issuer,
            acs_url: &request.acs_url,
            in_response_to: Some(&request.id),
            context_class: None,
            sign: Sign::Assertion,
            encrypt_for: None,
            fault: None,
        });
        Posting {
            path: self.path_of(&request.acs_url),
            form: [
                ("SAMLResponse", response.expect("a response")),
                ("RelayState", query(&sent, "RelayState")),
            ],
            cookie: cookie.expect("a cookie").to_owned(),
        }
    }

    /// The continue step, and the code that it ends with.
    async fn code(&self, replica: &Api, answer: &Answer, cookie: &str) -> String {
        let path = answer.header("location");
        assert!(path.contains("/login/continue/"), "{path}");
        let path = path.strip_prefix(&self.tenon.url()).unwrap_or(path);
        let request = replica.request(Method::GET, path);
        let landed = Api::answer(request.header(header::COOKIE, cookie)).await;
        let landed = landed.header("location");
        query(&Url::parse(landed).expect("the application"), "code")
    }

    async fn redeem(&self, replica: &Api, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", RelyingParty::REDIRECT_URI),
            ("code_verifier", RelyingParty::CODE_VERIFIER),
        ];
        self.call(replica, "/oauth/token", &form).await
    }

    /// As the application.
    async fn call(&self, replica: &Api, path: &str, form: &[(&str, &str)]) -> Answer {
        let secret = self.app.client_secret.as_deref();
        let request = replica.request(Method::POST, path);
        let request = request.basic_auth(&self.app.client_id, secret);
        Api::answer(request.form(form)).await
    }

    /// Nothing that these tokens open is open, whichever replica is asked.
    async fn assert_dead(&self, tokens: &Value) {
        let (access, refresh) = (
            text(&tokens["access_token"]),
            text(&tokens["refresh_token"]),
        );
        for replica in self.replicas() {
            let grant = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
            ];
            let refused = self.call(&replica, "/oauth/token", &grant).await;
            assert_eq!(refused.status, 400, "{}", refused.body);
            assert_eq!(refused.json["error"], "invalid_grant");
            for token in [&access, &refresh] {
                let form = [("token", token.as_str())];
                let status = self.call(&replica, "/oauth/introspect", &form).await;
                assert_eq!(status.expect(200), json!({"active": false}));
            }
            let userinfo = replica.with_token(&access).get("/oauth/userinfo").await;
            assert_eq!(userinfo.status, 401, "{}", userinfo.body);
        }
        let sid = &claims(&tokens["id_token"])["sid"];
        let sessions = self.tenon.api().get("/sessions?limit=100").await;
        let sessions = sessions.expect(200);
        let mut sessions = sessions["data"].as_array().expect("a list").iter();
        let session = sessions.find(|session| session["id"] == *sid);
        assert_eq!(session.expect("it is listed")["state"], "revoked");
    }
}

async fn post(replica: &Api, posting: &Posting) -> Answer {
    let request = replica.request(Method::POST, &posting.path);
    Api::answer(request.form(&posting.form)).await
}

fn query(url: &Url, name: &str) -> String {
    let value = url.query_pairs().find(|(key, _)| key == name);
    let (_, value) = value.unwrap_or_else(|| panic!("no {name} in {url}"));
    value.into_owned()
}

#[tokio::test]
async fn one_response_posted_to_two_replicas_at_once_signs_in_once() {
    let scene = Scene::start().await;
    let [first, second] = scene.replicas();
    for _ in 0..ROUNDS / 2 {
        let posting = scene.answered().await;
        let both = tokio::join!(post(&first, &posting), post(&second, &posting));
        let (accepted, refused): (Vec<_>, Vec<_>) = [both.0, both.1]
            .into_iter()
            .partition(|answer| answer.status.as_u16() == 303);
        assert_eq!(accepted.len(), 1, "{refused:?}");
        assert_eq!(refused[0].header("tenon-error"), "assertion_replayed");
        // Any replica takes the next step.
        let code = scene.code(&second, &accepted[0], &posting.cookie).await;
        let tokens = scene.redeem(&first, &code).await.expect(200);
        assert_eq!(scene.app.userinfo(&tokens).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn a_code_redeemed_on_two_replicas_at_once_gives_tokens_once_and_they_end() {
    let scene = Scene::start().await;
    let [first, second] = scene.replicas();
    for _ in 0..ROUNDS {
        let posting = scene.answered().await;
        let answer = post(&first, &posting).await;
        let code = scene.code(&second, &answer, &posting.cookie).await;
        let both = tokio::join!(scene.redeem(&first, &code), scene.redeem(&second, &code));
        let (granted, refused): (Vec<_>, Vec<_>) = [both.0, both.1]
            .into_iter()
            .partition(|answer| answer.status.as_u16() == 200);
        assert_eq!(granted.len(), 1, "{refused:?}");
        assert_eq!(text(&refused[0].json["error"]), "invalid_grant");
        // One of the two who held the code is a thief.
        scene.assert_dead(&granted[0].json).await;
    }
}

/// SECURITY-MODEL G22: what a deletion ends is over at every replica within a second.
#[tokio::test]
async fn revocation_tree() {
    for deleted in ["connection", "organization", "application"] {
        let scene = Scene::start().await;
        let [first, second] = scene.replicas();
        let posting = scene.answered().await;
        let answer = post(&first, &posting).await;
        let code = scene.code(&second, &answer, &posting.cookie).await;
        let tokens = scene.redeem(&second, &code).await.expect(200);
        let posting = scene.answered().await;
        let answer = post(&first, &posting).await;
        let unused = scene.code(&second, &answer, &posting.cookie).await;
        let access = text(&tokens["access_token"]);
        let userinfo = async || {
            let answer = second.with_token(&access).get("/oauth/userinfo").await;
            answer.status.as_u16()
        };
        let introspect = async |name: &str| {
            let form = [("token", &*text(&tokens[name]))];
            scene.call(&second, "/oauth/introspect", &form).await
        };
        assert_eq!(userinfo().await, 200);
        assert_eq!(introspect("access_token").await.json["active"], true);

        let said = claims(&tokens["id_token"]);
        let path = match deleted {
            "connection" => format!("/connections/{}", text(&said["connection_id"])),
            "organization" => format!("/organizations/{}", text(&said["org_id"])),
            _ => format!("/applications/{}", scene.app.client_id),
        };
        let gone = scene.tenon.api().delete(&path).await;
        assert!(gone.status.is_success(), "{deleted}: {}", gone.body);
        let deadline = Instant::now() + Duration::from_secs(1);
        while userinfo().await != 401 {
            assert!(
                Instant::now() < deadline,
                "{deleted}: userinfo still answers"
            );
        }
        // Whether the other replica still knows the application, or refuses it as a stranger.
        let stranger = |answer: &Answer| deleted == "application" && answer.status == 401;
        for name in ["access_token", "refresh_token"] {
            let mut status = introspect(name).await;
            while status.json["active"] == true {
                assert!(Instant::now() < deadline, "{deleted}: {name} still works");
                status = introspect(name).await;
            }
            if !stranger(&status) {
                assert_eq!(status.expect(200), json!({"active": false}), "{deleted}");
            }
        }
        let grant = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*text(&tokens["refresh_token"])),
        ];
        for answer in [
            scene.call(&second, "/oauth/token", &grant).await,
            scene.redeem(&second, &unused).await,
        ] {
            if !stranger(&answer) {
                assert_eq!(answer.status, 400, "{deleted}: {}", answer.body);
                assert_eq!(answer.json["error"], "invalid_grant", "{deleted}");
            }
        }
    }
}

/// SECURITY-MODEL G12: a sign-in that ends beside a deactivation leaves nothing that opens anything.
#[tokio::test]
async fn a_deactivation_beside_the_end_of_a_sign_in_leaves_no_survivor() {
    const TURNS: u64 = 60;
    let scene = Scene::start().await;
    let api = scene.tenon.api();
    let directory = api.directory(&scene.organization, "Okta").await;
    let scim = Api::scim(&directory);
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example",
        "emails": [{"value": "ada@acme.example", "primary": true}],
    });
    let made = scim.post("/Users", person).await.expect(201);
    let path = format!("/Users/{}", text(&made["id"]));
    let set_active = async |active: bool| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "value": {"active": active}}],
        });
        scim.patch(&path, body).await.expect(200);
    };
    let [first, second] = scene.replicas();
    let mut codes = 0;
    for turn in 0..TURNS {
        let posting = scene.answered().await;
        let answer = post(&first, &posting).await;
        let next = answer.header("location");
        let next = next.strip_prefix(&scene.tenon.url()).unwrap_or(next);
        assert!(next.starts_with("/login/continue/"), "{next}");
        let pause = |steps: u64| tokio::time::sleep(Duration::from_millis(2 * steps));
        // Each lead of the one and of the other, up to what either takes.
        let (early, late) = (turn % 8, (turn / 8) % 8);
        let sign_in = async {
            pause(early).await;
            let request = second.request(Method::GET, next);
            Api::answer(request.header(header::COOKIE, &posting.cookie)).await
        };
        let deactivation = async {
            pause(late).await;
            set_active(false).await;
        };
        let (landed, ()) = tokio::join!(sign_in, deactivation);
        let code = match landed.status.as_u16() {
            303 => {
                let landed = Url::parse(landed.header("location")).expect("the application");
                Some(query(&landed, "code"))
            }
            _ => {
                assert_eq!(landed.header("tenon-error"), "user_deactivated");
                None
            }
        };
        if turn % 2 == 0 {
            set_active(true).await;
        }
        if let Some(code) = code {
            codes += 1;
            let refused = scene.redeem(&first, &code).await;
            assert_eq!(refused.status, 400, "{}", refused.body);
            assert_eq!(refused.json["error"], "invalid_grant");
        }
        let sessions = api.get("/sessions?limit=100").await.expect(200);
        let sessions = sessions["data"].as_array().expect("a list");
        let open = sessions
            .iter()
            .filter(|session| session["state"] == "active");
        assert_eq!(open.count(), 0, "turn {turn}");
        if turn % 2 == 1 {
            set_active(true).await;
        }
    }
    assert!((1..TURNS).contains(&codes), "it was a race: {codes}");
}

#[tokio::test]
async fn a_person_whose_first_sign_ins_end_at_once_is_one_user() {
    // Outside the verified domains: nothing but the identity says that the two are one person.
    let people: Vec<String> = (0..ROUNDS)
        .map(|n| format!("p{n}@elsewhere.example"))
        .collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let scene = Scene::start_with(&people).await;
    let [first, second] = scene.replicas();
    for person in 0..ROUNDS {
        let (one, other) = (
            scene.answered_for(person).await,
            scene.answered_for(person).await,
        );
        let (answered, also) = (post(&first, &one).await, post(&second, &other).await);
        tokio::join!(
            scene.code(&first, &answered, &one.cookie),
            scene.code(&second, &also, &other.cookie),
        );
    }
    let path = format!("/organizations/{}/users", text(&scene.organization["id"]));
    let users = scene.tenon.api().get(&path).await.expect(200);
    assert_eq!(users["data"].as_array().expect("users").len(), ROUNDS);
}
