//! The public keys of our tokens (RFC 7517).

use poem::web::Data;
use poem::{Response, handler};

use super::error::OauthError;
use super::metadata::json_document;
use crate::app::App;

#[handler]
pub(super) async fn jwks(app: Data<&App>) -> Response {
    match app.signing_keys.current().await {
        Ok(keys) => json_document(keys.jwks().to_owned()),
        Err(error) => OauthError::from(error).into_response(),
    }
}
