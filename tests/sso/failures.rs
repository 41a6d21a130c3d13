//! Each flaw that the practice IdP can make ends with its code, and changes nothing.

use gateway::sandbox::idp::Fault;
use integration::{RelyingParty, UserAgent};
use serde_json::json;

use crate::{acme, assert_failed_and_changed_nothing};

#[tokio::test]
async fn each_flaw_of_a_saml_response_has_its_code() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    // A replay needs something to repeat, which would be a sign-in that succeeds: it has a test of its own.
    for fault in Fault::ALL
        .into_iter()
        .filter(|fault| *fault != Fault::Replay)
    {
        if fault.saml_codes().is_empty() {
            continue;
        }
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", Some(fault))
            .await;
        let page = browser.submit(&posting, posting.form()).await;
        let code = page.tenon_error();
        assert!(
            fault.saml_codes().contains(&code),
            "{fault:?} ended with {code}"
        );
        assert_failed_and_changed_nothing(&tenon, &organization, code).await;
    }
}

#[tokio::test]
async fn each_flaw_of_an_oidc_answer_has_its_code() {
    let (tenon, organization, idp) = acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    for fault in Fault::ALL
        .into_iter()
        .filter(|fault| *fault != Fault::Replay)
    {
        if fault.oidc_codes().is_empty() {
            continue;
        }
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let page = idp
            .sign_in(&mut browser, &page, "ada@acme.example", Some(fault))
            .await;
        // A person's own refusal goes to the application (CONTRACT section 4).
        if let Some(error) = page.query("error") {
            assert_eq!(error, "access_denied");
            let description = page.query("error_description").unwrap_or_default();
            let told = fault
                .oidc_codes()
                .iter()
                .any(|code| description.contains(code));
            assert!(told, "{fault:?} ended with {description}");
            continue;
        }
        let code = page.tenon_error();
        assert!(
            fault.oidc_codes().contains(&code),
            "{fault:?} ended with {code}"
        );
        assert_failed_and_changed_nothing(&tenon, &organization, code).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_not_active_signs_nobody_in() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;

    let id = integration::text(&connection["id"]);
    tenon
        .api()
        .post(&format!("/connections/{id}/deactivate"), json!({}))
        .await
        .expect(200);
    let page = browser.submit(&posting, posting.form()).await;
    assert_eq!(page.tenon_error(), "connection_inactive");
    assert_failed_and_changed_nothing(&tenon, &organization, "connection_inactive").await;
}

#[tokio::test]
async fn a_stranger_gets_no_account_where_none_is_made() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let id = integration::text(&connection["id"]);
    let changed = tenon
        .api()
        .patch(
            &format!("/connections/{id}"),
            json!({"jit_provisioning": false}),
        )
        .await;
    changed.expect(200);
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let page = browser.submit(&posting, posting.form()).await;
    assert_eq!(page.tenon_error(), "user_not_provisioned");
    assert_failed_and_changed_nothing(&tenon, &organization, "user_not_provisioned").await;
}
