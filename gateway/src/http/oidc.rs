//! What a customer's OIDC IdP speaks to (CONTRACT section 5): the redirect URI, one per connection, and beside it
//! the connection's public keys and the two ends of a logout.

use std::net::IpAddr;

use connectors::{Callback, Connector};
use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};
use serde_json::json;

use super::client_ip::ClientIp;
use super::limits::Limit;
use super::oauth::authorize::see_other;
use super::oauth::error::described;
use super::oauth::logout::signed_out;
use super::{browser, error_page, pages};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Parameters;
use crate::flows::login::{self, Answer, Browser};
use crate::flows::logout::oidc as logout;
use crate::ids::ConnectionId;

/// The authorization response (RFC 6749 4.1.2, RFC 9207).
#[derive(Default)]
struct AuthorizationResponse {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl AuthorizationResponse {
    /// Of two values of one parameter readers could each believe another one: then nothing counts, and the answer
    /// is to no sign-in.
    fn parse(query: &str) -> Self {
        let mut answer = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.iss,
                "error" => &mut answer.error,
                "error_description" => &mut answer.error_description,
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Self::default();
            }
        }
        answer
    }
}

#[handler]
pub(crate) async fn callback(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
) -> Response {
    let answer = AuthorizationResponse::parse(request.uri().query().unwrap_or_default());
    let browser = browser::of(&app, request);
    match complete(&app, &id, answer, &browser).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &browser.request_id),
    }
}

/// The keys that sign this connection's `private_key_jwt` assertions (RFC 7517).
#[handler]
pub(crate) async fn jwks(app: Data<&App>, request: &Request, Path(id): Path<String>) -> Response {
    let found = match id.parse::<ConnectionId>() {
        Ok(id) => login::client_jwks(&app, id).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(keys)) => Response::builder()
            .header(header::CONTENT_TYPE, "application/jwk-set+json")
            .header(header::CACHE_CONTROL, "public, max-age=300")
            .body(keys),
        Ok(None) => pages::error_of_status(StatusCode::NOT_FOUND, None).into_response(),
        Err(error) => error_page::internal(&error, &browser::request_id(request)),
    }
}

/// The provider's session has ended (Back-Channel Logout 1.0, sections 2.5 and 2.8).
#[handler]
pub(crate) async fn backchannel_logout(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let request_id = browser::request_id(request);
    let network = ClientIp::network_of(request);
    match end_sessions(&app, &id, body, network, &request_id).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &request_id),
    }
}

async fn end_sessions(
    app: &App,
    id: &str,
    body: Body,
    network: IpAddr,
    request_id: &str,
) -> Result<Response, Error> {
    let open = match id.parse::<ConnectionId>() {
        Ok(id) => login::open(app, id).await?,
        Err(_) => None,
    };
    let Some((open, Connector::Oidc(oidc))) = open.as_deref().map(|open| (open, &*open.connector))
    else {
        return Ok(pages::error_of_status(StatusCode::NOT_FOUND, None).into_response());
    };
    let caller = (open.connection.id, network);
    app.rate_limits.check(Limit::Client, caller)?;
    let form = body.into_string().await.unwrap_or_default();
    let (parameters, _) = Parameters::parse(&form);
    let Some(token) = parameters.get("logout_token") else {
        return Ok(not_logged_out("logout_token is missing"));
    };
    Ok(
        match logout::consume(app, open, oidc, token, request_id).await? {
            Ok(()) => Response::builder()
                .header(header::CACHE_CONTROL, "no-store")
                .finish(),
            Err(error) => not_logged_out(&format!("{}: {error}", error.code())),
        },
    )
}

fn not_logged_out(description: &str) -> Response {
    let description = described(description);
    let error = json!({"error": "invalid_request", "error_description": description});
    Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::CONTENT_TYPE, "application/json")
        .body(error.to_string())
}

/// The browser comes back from the end of the provider's session (RP-Initiated Logout 1.0, section 3).
#[handler]
pub(crate) async fn logged_out(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
) -> Response {
    let (parameters, _) = Parameters::parse(request.uri().query().unwrap_or_default());
    let back = match id.parse::<ConnectionId>() {
        Ok(id) => logout::come_back(&app, id, parameters.get("state")).await,
        Err(_) => Ok(None),
    };
    match back {
        Ok(Some(logout::Back::ToApplication { url })) => see_other(&url),
        Ok(Some(logout::Back::Here { application })) => signed_out(application.as_deref()),
        Ok(None) => pages::error_of_status(StatusCode::NOT_FOUND, None).into_response(),
        Err(error) => error_page::internal(&error, &browser::request_id(request)),
    }
}

async fn complete(
    app: &App,
    id: &str,
    answer: AuthorizationResponse,
    browser: &Browser,
) -> Result<Response, Error> {
    let open = match id.parse::<ConnectionId>() {
        Ok(id) => login::open(app, id).await?,
        Err(_) => None,
    };
    let Some(open) = open.filter(|open| matches!(&*open.connector, Connector::Oidc(_))) else {
        return Ok(pages::error_of_status(StatusCode::NOT_FOUND, None).into_response());
    };
    let answer = Callback::OidcRedirect {
        code: answer.code,
        state: answer.state,
        iss: answer.iss,
        error: answer.error,
        error_description: answer.error_description,
    };
    match login::complete(app, &open, answer, browser).await? {
        Answer::Continue { handle } => Ok(see_other(&format!("/login/continue/{handle}"))),
        Answer::Refused(refusal) => error_page::refusal(app, &refusal, None).await,
    }
}
