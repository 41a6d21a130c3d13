//! `/oauth/authorize` (RFC 6749 3.1): checked, routed, and on its way to the IdP.

use std::net::IpAddr;

use connectors::Begin;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use super::error::described;
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{
    AuthorizeError, AuthorizeRequest, Parameters, Prompt, ResponseMode, ReturnTo, check, client_id,
    redirect_with, unknown_client, with_hint,
};
use crate::flows::discovery::{self, Route};
use crate::flows::login::{self, Browser, Refusal};
use crate::flows::pushed_requests::{self, REQUEST_URI};
use crate::http::client_ip::ClientIp;
use crate::http::login::{Remembered, SLOWED_DOWN};
use crate::http::pages::{
    self, Choice, ChoosePage, ErrorPage, Page, PostFormPage, RememberedPage, SignInMessage,
    SignInPage,
};
use crate::http::{browser, error_page};
use crate::model::{Application, DiscoveryMode};
use crate::store::{OrgScope, RoutedConnection, applications, organizations};

/// So many hints of one network may lead nowhere in a minute before the answer takes longer, as where an email is
/// typed.
const UNSLOWED_MISSES: u32 = 10;

/// Longest form that an application may post here, in bytes.
const MAX_FORM: usize = 64 * 1024;

#[handler]
pub(crate) async fn get(app: Data<&App>, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&app, request, &query).await
}

/// OIDC Core 3.1.2.1: the same by POST.
#[handler]
pub(crate) async fn post(app: Data<&App>, request: &Request, body: Body) -> Response {
    match body.into_string().await {
        Ok(form) if form.len() <= MAX_FORM => answer(&app, request, &form).await,
        _ => pages::error_of_status(StatusCode::PAYLOAD_TOO_LARGE, None).into_response(),
    }
}

async fn answer(app: &App, request: &Request, query: &str) -> Response {
    let mut browser = browser::of(app, request);
    browser::bind(app, &mut browser);
    let remembered = Remembered::of(app, request);
    let visitor = Visitor {
        browser: &browser,
        remembered: &remembered,
        keeps_email: false,
    };
    let network = ClientIp::network_of(request);
    let mut response = match authorize(app, query, visitor, network).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &browser.request_id),
    };
    browser::set_cookie(app, &browser, &mut response);
    response
}

/// A checked request and its application, or the answer that says what is wrong with it.
pub(crate) async fn read(
    app: &App,
    query: &str,
) -> Result<Result<(AuthorizeRequest, Application), Response>, Error> {
    let (parameters, twice) = Parameters::parse(query);
    let checked = match client_id(&parameters) {
        Err(error) => Err(error),
        Ok(id) => match applications::recall(&app.store, id).await? {
            None => Err(unknown_client()),
            Some(stored) => match check(&parameters, twice.as_deref(), &stored.application) {
                Err(error) => Err(error),
                Ok(request) => with_hint(app, request, &parameters)
                    .await?
                    .map(|request| (request, stored.application.clone())),
            },
        },
    };
    Ok(checked.map_err(|error| refuse(app, &error)))
}

fn refuse(app: &App, error: &AuthorizeError) -> Response {
    match error {
        AuthorizeError::Untrusted { code, message } => pages::error(
            &ErrorPage {
                title: "This sign-in link doesn't work",
                text: message,
                code,
                request_id: None,
                link: None,
            },
            StatusCode::BAD_REQUEST,
        )
        .into_response(),
        AuthorizeError::Refused {
            return_to,
            error,
            description,
        } => to_application(app, return_to, error, description),
    }
}

/// The authorization error response (RFC 6749 4.1.2.1), with `iss` (RFC 9207).
pub(crate) fn to_application(
    app: &App,
    return_to: &ReturnTo,
    error: &str,
    description: &str,
) -> Response {
    let description = described(description);
    let answer = [("error", error), ("error_description", &description)];
    answer_to(app, return_to, &answer)
}

