//! `/oauth/token` (RFC 6749 3.2).

use std::hash::Hash;

use poem::http::{HeaderValue, header};
use poem::web::{Data, Json};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::client_auth::authenticate;
use super::error::OauthError;
use crate::app::App;
use crate::flows::authorize::Parameters;
use crate::flows::tokens::{self, CodeRequest, RefreshRequest, TokenResponse};
use crate::http::browser;
use crate::http::client_ip::ClientIp;
use crate::http::limits::{BodyRefused, Limit};

#[handler]
pub(super) async fn token(app: Data<&App>, request: &Request, body: Body) -> Response {
    match grant(&app, request, body).await {
        Ok(tokens) => {
            let mut response = Json(tokens).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn grant(app: &App, request: &Request, body: Body) -> Result<TokenResponse, OauthError> {
    let parameters = form(request, body).await?;
    let client = match authenticate(app, request, &parameters).await {
        Ok(client) => client,
        Err(refused) => {
            let address = request.data::<ClientIp>().map(|client| client.network());
            count(app, Limit::FailedCredential, address)?;
            return Err(refused);
        }
    };
    let client = &client.application;
    count(app, Limit::Client, client.id)?;
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

fn count(app: &App, limit: Limit, caller: impl Hash) -> Result<(), OauthError> {
    Ok(app.rate_limits.check(limit, caller)?)
}

/// The parameters of the body; what stands in the URL does not count, since URLs get logged (RFC 6749 2.3.1).
async fn form(request: &Request, body: Body) -> Result<Parameters, OauthError> {
    let media_type = request
        .content_type()
        .and_then(|value| value.split(';').next());
    let is_form = media_type.is_some_and(|value| {
        value
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(OauthError::invalid_request(
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    let body =
        body.into_string()
            .await
            .map_err(|error| match BodyRefused::in_read_error(&error) {
                Some(refused) => refused.into(),
                None => OauthError::invalid_request("the body can't be read"),
            })?;
    match Parameters::parse(&body) {
        (parameters, None) => Ok(parameters),
        (_, Some(twice)) => Err(OauthError::invalid_request(format!(
            "the parameter {twice} stands twice"
        ))),
    }
}
