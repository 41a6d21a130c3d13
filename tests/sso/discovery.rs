//! Home-realm discovery on the hosted pages (CONTRACT section 4, PORTAL H1 to H4).

use std::time::{Duration, Instant};

use integration::{Idp, Page, RelyingParty, Tenon, UserAgent, text};
use serde_json::{Value, json};

/// An organization with two connections, of which one is for contractors.
async fn two_ways() -> (Tenon, Value, Idp, [String; 2]) {
    let (tenon, organization, idp) = super::acme().await;
    let mut ids = Vec::new();
    for name in ["Acme employees", "Acme <b>contractors</b>"] {
        let made = idp.oidc_connection(&tenon, &organization, json!({})).await;
        let path = format!("/connections/{}", text(&made["id"]));
        let api = tenon.api();
        api.patch(&path, json!({"name": name})).await.expect(200);
        ids.push(text(&made["id"]));
    }
    let ids = ids.try_into().expect("two");
    (tenon, organization, idp, ids)
}

fn pressed(page: &Page, connection: &str) -> integration::Form {
    assert!(page.body.contains(connection), "{}", page.body);
    page.form().fill("connection_id", connection)
}

async fn typed(browser: &mut UserAgent, page: &Page, email: &str) -> Page {
    let form = page.form().fill("email", email);
    browser.submit(page, form).await
}

/// The IdP's page after a request went there, with the hint it got.
#[track_caller]
fn hint(page: &Page) -> Option<String> {
    assert!(!page.url.path().starts_with("/login"), "{}", page.body);
    page.query("login_hint")
}

