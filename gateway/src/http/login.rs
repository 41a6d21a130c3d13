//! The hosted sign-in pages and the continue step (PORTAL H1 to H4; CONTRACT section 5).
//!
//! No state is kept for a page: its form carries the application's whole authorization request in `flow`, and
//! it is checked again from the start when it comes back.

mod remembered;

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Form, Path, Query};
use poem::{IntoResponse, Request, Response, handler};
use serde::Deserialize;

use super::client_ip::ClientIp;
use super::limits::{Limit, Limited};
use super::oauth::authorize::{Visitor, answer_to, ask, follow, offer, read, see_other};
use super::pages::{self, ContinueAsPage, ErrorPage, SignInMessage};
use super::{browser, error_page, too_many};
use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::{self, Route};
use crate::flows::login::{self, Browser, Decision, Finished};
use crate::model::{Application, DiscoveryMode};
use crate::store::organizations;

pub(crate) use remembered::Remembered;

/// A hit and a miss take the same time, at least this (SECURITY-MODEL G11, PORTAL H4).
const DISCOVERY_TIME: Duration = Duration::from_millis(150);

/// How long an answer takes for an address that types faster than people do.
pub(crate) const SLOWED_DOWN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Flow {
    #[serde(default)]
    flow: String,
    /// Present: the form, whatever this browser remembers.
    form: Option<String>,
}

/// H1 or H2 again, after the back button or a switch of theme.
#[handler]
pub(crate) async fn page(app: Data<&App>, request: &Request, Query(flow): Query<Flow>) -> Response {
    let mut browser = browser::of(&app, request);
    browser::bind(&app, &mut browser);
    let remembered = Remembered::of(&app, request);
    let visitor = Visitor {
        browser: &browser,
        remembered: &remembered,
        keeps_email: false,
    };
    let answer = match read(&app, &flow.flow).await {
        Ok(Ok((request, application))) => {
            let query = &flow.flow;
            let offered = match flow.form {
                None => offer(&app, &request, &application, query, visitor),
                Some(_) => None,
            };
            let message = SignInMessage::Ask;
            offered.unwrap_or_else(|| ask(&app, &request, &application, query, &browser, message))
        }
        Ok(Err(_)) => start_again(),
        Err(error) => error_page::internal(&error, &browser.request_id),
    };
    with_cookie(&app, &browser, answer)
}

#[derive(Deserialize)]
struct SignInForm {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    email: String,
    /// The organization's slug, where the application asks for that.
    #[serde(default)]
    code: String,
    /// A ticked box.
    remember: Option<String>,
}

/// The email or the code was typed: to its organization's IdP, or H4.
#[handler]
pub(crate) async fn submit(
    app: Data<&App>,
    request: &Request,
    Form(form): Form<SignInForm>,
) -> Response {
    let mut browser = browser::of(&app, request);
    let time = match pace(&app, request, &form) {
        Ok(time) => time,
        Err(limited) => return too_many(&limited),
    };
    let answered = tokio::time::sleep(time);
    let holds = browser::csrf_holds(&app, &browser, &form.csrf);
    browser::bind(&app, &mut browser);
    let answer = if holds {
        let remembered = Remembered::of(&app, request);
        discover(&app, &form, &browser, remembered).await
    } else {
        Ok(start_again())
    };
    answered.await;
    let answer = answer.unwrap_or_else(|error| error_page::internal(&error, &browser.request_id));
    with_cookie(&app, &browser, answer)
}

/// How long the answer takes, or why there is none: by the address that asks, and by the domain or code typed.
/// A hit counts as a miss does.
fn pace(app: &App, request: &Request, form: &SignInForm) -> Result<Duration, Limited> {
    let network = request.data::<ClientIp>().map(|client| client.network());
    let limits = &app.rate_limits;
    limits.check(Limit::SignInFlood, network)?;
    if let Some(domain) = discovery::domain_of_email(&form.email) {
        limits.check(Limit::SignInDomain, ("domain", domain))?;
    }
    if !form.code.is_empty() {
        // As `discovery::of_slug` reads it. A code that spells a domain takes nothing from that domain's people.
        let code = form.code.trim().to_lowercase();
        limits.check(Limit::SignInDomain, ("code", code))?;
    }
    Ok(match limits.check(Limit::SignInForm, network) {
        Ok(()) => DISCOVERY_TIME,
        Err(_) => SLOWED_DOWN,
    })
}

