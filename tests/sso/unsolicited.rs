//! A response that nobody asked for, by the three modes of CONTRACT section 5 (SECURITY-MODEL G8).

use gateway::sandbox::idp::{SamlAnswer, Sign};
use integration::{Api, Idp, MetadataHost, Page, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::{Value, json};

use crate::{acme, assert_failed_and_changed_nothing};

const START: &str = "https://app.example/start";

struct Scene {
    tenon: Tenon,
    organization: Value,
    idp: Idp,
    connection: Value,
    app: RelyingParty,
}

impl Scene {
    /// `application` beside name and redirect URI.
    async fn start(mode: &str, application: Value) -> Self {
        let (tenon, organization, idp) = acme().await;
        let settings = json!({"idp_initiated": mode});
        let connection = idp.saml_connection(&tenon, &organization, settings).await;
        assert_eq!(connection["saml"]["idp_initiated"], mode);
        let mut body = json!({"name": "App", "redirect_uris": [RelyingParty::REDIRECT_URI]});
        for (key, value) in application.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let app = RelyingParty::register_with(&tenon, body).await;
        Self {
            tenon,
            organization,
            idp,
            connection,
            app,
        }
    }

    fn response(&self) -> String {
        let practice = self.idp.practice();
        let sp = &self.connection["saml"]["sp"];
        let response = practice.saml_response(&SamlAnswer {
            person: &practice.people()[0],
            audience: &text(&sp["entity_id"]),
            acs_url: &text(&sp["acs_url"]),
            in_response_to: None,
            sign: Sign::Assertion,
            encrypt_for: None,
            context_class: None,
            fault: None,
        });
        response.expect("a response")
    }

    /// The browser posts what the IdP's tile page holds.
    async fn post(&self, browser: &mut UserAgent, response: &str) -> Page {
        let fields = [
            ("SAMLResponse", response),
            ("RelayState", "https://evil.example/"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let acs_url = text(&self.connection["saml"]["sp"]["acs_url"]);
        browser.post(&acs_url, fields.into()).await
    }

    async fn logins(&self, outcome: &str) -> Vec<Value> {
        let api = self.tenon.api();
        let logins = api.get(&format!("/logins?outcome={outcome}")).await;
        let logins = logins.expect(200);
        logins["data"].as_array().expect("a list").clone()
    }
}

#[tokio::test]
async fn restart_sends_the_browser_to_the_application_and_uses_nothing() {
    let scene = Scene::start("restart", json!({"initiate_login_uri": START})).await;
    let landed = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert!(landed.url.as_str().starts_with(START), "{}", landed.url);
    assert_eq!(landed.query("iss"), Some(scene.tenon.url()));
    let of = |value: &Value| Some(text(&value["id"]));
    assert_eq!(landed.query("organization_id"), of(&scene.organization));
    assert_eq!(landed.query("connection_id"), of(&scene.connection));
    assert_eq!(landed.query("code"), None);
    for outcome in ["succeeded", "failed", "pending"] {
        assert_eq!(scene.logins(outcome).await, [] as [Value; 0], "{outcome}");
    }
    // What can't be read is no wish to sign in.
    let landed = scene.post(&mut UserAgent::new(), "bm8gWE1M").await;
    assert_eq!(landed.tenon_error(), "response_malformed");
}

#[tokio::test]
async fn restart_without_a_place_to_start_from_refuses() {
    let scene = Scene::start("restart", json!({})).await;
    let page = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert_eq!(page.tenon_error(), "idp_initiated_forbidden");
    let code = "idp_initiated_forbidden";
    assert_failed_and_changed_nothing(&scene.tenon, &scene.organization, code).await;
}

#[tokio::test]
async fn reject_refuses_whatever_the_application_offers() {
    let scene = Scene::start("reject", json!({"initiate_login_uri": START})).await;
    let page = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert_eq!(page.tenon_error(), "idp_initiated_forbidden");
    let code = "idp_initiated_forbidden";
    assert_failed_and_changed_nothing(&scene.tenon, &scene.organization, code).await;
}

#[tokio::test]
async fn allowed_it_signs_in_once_after_a_page_that_names_the_account() {
    let scene = Scene::start("allow_unsolicited", json!({})).await;
    let response = scene.response();
    let mut browser = UserAgent::new();
    let page = scene.post(&mut browser, &response).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("ada@acme.example"), "{}", page.body);
    assert!(page.body.contains("App"), "{}", page.body);
    assert!(!page.body.contains("evil.example"), "{}", page.body);
    // Nothing is issued before the person has said so, and not to another browser.
    let handle = page.url.to_string();
    assert_eq!(scene.logins("succeeded").await, [] as [Value; 0]);
    let mut stranger = UserAgent::new();
    let form = page.form().fill("decision", "continue");
    let refused = stranger.submit(&page, form.clone()).await;
    assert!(refused.query("code").is_none(), "{}", refused.url);

    let landed = browser.submit(&page, form.clone()).await;
    assert!(
        landed.url.as_str().starts_with(RelyingParty::REDIRECT_URI),
        "{}",
        landed.body
    );
    assert_eq!(landed.query("state"), None);
    let code = landed.query("code").expect("a code");
    let redeemed = scene
        .app
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", RelyingParty::REDIRECT_URI),
        ])
        .await
        .expect(200);
    assert_eq!(claims(&redeemed["id_token"])["email"], "ada@acme.example");
    let audit = scene.tenon.api();
    let audit = audit
        .get("/audit_log?action=login.unsolicited_accepted")
        .await;
    let entries = audit.expect(200);
    let [login] = &scene.logins("succeeded").await[..] else {
        panic!("not one login");
    };
    assert_eq!(entries["data"][0]["target"], login["id"]);
    assert_eq!(entries["data"].as_array().map(Vec::len), Some(1));

    // The page and the response work once.
    let again = browser.submit(&page, form).await;
    assert!(again.query("code").is_none(), "{}", again.url);
    assert!(browser.get(&handle).await.query("code").is_none());
    let replayed = scene.post(&mut browser, &response).await;
    assert_eq!(replayed.tenon_error(), "assertion_replayed");
}

