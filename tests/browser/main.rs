//! The way of a person in a real browser: email page, practice IdP, back in the sample application.
//!
//! Screenshots land in the build's temporary folder, for a person to look at: Cargo names it when it runs the test.

mod discovery;
mod onward;

use std::path::{Path, PathBuf};

use integration::{Chromium, Tenon};
use serde_json::json;

/// `target/tmp/browser/<name>.png`
fn picture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(format!("{name}.png"))
}

async fn shoot(browser: &mut Chromium, name: &str) {
    browser.screenshot(&picture(name)).await;
}

/// From the sample application through the hosted email page to the IdP and back.
async fn sign_in(browser: &mut Chromium, sandbox: &str, email: &str, person: &str) {
    browser.goto(&format!("{sandbox}/app")).await;
    browser.click("text=Sign in with SSO").await;
    // From the second time on the page offers the last organization.
    let different = "a:has-text('Use a different email')";
    browser
        .wait_for(&format!("input[name=email], {different}"))
        .await;
    let offered = "!document.querySelector('input[name=email]')";
    if browser.script(offered).await == json!(true) {
        browser.click(different).await;
    }
    browser.fill("input[name=email]", email).await;
    browser.click("button:has-text('Continue')").await;
    browser
        .wait_for(&format!("button:has-text('{person}')"))
        .await;
    browser.click(&format!("button:has-text('{person}')")).await;
    browser.wait_for("h1:has-text('Hello')").await;
    assert_eq!(browser.text("h1").await, format!("Hello, {person}"));
}

#[tokio::test]
async fn people_sign_in_over_saml_and_over_oidc() {
    let ((tenon, sandbox), mut browser) = tokio::join!(Tenon::dev(), Chromium::start());
    shoot_the_way(&mut browser, &sandbox).await;
    sign_in(&mut browser, &sandbox, "ada@acme.example", "Ada Berg").await;
    assert!(
        browser
            .text("main")
            .await
            .contains("\"connection_type\": \"saml\"")
    );
    shoot(&mut browser, "signed-in-saml").await;
    browser.click("text=Sign out here").await;

    sign_in(&mut browser, &sandbox, "gina@globex.example", "Gina Holt").await;
    assert!(
        browser
            .text("main")
            .await
            .contains("\"connection_type\": \"oidc\"")
    );
    shoot(&mut browser, "signed-in-oidc").await;

    // Neither a script error, nor a request that the content security policy stopped, nor one that failed.
    assert_eq!(browser.problems().await, Vec::<String>::new());
    drop(tenon);
}

/// Pictures of the pages on the way, small and large.
async fn shoot_the_way(browser: &mut Chromium, sandbox: &str) {
    browser.viewport(1280, 800).await;
    browser.goto(sandbox).await;
    shoot(browser, "sandbox").await;
    browser.goto(&format!("{sandbox}/app")).await;
    shoot(browser, "sample-app").await;
    browser.click("text=Sign in with SSO").await;
    shoot(browser, "email").await;
    browser.viewport(320, 640).await;
    shoot(browser, "email-narrow").await;
    let overflow = browser
        .script("document.documentElement.scrollWidth > innerWidth")
        .await;
    assert_eq!(overflow, json!(false), "the page is wider than 320 px");
    browser.viewport(1280, 800).await;
    browser
        .fill("input[name=email]", "ada@nowhere.example")
        .await;
    browser.click("button:has-text('Continue')").await;
    browser.wait_for("[role=alert]").await;
    shoot(browser, "email-no-match").await;
    browser.fill("input[name=email]", "ada@acme.example").await;
    browser.click("button:has-text('Continue')").await;
    browser.wait_for("button:has-text('Ada Berg')").await;
    shoot(browser, "practice-idp").await;
}

#[tokio::test]
async fn a_failed_sign_in_shows_its_code_and_what_to_do() {
    let ((tenon, sandbox), mut browser) = tokio::join!(Tenon::dev(), Chromium::start());
    browser
        .goto(&format!("{sandbox}/app/login?login_hint=ada@acme.example"))
        .await;
    browser
        .script("document.querySelector('select[name=fault]').value = 'wrong_audience'")
        .await;
    browser.click("button:has-text('Ada Berg')").await;
    browser.wait_for("text=audience_mismatch").await;
    assert_eq!(browser.text("h1").await, "Could not sign you in");
    shoot(&mut browser, "failed").await;
    drop(tenon);
}

/// Every page works without script (PORTAL.md section 1), the automatic post included.
#[tokio::test]
async fn people_sign_in_without_scripts_as_well() {
    let options = json!({"javaScriptEnabled": false, "colorScheme": "dark"});
    let ((tenon, sandbox), mut browser) = tokio::join!(Tenon::dev(), Chromium::start_with(options));
    browser.goto(&format!("{sandbox}/app")).await;
    shoot(&mut browser, "sample-app-dark").await;
    browser
        .fill("input[name=login_hint]", "ada@acme.example")
        .await;
    browser.click("text=Sign in with SSO").await;
    browser.click("button:has-text('Ada Berg')").await;
    browser.click("button:has-text('Continue')").await; // the form that posts itself where scripts run
    browser.wait_for("h1:has-text('Hello, Ada Berg')").await;
    assert_eq!(browser.problems().await, Vec::<String>::new());
    drop(tenon);
}

/// Who types `localhost` is sent to the sandbox's own host, where the sign-in that begins can also end.
#[tokio::test]
async fn the_sandbox_works_from_localhost_and_the_api_page_shows_the_operations() {
    let ((tenon, sandbox), mut browser) = tokio::join!(Tenon::dev(), Chromium::start());
    let localhost = sandbox.replace("127.0.0.1", "localhost");
    sign_in(&mut browser, &localhost, "ada@acme.example", "Ada Berg").await;

    browser.goto(&format!("{}/api/docs", tenon.url())).await;
    browser
        .wait_for("[data-path='/organizations/{id}/connections']")
        .await;
    shoot(&mut browser, "api-docs").await;
    assert_eq!(browser.problems().await, Vec::<String>::new());
}

/// Push, change and deactivate by a click; the events arrive at the sample application, verified.
#[tokio::test]
async fn the_practice_directory_pushes_and_the_events_arrive() {
    let ((tenon, sandbox), mut browser) = tokio::join!(Tenon::dev(), Chromium::start());
    browser.goto(&format!("{sandbox}/directory")).await;
    shoot(&mut browser, "directory").await;
    browser.click("button:has-text('Push')").await;
    browser.goto(&format!("{sandbox}/app/webhooks")).await;
    browser.wait_for("text=user.created").await;
    shoot(&mut browser, "webhooks").await;
    assert_eq!(browser.problems().await, Vec::<String>::new());
    drop(tenon);
}
