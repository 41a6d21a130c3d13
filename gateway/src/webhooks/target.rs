//! An endpoint as the worker needs it: its URL parsed, its live secrets opened.

use chrono::{DateTime, Utc};
use url::Url;

use super::sign;
use crate::app::App;
use crate::error::Error;
use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::{Ordering, Timestamp};
use crate::secrets::Secret;
use crate::store::Reads;
use crate::store::feed::{self, FeedEvent};
use crate::store::webhook_endpoints::StoredEndpoint;

const TABLE: &str = "webhook_endpoints";
const CURRENT: &str = "secret_sealed";
const PREVIOUS: &str = "previous_secret_sealed";

/// Where to deliver, and how to sign.
#[derive(Debug)]
pub struct Target {
    pub id: WebhookEndpointId,
    pub organization_id: Option<OrganizationId>,
    pub ordering: Ordering,
    pub failing_since: Option<Timestamp>,
    pub(super) url: Url,
    event_types: Vec<String>,
    /// The current one, and the previous one while its overlap lasts.
    secrets: Vec<Secret<String>>,
}

impl Target {
    /// Opens the endpoint's secrets.
    ///
    /// # Errors
    /// When a stored secret does not open, or the URL is none.
    pub async fn open(app: &App, endpoint: &StoredEndpoint) -> Result<Self, Error> {
        let mut secrets = vec![unseal(app, endpoint, CURRENT, &endpoint.secret_sealed).await?];
        if let Some((sealed, until)) = &endpoint.previous_secret
            && app.clock.now() < until.0
        {
            secrets.push(unseal(app, endpoint, PREVIOUS, sealed).await?);
        }
        let url = Url::parse(&endpoint.url)
            .map_err(|error| Error::Internal(format!("the URL of {}: {error}", endpoint.id)))?;
        Ok(Self {
            id: endpoint.id,
            organization_id: endpoint.organization_id,
            ordering: endpoint.ordering,
            failing_since: endpoint.failing_since,
            url,
            event_types: endpoint.event_types.clone(),
            secrets,
        })
    }

    /// Whether the endpoint wants this event.
    pub(super) fn takes(&self, event: &FeedEvent) -> bool {
        feed::matches(&self.event_types, &event.event_type)
            && self
                .organization_id
                .is_none_or(|only| only == event.organization_id)
    }

    pub(super) fn headers(
        &self,
        event_id: &str,
        at: DateTime<Utc>,
        body: &[u8],
    ) -> Result<http::HeaderMap, Error> {
        sign::headers(&self.secrets, event_id, at, body)
    }
}

/// Seals an endpoint's secret for its column: with the organization's key if it is bound to one.
async fn seal(
    app: &App,
    db: &impl Reads,
    endpoint: &StoredEndpoint,
    column: &str,
    secret: &Secret<String>,
) -> Result<String, Error> {
    let row = endpoint.id.to_string();
    let place = (TABLE, column, row.as_str());
    let plaintext = secret.expose().as_bytes();
    match endpoint.organization_id {
        Some(organization) => {
            let scope = app.store.organization_named(organization);
            app.vault.seal(db, &scope, place, plaintext).await
        }
        None => app.vault.seal_global(place, plaintext),
    }
}

async fn unseal(
    app: &App,
    endpoint: &StoredEndpoint,
    column: &str,
    sealed: &str,
) -> Result<Secret<String>, Error> {
    let row = endpoint.id.to_string();
    let place = (TABLE, column, row.as_str());
    let bytes = match endpoint.organization_id {
        Some(organization) => {
            let scope = app.store.organization_named(organization);
            let read = app.store.read();
            app.vault.unseal(&read, &scope, place, sealed).await?
        }
        None => app.vault.unseal_global(place, sealed)?,
    };
    String::from_utf8(bytes.expose().clone())
        .map(Secret::new)
        .map_err(|_| Error::Secret("a webhook secret is not text".to_owned()))
}

/// Gives the endpoint a new secret, which is returned to be shown once. With `overlap_until`, the present one
/// signs beside it until then.
pub async fn give_secret(
    app: &App,
    db: &impl Reads,
    endpoint: &mut StoredEndpoint,
    overlap_until: Option<Timestamp>,
) -> Result<Secret<String>, Error> {
    endpoint.previous_secret = match overlap_until {
        Some(until) => {
            let present = unseal(app, endpoint, CURRENT, &endpoint.secret_sealed).await?;
            Some((seal(app, db, endpoint, PREVIOUS, &present).await?, until))
        }
        None => None,
    };
    let secret = sign::generate_secret(&*app.entropy);
    endpoint.secret_sealed = seal(app, db, endpoint, CURRENT, &secret).await?;
    Ok(secret)
}
