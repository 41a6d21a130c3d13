//! What a login leaves behind for those who have to find out why.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::flows::housekeeping;
use gateway::flows::organizations::{self, NewOrganization};
use gateway::ids::{ConnectionId, LoginId};
use gateway::model::{Cause, Login, LoginOutcome, LoginState, Timestamp};
use gateway::store::login_responses;
use gateway::store::logins::{self, StoredLogin};
use integration::{Api, Idp, InProcess, RelyingParty, Tenon, UserAgent, text};
use serde_json::{Value, json};

use crate::acme;

/// One sign-in over SAML, by its login.
async fn sign_in(tenon: &Tenon, idp: &Idp, app: &RelyingParty) -> (Value, String) {
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let sent = posting.decoded("SAMLResponse");
    app.redeem(&browser.submit(&posting, posting.form()).await)
        .await
        .expect(200);
    let logins = tenon.api().get("/logins?limit=1").await.expect(200);
    (logins["data"][0]["id"].clone(), sent)
}

async fn login(api: &Api, id: &Value, query: &str) -> integration::Answer {
    api.get(&format!("/logins/{}{query}", text(id))).await
}

#[tokio::test]
async fn a_login_that_worked_shows_what_came_at_each_check() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let (id, _) = sign_in(&tenon, &idp, &app).await;
    let login = login(&tenon.api(), &id, "").await.expect(200);
    for check in login["checks"].as_array().expect("checks") {
        assert_eq!(check["status"], "passed", "{check}");
        for text in ["title", "why"] {
            assert!(
                !check[text].as_str().unwrap_or_default().is_empty(),
                "{check}"
            );
        }
        assert!(check["expected"].is_string(), "{check}");
        assert!(check["received"].is_string(), "{check}");
    }
    assert_eq!(login.get("raw_response"), None, "only for who asks for it");
}

#[tokio::test]
async fn what_the_identity_provider_sent_is_kept_for_a_week_for_keys_that_may_write() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let (id, sent) = sign_in(&tenon, &idp, &app).await;
    let api = tenon.api();
    let raw = login(&api, &id, "?include=raw").await.expect(200);
    assert_eq!(raw["raw_response"], *sent);

    let entries = api
        .get("/audit_log?action=login.response_read")
        .await
        .expect(200);
    assert_eq!(entries["data"][0]["target"], id);
    let body = json!({"name": "dashboard", "scopes": ["read"]});
    let key = api.post("/api_keys", body).await.expect(201);
    let reader = api.with_token(&text(&key["key"]));
    let refused = login(&reader, &id, "?include=raw").await;
    assert_eq!(refused.problem(403), "forbidden");
    login(&reader, &id, "").await.expect(200);

    // What nobody asked for is kept as well, while it is small.
    let acs = text(&connection["saml"]["sp"]["acs_url"]);
    for (field, kept) in [("PHgvPg==".to_owned(), true), ("A".repeat(40_000), false)] {
        let fields = vec![("SAMLResponse".to_owned(), field)];
        UserAgent::new().post(&acs, fields).await.tenon_error();
        let logins = api.get("/logins?limit=1&outcome=failed").await.expect(200);
        let id = &logins["data"][0]["id"];
        let raw = login(&api, id, "?include=raw").await.expect(200);
        assert_eq!(raw.get("raw_response").is_some(), kept, "{raw}");
    }
}

#[tokio::test]
async fn a_kept_response_goes_after_seven_days_and_its_trace_after_thirty() {
    let tenon = InProcess::start().await;
    let app = &tenon.app;
    let cause = Cause::system("test");
    let tx = app.store.begin().await.expect("the database answers");
    let new = NewOrganization {
        name: "Acme".to_owned(),
        slug: None,
        external_id: None,
        domains: Vec::new(),
        metadata: BTreeMap::new(),
    };
    let organization = organizations::create(app, &tx, new, &cause)
        .await
        .expect("it is made");
    let scope = app.store.organization_named(organization.id);
    let now = Timestamp(app.clock.now());
    let id = LoginId::generate(&*app.clock, &*app.entropy);
    let stored = StoredLogin {
        login: Login {
            id,
            organization_id: organization.id,
            connection_id: ConnectionId::generate(&*app.clock, &*app.entropy),
            user_id: None,
            email: None,
            outcome: LoginOutcome::Failed,
            code: None,
            ip: String::new(),
            user_agent: String::new(),
            created_at: now,
        },
        state: LoginState::Failed,
        application_id: None,
        request_id: None,
        relay_state: None,
        browser_hash: None,
        sealed: None,
        request: None,
        trace: None,
        response: None,
        expires_at: now,
    };
    logins::insert(&tx, &scope, &stored)
        .await
        .expect("it is inserted");
    let sealed = "sealed".to_owned();
    login_responses::keep(&tx, &scope, id, sealed)
        .await
        .expect("it is kept");
    tx.commit().await.expect("it commits");

    const DAY: Duration = Duration::from_secs(24 * 3600);
    for (days, response, trace) in [(6, true, true), (2, false, true), (23, false, false)] {
        tenon.clock.advance(DAY * days);
        housekeeping::tidy(app).await.expect("it tidies up");
        let db = app.store.read();
        let found = login_responses::find(&db, &scope, id)
            .await
            .expect("an answer");
        assert_eq!(found.is_some(), response);
        let found = logins::find(&db, &scope, id).await.expect("an answer");
        assert_eq!(found.is_some(), trace);
    }
}
