//! `/oauth/introspect` (RFC 7662).

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};

use super::caller::{caller, uncached};
use super::error::OauthError;
use crate::app::App;
use crate::flows::tokens::{self, Introspection};
use crate::model::ApplicationType;

#[handler]
pub(super) async fn introspect(app: Data<&App>, request: &Request, body: Body) -> Response {
    match introspected(&app, request, body).await {
        Ok(answer) => uncached(StatusCode::OK, answer),
        Err(error) => error.into_response(),
    }
}

async fn introspected(
    app: &App,
    request: &Request,
    body: Body,
) -> Result<Introspection, OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    // RFC 7662 2.1: the caller has to be authorized, and a public client's name proves nothing.
    if client.application.kind == ApplicationType::Public {
        return Err(OauthError::invalid_client(
            "a public client can't introspect tokens",
            false,
        ));
    }
    let token = parameters
        .get("token")
        .ok_or_else(|| OauthError::missing("token"))?;
    Ok(tokens::introspect(app, &client.application, token).await?)
}
