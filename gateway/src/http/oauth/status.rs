//! `/oauth/revoke` (RFC 7009) and `/oauth/introspect` (RFC 7662).

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::caller::caller;
use super::error::{OauthError, keep_out_of_caches};
use crate::app::App;
use crate::flows::tokens::{self, TokenStatus};
use crate::http::browser;
use crate::model::ApplicationType;

#[handler]
pub(super) async fn revoke(app: Data<&App>, request: &Request, body: Body) -> Response {
    match revoked(&app, request, body).await {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            keep_out_of_caches(&mut response);
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

#[handler]
pub(super) async fn introspect(app: Data<&App>, request: &Request, body: Body) -> Response {
    match status(&app, request, body).await {
        Ok(status) => {
            let mut response = Json(status).into_response();
            keep_out_of_caches(&mut response);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn status(app: &App, request: &Request, body: Body) -> Result<TokenStatus, OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    // A client that proves nothing of itself could be anybody who tries tokens (RFC 7662 2.1).
    if client.application.kind == ApplicationType::Public {
        return Err(OauthError::invalid_client(
            "introspection is for clients that authenticate",
            false,
        ));
    }
    let token = parameters
        .get("token")
        .ok_or_else(|| OauthError::missing("token"))?;
    Ok(tokens::introspect(app, &client.application, token).await?)
}
