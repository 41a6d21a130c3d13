//! The discovery pages (PORTAL H1 to H4) in a real browser: by keyboard alone, at 320 px, without script, as a
//! screen reader is told them, and with names that would like to be markup.

use integration::{Chromium, Idp, RelyingParty, Tenon, text};
use serde_json::{Value, json};

use super::shoot;

const HOSTILE: &str = "\"><script>document.title='owned'</script><img src=https://evil.example/x>";

struct World {
    tenon: Tenon,
    app: RelyingParty,
    _idp: Idp,
}

impl World {
    /// An organization with two connections, all with names that operators should not give.
    async fn new() -> Self {
        let tenon = Tenon::start().await;
        let api = tenon.api();
        let organization = api.organization(HOSTILE, &["acme.example"]).await;
        let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
        for name in ["Acme employees", HOSTILE] {
            let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
            let path = format!("/connections/{}", text(&made["id"]));
            api.patch(&path, json!({"name": name})).await.expect(200);
        }
        let app = registered(&tenon, "email").await;
        Self {
            tenon,
            app,
            _idp: idp,
        }
    }

    /// Everything that was asked for is ours, and nothing was complained about.
    async fn assert_at_home(&self, browser: &mut Chromium) {
        let own = self.tenon.url();
        let foreign: Vec<String> = browser.requests().await;
        let foreign: Vec<_> = foreign
            .iter()
            .filter(|url| !url.starts_with(&own) && !url.starts_with("data:"))
            .collect();
        assert!(foreign.is_empty(), "{foreign:?}");
        assert_eq!(browser.problems().await, Vec::<String>::new());
    }
}

async fn registered(tenon: &Tenon, discovery: &str) -> RelyingParty {
    let uris = [RelyingParty::REDIRECT_URI];
    let body = json!({"name": "Desk", "redirect_uris": uris, "discovery": discovery});
    RelyingParty::register_with(tenon, body).await
}

/// Both sizes; nothing is wider than the small one.
async fn shoot_both(browser: &mut Chromium, name: &str) {
    browser.viewport(1280, 800).await;
    shoot(browser, name).await;
    browser.viewport(320, 640).await;
    shoot(browser, &format!("{name}-narrow")).await;
    let overflow = browser
        .script("document.documentElement.scrollWidth > innerWidth")
        .await;
    assert_eq!(overflow, json!(false), "{name} is wider than 320 px");
    // WCAG 2.5.8, but for links in text.
    let small = browser
        .script(
            "[...document.querySelectorAll('main button, main input:not([type=hidden])')]\
             .map(it => it.getBoundingClientRect()).filter(it => it.width < 24 || it.height < 24).length",
        )
        .await;
    assert_eq!(small, json!(0), "{name} has targets that are too small");
    browser.viewport(1280, 800).await;
}

/// Presses Tab until this has the focus.
async fn tab_to(browser: &mut Chromium, words: &str) {
    // Before anything has the focus the body has it.
    let focused = "document.activeElement === document.body ? '' \
                   : document.activeElement.innerText || document.activeElement.id";
    for _ in 0..30 {
        if browser
            .script(focused)
            .await
            .as_str()
            .is_some_and(|text| text.contains(words))
        {
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_ne!(browser.script(outline).await, json!("none"), "{words}");
            return;
        }
        browser.press("Tab").await;
    }
    panic!("Tab never reaches {words}");
}

