//! What the application asks for, as the identity provider hears it (SAML Core 3.4.1).

use integration::{RelyingParty, UserAgent};
use serde_json::json;

use crate::acme;

const HINT: &str = "login_hint=ada@acme.example";

#[tokio::test]
async fn a_posted_request_is_signed_and_needs_no_script() {
    let (tenon, organization, idp) = acme().await;
    let settings = json!({
        "sso_binding": "post",
        "sign_requests": true,
        "send_login_hint": true,
        "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    });
    let made = idp.saml_connection(&tenon, &organization, settings).await;
    assert_eq!(made["saml"]["send_login_hint"], true);
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let more = format!("{HINT}&acr_values=urn:a%20urn:b");
    let page = browser.get(&app.authorize_url(&more)).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    // The script that submits it is a file of ours; nothing inline runs, not even with a nonce.
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert!(page.body.contains("<script src="), "{}", page.body);
    assert!(page.body.contains("<button"), "{}", page.body);
    let form = page.form();
    assert_eq!(form.action.as_str(), idp.practice().saml_sso_url());
    assert!(form.post && !form.value("RelayState").is_empty());

    let request = page.decoded("SAMLRequest");
    for part in [
        "<ds:Signature ",
        ">ada@acme.example</saml:NameID></saml:Subject>",
        "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"",
        "<saml:AuthnContextClassRef>urn:b</saml:AuthnContextClassRef>",
    ] {
        assert!(request.contains(part), "no {part} in {request}");
    }
    let page = browser.submit(&page, form).await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let landed = browser.submit(&posting, posting.form()).await;
    app.redeem(&landed).await.expect(200);
}

#[tokio::test]
async fn prompt_and_max_age_reach_the_identity_provider() {
    let (tenon, organization, idp) = acme().await;
    let post = json!({"sso_binding": "post"});
    idp.saml_connection(&tenon, &organization, post).await;
    let app = RelyingParty::register(&tenon).await;
    for (more, forced) in [
        ("", false),
        ("&prompt=login", true),
        ("&max_age=0", true),
        ("&max_age=600", true),
        ("&prompt=select_account", false),
    ] {
        let url = app.authorize_url(&format!("{HINT}{more}"));
        let request = UserAgent::new().get(&url).await.decoded("SAMLRequest");
        assert_eq!(request.contains("ForceAuthn=\"true\""), forced, "{more}");
        assert!(!request.contains("IsPassive"), "{more}");
        // An opt-in that nobody took.
        assert!(!request.contains("Subject"), "{request}");
        assert!(!request.contains("NameIDPolicy"), "{request}");
    }
}

#[tokio::test]
async fn who_is_not_signed_in_at_the_identity_provider_needs_a_page() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({"sso_binding": "post"}))
        .await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url(&format!("{HINT}&prompt=none")))
        .await;
    let request = page.decoded("SAMLRequest");
    assert!(request.contains("IsPassive=\"true\""), "{request}");
    // The practice IdP says NoPassive, as SAML Core 3.2.2.2 has it.
    let answer = browser.submit(&page, page.form()).await;
    let landed = browser.submit(&answer, answer.form()).await;
    assert_eq!(landed.query("error").as_deref(), Some("login_required"));
    let description = landed.query("error_description").unwrap_or_default();
    assert!(description.starts_with("idp_status (lgn_"), "{description}");
}
