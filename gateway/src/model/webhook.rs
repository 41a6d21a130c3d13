//! Webhook endpoints and their deliveries.

use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};

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
