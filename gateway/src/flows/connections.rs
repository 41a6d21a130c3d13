//! Connections: made, changed, switched on and off, removed.
//!
//! A draft may still lack what only the identity provider's side can tell, because that side is set up with
//! what the draft shows; what is there already has to be right. An active connection is always whole.
//! Metadata is fetched and keys are made before a transaction opens.

mod client_secret;
mod keys;
mod metadata;
mod notices;
mod refresh;
mod rotation;
mod settings;
pub mod upkeep;

use connectors::{Connector, Settings, SettingsProblem, SpKeys, provider};

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::flows::login::{oidc_endpoints, sp_endpoints};
use crate::flows::roles;
use crate::ids::{ApplicationId, ConnectionId};
use crate::model::{
    Cause, Connection, ConnectionKey, ConnectionState, ConnectionType, ConnectionView,
    EmailDomainPolicy, EventType, IdentityEvent, RoleSource, Timestamp,
};
use crate::store::{
    OrgScope, Reads, Tx, applications, connection_keys, connection_upkeep, connections, domains,
    role_mappings, sessions, users,
};

pub(crate) use client_secret::open as open_secrets;
pub(crate) use keys::open as open_keys;
pub use keys::{FreshKey, make_key};
pub use metadata::{IdpFields, Read, fetch, read};
pub(crate) use refresh::after_unknown_key;
pub use refresh::{accept, reread, take};
pub use rotation::{announced, rotate};
pub use settings::{OidcChange, SamlChange, SettingsChange};

/// A field of a change: absent leaves it, `Some(None)` clears it.
pub type Change<T> = Option<Option<T>>;

/// What is to change in a connection, or what a new one is given. Checked only as far as its types go.
#[derive(Debug, Default)]
pub struct ConnectionChange {
    pub name: Option<String>,
    pub provider: Change<String>,
    pub email_domain_policy: Option<EmailDomainPolicy>,
    pub jit_provisioning: Option<bool>,
    pub default_application_id: Change<ApplicationId>,
    pub settings: SettingsChange,
    /// Where the metadata came from; `refresh_metadata` reads there again.
    pub metadata_url: Change<String>,
    /// As metadata tells them. What the change itself says wins.
    pub metadata: Option<IdpFields>,
    /// For a connection that has none yet.
    pub key: Option<FreshKey>,
}

impl ConnectionChange {
    /// Whether the connection signs with a key of its own from now on: it is made before the transaction opens.
    pub fn wants_key(&self) -> bool {
        let oidc = self.settings.oidc.as_ref();
        oidc.and_then(|oidc| oidc.token_endpoint_auth_method.flatten())
            == Some(connectors::TokenEndpointAuthMethod::PrivateKeyJwt)
    }
}

/// Whether an issuer's documents may be fetched at all: a typing error or an address of the operator's own
/// network is better told now than at the first sign-in.
pub async fn check_issuer(app: &App, issuer: &str) -> Result<(), Error> {
    match url::Url::parse(issuer) {
        Ok(url) => app
            .egress
            .admits(&url)
            .await
            .map_err(|blocked| Error::invalid("oidc.issuer", blocked.to_string())),
        // The connector says what is wrong with it.
        Err(_) => Ok(()),
    }
}

/// Creates a draft, or with `activate` an active connection.
pub async fn create(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    kind: ConnectionType,
    change: ConnectionChange,
    activate: bool,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let now = Timestamp::from(app.clock.now());
    let blank = Connection {
        id: ConnectionId::generate(&*app.clock, &*app.entropy),
        organization_id: scope.organization(),
        name: String::new(),
        kind,
        provider: None,
        state: ConnectionState::Draft,
        settings: match kind {
            ConnectionType::Saml => Settings::Saml(Default::default()),
            ConnectionType::Oidc => Settings::Oidc(Default::default()),
        },
        metadata_url: None,
        client_secret_sealed: None,
        previous_client_secret_sealed: None,
        email_domain_policy: EmailDomainPolicy::default(),
        jit_provisioning: true,
        default_application_id: None,
        created_at: now,
        updated_at: now,
    };
    // The row comes first: its key refers to it.
    connections::insert(tx, scope, &blank).await?;
    let mut connection = apply(app, tx, scope, blank, change).await?;
    if activate {
        connection.state = ConnectionState::Active;
    }
    check(app, tx, scope, &connection).await?;
    connections::update(tx, scope, &connection).await?;
    schedule(app, tx, scope, &connection, true).await?;
    let view = view(app, tx, scope, &connection).await?;
    tx.record(scope, event(EventType::ConnectionCreated, &view), cause);
    if activate {
        tx.record(scope, event(EventType::ConnectionActivated, &view), cause);
    }
    Ok(view)
}