async fn discover(
    app: &App,
    form: &SignInForm,
    browser: &Browser,
    mut remembered: Remembered,
) -> Result<Response, Error> {
    let (mut request, application) = match read(app, &form.flow).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let mut flow = form.flow.clone();
    let route = match application.discovery {
        // The page has no field.
        DiscoveryMode::HintOnly => Route::NoRoute,
        DiscoveryMode::Slug => discovery::of_slug(app, &form.code).await?,
        DiscoveryMode::Email => {
            let email = form.email.trim();
            request.login_hint = Some(email.to_owned());
            let Some(domain) = discovery::domain_of_email(email) else {
                let message = SignInMessage::NotAnAddress;
                return Ok(ask(app, &request, &application, &flow, browser, message));
            };
            // Through a page of choices too: the IdP gets it as its hint.
            flow = with_hint(&flow, email);
            discovery::of_domain(app, &domain)
        }
    };
    let email = request.login_hint.clone();
    let visitor = Visitor {
        browser,
        remembered: &remembered,
        keeps_email: form.remember.is_some(),
    };
    let answer = follow(app, route.clone(), request, &application, &flow, visitor).await?;
    let email = email.filter(|_| form.remember.is_some());
    remember(app, &route, &application, email, &mut remembered, answer).await
}

/// The application's request with this email for its `login_hint`.
fn with_hint(flow: &str, email: &str) -> String {
    let others =
        url::form_urlencoded::parse(flow.as_bytes()).filter(|(name, _)| name != "login_hint");
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("login_hint", email)
        .finish()
}

