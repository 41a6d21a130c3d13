//! The hosted sign-in pages and the continue step (PORTAL H1, H3, H4; CONTRACT section 5).
//!
//! No state is kept for a page: its form carries the application's whole authorization request in `flow`, and
//! it is checked again from the start when it comes back.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Form, Path, Query};
use poem::{IntoResponse, Request, Response, handler};
use serde::Deserialize;

use super::client_ip::ClientIp;
use super::limits::{Limit, Limited};
use super::oauth::authorize::{ask, follow, read, to_application};
use super::pages::{self, ContinueAsPage, ErrorPage, SignInMessage};
use super::{browser, error_page, too_many};
use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::{self, Route};
use crate::flows::login::{self, Browser, Decision, Finished};

/// A hit and a miss take the same time, at least this (SECURITY-MODEL G11, PORTAL H4).
const DISCOVERY_TIME: Duration = Duration::from_millis(150);

/// How long an answer takes for an address that types faster than people do.
const SLOWED_DOWN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Flow {
    #[serde(default)]
    flow: String,
}

/// H1 again, after the back button or a language switch.
#[handler]
pub(crate) async fn page(app: Data<&App>, request: &Request, Query(flow): Query<Flow>) -> Response {
    let mut browser = browser::of(&app, request);
    browser::bind(&app, &mut browser);
    let answer = match read(&app, &flow.flow).await {
        Ok(Ok((request, application))) => ask(
            &app,
            &request,
            &application,
            &flow.flow,
            &browser,
            SignInMessage::Ask,
        ),
        Ok(Err(_)) => start_again(),
        Err(error) => error_page::internal(&error, &browser.request_id),
    };
    with_cookie(&app, &browser, answer)
}

#[derive(Deserialize)]
struct EmailForm {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    email: String,
}

/// The email was typed: to its organization's IdP, or H4.
#[handler]
pub(crate) async fn submit(
    app: Data<&App>,
    request: &Request,
    Form(form): Form<EmailForm>,
) -> Response {
    let mut browser = browser::of(&app, request);
    let time = match pace(&app, request, &form.email) {
        Ok(time) => time,
        Err(limited) => return too_many(&limited),
    };
    let answered = tokio::time::sleep(time);
    let holds = browser::csrf_holds(&app, &browser, &form.csrf);
    browser::bind(&app, &mut browser);
    let answer = if holds {
        discover(&app, &form, &browser).await
    } else {
        Ok(start_again())
    };
    answered.await;
    let answer = answer.unwrap_or_else(|error| error_page::internal(&error, &browser.request_id));
    with_cookie(&app, &browser, answer)
}

/// How long the answer takes, or why there is none: by the address that asks, and by the domain typed. A hit
/// counts as a miss does.
fn pace(app: &App, request: &Request, email: &str) -> Result<Duration, Limited> {
    let network = request.data::<ClientIp>().map(|client| client.network());
    let limits = &app.rate_limits;
    limits.check(Limit::SignInFlood, network)?;
    if let Some(domain) = discovery::domain_of_email(email) {
        limits.check(Limit::SignInDomain, domain)?;
    }
    Ok(match limits.check(Limit::SignInForm, network) {
        Ok(()) => DISCOVERY_TIME,
        Err(_) => SLOWED_DOWN,
    })
}

async fn discover(app: &App, form: &EmailForm, browser: &Browser) -> Result<Response, Error> {
    let (mut request, application) = match read(app, &form.flow).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    request.login_hint = Some(form.email.trim().to_owned());
    let Some(domain) = discovery::domain_of_email(&form.email) else {
        let message = SignInMessage::NotAnAddress;
        return Ok(ask(
            app,
            &request,
            &application,
            &form.flow,
            browser,
            message,
        ));
    };
    let route = discovery::of_domain(app, &domain);
    follow(app, route, request, &application, &form.flow, browser).await
}

#[derive(Deserialize)]
struct ChoiceForm {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    connection_id: String,
}

/// H3: one of an organization's connections was chosen.
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
        chosen(&app, &form, &browser).await
    } else {
        Ok(start_again())
    };
    let answer = answer.unwrap_or_else(|error| error_page::internal(&error, &browser.request_id));
    with_cookie(&app, &browser, answer)
}

async fn chosen(app: &App, form: &ChoiceForm, browser: &Browser) -> Result<Response, Error> {
    let (mut request, application) = match read(app, &form.flow).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    request.connection_id = form.connection_id.parse().ok();
    let route = match request.connection_id {
        Some(_) => discovery::route(app, &request).await?,
        None => Route::NoRoute,
    };
    follow(app, route, request, &application, &form.flow, browser).await
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
        Finished::Answer(answer) => Ok(to_application(&answer, None)),
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