#[tokio::test]
async fn of_several_connections_the_person_chooses_and_the_email_goes_along() {
    let (tenon, organization, _idp, [_, contractors]) = two_ways().await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser.get(&app.authorize_url("")).await;
    let choice = typed(&mut browser, &page, "Ada@acme.example").await;
    assert!(
        choice.body.contains("Acme has more than one way"),
        "{}",
        choice.body
    );
    // What an operator calls it is text.
    assert!(
        choice.body.contains("Acme &#60;b&#62;contractors"),
        "{}",
        choice.body
    );
    let at_idp = browser
        .submit(&choice, pressed(&choice, &contractors))
        .await;
    assert_eq!(hint(&at_idp).as_deref(), Some("Ada@acme.example"));

    // The organization named by the application, and a page that may not be shown.
    let id = text(&organization["id"]);
    let more = format!("organization_id={id}");
    let choice = browser.get(&app.authorize_url(&more)).await;
    assert!(
        choice.body.contains("Used before in this browser"),
        "{}",
        choice.body
    );
    let passive = browser
        .get(&app.authorize_url(&format!("{more}&prompt=none")))
        .await;
    assert_eq!(passive.query("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn this_browser_is_remembered_until_it_is_to_forget() {
    let (tenon, organization, _idp, [employees, contractors]) = two_ways().await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser.get(&app.authorize_url("")).await;
    let form = page
        .form()
        .fill("email", "ada@acme.example")
        .fill("remember", "on");
    let choice = browser.submit(&page, form).await;
    browser
        .submit(&choice, pressed(&choice, &contractors))
        .await;

    let offered = browser.get(&app.authorize_url("")).await;
    for shown in ["Continue to Acme", "ada@acme.example", "Forget this device"] {
        assert!(offered.body.contains(shown), "{shown} in {}", offered.body);
    }
    assert!(!offered.body.contains(&employees));
    let at_idp = browser
        .submit(&offered, pressed(&offered, &contractors))
        .await;
    assert_eq!(hint(&at_idp).as_deref(), Some("ada@acme.example"));

    // Not for another account, another application, a passive request, or a hint.
    for more in ["prompt=select_account", "login_hint=x@nowhere.example"] {
        let page = browser.get(&app.authorize_url(more)).await;
        assert!(
            !page.body.contains("Continue to Acme"),
            "{more}: {}",
            page.body
        );
    }
    let passive = browser.get(&app.authorize_url("prompt=none")).await;
    assert_eq!(passive.query("error").as_deref(), Some("login_required"));
    let other = RelyingParty::register(&tenon).await;
    let page = browser.get(&other.authorize_url("")).await;
    assert!(!page.body.contains("Continue to Acme"), "{}", page.body);

    // A connection that is off signs nobody in, so it isn't offered.
    let api = tenon.api();
    let path = format!("/connections/{contractors}");
    api.post(&format!("{path}/deactivate"), json!({}))
        .await
        .expect(200);
    let page = browser.get(&app.authorize_url("")).await;
    assert!(page.body.contains("Work email"), "{}", page.body);
    api.post(&format!("{path}/activate"), json!({}))
        .await
        .expect(200);

    let offered = browser.get(&app.authorize_url("")).await;
    let mut form = offered.form();
    form.action = form.action.join("/login/forget").expect("a URL");
    let page = browser.submit(&offered, form).await;
    assert!(page.body.contains("Work email"), "{}", page.body);
    let page = browser.get(&app.authorize_url("")).await;
    assert!(page.body.contains("Work email"), "{}", page.body);
    drop(organization);
}

#[tokio::test]
async fn an_application_may_ask_for_the_organizations_code_or_for_nothing() {
    let (tenon, organization, idp) = super::acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let register = async |mode: &str| {
        let uris = [RelyingParty::REDIRECT_URI];
        let body = json!({"name": "App", "redirect_uris": uris, "discovery": mode});
        RelyingParty::register_with(&tenon, body).await
    };
    let mut browser = UserAgent::new();
    let by_slug = register("slug").await;
    let page = browser.get(&by_slug.authorize_url("")).await;
    assert!(!page.body.contains("name=\"email\""), "{}", page.body);
    let wrong = browser
        .submit(&page, page.form().fill("code", "nobody"))
        .await;
    assert!(
        wrong.body.contains("with that sign-in code"),
        "{}",
        wrong.body
    );
    // An email is no way in.
    let email = typed(&mut browser, &page, "ada@acme.example").await;
    assert!(
        email.body.contains("with that sign-in code"),
        "{}",
        email.body
    );
    let slug = text(&organization["slug"]).to_uppercase();
    let at_idp = browser.submit(&page, page.form().fill("code", &slug)).await;
    hint(&at_idp);

    browser.clear_cookies();
    let by_hint = register("hint_only").await;
    let page = browser.get(&by_hint.authorize_url("")).await;
    assert!(page.body.contains("Go back to App"), "{}", page.body);
    assert!(!page.body.contains("action=\"/login\""), "{}", page.body);
    for more in ["login_hint=ada@acme.example", "domain_hint=acme.example"] {
        let at_idp = browser.get(&by_hint.authorize_url(more)).await;
        hint(&at_idp);
    }
}

/// SECURITY-MODEL G11, the test `discovery_oracle`: whether a person exists shows neither in an answer nor in the
/// time it takes.
#[tokio::test]
async fn discovery_oracle() {
    const PROBES: usize = 10_000;
    let tenon = Tenon::start_with(&[("TENON_RATE_LIMITS", "off")]).await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let directory = api.directory(&organization, "Okta").await;
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example", "emails": [{"value": "ada@acme.example", "primary": true}],
    });
    integration::Api::scim(&directory)
        .post("/Users", person)
        .await
        .expect(201);

    let probe = async |email: &str| {
        let begun = Instant::now();
        let answer = api.post("/discovery", json!({"email": email})).await;
        let took = begun.elapsed();
        (answer.expect(200), took)
    };
    let (body, _) = probe("ada@acme.example").await;
    // By chance one comparison in a hundred looks like a difference: three in a row would be one.
    let mut last = 0.0;
    for _ in 0..3 {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for number in 0..PROBES / 2 {
            // Each pair in turn the other way round: what the machine does meanwhile meets both alike.
            for side in [number % 2, (number + 1) % 2] {
                let email = ["ada@acme.example", "eve@acme.example"][side];
                let (answer, took) = probe(email).await;
                assert_eq!(answer, body);
                times[side].push(took);
            }
        }
        last = difference(&times);
        if last < 2.576 {
            return;
        }
    }
    panic!("known and unknown people differ: z = {last}");
}

