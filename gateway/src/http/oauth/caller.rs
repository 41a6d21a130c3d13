//! Who calls an endpoint that clients authenticate at, and with which parameters.

use std::hash::Hash;
use std::sync::Arc;

use poem::{Body, Request};

use super::client_auth::authenticate;
use super::error::OauthError;
use crate::app::App;
use crate::flows::authorize::Parameters;
use crate::http::client_ip::ClientIp;
use crate::http::limits::{BodyRefused, Limit};
use crate::model::{Application, ApplicationType};
use crate::store::applications::StoredApplication;

/// The parameters and the client, authenticated and counted: by its id, where it proves nothing by its address too,
/// and by address alone where it is not who it says.
pub(super) async fn caller(
    app: &App,
    request: &Request,
    body: Body,
) -> Result<(Parameters, Arc<StoredApplication>), OauthError> {
    let parameters = form(request, body).await?;
    let network = ClientIp::network_of(request);
    let client = match authenticate(app, request, &parameters).await {
        Ok(client) => client,
        Err(refused) => {
            count(app, Limit::FailedCredential, network)?;
            return Err(refused);
        }
    };
    let Application { id, kind, .. } = client.application;
    match kind {
        ApplicationType::Confidential => count(app, Limit::Client, id)?,
        // Anybody may say that they are it, and must not use up what its users need.
        ApplicationType::Public => count(app, Limit::Client, (id, network))?,
    }
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
