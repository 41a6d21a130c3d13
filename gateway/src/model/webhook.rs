//! Webhook endpoints and their deliveries.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::Timestamp;
use crate::ids::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum WebhookEndpointState {
    Enabled,
    Disabled,
}

/// Whether event n+1 of an organization waits for event n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Ordering {
    #[default]
    Ordered,
    Parallel,
}

/// Where one event for one endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Tried without success; another attempt is due.
    Retrying,
    Delivered,
    /// The schedule ended without success; the stream went on, the event can be replayed.
    Parked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DeliveryOutcome {
    Accepted,
    /// An answer outside 2xx.
    Refused,
    /// No complete answer: connection, time or size.
    Failed,
}

/// Where events are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct WebhookEndpoint {
    pub id: WebhookEndpointId,
    /// Bound to this organization; `null`: it receives the events of all.
    pub organization_id: Option<OrganizationId>,
    pub url: String,
    /// Types as in `user.created`, or all of a kind as in `user.*`; empty means all.
    pub event_types: Vec<String>,
    pub ordering: Ordering,
    pub description: Option<String>,
    pub state: WebhookEndpointState,
    /// `receiver_gone` after a 410, `failing` after five days of nothing but failures.
    pub disabled_reason: Option<String>,
    /// Since when nothing was accepted; `null` after a success.
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One event for one endpoint, and the last attempt to deliver it.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Delivery {
    pub id: DeliveryId,
    pub webhook_endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    /// `webhook-id` of every attempt.
    pub event_id: EventId,
    pub status: DeliveryStatus,
    /// How many there were in this round; a replay begins a new one.
    pub attempts: i64,
    /// When a retry is due that does not wait for its turn in a stream.
    pub next_attempt_at: Option<Timestamp>,
    /// `null` when no complete answer came.
    pub response_code: Option<i64>,
    pub latency_ms: Option<i64>,
    /// The first KiB of the answer, as text that may hold anything.
    pub body_excerpt: Option<String>,
    /// Why there was no answer, or none that counts.
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
