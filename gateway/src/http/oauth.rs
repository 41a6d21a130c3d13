//! The OpenID provider's endpoints for the application (CONTRACT section 4).

pub(super) mod authorize;
mod caller;
mod client_auth;
mod cors;
pub(super) mod error;
mod jwks;
pub(super) mod logout;
mod metadata;
mod par;
mod status;
mod token;
mod userinfo;

use poem::{EndpointExt, Route, get, post};

use super::limits::{BodyLimit, Limited, PerAddress};
use crate::app::App;
use cors::Cors;
use error::OauthError;

/// Longest form that the endpoints take at which clients authenticate, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// What the application's own code calls, on top of `route`. Browsers may call it from any origin: nothing here
/// goes by a cookie.
pub(super) fn mount(route: Route, app: &App) -> Route {
    let limited = |_: &Limited| OauthError::too_many_requests().into_response();
    let anybody = PerAddress::new(app.rate_limits.clone(), limited);
    let document = || get(metadata::document).options(cors::preflight);
    route
        .at(
            metadata::OPENID_CONFIGURATION,
            document().with(anybody.clone()).with(Cors),
        )
        .at(
            metadata::OAUTH_AUTHORIZATION_SERVER,
            document().with(anybody.clone()).with(Cors),
        )
        .at(
            metadata::JWKS,
            get(jwks::jwks)
                .options(cors::preflight)
                .with(anybody)
                .with(Cors),
        )
        // Counted by client, or by address where the client is not who it says.
        .at(
            metadata::TOKEN,
            post(token::token)
                .options(cors::preflight)
                .with(BodyLimit(MAX_FORM))
                .with(Cors),
        )
        .at(
            metadata::PAR,
            post(par::push)
                .options(cors::preflight)
                .with(BodyLimit(MAX_FORM))
                .with(Cors),
        )
        .at(
            metadata::REVOKE,
            post(status::revoke)
                .options(cors::preflight)
                .with(BodyLimit(MAX_FORM))
                .with(Cors),
        )
        .at(
            metadata::INTROSPECT,
            post(status::introspect)
                .options(cors::preflight)
                .with(BodyLimit(MAX_FORM))
                .with(Cors),
        )
        .at(
            metadata::USERINFO,
            get(userinfo::userinfo)
                .post(userinfo::userinfo)
                .options(cors::preflight)
                .with(Cors),
        )
}

#[cfg(test)]
mod tests;
