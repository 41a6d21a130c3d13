//! What the token endpoint and its neighbours have in common: a form in the body, a client that proves itself, and
//! an answer that nobody keeps.

use std::hash::Hash;
use std::sync::Arc;

use poem::http::{HeaderValue, StatusCode, header};
use poem::web::Json;
use poem::{Body, IntoResponse, Request, Response};
use serde::Serialize;

use super::client_auth::authenticate;
use super::error::OauthError;
use crate::app::App;
use crate::flows::authorize::Parameters;
use crate::http::client_ip::ClientIp;
use crate::http::limits::{BodyRefused, Limit};
use crate::store::applications::StoredApplication;

/// The parameters and the authenticated client. Counted by client, or by address where the client is not who it
/// says.
pub(super) async fn caller(
    app: &App,
    request: &Request,
    body: Body,
) -> Result<(Parameters, Arc<StoredApplication>), OauthError> {
    let parameters = form(request, body).await?;
    let client = match authenticate(app, request, &parameters).await {
        Ok(client) => client,
        Err(refused) => {
            let address = request.data::<ClientIp>().map(|client| client.network());
            count(app, Limit::FailedCredential, address)?;
            return Err(refused);
        }
    };
    count(app, Limit::Client, client.application.id)?;
    Ok((parameters, client))
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

/// JSON that no cache keeps (RFC 6749 5.1).
pub(super) fn uncached(status: StatusCode, body: impl Serialize + Send) -> Response {
    let mut response = Json(body).into_response();
    response.set_status(status);
    no_store(&mut response);
    response
}

pub(super) fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
