//! Connections in memory: settings checked, certificates and keys parsed once, not per login.

use std::sync::Arc;

use connectors::{Connector, Settings, SettingsProblem, SpEndpoints};

use crate::app::App;
use crate::config::PublicUrl;
use crate::error::Error;
use crate::flows::connections::{open_keys, open_secrets};
use crate::ids::ConnectionId;
use crate::model::{Connection, ConnectionState, ConnectionType, OidcEndpoints};
use crate::store::{OrgScope, Reads, connections, global};

/// Connections that stay open in memory.
const CACHED_CONNECTIONS: u64 = 10_000;

/// A connection ready to sign in with.
pub struct OpenConnection {
    pub scope: OrgScope,
    pub connection: Connection,
    pub connector: Arc<Connector>,
    /// The organization's config generation at which this was read.
    generation: i64,
}

/// The open connections of this replica, each as true as discovery's memory.
#[derive(Clone)]
pub struct ConnectionCache(moka::sync::Cache<ConnectionId, Arc<OpenConnection>>);

impl Default for ConnectionCache {
    fn default() -> Self {
        Self(moka::sync::Cache::new(CACHED_CONNECTIONS))
    }
}

/// This connection's own addresses (CONTRACT section 5).
pub fn sp_endpoints(public_url: &PublicUrl, id: ConnectionId) -> SpEndpoints {
    SpEndpoints {
        entity_id: public_url.join(&format!("/saml/{id}/metadata")),
        acs_url: public_url.join(&format!("/saml/{id}/acs")),
        slo_url: public_url.join(&format!("/saml/{id}/slo")),
        metadata_url: public_url.join(&format!("/saml/{id}/metadata")),
        redirect_uri: public_url.join(&format!("/oidc/{id}/callback")),
    }
}

/// What an OIDC provider may be told beside the redirect URI.
pub fn oidc_endpoints(public_url: &PublicUrl, id: ConnectionId) -> OidcEndpoints {
    OidcEndpoints {
        jwks_uri: public_url.join(&format!("/oidc/{id}/jwks")),
        backchannel_logout_uri: public_url.join(&format!("/oidc/{id}/backchannel_logout")),
        post_logout_redirect_uri: public_url.join(&format!("/oidc/{id}/logged_out")),
    }
}

/// This connection's public keys as a JWK Set, a draft's too: they are what a provider is set up with for
/// `private_key_jwt`. `None` when there is no such OIDC connection.
pub async fn client_jwks(app: &App, id: ConnectionId) -> Result<Option<String>, Error> {
    let db = app.store.read();
    let Some(scope) = global::owner_of_connection(&db, id).await? else {
        return Ok(None);
    };
    match connections::find(&db, &scope, id).await? {
        Some(connection) if connection.kind == ConnectionType::Oidc => {
            let keys = open_keys(app, &db, &scope, id).await?;
            Ok(Some(connectors::oidc::public_keys(&keys)))
        }
        _ => Ok(None),
    }
}

/// This connection's SP metadata, a draft's too: it is what the IdP is set up with. `None` when there is no such SAML
/// connection.
pub async fn sp_metadata(app: &App, id: ConnectionId) -> Result<Option<String>, Error> {
    let db = app.store.read();
    let Some(scope) = global::owner_of_connection(&db, id).await? else {
        return Ok(None);
    };
    let connection = connections::find(&db, &scope, id).await?;
    let Some(Settings::Saml(settings)) = connection.map(|connection| connection.settings) else {
        return Ok(None);
    };
    let keys = open_keys(app, &db, &scope, id).await?;
    let endpoints = sp_endpoints(&app.public_url, id);
    // A signature takes an RSA operation.
    let rendered = tokio::task::spawn_blocking(move || {
        connectors::saml::sp_metadata(&settings, &endpoints, &keys)
    });
    let rendered = rendered
        .await
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Some(rendered))
}

/// Opens a connection, whatever its state. `None` when there is no such connection, or it is a draft that lacks what
/// a sign-in needs.
pub async fn open(app: &App, id: ConnectionId) -> Result<Option<Arc<OpenConnection>>, Error> {
    let before = app.connections.0.get(&id);
    if let Some(open) = before.clone()
        && open.generation == app.store.config_generation(&open.scope)
    {
        return Ok(Some(open));
    }
    let db = app.store.read();
    let Some(scope) = global::owner_of_connection(&db, id).await? else {
        return Ok(None);
    };
    // Read before the row: a change in between only makes the entry look old.
    let generation = app.store.config_generation(&scope);
    let Some(connection) = connections::find(&db, &scope, id).await? else {
        return Ok(None);
    };
    let connector = match connector(app, &db, &scope, &connection).await? {
        Ok(connector) => connector,
        Err(_) if connection.state == ConnectionState::Draft => return Ok(None),
        Err(problems) => {
            let fields: Vec<_> = problems.into_iter().map(|problem| problem.field).collect();
            return Err(Error::Internal(format!(
                "the stored settings of {id} are not usable: {}",
                fields.join(", ")
            )));
        }
    };
    let connector = match before {
        Some(before) => connector.remembering(&before.connector),
        None => connector,
    };
    let open = Arc::new(OpenConnection {
        scope,
        connection,
        connector: Arc::new(connector),
        generation,
    });
    app.connections.0.insert(id, Arc::clone(&open));
    Ok(Some(open))
}

async fn connector(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
) -> Result<Result<Connector, Vec<SettingsProblem>>, Error> {
    let mut settings = connection.settings.clone();
    open_secrets(app, db, scope, connection, &mut settings).await?;
    let keys = open_keys(app, db, scope, connection.id).await?;
    let endpoints = sp_endpoints(&app.public_url, connection.id);
    Ok(Connector::open(&settings, &endpoints, &keys))
}
