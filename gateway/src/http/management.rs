//! The management API (CONTRACT section 3): `/api/v1`, its OpenAPI document and its page.

mod answer;
mod body;
mod connections;
mod document;
mod domains;
mod key;
mod once;
mod organizations;
mod page;
mod problem;
mod strict;

use poem::{Endpoint, EndpointExt, Request, Route};
use poem_openapi::{OpenApiService, Tags};

pub use document::openapi_document;

use crate::http::limits::BodyLimit;
use crate::http::request_id::RequestId;
use strict::Strict;

/// Room for an IdP's metadata as a JSON string.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// All operations, one part per resource.
type Api = (
    organizations::Organizations,
    domains::Domains,
    connections::Connections,
);

fn api() -> Api {
    (
        organizations::Organizations,
        domains::Domains,
        connections::Connections,
    )
}

#[derive(Tags)]
enum Tag {
    /// Customers of the application.
    Organizations,
    /// Email domains of an organization. Only a verified one routes sign-ins.
    Domains,
    /// SAML and OIDC identity providers of an organization.
    Connections,
}

/// Everything below `/api`.
pub fn routes() -> impl Endpoint + 'static {
    let service = OpenApiService::new(Strict(api()), "", "");
    Route::new()
        .nest("/v1", service)
        .at("/v1/openapi.json", document::json())
        .at("/docs", document::page())
        .around(strict::unmatched)
        .with(BodyLimit(MAX_BODY))
}

fn request_id(request: &Request) -> String {
    request.data().map(RequestId::to_string).unwrap_or_default()
}
