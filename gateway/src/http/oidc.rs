//! What a customer's OIDC IdP speaks to (CONTRACT section 5): the redirect URI, one per connection, and beside it
//! the connection's public keys.

use connectors::{Callback, Connector};
use poem::http::{StatusCode, header};
use poem::web::{Data, Path, Query};
use poem::{IntoResponse, Request, Response, handler};
use serde::Deserialize;

use super::oauth::authorize::see_other;
use super::{browser, error_page, pages};
use crate::app::App;
use crate::error::Error;
use crate::flows::login::{self, Answer, Browser};
use crate::ids::ConnectionId;

/// The authorization response (RFC 6749 4.1.2, RFC 9207).
#[derive(Deserialize)]
struct AuthorizationResponse {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[handler]
pub(crate) async fn callback(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
    Query(answer): Query<AuthorizationResponse>,
) -> Response {
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
