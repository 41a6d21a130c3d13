//! `/oauth/userinfo` (OIDC Core 5.3), by GET or POST, with the access token in the `Authorization` header.

use poem::http::{HeaderValue, header};
use poem::web::{Data, Json};
use poem::{IntoResponse, Request, Response, handler};

use super::error::OauthError;
use crate::app::App;
use crate::flows::tokens::{self, UserInfo};
use crate::http::client_ip::ClientIp;
use crate::http::limits::Limit;

#[handler]
pub(super) async fn userinfo(app: Data<&App>, request: &Request) -> Response {
    match answer(&app, request).await {
        Ok(claims) => {
            let mut response = Json(claims).into_response();
            let no_store = HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, no_store);
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Counted by client, as at the token endpoint, or by address where no token of ours comes.
async fn answer(app: &App, request: &Request) -> Result<UserInfo, OauthError> {
    let refused = match bearer(request) {
        None => OauthError::token_missing(),
        Some(token) => match tokens::userinfo(app, token).await? {
            Ok((client, claims)) => {
                app.rate_limits.check(Limit::Client, client)?;
                return Ok(claims);
            }
            Err(refusal) => refusal.into(),
        },
    };
    let network = ClientIp::network_of(request);
    app.rate_limits.check(Limit::FailedCredential, network)?;
    Err(refused)
}

/// RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1).
fn bearer(request: &Request) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
