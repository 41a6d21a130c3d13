use gateway::sandbox::idp::{AuthorizeRequest, Fault};
use gateway::sandbox::people::Person;
use integration::{Api, Idp, Page, RelyingParty, Tenon, UserAgent, claims, text};
use reqwest::{Method, header};
use serde_json::{Value, json};
use url::Url;

use crate::acme;

#[tokio::test]
async fn a_person_types_an_email_signs_in_over_oidc_and_lands_in_the_application() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();

    let page = browser.get(&app.authorize_url("")).await;
    let page = browser
        .submit(&page, page.form().fill("email", "ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;

    let tokens = app.redeem(&landed).await.expect(200);
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["email"], "ada@acme.example");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["org_id"], organization["id"]);
    assert_eq!(claims["connection_id"], connection["id"]);
    assert_eq!(claims["connection_type"], "oidc");
}

#[tokio::test]
async fn a_callback_works_once_and_only_in_the_browser_that_started_it() {
    let (tenon, organization, idp) = acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let callback = callback(&idp, &page);

    let mut victim = UserAgent::new();
    assert_eq!(
        victim.get(&callback).await.tenon_error(),
        "browser_mismatch"
    );
    let page = browser.get(&callback).await;
    let code = page.tenon_error();
    assert!(matches!(code, "state_mismatch" | "login_expired"), "{code}");
}

/// What is taken back while the browser is between the callback and the continue step.
#[tokio::test]
async fn a_connection_or_a_domain_that_goes_meanwhile_signs_nobody_in() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let (api, app) = (tenon.api(), RelyingParty::register(&tenon).await);
    let path = format!("/connections/{}", text(&connection["id"]));
    let domain = format!(
        "/organizations/{}/domains/{}",
        text(&organization["id"]),
        text(&organization["domains"][0]["id"])
    );
    for code in ["connection_inactive", "email_domain_not_allowed"] {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let callback = callback(&idp, &page);
        let verified = Api::at(String::new(), None).get(&callback).await;
        let onward = verified.header("location").to_owned();
        assert!(onward.contains("/login/continue/"), "{onward}");
        if code == "connection_inactive" {
            let off = format!("{path}/deactivate");
            api.post(&off, json!({})).await.expect(200);
        } else {
            api.delete(&domain).await.expect(204);
        }
        let page = browser.get(&format!("{}{onward}", tenon.url())).await;
        assert_eq!(page.tenon_error(), code);
        crate::assert_failed_and_changed_nothing(&tenon, &organization, code).await;
        if code == "connection_inactive" {
            let on = format!("{path}/activate");
            api.post(&on, json!({})).await.expect(200);
        }
    }
}

/// Where the practice IdP would send the browser that stands at this page of its, once a person was picked.
fn callback(idp: &Idp, page: &Page) -> String {
    let form = page.form();
    let person = &idp.practice().people()[0];
    let request = asked(|name| form.value(name).to_owned());
    idp.practice()
        .authorize(&request, person, None)
        .expect("an answer")
}

/// What the provider was asked for.
fn asked(of: impl Fn(&str) -> String) -> AuthorizeRequest {
    AuthorizeRequest {
        client_id: of("client_id"),
        redirect_uri: of("redirect_uri"),
        state: of("state"),
        nonce: Some(of("nonce")),
        scope: of("scope"),
        code_challenge: Some(of("code_challenge")),
        acr_values: String::new(),
    }
}

