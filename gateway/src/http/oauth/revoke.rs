//! `/oauth/revoke` (RFC 7009).

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};

use super::caller::{caller, no_store};
use super::error::OauthError;
use crate::app::App;
use crate::flows::tokens;
use crate::http::browser;

/// `token_type_hint` is not needed: our tokens tell themselves apart.
#[handler]
pub(super) async fn revoke(app: Data<&App>, request: &Request, body: Body) -> Response {
    match revoked(&app, request, body).await {
        Ok(()) => {
            let mut response = StatusCode::OK.into();
            no_store(&mut response);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn revoked(app: &App, request: &Request, body: Body) -> Result<(), OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    let token = parameters
        .get("token")
        .ok_or_else(|| OauthError::missing("token"))?;
    let request_id = browser::request_id(request);
    Ok(tokens::revoke(app, &client.application, token, &request_id).await??)
}
