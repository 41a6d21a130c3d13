//! `/oauth/par` (RFC 9126).

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use serde_json::json;

use super::caller::{caller, uncached};
use super::error::OauthError;
use crate::app::App;
use crate::flows::pushed_requests::{self, Pushed};

#[handler]
pub(super) async fn push(app: Data<&App>, request: &Request, body: Body) -> Response {
    match pushed(&app, request, body).await {
        Ok(pushed) => {
            let answer =
                json!({ "request_uri": pushed.request_uri, "expires_in": pushed.expires_in });
            uncached(StatusCode::CREATED, answer)
        }
        Err(error) => error.into_response(),
    }
}

async fn pushed(app: &App, request: &Request, body: Body) -> Result<Pushed, OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    // RFC 9126 2.1, step 2.
    if parameters.get("request_uri").is_some() {
        return Err(OauthError::invalid_request("request_uri can't be pushed"));
    }
    Ok(pushed_requests::push(app, &client.application, &parameters).await??)
}