/// OIDC Core 3.1.2.6: what an application does next depends on the word.
#[tokio::test]
async fn with_prompt_none_the_application_hears_why() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let url = app.authorize_url("login_hint=ada@acme.example&prompt=none");
    let nobody = Api::at(String::new(), None);
    for (said, told) in [
        ("interaction_required", "interaction_required"),
        ("consent_required", "consent_required"),
        ("account_selection_required", "account_selection_required"),
        ("login_required", "login_required"),
        ("access_denied", "access_denied"),
        ("server_error", "login_required"),
    ] {
        let begun = nobody.get(&url).await;
        let sent = Url::parse(begun.header("location")).expect("the provider's address");
        let of = |name: &str| {
            let mut pairs = sent.query_pairs();
            let found = pairs.find(|(key, _)| key == name);
            found.expect("a parameter").1.into_owned()
        };
        assert_eq!(of("prompt"), "none");
        let back = idp.practice().authorize_error(&asked(of), said, "");
        let page = UserAgent::new().get(&back.expect("an answer")).await;
        assert_eq!(page.query("error").as_deref(), Some(told), "{said}");
        assert_eq!(page.query("state").as_deref(), Some("the-state"));
    }

    // A person whom the provider signs in, and who may not enter.
    let path = format!("/connections/{}", text(&connection["id"]));
    let closed = json!({"jit_provisioning": false});
    tenon.api().patch(&path, closed).await.expect(200);
    let begun = nobody.get(&url).await;
    let cookie = begun.header("set-cookie").split(';').next();
    let cookie = cookie.expect("a cookie").to_owned();
    let sent = Url::parse(begun.header("location")).expect("the provider's address");
    let of = |name: &str| {
        let mut pairs = sent.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.expect("a parameter").1.into_owned()
    };
    let person = &idp.practice().people()[0];
    let back = idp.practice().authorize(&asked(of), person, None);
    let verified = nobody.get(&back.expect("an answer")).await;
    let onward = format!("{}{}", tenon.url(), verified.header("location"));
    let request = nobody.request(Method::GET, &onward);
    let landed = Api::answer(request.header(header::COOKIE, cookie)).await;
    let landed = landed.header("location");
    assert!(landed.contains("error=access_denied"), "{landed}");
}

#[tokio::test]
async fn a_callback_that_says_something_twice_answers_no_sign_in() {
    let (tenon, organization, idp) = acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let callback = callback(&idp, &page);
    let url = Url::parse(&callback).expect("a URL");
    for name in ["code", "state", "iss"] {
        let mut pairs = url.query_pairs();
        let value = pairs.find(|(key, _)| key == name).expect("a parameter").1;
        for other in [&*value, "another"] {
            let page = browser.get(&format!("{callback}&{name}={other}")).await;
            assert_eq!(page.tenon_error(), "state_mismatch", "{name}");
        }
    }
    let landed = browser.get(&callback).await;
    app.redeem(&landed).await.expect(200);
}

#[tokio::test]
async fn a_secret_that_changes_on_one_side_first_locks_nobody_out() {
    let (tenon, organization, idp) = acme().await;
    let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let (api, app) = (tenon.api(), RelyingParty::register(&tenon).await);
    // Not known at the provider yet.
    let ahead = json!({"oidc": {"client_secret": "tomorrow's"}});
    let path = format!("/connections/{}", text(&made["id"]));
    api.patch(&path, ahead).await.expect(200);
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    app.redeem(&landed).await.expect(200);

    let logins = api.get("/logins").await.expect(200);
    let login = format!("/logins/{}", text(&logins["data"][0]["id"]));
    let trace = api.get(&login).await.expect(200)["checks"].clone();
    let checks = trace.as_array().expect("a trace").iter();
    let warned: Vec<_> = checks
        .filter(|check| check["status"] == "warning")
        .collect();
    assert_eq!(warned.len(), 1, "{trace}");
    assert_eq!(warned[0]["check"], "token_exchange");
    assert_eq!(warned[0]["code"], "client_secret_refused");
}