/// An authorization response with `state` and `iss`, in the mode that the application asked for.
pub(crate) fn answer_to(app: &App, return_to: &ReturnTo, answer: &[(&str, &str)]) -> Response {
    let mut answer = answer.to_vec();
    answer.extend(return_to.state.as_deref().map(|state| ("state", state)));
    answer.push(("iss", app.public_url.as_str()));
    match return_to.response_mode {
        ResponseMode::Query => see_other(&redirect_with(&return_to.redirect_uri, &answer)),
        ResponseMode::FormPost => {
            let fields: Vec<(String, String)> = answer
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let host = url::Url::parse(&return_to.redirect_uri)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned));
            pages::post_form(&PostFormPage {
                to_application: true,
                app: host.as_deref().unwrap_or_default(),
                url: &return_to.redirect_uri,
                fields: &fields,
                loopback_http: !app.public_url.is_secure(),
            })
            .into_response()
        }
    }
}

pub(crate) fn see_other(url: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, url)
        .header(header::CACHE_CONTROL, "no-store")
        .finish()
}

/// The browser, and where it signed in before.
#[derive(Clone, Copy)]
pub(crate) struct Visitor<'a> {
    pub(crate) browser: &'a Browser,
    pub(crate) remembered: &'a Remembered,
    /// Whether the person asked to keep the email that was typed.
    pub(crate) keeps_email: bool,
}

async fn authorize(
    app: &App,
    query: &str,
    visitor: Visitor<'_>,
    network: IpAddr,
) -> Result<Response, Error> {
    let pushed = match pushed(app, query).await? {
        Ok(pushed) => pushed,
        Err(answer) => return Ok(answer),
    };
    // From here on the pushed request stands for the handle, on our pages too: the handle is used up.
    let query = pushed.as_deref().unwrap_or(query);
    let (request, application) = match read(app, query).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let hinted = discovery::goes_by_hint(&request);
    if hinted {
        app.missed_hints.check(&network, app.clock.now())?;
    }
    let route = discovery::route(app, &request).await?;
    if hinted && route == Route::NoRoute {
        let misses = app.missed_hints.note(network, app.clock.now());
        if misses > UNSLOWED_MISSES {
            tokio::time::sleep(SLOWED_DOWN).await;
        }
    }
    follow(app, route, request, &application, query, visitor).await
}

/// The request for which the query brings a handle (RFC 9126 4); `None` when it is a request itself. Who brings
/// a wrong handle is told on a page: nothing says where the application would want it.
async fn pushed(app: &App, query: &str) -> Result<Result<Option<String>, Response>, Error> {
    let (parameters, twice) = Parameters::parse(query);
    let handle = parameters.get("request_uri");
    let Some(handle) = handle.filter(|uri| uri.starts_with(REQUEST_URI)) else {
        return Ok(Ok(None));
    };
    let client = match client_id(&parameters) {
        Ok(client) => client,
        Err(error) => return Ok(Err(refuse(app, &error))),
    };
    let taken = match twice.as_deref() {
        Some("client_id" | "request_uri") => None,
        _ => pushed_requests::take(app, client, handle).await?,
    };
    Ok(match taken {
        Some(query) => Ok(Some(query)),
        None => Err(refuse(
            app,
            &AuthorizeError::Untrusted {
                code: "invalid_request_uri",
                message: "This sign-in was started too long ago, or its link was opened before. Go back to the application and start again."
                    .to_owned(),
            },
        )),
    })
}

/// Follows a route: to the IdP, to a choice, or to the page that asks for the email.
pub(crate) async fn follow(
    app: &App,
    route: Route,
    request: AuthorizeRequest,
    application: &Application,
    query: &str,
    visitor: Visitor<'_>,
) -> Result<Response, Error> {
    let browser = visitor.browser;
    let ask = |request: &AuthorizeRequest, message| {
        ask(app, request, application, query, browser, message)
    };
    let open = match route {
        Route::Connection { connection, .. } => login::open(app, connection).await?,
        _ => None,
    };
    if let Some(open) = open {
        let passive = request.is_passive();
        return match login::begin(app, &open, request, browser).await? {
            Ok(begun) => Ok(to_idp(app, &begun.begin, &application.name)),
            Err(refusal) if passive => Ok(refused_passively(app, &refusal)),
            Err(refusal) => error_page::refusal(app, &refusal, Some(application)).await,
        };
    }
    match route {
        _ if request.is_passive() => Ok(to_application(
            app,
            &request.return_to(),
            "login_required",
            "no connection signs this person in without a page",
        )),
        Route::Choose { scope, connections } => {
            choose(app, application, query, visitor, &scope, &connections).await
        }
        Route::Ask => Ok(offer(app, &request, application, query, visitor)
            .unwrap_or_else(|| ask(&request, SignInMessage::Ask))),
        // A connection without settings signs nobody in.
        Route::Connection { .. } | Route::NoRoute => Ok(ask(&request, SignInMessage::NoMatch)),
    }
}