/// Changes a connection, an active one at once.
pub async fn update(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    change: ConnectionChange,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let before = locked(tx, scope, id).await?;
    let shown = view(app, tx, scope, &before).await?;
    let told = change.metadata.is_some();
    let mut after = apply(app, tx, scope, before.clone(), change).await?;
    if after == before {
        return Ok(shown);
    }
    after.updated_at = app.clock.now().into();
    check(app, tx, scope, &after).await?;
    connections::update(tx, scope, &after).await?;
    let anew = told || after.metadata_url != before.metadata_url;
    schedule(app, tx, scope, &after, anew).await?;
    let now = view(app, tx, scope, &after).await?;
    let event_type = EventType::ConnectionUpdated;
    let event = IdentityEvent::change(event_type, source(id), id, &shown, &now)
        // Only what is not shown changed, a secret: that too is a change.
        .unwrap_or_else(|| event(event_type, &now).with_previous(Default::default()));
    tx.record(scope, event, cause);
    Ok(now)
}

/// Switches a connection on, for which it has to be whole, or off: nobody signs in with it, sessions that it
/// opened before go on.
pub async fn switch(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    state: ConnectionState,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let before = locked(tx, scope, id).await?;
    let shown = view(app, tx, scope, &before).await?;
    let off_already = state == ConnectionState::Inactive && before.state == ConnectionState::Draft;
    if before.state == state || off_already {
        return Ok(shown);
    }
    let after = Connection {
        state,
        updated_at: app.clock.now().into(),
        ..before
    };
    check(app, tx, scope, &after).await?;
    connections::update(tx, scope, &after).await?;
    schedule(app, tx, scope, &after, false).await?;
    let now = view(app, tx, scope, &after).await?;
    let event_type = match state {
        ConnectionState::Active => EventType::ConnectionActivated,
        ConnectionState::Draft | ConnectionState::Inactive => EventType::ConnectionDeactivated,
    };
    if let Some(event) = IdentityEvent::change(event_type, source(id), id, &shown, &now) {
        tx.record(scope, event, cause);
    }
    Ok(now)
}

/// The connection as it is shown.
pub async fn view(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
) -> Result<ConnectionView, Error> {
    let keys = connection_keys::list(db, scope, connection.id).await?;
    let keys = keys.into_iter().map(|key| ConnectionKey {
        state: key.state,
        certificate: keys::pem(&key.certificate),
        changes_at: key.changes_at,
        created_at: key.created_at,
    });
    let upkeep = match connection.kind {
        ConnectionType::Saml => connection_upkeep::find(db, scope, connection.id).await?,
        ConnectionType::Oidc => Default::default(),
    };
    let endpoints = sp_endpoints(&app.public_url, connection.id);
    Ok(ConnectionView::new(
        connection,
        endpoints,
        oidc_endpoints(&app.public_url, connection.id),
        keys.collect(),
        upkeep,
    ))
}

/// Several connections of one organization as they are shown.
pub async fn views(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connections: &[Connection],
) -> Result<Vec<ConnectionView>, Error> {
    let mut views = Vec::with_capacity(connections.len());
    for connection in connections {
        views.push(view(app, db, scope, connection).await?);
    }
    Ok(views)
}

/// Has the dates of the connection's certificates or client secret looked at, and its metadata read in a day, with `anew` as if for the first
/// time.
async fn schedule(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    connection: &Connection,
    anew: bool,
) -> Result<(), Error> {
    if let Settings::Oidc(oidc) = &connection.settings
        && oidc.client_secret_expires_at.is_none()
    {
        return Ok(());
    }
    let now = app.clock.now().into();
    let next = connection.metadata_url.as_ref().map(|_| refresh::next(app));
    connection_upkeep::schedule(tx, scope, connection.id, next, anew, now).await?;
    Ok(())
}

/// Records what changed in what is shown, if anything did.
fn record_change(
    tx: &Tx,
    scope: &OrgScope,
    before: &ConnectionView,
    now: &ConnectionView,
    cause: &Cause,
) {
    let event_type = EventType::ConnectionUpdated;
    if let Some(event) = IdentityEvent::change(event_type, source(now.id), now.id, before, now) {
        tx.record(scope, event, cause);
    }
}

async fn locked(tx: &Tx, scope: &OrgScope, id: ConnectionId) -> Result<Connection, Error> {
    connections::lock(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("connection"))
}

