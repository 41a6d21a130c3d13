//! Endpoints that are turned off: told so by 410, or with nothing but failures for days.

use crate::app::App;
use crate::error::Error;
use crate::ids::WebhookEndpointId;
use crate::model::{
    Act, Cause, EventType, IdentityEvent, Timestamp, WebhookEndpoint, WebhookEndpointState,
};
use crate::store::webhook_endpoints;

/// Why an endpoint is off: its `disabled_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The receiver answered 410 Gone.
    ReceiverGone,
    /// Nothing but failures for five days.
    Failing,
}

impl Reason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ReceiverGone => "receiver_gone",
            Self::Failing => "failing",
        }
    }
}

/// Turns the endpoint off. One that is bound to an organization says so by an event of it; another shows it
/// in its state (CONTRACT section 7).
pub(super) async fn disable(app: &App, id: WebhookEndpointId, reason: Reason) -> Result<(), Error> {
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    if !webhook_endpoints::disable(&tx, id, reason.as_str(), now).await? {
        return Ok(());
    }
    if let Some(endpoint) = webhook_endpoints::find(&tx, None, id).await? {
        let endpoint = WebhookEndpoint::from(endpoint);
        let cause = Cause::system("webhooks");
        let enabled = WebhookEndpoint {
            state: WebhookEndpointState::Enabled,
            disabled_reason: None,
            ..endpoint.clone()
        };
        let act = Act::new("webhook_endpoint.disabled", id, &cause);
        tx.audit(
            act.inside(endpoint.organization_id)
                .changed(&enabled, &endpoint),
        );
        if let Some(organization) = endpoint.organization_id {
            let source = format!("/webhook_endpoints/{id}");
            let event_type = EventType::WebhookEndpointDisabled;
            let event = IdentityEvent::new(event_type, source, id, &endpoint).with_previous(
                [("state".to_owned(), "enabled".into())]
                    .into_iter()
                    .collect(),
            );
            let scope = app.store.organization_named(organization);
            tx.record(&scope, event, &cause);
        }
    }
    tx.commit().await?;
    tracing::warn!(endpoint = %id, reason = reason.as_str(), "webhook endpoint disabled");
    Ok(())
}