#[tokio::test]
async fn the_keys_of_private_key_jwt_are_published_and_rotate_with_overlap() {
    let (tenon, organization, idp) = acme().await;
    let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
    assert!(made["oidc"]["jwks_uri"].is_null(), "{made}");
    let (api, path) = (tenon.api(), format!("/connections/{}", text(&made["id"])));
    let by_key = json!({"oidc": {"token_endpoint_auth_method": "private_key_jwt"}});
    let connection = api.patch(&path, by_key).await.expect(200);
    let url = text(&connection["oidc"]["jwks_uri"]);
    let published = async || -> Vec<String> {
        let page = UserAgent::new().get(&url).await;
        let set: Value = serde_json::from_str(&page.body).expect("a JWK Set");
        let keys = set["keys"].as_array().expect("keys").iter();
        keys.map(|key| {
            assert!(key["n"].is_string() && key.get("d").is_none(), "{key}");
            text(&key["kid"])
        })
        .collect()
    };
    let first = published().await;
    assert_eq!(first.len(), 1);

    let rotate = format!("{path}/rotate_keys");
    api.post(&rotate, json!({})).await.expect(200);
    let announced = published().await;
    assert_eq!((announced.len(), &announced[0]), (2, &first[0]));
    let now = json!({"activate_now": true});
    api.post(&rotate, now).await.expect(200);
    let switched = published().await;
    assert_eq!(switched, [announced[1].clone(), first[0].clone()]);

    let nobody = UserAgent::new()
        .get(&url.replace("/oidc/conn_", "/oidc/conn_0"))
        .await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_callback_that_nobody_asked_for_is_refused() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.oidc_connection(&tenon, &organization, json!({})).await;
    let callback = text(&connection["oidc"]["redirect_uri"]);
    let mut browser = UserAgent::new();
    for query in [
        "",
        "?code=x",
        "?code=x&state=y",
        "?state=y",
        "?error=access_denied&state=y",
        "?code=x&state=y&state=y",
        "?code=x&code=y&state=y",
        "?code=x&state=%ff%fe",
    ] {
        let page = browser.get(&format!("{callback}{query}")).await;
        assert_eq!(page.tenon_error(), "state_mismatch", "{query}");
    }
}

#[tokio::test]
async fn where_a_provider_signs_for_everybody_it_must_be_saved_whose_people_are_meant() {
    let (tenon, organization, idp) = acme().await;
    let path = format!("/organizations/{}/connections", text(&organization["id"]));
    let settings = |tenant: Value| {
        json!({
            "name": "Google", "provider": "google", "type": "oidc", "activate": true,
            "oidc": {
                "issuer": idp.practice().oidc_issuer(),
                "client_id": "tenon",
                "client_secret": "throw-away",
                "tenant": tenant,
            },
        })
    };
    let api = tenon.api();
    for tenant in [Value::Null, json!("")] {
        let refused = api.post(&path, settings(tenant)).await;
        assert_eq!(refused.json["errors"][0]["field"], "oidc.tenant");
        refused.problem(400);
    }
    let mut draft = settings(Value::Null);
    draft["activate"] = json!(false);
    let draft = api.post(&path, draft).await.expect(201);
    let activate = format!("/connections/{}/activate", text(&draft["id"]));
    api.post(&activate, json!({})).await.problem(400);
    api.post(&path, settings(json!("acme.example")))
        .await
        .expect(201);
}

#[tokio::test]
async fn groups_that_the_provider_left_out_are_not_lost() {
    let tenon = Tenon::start().await;
    let (api, app) = (tenon.api(), RelyingParty::register(&tenon).await);
    let organization = api.organization("Acme", &["acme.example"]).await;
    let mut ada = Person::with_email("ada@acme.example");
    ada.groups = vec!["Engineering".to_owned(), "Support".to_owned()];
    let idp = Idp::start_with(&tenon, vec![ada]).await;
    let scopes = json!({"scopes": ["openid", "email", "profile", "groups"]});
    let connection = idp.oidc_connection(&tenon, &organization, scopes).await;
    let admin = json!({"name": "Admin", "priority": 1});
    api.put("/roles/admin", admin).await.expect(200);
    let mapping = json!({"mappings": [{"group": "Engineering", "role": "admin"}]});
    let path = format!("/connections/{}/role_mappings", text(&connection["id"]));
    api.put(&path, mapping).await.expect(200);

    let sign_in = async |fault| {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let landed = idp
            .sign_in(&mut browser, &page, "ada@acme.example", fault)
            .await;
        claims(&app.redeem(&landed).await.expect(200)["id_token"])
    };
    // Nothing is known before the first answer that has them.
    let unknown = sign_in(Some(Fault::TooManyGroups)).await;
    assert_eq!(unknown["roles"], json!([]));
    for fault in [None, Some(Fault::TooManyGroups), None] {
        let claims = sign_in(fault).await;
        assert_eq!(claims["roles"], json!(["admin"]), "{fault:?}");
        assert_eq!(claims["groups"], json!(["Engineering", "Support"]));
    }
    let logins = api.get("/logins?limit=2").await.expect(200);
    let login = format!("/logins/{}", text(&logins["data"][1]["id"]));
    let trace = api.get(&login).await.expect(200)["checks"].to_string();
    assert!(trace.contains("groups_truncated"), "{trace}");
}
