//! The management API (CONTRACT section 3): `/api/v1`, its OpenAPI document and its page.

mod answer;
mod api_keys;
mod applications;
mod audit_log;
mod body;
mod connections;
mod deliveries;
mod directories;
mod directory_requests;
mod discovery;
mod document;
mod domains;
mod events;
mod groups;
mod key;
mod logins;
mod once;
mod organizations;
mod page;
mod problem;
mod role_mappings;
mod roles;
mod sessions;
mod strict;
mod users;
mod webhook_endpoints;

use poem::{Endpoint, EndpointExt, Request, Route};
use poem_openapi::{OpenApiService, Tags};

pub use document::openapi_document;

use crate::http::limits::BodyLimit;
use crate::http::request_id::RequestId;
use strict::Strict;

/// Room for an IdP's metadata as a JSON string.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// All operations, one part per resource; a tuple takes at most sixteen.
type Api = (CustomerApi, DeploymentApi);

/// What belongs to an organization.
type CustomerApi = (
    organizations::Organizations,
    domains::Domains,
    connections::Connections,
    directories::Directories,
    directory_requests::DirectoryRequests,
    role_mappings::RoleMappings,
    roles::Roles,
    users::Users,
    groups::Groups,
);

/// What stands above organizations or spans them.
type DeploymentApi = (
    discovery::Discovery,
    applications::Applications,
    logins::Logins,
    sessions::Sessions,
    api_keys::ApiKeys,
    webhook_endpoints::WebhookEndpoints,
    deliveries::Deliveries,
    events::Events,
    audit_log::AuditLog,
);

fn api() -> Api {
    (
        (
            organizations::Organizations,
            domains::Domains,
            connections::Connections,
            directories::Directories,
            directory_requests::DirectoryRequests,
            role_mappings::RoleMappings,
            roles::Roles,
            users::Users,
            groups::Groups,
        ),
        (
            discovery::Discovery,
            applications::Applications,
            logins::Logins,
            sessions::Sessions,
            api_keys::ApiKeys,
            webhook_endpoints::WebhookEndpoints,
            deliveries::Deliveries,
            events::Events,
            audit_log::AuditLog,
        ),
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
    /// SCIM sources of an organization, and their bearer tokens.
    Directories,
    /// Roles of the application, and which groups give them.
    Roles,
    /// People inside one organization, fed by directories, by logins, or both.
    Users,
    /// Groups as directories pushed them.
    Groups,
    /// Which connection signs an email address in.
    Discovery,
    /// OIDC clients of Tenon.
    Applications,
    /// The recorded trace of each sign-in attempt.
    Logins,
    /// What one successful login opened.
    Sessions,
    /// Credentials of this API.
    #[oai(rename = "API keys")]
    ApiKeys,
    /// Where events are delivered, and how each delivery went.
    Webhooks,
    /// Every change of an organization, in order.
    Events,
    /// Who did what, in which organization.
    #[oai(rename = "Audit log")]
    AuditLog,
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
