//! Home-realm discovery on the hosted pages (CONTRACT section 4, PORTAL H1 to H4).

use std::time::{Duration, Instant};

use integration::{Answer, Api, Idp, Page, RelyingParty, Tenon, UserAgent, text};
use reqwest::Method;
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
    let (tenon, _idp) = with_a_person().await;
    let api = tenon.api();
    let probe = async |email: &str| {
        let begun = Instant::now();
        let answer = api.post("/discovery", json!({"email": email})).await;
        let took = begun.elapsed();
        (answer.expect(200), took)
    };
    let (body, _) = probe(PEOPLE[0]).await;
    assert_indistinguishable(5_000, async |pairs| {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for number in 0..pairs {
            // Each pair in turn the other way round: what the machine does meanwhile meets both alike.
            for side in [number % 2, (number + 1) % 2] {
                let (answer, took) = probe(PEOPLE[side]).await;
                assert_eq!(answer, body);
                times[side].push(took);
            }
        }
        times
    })
    .await;
}

/// The same on the hosted page, where an answer begins a sign-in.
#[tokio::test]
async fn discovery_oracle_of_the_hosted_page() {
    /// Each answer waits for its 150 ms; so many wait at once.
    const AT_ONCE: usize = 16;
    let (tenon, _idp) = with_a_person().await;
    let app = RelyingParty::register(&tenon).await;
    let gateway = Api::at(tenon.url(), None);
    let path = &app.authorize_url("")[tenon.url().len()..];
    let begun = gateway.get(path).await;
    let cookie = begun.header("set-cookie").split(';').next();
    let cookie = cookie.expect("a cookie").to_owned();
    let page = Page {
        url: url::Url::parse(&app.authorize_url("")).expect("a URL"),
        status: 200,
        headers: Vec::new(),
        body: begun.body,
    };
    let probe = async |side: usize| {
        let form = page.form().fill("email", PEOPLE[side]);
        let request = gateway.request(Method::POST, "/login").form(&form.fields);
        let begun = Instant::now();
        let answer = Api::answer(request.header("Cookie", &cookie)).await;
        let took = begun.elapsed();
        assert_eq!(answer.status, 303, "{}", answer.body);
        let mut names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let to = url::Url::parse(answer.header("location")).expect("a URL");
        let asked: Vec<String> = to
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        let same = format!("{:?} {} {asked:?} {names:?}", to.host(), to.path());
        (same, took)
    };
    let (expected, _) = probe(0).await;
    assert_indistinguishable(1_000, async |pairs| {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for batch in 0..pairs / (AT_ONCE / 2) {
            let sides = (0..AT_ONCE).map(|number| (number + batch) % 2);
            let answers = sides.map(|side| {
                let probe = &probe;
                async move { (side, probe(side).await) }
            });
            for (side, (same, took)) in futures_util::future::join_all(answers).await {
                assert_eq!(same, expected);
                times[side].push(took);
            }
        }
        times
    })
    .await;
}

/// Somebody who exists, and somebody who doesn't, of one domain.
const PEOPLE: [&str; 2] = ["ada@acme.example", "eve@acme.example"];

/// A gateway to which a directory has told of the first of them.
async fn with_a_person() -> (Tenon, Idp) {
    let tenon = Tenon::start_with(&[("TENON_RATE_LIMITS", "off")]).await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &PEOPLE[..1]).await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let directory = api.directory(&organization, "Okta").await;
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": PEOPLE[0], "emails": [{"value": PEOPLE[0], "primary": true}],
    });
    let scim = Api::scim(&directory);
    scim.post("/Users", person).await.expect(201);
    (tenon, idp)
}

/// One decision at p = 0.01. Chance alone would fail it once in a hundred runs, so what looks like a difference is
/// measured once more with four times the sample, and that decides: a difference that is there shows twice as clearly
/// then, in the same direction, and chance does so once in ten thousand runs.
async fn assert_indistinguishable(
    pairs: usize,
    mut measured: impl AsyncFnMut(usize) -> [Vec<Duration>; 2],
) {
    let suspected = difference(&measured(pairs).await);
    if suspected.abs() < 2.576 {
        return;
    }
    let z = difference(&measured(4 * pairs).await) * suspected.signum();
    assert!(
        z < 2.326,
        "known and unknown people differ: z = {suspected}, then {z}"
    );
}

