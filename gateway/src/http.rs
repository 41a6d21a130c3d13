//! The faces of the gateway: each parses, calls one flow, and renders.

pub mod assets;
mod browser;
pub mod client_ip;
pub mod drain;
mod error_page;
pub mod health;
pub mod limits;
mod login;
pub mod management;
pub mod metrics;
mod oauth;
mod oidc;
pub mod pages;
pub mod request_id;
mod saml;
mod scim;
mod security_headers;
pub mod server;
pub mod shell;

use poem::http::{StatusCode, header};
use poem::{EndpointExt, IntoEndpoint, IntoResponse, Response, Route, get, handler, post};

use crate::app::App;
use health::Health;
use limits::{BodyLimit, DEFAULT_BODY_LIMIT, Limited, PerAddress};
pub use management::openapi_document;
use shell::Shell;

/// All routes, with what happens to every request around them.
pub fn routes(app: &App, health: &Health) -> impl IntoEndpoint<Endpoint: 'static> + use<> {
    let pages = PerAddress::new(app.rate_limits.clone(), too_many);
    let browser = Route::new()
        .at(
            "/oauth/authorize",
            get(oauth::authorize::get).post(oauth::authorize::post),
        )
        .at(
            oauth::logout::PATH,
            get(oauth::logout::get).post(oauth::logout::post),
        )
        .at("/login", get(login::page).post(login::submit))
        .at("/login/choose", post(login::choose))
        .at("/login/forget", post(login::forget))
        .at(
            "/login/continue/:handle",
            get(login::continue_login).post(login::decide),
        )
        .at("/saml/:connection/metadata", get(saml::metadata))
        .at(
            "/saml/:connection/acs",
            post(saml::acs).with(BodyLimit(saml::MAX_ACS_FORM)),
        )
        .at(
            "/saml/:connection/slo",
            get(saml::slo_redirect).post(saml::slo_post),
        )
        .at("/oidc/:connection/callback", get(oidc::callback))
        .at("/oidc/:connection/jwks", get(oidc::jwks))
        .at("/oidc/:connection/logged_out", get(oidc::logged_out));
    let browser = assets::mount(browser, app.public_url.is_secure());
    let shell = Shell {
        entropy: app.entropy.clone(),
        metrics: app.metrics.clone(),
        trusted_proxies: app.config.trusted_proxies.clone(),
        https: app.public_url.is_secure(),
    };
    oauth::mount(Route::new(), app)
        .at("/health/live", get(live).data(health.clone()))
        .at("/health/ready", get(ready).data(health.clone()))
        .at("/metrics", get(metrics_text))
        // Counted for itself: when many sign out at once, one address tells of them all.
        .at(
            "/oidc/:connection/backchannel_logout",
            post(oidc::backchannel_logout),
        )
        .nest("/api", management::routes())
        .nest("/scim/v2", scim::routes(app))
        .nest(
            "/",
            browser.with(pages).catch_all_error(error_page::unhandled),
        )
        .with(BodyLimit(DEFAULT_BODY_LIMIT))
        .data(app.clone())
        .with(shell)
}

/// 429 as a page, with `Retry-After`.
fn too_many(limited: &Limited) -> Response {
    let mut response = pages::error_of_status(StatusCode::TOO_MANY_REQUESTS, None).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, limited.retry_after().into());
    response
}

#[handler]
fn live(health: poem::web::Data<&Health>) -> poem::Response {
    health.live()
}

#[handler]
async fn ready(health: poem::web::Data<&Health>) -> poem::Response {
    health.ready().await
}

#[handler]
fn metrics_text(app: poem::web::Data<&App>) -> poem::Response {
    metrics::render(&app.metrics)
}
