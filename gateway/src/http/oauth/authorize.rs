//! `/oauth/authorize` (RFC 6749 3.1): checked, routed, and on its way to the IdP.

use connectors::Begin;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{
    AuthorizationResponse, AuthorizeError, AuthorizeRequest, Parameters, ResponseMode, check,
    client_id, redirect_with, unknown_client,
};
use crate::flows::discovery::{self, Route};
use crate::flows::login::{self, Browser, Refusal};
use crate::flows::pushed_requests;
use crate::http::pages::{
    self, Choice, ChoosePage, ErrorPage, Page, PostAnswerPage, PostFormPage, SignInMessage,
    SignInPage,
};
use crate::http::{browser, error_page};
use crate::model::Application;
use crate::store::{RoutedConnection, applications};

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
    let mut response = match authorize(app, query, &browser).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &browser.request_id),
    };
    browser::set_cookie(app, &browser, &mut response);
    response
}

/// The query that a `request_uri` of ours stands for (RFC 9126 4); `None` where the request brings its own. Beside
/// the reference only `client_id` counts (RFC 9101 5).
async fn pushed(app: &App, query: &str) -> Result<Result<Option<String>, Response>, Error> {
    let (parameters, twice) = Parameters::parse(query);
    let Some(request_uri) = parameters
        .get("request_uri")
        .filter(|uri| uri.starts_with(pushed_requests::PREFIX))
    else {
        return Ok(Ok(None));
    };
    let refused = |code, message: &str| {
        refuse(
            app,
            &AuthorizeError::Untrusted {
                code,
                message: message.to_owned(),
            },
            None,
        )
    };
    if matches!(twice.as_deref(), Some("client_id" | "request_uri")) {
        let message = "The request names its application or its request_uri twice.";
        return Ok(Err(refused("invalid_request", message)));
    }
    let client = match client_id(&parameters) {
        Ok(client) => client,
        Err(error) => return Ok(Err(refuse(app, &error, None))),
    };
    Ok(
        match pushed_requests::take(app, client, request_uri).await? {
            Some(query) => Ok(Some(query)),
            None => Err(refused(
                "invalid_request_uri",
                "The request_uri has been used before, is older than a minute, or is not this application's.",
            )),
        },
    )
}

/// A checked request and its application, or the answer that says what is wrong with it.
pub(crate) async fn read(
    app: &App,
    query: &str,
) -> Result<Result<(AuthorizeRequest, Application), Response>, Error> {
    let (parameters, twice) = Parameters::parse(query);
    let checked = match client_id(&parameters) {
        Err(error) => Err(refuse(app, &error, None)),
        Ok(id) => match applications::recall(&app.store, id).await? {
            None => Err(refuse(app, &unknown_client(), None)),
            Some(stored) => match check(&parameters, twice.as_deref(), &stored.application) {
                Ok(request) => Ok((request, stored.application.clone())),
                Err(error) => Err(refuse(app, &error, Some(&stored.application))),
            },
        },
    };
    Ok(checked)
}

fn refuse(app: &App, error: &AuthorizeError, application: Option<&Application>) -> Response {
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
        AuthorizeError::Refused { .. } => match error.response(app.public_url.as_str()) {
            Some(answer) => to_application(&answer, application.map(|known| known.name.as_str())),
            None => pages::error_of_status(StatusCode::BAD_REQUEST, None).into_response(),
        },
    }
}

/// The authorization error response (RFC 6749 4.1.2.1), with `iss` (RFC 9207).
pub(crate) fn error_to_application(
    app: &App,
    request: &AuthorizeRequest,
    application: Option<&str>,
    error: &str,
    description: &str,
) -> Response {
    let said = [("error", error), ("error_description", description)];
    let answer = AuthorizationResponse::new(request, app.public_url.as_str(), &said);
    to_application(&answer, application)
}