/// Mann and Whitney's test as a z value: 2.576 is p = 0.01, or 2.326 in one direction.
fn difference([one, two]: &[Vec<Duration>; 2]) -> f64 {
    let mut all: Vec<(Duration, usize)> = one.iter().map(|time| (*time, 0)).collect();
    all.extend(two.iter().map(|time| (*time, 1)));
    all.sort_unstable();
    let ranks = all.iter().enumerate().filter(|(_, (_, side))| *side == 0);
    let sum: f64 = ranks.map(|(rank, _)| (rank + 1) as f64).sum();
    let (n, m) = (one.len() as f64, two.len() as f64);
    let u = sum - n * (n + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    (u - n * m / 2.0) / deviation
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

/// A gateway with its limits on, and a proxy before it that says who asks.
async fn limited() -> (Tenon, Idp, RelyingParty) {
    let settings = [
        ("TENON_RATE_LIMITS", "on"),
        ("TENON_TRUSTED_PROXIES", "127.0.0.0/8,::1/128"),
    ];
    let tenon = Tenon::start_with(&settings).await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    (tenon, idp, app)
}

/// An answer, and how long it took.
async fn timed(request: reqwest::RequestBuilder, address: &str) -> (Answer, Duration) {
    let begun = Instant::now();
    let answer = Api::answer(request.header("X-Forwarded-For", address)).await;
    (answer, begun.elapsed())
}

#[track_caller]
fn assert_limited(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
}

const FAST: usize = 10;
const SLOW: usize = 20;
const SLOWED: Duration = Duration::from_secs(2);

/// Ten a minute at once, twenty more slowly, and then none (PORTAL H4); 600 a minute of one domain, whoever types it.
#[tokio::test]
async fn the_form_is_slow_and_then_refused_for_one_address_and_refused_for_one_domain() {
    let (tenon, _idp, app) = limited().await;
    let gateway = Api::at(tenon.url(), None);
    let typed = async |address: String, email: String| {
        let fields = [("email", email)];
        let request = gateway.request(Method::POST, "/login").form(&fields);
        timed(request, &address).await
    };
    let of_one = |number: usize| {
        let email = format!("eve@guess-{number}.example");
        typed("192.0.2.1".to_owned(), email)
    };
    let fast = futures_util::future::join_all((0..FAST).map(of_one)).await;
    for (answer, took) in fast {
        assert_ne!(answer.status, 429, "{}", answer.body);
        assert!(took < SLOWED, "{took:?}");
    }
    // The buckets fill again while this runs: one every two and one every six seconds.
    let more = futures_util::future::join_all((0..2 * SLOW).map(of_one)).await;
    let (refused, let_in): (Vec<_>, Vec<_>) =
        more.iter().partition(|(answer, _)| answer.status == 429);
    assert!((SLOW..SLOW + 5).contains(&let_in.len()), "{}", let_in.len());
    let at_once = let_in.iter().filter(|(_, took)| *took < SLOWED);
    assert!(at_once.count() <= 2);
    for (answer, _) in refused {
        assert_limited(answer);
    }
    // Nobody else waits for it.
    let (answer, took) = typed("192.0.2.2".to_owned(), "eve@acme.example".to_owned()).await;
    assert_ne!(answer.status, 429);
    assert!(took < SLOWED);

    let mut domain_refused = None;
    for hundred in 0..12 {
        let tries = (0..100).map(|number| {
            let address = format!("198.51.{hundred}.{number}");
            typed(address, format!("eve{number}@Globex.example"))
        });
        let answers = futures_util::future::join_all(tries).await;
        let refused = answers.into_iter().find(|(answer, _)| answer.status == 429);
        if let Some((answer, _)) = refused {
            domain_refused = Some((hundred, answer));
            break;
        }
    }
    let (hundred, answer) = domain_refused.expect("some are too many");
    assert!(hundred >= 6, "refused after {hundred} hundred");
    assert_limited(&answer);
    let (other, _) = typed("192.0.2.3".to_owned(), "eve@acme.example".to_owned()).await;
    assert_ne!(other.status, 429);

    // And a person sees a page.
    let path = &app.authorize_url("")[tenon.url().len()..];
    let (page, _) = timed(gateway.request(Method::GET, path), "192.0.2.1").await;
    assert_eq!(page.status, 200, "the page itself is not refused");
}

/// What a hint tells of a domain is told no more often than by the form; only what leads nowhere counts, because a
/// whole company may start at nine behind one address.
#[tokio::test]
async fn hints_that_lead_nowhere_are_slow_and_then_refused_with_those_that_would_not() {
    let (tenon, _idp, app) = limited().await;
    let gateway = Api::at(tenon.url(), None);
    let asked = async |address: &str, more: String| {
        let path = &app.authorize_url(&more)[tenon.url().len()..];
        timed(gateway.request(Method::GET, path), address).await
    };
    let guess = |number: usize| {
        let name = ["login_hint=eve%40", "prompt=none&domain_hint="][number % 2];
        asked("192.0.2.1", format!("{name}guess-{number}.example"))
    };
    for _ in 0..3 * (FAST + SLOW) {
        let (hit, took) = asked("192.0.2.1", "login_hint=ada%40acme.example".to_owned()).await;
        assert_eq!(hit.status, 303, "{}", hit.body);
        assert!(took < SLOWED, "{took:?}");
    }
    for number in 0..FAST {
        let (miss, took) = guess(number).await;
        assert_ne!(miss.status, 429, "{number}");
        assert!(took < SLOWED, "{number}: {took:?}");
    }
    let slow = futures_util::future::join_all((0..SLOW).map(guess)).await;
    for (miss, took) in slow {
        assert_ne!(miss.status, 429);
        assert!(took >= SLOWED, "{took:?}");
    }
    for more in [
        "login_hint=eve%40nowhere.example",
        "login_hint=ada%40acme.example",
        "domain_hint=acme.example",
    ] {
        let (refused, _) = asked("192.0.2.1", more.to_owned()).await;
        assert_limited(&refused);
        let (other, took) = asked("192.0.2.2", more.to_owned()).await;
        assert_ne!(other.status, 429, "another address never waits for it");
        assert!(took < SLOWED);
    }
    // What names its connection or organization, or nothing, guesses no domain.
    let connections = tenon.api().get("/organizations").await.expect(200);
    let id = text(&connections["data"][0]["id"]);
    let (named, _) = asked(
        "192.0.2.1",
        format!("organization_id={id}&login_hint=ada%40acme.example"),
    )
    .await;
    assert_eq!(named.status, 303, "{}", named.body);
    let (form, _) = asked("192.0.2.1", String::new()).await;
    assert_eq!(form.status, 200);
}
