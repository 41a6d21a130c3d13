use gateway::sandbox::idp::{Behaviour, Sign};
use integration::{Idp, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::json;

use crate::acme;

#[tokio::test]
async fn a_person_types_an_email_signs_in_over_saml_and_lands_in_the_application() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();

    let page = browser.get(&app.authorize_url("")).await;
    assert_eq!(page.status, 200);
    let page = browser
        .submit(&page, page.form().fill("email", "Ada@ACME.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let landed = browser.submit(&posting, posting.form()).await;

    let tokens = app.redeem(&landed).await.expect(200);
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["iss"], tenon.url());
    assert_eq!(claims["aud"], *app.client_id);
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!(claims["email"], "ada@acme.example");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["org_id"], organization["id"]);
    assert_eq!(claims["org_name"], "Acme");
    assert_eq!(claims["connection_id"], connection["id"]);
    assert_eq!(claims["connection_type"], "saml");
    assert!(
        claims["sub"]
            .as_str()
            .is_some_and(|id| id.starts_with("usr_")),
        "{claims}"
    );
    assert!(
        claims["sid"]
            .as_str()
            .is_some_and(|id| id.starts_with("ses_")),
        "{claims}"
    );

    let userinfo = app.userinfo(&tokens).await.expect(200);
    assert_eq!(userinfo["sub"], claims["sub"]);
    assert_eq!(userinfo["email"], "ada@acme.example");

    let api = tenon.api();
    let id = text(&organization["id"]);
    let logins = api
        .get(&format!("/logins?organization_id={id}"))
        .await
        .expect(200);
    assert_eq!(logins["data"][0]["outcome"], "succeeded", "{logins}");
    let events = api
        .get(&format!("/events?organization_id={id}"))
        .await
        .expect(200);
    let types: Vec<_> = events["data"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| text(&event["type"]))
        .collect();
    for expected in ["user.created", "session.created", "login.succeeded"] {
        assert!(
            types.iter().any(|kind| kind == expected),
            "no {expected} in {types:?}"
        );
    }
}

#[tokio::test]
async fn the_same_person_is_the_same_user_the_second_time() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;

    let mut subjects = Vec::new();
    for _ in 0..2 {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        let landed = browser.submit(&posting, posting.form()).await;
        let tokens = app.redeem(&landed).await.expect(200);
        subjects.push(claims(&tokens["id_token"])["sub"].clone());
    }
    assert_eq!(subjects[0], subjects[1]);
}

#[tokio::test]
async fn whatever_the_idp_signs_and_encrypts_is_accepted() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    for encrypt in [false, true] {
        for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
            idp.practice().set_behaviour(Behaviour {
                fault: None,
                sign,
                encrypt,
            });
            let mut browser = UserAgent::new();
            let page = browser
                .get(&app.authorize_url("login_hint=ada@acme.example"))
                .await;
            let posting = idp
                .sign_in(&mut browser, &page, "ada@acme.example", None)
                .await;
            let landed = browser.submit(&posting, posting.form()).await;
            app.redeem(&landed).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_response_is_accepted_only_once() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    app.code(&browser.submit(&posting, posting.form()).await);

    let again = browser.submit(&posting, posting.form()).await;
    let code = again.tenon_error();
    assert!(
        matches!(
            code,
            "assertion_replayed" | "in_response_to_mismatch" | "login_expired"
        ),
        "{code}"
    );
}

/// Login CSRF: the attacker's own response in the victim's browser (SECURITY-MODEL G7).
#[tokio::test]
async fn only_the_browser_that_started_a_login_can_end_it() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut attacker = UserAgent::new();
    let page = attacker
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut attacker, &page, "ada@acme.example", None)
        .await;

    let mut victim = UserAgent::new();
    let page = victim.submit(&posting, posting.form()).await;
    assert_eq!(page.tenon_error(), "browser_mismatch");
    crate::assert_failed_and_changed_nothing(&tenon, &organization, "browser_mismatch").await;
}

#[tokio::test]
async fn a_connection_can_insist_on_what_is_signed_and_encrypted() {
    for (settings, code) in [
        (
            json!({"require_signed_response": true}),
            "signature_missing",
        ),
        (
            json!({"want_encrypted_assertions": true}),
            "encryption_required",
        ),
    ] {
        let (tenon, organization, idp) = acme().await;
        idp.saml_connection(&tenon, &organization, settings).await;
        let app = RelyingParty::register(&tenon).await;
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        let page = browser.submit(&posting, posting.form()).await;
        assert_eq!(page.tenon_error(), code);
        crate::assert_failed_and_changed_nothing(&tenon, &organization, code).await;
    }
}

/// A response for one connection, posted to another's ACS, is nobody's.
#[tokio::test]
async fn one_organizations_idp_signs_nobody_in_at_another() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let globex = api.organization("Globex", &["globex.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example", "gina@globex.example"]).await;
    let evil = Idp::start(&tenon, &["gina@globex.example"]).await;
    let at_acme = evil.saml_connection(&tenon, &acme, json!({})).await;
    let at_globex = idp.saml_connection(&tenon, &globex, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();

    // Acme's IdP claims an address of Globex.
    let page = browser
        .get(&app.authorize_url(&format!("connection_id={}", text(&at_acme["id"]))))
        .await;
    let posting = evil
        .sign_in(&mut browser, &page, "gina@globex.example", None)
        .await;
    let refused = browser.submit(&posting, posting.form()).await;
    assert_eq!(refused.tenon_error(), "email_domain_not_allowed");

    // Its response goes to the ACS of Globex' connection.
    let page = browser
        .get(&app.authorize_url(&format!("connection_id={}", text(&at_acme["id"]))))
        .await;
    let posting = evil
        .sign_in(&mut browser, &page, "gina@globex.example", None)
        .await;
    let mut form = posting.form();
    form.action = text(&at_globex["saml"]["sp"]["acs_url"])
        .parse()
        .expect("a URL");
    let refused = browser.submit(&posting, form).await;
    assert!((400..500).contains(&refused.status));
    assert_ne!(refused.header("tenon-error"), "");
    for organization in [&acme, &globex] {
        let path = format!("/organizations/{}/users", text(&organization["id"]));
        assert_eq!(api.get(&path).await.expect(200)["data"], json!([]));
    }
}