/// H2, where this browser signed in to the application before and nobody wants another account.
pub(crate) fn offer(
    app: &App,
    request: &AuthorizeRequest,
    application: &Application,
    query: &str,
    visitor: Visitor<'_>,
) -> Option<Response> {
    if request.prompt.contains(&Prompt::SelectAccount) {
        return None;
    }
    let choices = visitor.remembered.choices(app, application.id);
    let page = RememberedPage {
        app: &application.name,
        flow: query,
        csrf: &browser::csrf(app, visitor.browser),
        choices: &choices,
        other: other(application),
        loopback_http: !app.public_url.is_secure(),
    };
    (!choices.is_empty()).then(|| pages::remembered(&page).into_response())
}

/// What a link to the page that asks is called.
fn other(application: &Application) -> &'static str {
    match application.discovery {
        DiscoveryMode::Email => "Use a different email",
        DiscoveryMode::Slug | DiscoveryMode::HintOnly => "Sign in to another organization",
    }
}

/// `prompt=none`: the application is told, with Tenon's code and login id (CONTRACT section 4).
pub(crate) fn refused_passively(app: &App, refusal: &Refusal) -> Response {
    match &refusal.request {
        Some(request) => to_application(
            app,
            &request.return_to(),
            error_page::standard_code(&refusal.error),
            &format!("{} ({})", refusal.error.code(), refusal.login),
        ),
        None => pages::error_of_status(StatusCode::BAD_REQUEST, None).into_response(),
    }
}

/// The browser on its way: a redirect, or a page that posts the request.
pub(crate) fn to_idp(app: &App, begin: &Begin, application: &str) -> Response {
    match begin {
        Begin::Redirect { url } => see_other(url),
        Begin::PostForm { url, fields } => pages::post_form(&PostFormPage {
            to_application: false,
            app: application,
            url,
            fields,
            loopback_http: !app.public_url.is_secure(),
        })
        .into_response(),
    }
}

async fn choose(
    app: &App,
    application: &Application,
    query: &str,
    visitor: Visitor<'_>,
    scope: &OrgScope,
    connections: &[RoutedConnection],
) -> Result<Response, Error> {
    let organization = organizations::find(&app.store.read(), scope).await?;
    let mut choices: Vec<Choice> = connections
        .iter()
        .map(|connection| Choice {
            connection_id: connection.id.to_string(),
            name: connection.name.to_string(),
            used_before: visitor.remembered.knows(connection.id),
        })
        .collect();
    choices.sort_by_key(|choice| !choice.used_before);
    let page = ChoosePage {
        app: &application.name,
        org: organization
            .as_ref()
            .map_or("Your organization", |organization| &organization.name),
        flow: query,
        csrf: &browser::csrf(app, visitor.browser),
        choices: &choices,
        remember: visitor.keeps_email,
        other: other(application),
        loopback_http: !app.public_url.is_secure(),
    };
    Ok(pages::choose(&page).into_response())
}

/// H1 and, with a message, H4: the page that asks for the work email.
pub(crate) fn ask(
    app: &App,
    request: &AuthorizeRequest,
    application: &Application,
    query: &str,
    browser: &Browser,
    message: SignInMessage,
) -> Response {
    let page: Page = pages::sign_in(&SignInPage {
        app: &application.name,
        flow: query,
        csrf: &browser::csrf(app, browser),
        email: request.login_hint.as_deref().unwrap_or_default(),
        asks: application.discovery,
        message,
        app_url: application.initiate_login_uri.as_deref(),
        loopback_http: !app.public_url.is_secure(),
    });
    page.into_response()
}
