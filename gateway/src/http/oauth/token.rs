//! `/oauth/token` (RFC 6749 3.2).

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};

use super::caller::{caller, uncached};
use super::error::OauthError;
use crate::app::App;
use crate::flows::tokens::{self, CodeRequest, RefreshRequest, TokenResponse};
use crate::http::browser;

#[handler]
pub(super) async fn token(app: Data<&App>, request: &Request, body: Body) -> Response {
    match grant(&app, request, body).await {
        Ok(tokens) => uncached(StatusCode::OK, tokens),
        Err(error) => error.into_response(),
    }
}

async fn grant(app: &App, request: &Request, body: Body) -> Result<TokenResponse, OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    let client = &client.application;
    let required = |name| {
        parameters
            .get(name)
            .ok_or_else(|| OauthError::missing(name))
    };
    let request_id = browser::request_id(request);
    let granted = match required("grant_type")? {
        "authorization_code" => {
            let asked = CodeRequest {
                code: required("code")?,
                redirect_uri: required("redirect_uri")?,
                code_verifier: parameters.get("code_verifier"),
                request_id: &request_id,
            };
            tokens::redeem(app, client, asked).await
        }
        "refresh_token" => {
            let asked = RefreshRequest {
                refresh_token: required("refresh_token")?,
                scope: parameters.get("scope"),
                request_id: &request_id,
            };
            tokens::refresh(app, client, asked).await
        }
        _ => return Err(OauthError::unsupported_grant_type()),
    };
    granted?.map_err(|refusal| {
        tracing::info!(client_id = %client.id, reason = ?refusal, "a grant was refused");
        refusal.into()
    })
}