#[tokio::test]
async fn the_discovery_pages_work_by_keyboard_and_show_names_as_text() {
    let (world, mut browser) = tokio::join!(World::new(), Chromium::start());
    let start = world.app.authorize_url("");
    browser.goto(&start).await;
    let said = browser.aria("main").await;
    for name in [
        "heading \"Sign in to Desk\" [level=1]",
        "textbox \"Work email\"",
        "checkbox \"Remember my email on this device\"",
        "button \"Continue\"",
    ] {
        assert!(said.contains(name), "{name} not in\n{said}");
    }
    shoot_both(&mut browser, "discovery-email").await;

    // The field has the focus already.
    browser.type_text("ada@nowhere.example").await;
    browser.press("Enter").await;
    browser.wait_for("[role=alert]").await;
    let said = browser.aria("main").await;
    assert!(said.contains("alert"), "{said}");
    let described = "document.getElementById(document.querySelector('#email').getAttribute('aria-describedby')).innerText";
    let words = text(&browser.script(described).await);
    assert!(words.contains("couldn't find single sign-on"), "{words}");
    shoot_both(&mut browser, "discovery-no-match").await;

    tab_to(&mut browser, "email").await;
    browser.script("document.activeElement.select()").await;
    browser.type_text("ada@acme.example").await;
    browser.press("Tab").await;
    browser.press("Space").await;
    tab_to(&mut browser, "Continue").await;
    browser.press("Enter").await;
    browser
        .wait_for("h1:has-text('Choose how to sign in')")
        .await;
    let said = browser.aria("main").await;
    assert!(said.contains("button \"Acme employees\""), "{said}");
    assert_eq!(browser.script("document.images.length").await, json!(0));
    let title = text(&browser.script("document.title").await);
    assert_eq!(title, "Choose how to sign in to Desk");
    shoot_both(&mut browser, "discovery-choose").await;
    world.assert_at_home(&mut browser).await;

    tab_to(&mut browser, "<script>").await;
    browser.press("Enter").await;
    browser.wait_for("button:has-text('ada')").await;
    assert!(browser.url().await.contains("login_hint=ada"));
    // What the practice IdP's page asks for is its own business.
    browser.requests().await;
    browser.problems().await;

    browser.goto(&start).await;
    let said = browser.aria("main").await;
    for name in [
        "button \"Continue to",
        "link \"Use a different email\"",
        "button \"Forget this device\"",
    ] {
        assert!(said.contains(name), "{name} not in\n{said}");
    }
    shoot_both(&mut browser, "discovery-remembered").await;
    tab_to(&mut browser, "Forget this device").await;
    browser.press("Enter").await;
    browser.wait_for("#email").await;
    world.assert_at_home(&mut browser).await;

    for mode in ["slug", "hint_only"] {
        let app = registered(&world.tenon, mode).await;
        browser.goto(&app.authorize_url("")).await;
        shoot_both(&mut browser, &format!("discovery-{mode}")).await;
        let said = browser.aria("main").await;
        if mode == "hint_only" {
            assert!(said.contains("Go back to Desk"), "{said}");
            assert!(!said.contains("textbox"), "{said}");
            continue;
        }
        let field = "textbox \"Your organization's sign-in code\"";
        assert!(said.contains(field), "{said}");
        browser.type_text("nobody").await;
        browser.press("Enter").await;
        browser.wait_for("[role=alert]").await;
        shoot_both(&mut browser, "discovery-slug-no-match").await;
    }
    world.assert_at_home(&mut browser).await;
}

#[tokio::test]
async fn the_discovery_pages_work_without_script() {
    let options: Value = json!({"javaScriptEnabled": false, "colorScheme": "dark"});
    let (world, mut browser) = tokio::join!(World::new(), Chromium::start_with(options));
    let start = world.app.authorize_url("");
    browser.goto(&start).await;
    browser.fill("#email", "ada@acme.example").await;
    browser.click("button:has-text('Continue')").await;
    browser
        .wait_for("h1:has-text('Choose how to sign in')")
        .await;
    shoot(&mut browser, "discovery-choose-dark").await;
    world.assert_at_home(&mut browser).await;
    browser.click("button:has-text('Acme employees')").await;
    browser.wait_for("button:has-text('ada')").await;
    browser.requests().await;
    browser.problems().await;
    browser.goto(&start).await;
    browser.wait_for("button:has-text('Continue to')").await;
    browser.click("button:has-text('Forget this device')").await;
    browser.wait_for("#email").await;
    world.assert_at_home(&mut browser).await;
}