/// On the way to an IdP the browser is told to remember it.
async fn remember(
    app: &App,
    route: &Route,
    application: &Application,
    email: Option<String>,
    remembered: &mut Remembered,
    mut answer: Response,
) -> Result<Response, Error> {
    let Route::Connection { scope, connection } = route else {
        return Ok(answer);
    };
    let status = answer.status();
    if !(status.is_success() || status.is_redirection()) {
        return Ok(answer);
    }
    if let Some(organization) = organizations::find(&app.store.read(), scope).await? {
        let named = (organization.id, organization.name.as_str());
        remembered.put(application.id, named, *connection, email);
        remembered.set(app, &mut answer);
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct ChoiceForm {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    connection_id: String,
    remember: Option<String>,
}

/// H2 and H3: one of the connections was chosen.
#[handler]
pub(crate) async fn choose(
    app: Data<&App>,
    request: &Request,
    Form(form): Form<ChoiceForm>,
) -> Response {
    let mut browser = browser::of(&app, request);
    let holds = browser::csrf_holds(&app, &browser, &form.csrf);
    browser::bind(&app, &mut browser);
    let answer = if holds {
        let remembered = Remembered::of(&app, request);
        chosen(&app, &form, &browser, remembered).await
    } else {
        Ok(start_again())
    };
    let answer = answer.unwrap_or_else(|error| error_page::internal(&error, &browser.request_id));
    with_cookie(&app, &browser, answer)
}

async fn chosen(
    app: &App,
    form: &ChoiceForm,
    browser: &Browser,
    mut remembered: Remembered,
) -> Result<Response, Error> {
    let (mut request, application) = match read(app, &form.flow).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let connection = form.connection_id.parse().ok();
    request.connection_id = connection;
    let typed = request.login_hint.clone();
    if let Some(id) = connection
        && request.login_hint.is_none()
    {
        request.login_hint = remembered.email(id).map(ToOwned::to_owned);
    }
    let route = match connection {
        Some(_) => discovery::route(app, &request).await?,
        None => Route::NoRoute,
    };
    let visitor = Visitor {
        browser,
        remembered: &remembered,
        keeps_email: form.remember.is_some(),
    };
    let flow = &form.flow;
    let answer = follow(app, route.clone(), request, &application, flow, visitor).await?;
    let email = typed.filter(|_| form.remember.is_some());
    remember(app, &route, &application, email, &mut remembered, answer).await
}

#[derive(Deserialize)]
struct ForgetForm {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    csrf: String,
}

/// H2: this browser is to remember nothing.
#[handler]
pub(crate) async fn forget(
    app: Data<&App>,
    request: &Request,
    Form(form): Form<ForgetForm>,
) -> Response {
    let browser = browser::of(&app, request);
    if !browser::csrf_holds(&app, &browser, &form.csrf) {
        return start_again();
    }
    let flow: String = url::form_urlencoded::byte_serialize(form.flow.as_bytes()).collect();
    let mut answer = see_other(&format!("/login?flow={flow}&form=1"));
    Remembered::forget(&app, &mut answer);
    answer
}

/// The continue step: the Lax cookie set at the begin is readable here.
#[handler]
pub(crate) async fn continue_login(
    app: Data<&App>,
    request: &Request,
    Path(handle): Path<String>,
) -> Response {
    let mut browser = browser::of(&app, request);
    let answer = finished(&app, &handle, &mut browser, None).await;
    let answer = answer.unwrap_or_else(|error| error_page::internal(&error, &browser.request_id));
    with_cookie(&app, &browser, answer)
}

#[derive(Deserialize)]
struct DecisionForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    decision: String,
}

/// The person's word on the page that names the account (PORTAL H5).
#[handler]
pub(crate) async fn decide(
    app: Data<&App>,
    request: &Request,
    Path(handle): Path<String>,
    Form(form): Form<DecisionForm>,
) -> Response {
    let mut browser = browser::of(&app, request);
    if !browser::csrf_holds(&app, &browser, &form.csrf) {
        return start_again();
    }
    let decision = if form.decision == "continue" {
        Decision::Continue
    } else {
        Decision::Deny
    };
    finished(&app, &handle, &mut browser, Some(decision))
        .await
        .unwrap_or_else(|error| error_page::internal(&error, &browser.request_id))
}

async fn finished(
    app: &App,
    handle: &str,
    browser: &mut Browser,
    decision: Option<Decision>,
) -> Result<Response, Error> {
    match login::finish(app, handle, browser, decision).await? {
        Finished::Answered { return_to, code } => {
            Ok(answer_to(app, &return_to, &[("code", &code)]))
        }
        Finished::Refused(refusal) => error_page::refusal(app, &refusal, None).await,
        Finished::Confirm(confirmation) => {
            browser::bind(app, browser);
            Ok(pages::continue_as(&ContinueAsPage {
                app: &confirmation.application,
                account: &confirmation.account,
                idp_host: &confirmation.idp_host,
                action: &format!("/login/continue/{handle}"),
                csrf: &browser::csrf(app, browser),
                redirect_uri: &confirmation.redirect_uri,
            })
            .into_response())
        }
        Finished::Unknown => Ok(error_page::expired(app.clock.now())),
    }
}

/// The page is from another browser session, or cookies are off.
fn start_again() -> Response {
    pages::error(
        &ErrorPage {
            title: "This page is too old",
            text: "Go back to the application and start the sign-in again. If it happens every time, allow cookies for this site.",
            code: "page_expired",
            request_id: None,
            link: None,
        },
        StatusCode::BAD_REQUEST,
    )
    .into_response()
}

fn with_cookie(app: &App, browser: &Browser, mut response: Response) -> Response {
    browser::set_cookie(app, browser, &mut response);
    response
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};
    use crate::config::{Config, PublicUrl};
    use crate::test_database::Database;

    /// What all addresses together may type of one domain or code in a minute.
    const OF_ONE_DOMAIN: u32 = 600;

    async fn limited() -> (App, Database) {
        let database = Database::fresh().await;
        let config = Config::load(None, |name| match name {
            "TENON_DATABASE_URL" => Some(database.url.clone()),
            "TENON_ENCRYPTION_KEYS" => Some(format!("test:{}", STANDARD.encode([7; 32]))),
            _ => None,
        });
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let url = PublicUrl::localhost(8080);
        let app = App::open(config.unwrap(), url, clock, entropy).await;
        (app.unwrap(), database)
    }

    /// Typed by somebody at an address of their own.
    fn typed(app: &App, number: u32, email: &str, code: &str) -> Result<Duration, Limited> {
        let mut request = Request::builder().finish();
        request.set_data(ClientIp(IpAddr::V4(Ipv4Addr::from_bits(
            0x0a00_0000 + number,
        ))));
        let form = SignInForm {
            flow: String::new(),
            csrf: String::new(),
            email: email.to_owned(),
            code: code.to_owned(),
            remember: None,
        };
        pace(app, &request, &form)
    }

    /// Whoever spreads guesses about one organization over many addresses is refused all the same.
    #[tokio::test]
    async fn a_code_is_limited_as_a_domain_is_whoever_types_it_and_however() {
        let (app, _database) = limited().await;
        let spellings = ["acme", " ACME ", "Acme"];
        let mut tries = (0..2 * OF_ONE_DOMAIN).zip(spellings.into_iter().cycle());
        let refused = tries.find_map(|(number, code)| {
            let limited = typed(&app, number, "", code).err()?;
            Some((number, limited.limit))
        });
        let (number, limit) = refused.expect("some are too many");
        assert_eq!(limit, Limit::SignInDomain);
        // A bucket fills again while the test runs.
        assert!(number >= OF_ONE_DOMAIN, "{number}");
        // Nobody else waits for it.
        let fresh = 1 << 16;
        for (number, email, code) in [
            (fresh, "", "globex"),
            (fresh + 1, "ada@acme.example", ""),
            (fresh + 2, "", ""),
        ] {
            assert_eq!(typed(&app, number, email, code).unwrap(), DISCOVERY_TIME);
        }
    }

    #[tokio::test]
    async fn a_code_that_looks_like_a_domain_takes_nothing_from_it() {
        let (app, _database) = limited().await;
        let mut tries = 0..2 * OF_ONE_DOMAIN;
        let refused = tries.find(|number| typed(&app, *number, "", "acme.example").is_err());
        assert!(refused.is_some());
        typed(&app, 1 << 16, "ada@acme.example", "").unwrap();
    }
}
