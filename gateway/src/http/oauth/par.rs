//! `/oauth/par` (RFC 9126).

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::caller::caller;
use super::error::{OauthError, keep_out_of_caches};
use crate::app::App;
use crate::flows::pushed_requests::{self, Pushed};

#[handler]
pub(super) async fn push(app: Data<&App>, request: &Request, body: Body) -> Response {
    match pushed(&app, request, body).await {
        Ok(pushed) => {
            let mut response = Json(pushed).into_response();
            response.set_status(StatusCode::CREATED);
            keep_out_of_caches(&mut response);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn pushed(app: &App, request: &Request, body: Body) -> Result<Pushed, OauthError> {
    let (parameters, client) = caller(app, request, body).await?;
    let pushed = pushed_requests::push(app, &client.application, &parameters).await?;
    Ok(pushed?)
}
