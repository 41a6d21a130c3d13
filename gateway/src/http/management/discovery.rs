//! Home-realm discovery for applications that ask for the email themselves.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::body::Body;
use super::key::ApiKey;
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::{Route, active, domain_of_email, of_domain};
use crate::ids::{ConnectionId, OrganizationId};
use crate::model::ConnectionType;
use crate::store::RoutedConnection;

#[derive(Debug, Object)]
struct DiscoveryRequest {
    email: String,
}

#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum Decision {
    /// One connection signs this address in.
    Sso,
    /// Several do: the person chooses.
    Choose,
    /// None does.
    None,
}

#[derive(Debug, Object)]
struct DiscoveredConnection {
    id: ConnectionId,
    name: String,
    #[oai(rename = "type")]
    kind: ConnectionType,
    provider: Option<String>,
}

/// Where an address signs in. It depends on the domain only, so it tells nothing about a person.
#[derive(Debug, Object)]
struct DiscoveryAnswer {
    decision: Decision,
    organization_id: Option<OrganizationId>,
    connections: Vec<DiscoveredConnection>,
}

pub(super) struct Discovery;

#[OpenApi(tag = "Tag::Discovery")]
impl Discovery {
    /// Discover how an email address signs in.
    #[oai(path = "/discovery", method = "post", operation_id = "discover")]
    async fn discover(
        &self,
        app: Data<&App>,
        key: ApiKey,
        Body(request): Body<DiscoveryRequest>,
    ) -> Result<Json<DiscoveryAnswer>, Problem> {
        let domain = domain_of_email(&request.email)
            .ok_or_else(|| Error::invalid("email", "is not an email address"))?;
        let (decision, scope, connections) = match of_domain(&app, &domain) {
            Route::Connection { scope, connection } => {
                let connection = active(&app, &scope, connection);
                (Decision::Sso, scope, Vec::from_iter(connection))
            }
            Route::Choose { scope, connections } => (Decision::Choose, scope, connections),
            Route::Ask | Route::NoRoute => return Ok(Json(nothing())),
        };
        if !key.reaches(scope.organization()) {
            return Ok(Json(nothing()));
        }
        Ok(Json(DiscoveryAnswer {
            decision,
            organization_id: Some(scope.organization()),
            connections: connections.into_iter().map(view).collect(),
        }))
    }
}

fn nothing() -> DiscoveryAnswer {
    DiscoveryAnswer {
        decision: Decision::None,
        organization_id: None,
        connections: Vec::new(),
    }
}

fn view(connection: RoutedConnection) -> DiscoveredConnection {
    DiscoveredConnection {
        id: connection.id,
        name: connection.name.into(),
        kind: connection.kind,
        provider: connection.provider.map(Into::into),
    }
}
