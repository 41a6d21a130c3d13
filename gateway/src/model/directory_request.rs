//! The provisioning log: what a directory asked for, and what it was told.

use std::sync::{Mutex, PoisonError};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{EventType, Timestamp};
use crate::ids::{DirectoryId, DirectoryRequestId, DirectoryTokenId, EventId, OrganizationId};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RequestOutcome {
    Succeeded,
    /// 4xx: the directory has to ask for something else.
    Refused,
    /// 5xx: ours.
    Failed,
}

/// An event that a request caused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
pub struct RequestEvent {
    pub id: EventId,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
}

/// One SCIM request of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct DirectoryRequest {
    pub id: DirectoryRequestId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub method: String,
    /// Below the directory's base URL, with `:id` where an id stands.
    pub path: String,
    /// The user or group in question, as the directory knows it.
    pub resource_id: Option<String>,
    pub outcome: RequestOutcome,
    /// As answered.
    pub status: u16,
    pub scim_type: Option<String>,
    /// In words.
    pub summary: String,
    /// Who the directory is, by its settings or by what it sends.
    pub provider: String,
    /// What it does in its own way, of this request.
    pub quirks: Vec<String>,
    /// The first of the events that it caused.
    pub events: Vec<RequestEvent>,
    /// All of them, counted.
    pub event_count: u32,
    /// Of the bearer token.
    pub token_id: DirectoryTokenId,
    pub user_agent: Option<String>,
    pub ip: String,
    /// Of the `X-Request-Id` header; the operations of a bulk request share it.
    pub request_id: String,
    pub created_at: Timestamp,
}

impl RequestOutcome {
    pub fn of(status: u16) -> Self {
        match status {
            500.. => Self::Failed,
            400.. => Self::Refused,
            _ => Self::Succeeded,
        }
    }
}

/// So many events of one request are named; a group that is deleted has one for each member.
const NAMED: usize = 20;

/// The events that the transactions of one request recorded.
#[derive(Debug, Default)]
pub struct RecordedEvents(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    named: Vec<RequestEvent>,
    counts: Vec<(EventType, u32)>,
}

impl RecordedEvents {
    /// After the commit.
    pub fn note(&self, events: &[(EventId, EventType)]) {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, event_type) in events {
            if recorded.named.len() < NAMED {
                recorded.named.push(RequestEvent {
                    id: *id,
                    kind: event_type.as_str().to_owned(),
                });
            }
            match recorded.counts.iter_mut().find(|(of, _)| of == event_type) {
                Some((_, count)) => *count += 1,
                None => recorded.counts.push((*event_type, 1)),
            }
        }
    }

    pub fn count(&self, event_type: EventType) -> u32 {
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = recorded.counts.iter();
        counts
            .find(|(of, _)| *of == event_type)
            .map_or(0, |(_, count)| *count)
    }

    /// The first of them, and how many there are.
    pub fn listed(&self) -> (Vec<RequestEvent>, u32) {
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = recorded.counts.iter().map(|(_, count)| count).sum();
        (recorded.named.clone(), all)
    }
}
