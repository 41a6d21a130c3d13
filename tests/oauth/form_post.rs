//! The answer as a form that the browser posts (OAuth 2.0 Form Post Response Mode).

use integration::{Page, RelyingParty, UserAgent};

use crate::Scene;

/// The form goes to the application, by script that the page's policy allows or by its button.
#[track_caller]
fn posted_to_the_application(page: &Page) -> integration::Form {
    assert_eq!(page.status, 200, "{}", page.body);
    let form = page.form();
    assert!(form.post);
    assert_eq!(form.action.as_str(), RelyingParty::REDIRECT_URI);
    assert_eq!(form.value("state"), "the-state");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action https://app.example 'self' https:"),
        "{policy}"
    );
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert!(page.body.contains("data-submit-now") && page.body.contains("<button"));
    form
}

#[tokio::test]
async fn a_code_can_come_by_post() {
    let scene = Scene::start().await;
    let mut browser = UserAgent::new();
    let query = "login_hint=ada@acme.example&response_mode=form_post";
    let page = browser.get(&scene.app.authorize_url(query)).await;
    let posting = scene
        .idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let page = browser.submit(&posting, posting.form()).await;
    let form = posted_to_the_application(&page);
    assert_eq!(form.value("iss"), scene.app.issuer);
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", form.value("code")),
        ("redirect_uri", RelyingParty::REDIRECT_URI),
        ("code_verifier", RelyingParty::CODE_VERIFIER),
    ];
    scene.app.token(&redemption).await.expect(200);
}

#[tokio::test]
async fn an_error_can_come_by_post() {
    let scene = Scene::start().await;
    for (query, error) in [
        ("prompt=none&response_mode=form_post", "login_required"),
        (
            "prompt=none+login&response_mode=form_post",
            "invalid_request",
        ),
        ("max_age=soon&response_mode=form_post", "invalid_request"),
    ] {
        let page = scene.authorize(query).await;
        let form = posted_to_the_application(&page);
        assert_eq!(form.value("error"), error, "{query}");
        assert_eq!(form.value("iss"), scene.app.issuer);
    }
}