/// Mann and Whitney's test as a z value: 2.576 is p = 0.01.
fn difference([one, two]: &[Vec<Duration>; 2]) -> f64 {
    let mut all: Vec<(Duration, usize)> = one.iter().map(|time| (*time, 0)).collect();
    all.extend(two.iter().map(|time| (*time, 1)));
    all.sort_unstable();
    let ranks = all.iter().enumerate().filter(|(_, (_, side))| *side == 0);
    let sum: f64 = ranks.map(|(rank, _)| (rank + 1) as f64).sum();
    let (n, m) = (one.len() as f64, two.len() as f64);
    let u = sum - n * (n + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    ((u - n * m / 2.0) / deviation).abs()
}

/// The page answers known and unknown domains after the same while, and unknown people as known ones.
#[tokio::test]
async fn the_hosted_page_takes_the_same_time_for_a_hit_and_a_miss() {
    let tenon = Tenon::start_with(&[("TENON_RATE_LIMITS", "off")]).await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser.get(&app.authorize_url("")).await;
    for email in [
        "ada@acme.example",
        "eve@acme.example",
        "ada@nowhere.example",
    ] {
        let begun = Instant::now();
        typed(&mut browser, &page, email).await;
        assert!(begun.elapsed() >= Duration::from_millis(150), "{email}");
    }
    let misses = ["ada@nowhere.example", "eve@elsewhere.example"];
    let mut bodies = Vec::new();
    for email in misses {
        let missed = typed(&mut browser, &page, email).await;
        assert_eq!(missed.status, 200);
        // As it is, in the carried request, and in the link that carries that.
        let spellings = ["@", "%40", "%2540"].map(|at| email.replace('@', at));
        let blank = |body: String, spelling: &String| body.replace(spelling, "EMAIL");
        bodies.push(spellings.iter().fold(missed.body, blank));
    }
    assert_eq!(bodies[0], bodies[1]);
}

/// When the page answers tells as little as what it answers: a hit begins a whole sign-in, a miss writes a page.
#[tokio::test]
async fn the_hosted_page_answers_a_hit_and_a_miss_at_the_same_time() {
    const PAIRS: usize = 40;
    /// Less than the work of a hit takes, and far more than a timer is late.
    const TOLERANCE: Duration = Duration::from_millis(5);
    let tenon = Tenon::start_with(&[("TENON_RATE_LIMITS", "off")]).await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    let post = json!({"sso_binding": "post", "sign_requests": true});
    idp.saml_connection(&tenon, &organization, post).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser.get(&app.authorize_url("")).await;
    let mut timed = async |email: &str, expected: &str| {
        let form = page.form().fill("email", email);
        let begun = Instant::now();
        let answer = browser.submit(&page, form).await;
        let took = begun.elapsed();
        assert!(answer.body.contains(expected), "{}", answer.body);
        took
    };
    let probes = [
        ("ada@acme.example", "SAMLRequest"),
        (
            "ada@nowhere.example",
            "find single sign-on for that address",
        ),
    ];
    // What both are late by on a busy machine differs by chance: three times in a row it does not.
    let mut last = [Duration::ZERO; 2];
    for _ in 0..3 {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for number in 0..PAIRS {
            for side in [number % 2, (number + 1) % 2] {
                let (email, expected) = probes[side];
                times[side].push(timed(email, expected).await);
            }
        }
        last = times.map(|mut times| {
            times.sort_unstable();
            times[PAIRS / 2]
        });
        if last[0].abs_diff(last[1]) < TOLERANCE {
            return;
        }
    }
    panic!("a hit takes {:?}, a miss {:?}", last[0], last[1]);
}