#[tokio::test]
async fn a_key_that_is_new_in_the_metadata_is_read_for_it_too() {
    let (tenon, organization, idp) = acme().await;
    let other = Idp::start(&tenon, &[]).await;
    let certificate = |metadata: &str| {
        let (_, rest) = metadata.split_once("X509Certificate>").expect("one");
        rest.split_once('<').expect("its end").0.to_owned()
    };
    let now = idp.practice().saml_metadata();
    let theirs = certificate(&other.practice().saml_metadata());
    let host = MetadataHost::start(&now.replace(&certificate(&now), &theirs)).await;
    let saml = json!({"metadata_url": host.url(), "idp_initiated": "allow_unsolicited"});
    let body = json!({"name": "IdP", "type": "saml", "saml": saml, "activate": true});
    let connection = tenon.api().connection(&organization, body).await;
    let app = RelyingParty::register(&tenon).await;
    let scene = Scene {
        tenon,
        organization,
        idp,
        connection,
        app,
    };
    host.serve(&now);
    let page = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert!(page.body.contains("ada@acme.example"), "{}", page.body);
}

#[tokio::test]
async fn who_says_that_the_account_is_not_theirs_is_not_signed_in() {
    let scene = Scene::start("allow_unsolicited", json!({})).await;
    let mut browser = UserAgent::new();
    let page = scene.post(&mut browser, &scene.response()).await;
    let refused = browser
        .submit(&page, page.form().fill("decision", "deny"))
        .await;
    assert_eq!(refused.tenon_error(), "idp_initiated_forbidden");
    let code = "idp_initiated_forbidden";
    assert_failed_and_changed_nothing(&scene.tenon, &scene.organization, code).await;
    let again = browser
        .submit(&page, page.form().fill("decision", "continue"))
        .await;
    assert!(again.query("code").is_none(), "{}", again.url);
}

#[tokio::test]
async fn without_a_confidential_application_there_is_nobody_to_give_a_code_to() {
    let public = json!({"type": "public", "token_endpoint_auth_method": "none"});
    let scene = Scene::start("allow_unsolicited", public).await;
    let page = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert_eq!(page.tenon_error(), "idp_initiated_forbidden");
    let code = "idp_initiated_forbidden";
    assert_failed_and_changed_nothing(&scene.tenon, &scene.organization, code).await;
}

#[tokio::test]
async fn with_several_applications_the_connection_names_its_own() {
    let scene = Scene::start("allow_unsolicited", json!({})).await;
    let api: Api = scene.tenon.api();
    let other = json!({"name": "Other", "redirect_uris": ["https://other.example/callback"]});
    let other = api.application(other).await;
    let page = scene.post(&mut UserAgent::new(), &scene.response()).await;
    assert_eq!(page.tenon_error(), "idp_initiated_forbidden");
    let path = format!("/connections/{}", text(&scene.connection["id"]));
    let change = json!({"default_application_id": other["id"]});
    api.patch(&path, change).await.expect(200);
    let mut browser = UserAgent::new();
    let page = scene.post(&mut browser, &scene.response()).await;
    assert!(page.body.contains("Other"), "{}", page.body);
    let landed = browser
        .submit(&page, page.form().fill("decision", "continue"))
        .await;
    assert_eq!(landed.url.host_str(), Some("other.example"));
}