/// Back to the application: by redirect, or by a page that posts the answer.
pub(crate) fn to_application(
    answer: &AuthorizationResponse,
    application: Option<&str>,
) -> Response {
    match answer.mode {
        ResponseMode::Query => {
            let parameters: Vec<(&str, &str)> = answer
                .parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            see_other(&redirect_with(&answer.redirect_uri, &parameters))
        }
        ResponseMode::FormPost => pages::post_answer(&PostAnswerPage {
            app: application.unwrap_or("the application"),
            url: &answer.redirect_uri,
            fields: &answer.parameters,
        })
        .into_response(),
    }
}

pub(crate) fn see_other(url: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, url)
        .header(header::CACHE_CONTROL, "no-store")
        .finish()
}

async fn authorize(app: &App, query: &str, browser: &Browser) -> Result<Response, Error> {
    let pushed = match pushed(app, query).await? {
        Ok(pushed) => pushed,
        Err(answer) => return Ok(answer),
    };
    // From here on it is as if the browser had brought the parameters itself: the reference has worked, once.
    let query = pushed.as_deref().unwrap_or(query);
    let (request, application) = match read(app, query).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let route = discovery::route(app, &request).await?;
    follow(app, route, request, &application, query, browser).await
}

/// Follows a route: to the IdP, to a choice, or to the page that asks for the email.
pub(crate) async fn follow(
    app: &App,
    route: Route,
    request: AuthorizeRequest,
    application: &Application,
    query: &str,
    browser: &Browser,
) -> Result<Response, Error> {
    match route {
        Route::Connection { connection, .. } => {
            let Some(open) = login::open(app, connection).await? else {
                return Ok(ask(
                    app,
                    &request,
                    application,
                    query,
                    browser,
                    SignInMessage::NoMatch,
                ));
            };
            let passive = request.is_passive();
            match login::begin(app, &open, request, browser).await? {
                Ok(begun) => Ok(to_idp(&begun.begin, &application.name)),
                Err(refusal) if passive => {
                    Ok(refused_passively(app, &refusal, Some(&application.name)))
                }
                Err(refusal) => error_page::refusal(app, &refusal, Some(application)).await,
            }
        }
        _ if request.is_passive() => Ok(error_to_application(
            app,
            &request,
            Some(&application.name),
            "login_required",
            "no connection signs this person in without a page",
        )),
        Route::Choose { connections, .. } => {
            Ok(choose(app, application, query, browser, &connections))
        }
        Route::Ask => Ok(ask(
            app,
            &request,
            application,
            query,
            browser,
            SignInMessage::Ask,
        )),
        Route::NoRoute => Ok(ask(
            app,
            &request,
            application,
            query,
            browser,
            SignInMessage::NoMatch,
        )),
    }
}

/// `prompt=none`: the application is told, with Tenon's code and login id (CONTRACT section 4).
pub(crate) fn refused_passively(
    app: &App,
    refusal: &Refusal,
    application: Option<&str>,
) -> Response {
    match &refusal.request {
        Some(request) => error_to_application(
            app,
            request,
            application,
            "login_required",
            &format!("{} ({})", refusal.error.code(), refusal.login),
        ),
        None => pages::error_of_status(StatusCode::BAD_REQUEST, None).into_response(),
    }
}

/// The browser on its way: a redirect, or a page that posts the request.
pub(crate) fn to_idp(begin: &Begin, application: &str) -> Response {
    match begin {
        Begin::Redirect { url } => see_other(url),
        Begin::PostForm { url, fields } => pages::post_form(&PostFormPage {
            app: application,
            url,
            fields,
        })
        .into_response(),
    }
}

fn choose(
    app: &App,
    application: &Application,
    query: &str,
    browser: &Browser,
    connections: &[RoutedConnection],
) -> Response {
    let choices: Vec<Choice> = connections
        .iter()
        .map(|connection| Choice {
            connection_id: connection.id.to_string(),
            name: connection.name.to_string(),
        })
        .collect();
    pages::choose(&ChoosePage {
        app: &application.name,
        org: "your organization",
        flow: query,
        csrf: &browser::csrf(app, browser),
        choices: &choices,
        loopback_http: !app.public_url.is_secure(),
    })
    .into_response()
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
        message,
        app_url: application.initiate_login_uri.as_deref(),
        loopback_http: !app.public_url.is_secure(),
    });
    page.into_response()
}