async fn apply(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    mut connection: Connection,
    change: ConnectionChange,
) -> Result<Connection, Error> {
    if let Some(name) = change.name {
        connection.name = name;
    }
    match change.provider {
        Some(provider) => connection.provider = provider,
        None => follow_issuer(&mut connection, &change.settings),
    }
    if let Some(policy) = change.email_domain_policy {
        connection.email_domain_policy = policy;
    }
    if let Some(jit_provisioning) = change.jit_provisioning {
        connection.jit_provisioning = jit_provisioning;
    }
    if let Some(application) = change.default_application_id {
        if let Some(id) = application
            && applications::find(tx, id).await?.is_none()
        {
            let message = "there is no such application";
            return Err(Error::invalid("default_application_id", message));
        }
        connection.default_application_id = application;
    }
    if let Some(metadata_url) = change.metadata_url {
        connection.metadata_url = metadata_url;
    }
    let secret = change
        .settings
        .apply(
            &mut connection.settings,
            change.metadata,
            &connection.provider,
        )
        .map_err(Error::Invalid)?;
    client_secret::apply(app, tx, scope, &mut connection, secret).await?;
    let needs_key = match &connection.settings {
        Settings::Saml(_) => true,
        Settings::Oidc(oidc) => {
            oidc.token_endpoint_auth_method == connectors::TokenEndpointAuthMethod::PrivateKeyJwt
        }
    };
    if needs_key
        && connection_keys::list(tx, scope, connection.id)
            .await?
            .is_empty()
    {
        let key = match change.key {
            Some(key) => key,
            None => make_key(app).await?,
        };
        let stored = key.sealed(app, tx, scope).await?;
        connection_keys::insert(tx, scope, connection.id, &stored).await?;
    }
    Ok(connection)
}

/// Where nobody names the provider, the issuer's host does: what a person's id is (Entra ID's `oid`) must not hang on
/// whether somebody typed a name. A connection that has none at such an issuer keeps to that while the issuer's
/// provider stays the same: by another claim, its people would be somebody new.
fn follow_issuer(connection: &mut Connection, change: &SettingsChange) {
    let issuer = change.oidc.as_ref().and_then(|oidc| oidc.issuer.as_ref());
    let (Settings::Oidc(oidc), Some(issuer)) = (&connection.settings, issuer) else {
        return;
    };
    let of = |issuer: &str| provider::of_issuer(issuer).map(|provider| provider.id.as_str());
    let before = of(&oidc.issuer);
    let after = issuer.as_deref().and_then(of);
    let name = connection.provider.as_deref();
    let named = name.map(|name| provider::find(Some(name)).id.as_str());
    if before != after && named == before {
        connection.provider = after.map(str::to_owned);
    }
}

/// Every problem of the settings: of an active connection all, of any other only those of what is there.
async fn check(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
) -> Result<(), Error> {
    let keys: SpKeys = open_keys(app, db, scope, connection.id).await?;
    let endpoints = sp_endpoints(&app.public_url, connection.id);
    let mut settings = connection.settings.clone();
    if let Settings::Oidc(oidc) = &mut settings {
        // Whether there is one is all that counts here.
        oidc.client_secret = connection.client_secret_sealed.clone();
        oidc.previous_client_secret = connection.previous_client_secret_sealed.clone();
    }
    let mut problems = Connector::open(&settings, &endpoints, &keys)
        .err()
        .unwrap_or_default();
    if let Settings::Oidc(oidc) = &settings {
        problems.extend(connectors::oidc::missing_tenant(oidc));
    }
    let whole = connection.state == ConnectionState::Active;
    let problems: Vec<FieldProblem> = problems
        .into_iter()
        .filter(|problem| whole || !settings::is_blank(&settings, &problem.field))
        .map(|SettingsProblem { field, message }| FieldProblem { field, message })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}

fn event(event_type: EventType, view: &ConnectionView) -> IdentityEvent {
    IdentityEvent::new(event_type, source(view.id), view.id, view)
}

fn source(id: ConnectionId) -> String {
    format!("/connections/{id}")
}

/// Removes a connection: the sessions that it opened end, and the roles that it gave go. The users stay.
pub async fn remove(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    cause: &Cause,
) -> Result<(), Error> {
    let connection = locked(tx, scope, id).await?;
    let view = view(app, tx, scope, &connection).await?;
    let source = source(id);
    let ids = users::of_connection(tx, scope, id).await?;
    role_mappings::replace(tx, scope, RoleSource::Connection(id), &[]).await?;
    roles::recompute_users(tx, scope, &ids, &source, cause).await?;
    let now = Timestamp::from(app.clock.now());
    sessions::end_sessions_of_connection(tx, scope, id, &source, cause, now).await?;
    let before = users::lock(tx, scope, &ids).await?;
    domains::forget_connection(tx, scope, id).await?;
    connections::remove(tx, scope, id).await?;
    let after = users::load(tx, scope, &ids).await?;
    // They have lost a source.
    for (before, after) in before.iter().zip(&after) {
        let event_type = EventType::UserUpdated;
        let change = IdentityEvent::change(event_type, source.as_str(), after.id, before, after);
        if let Some(event) = change {
            tx.record(scope, event, cause);
        }
    }
    tx.record(scope, event(EventType::ConnectionDeleted, &view), cause);
    Ok(())
}
