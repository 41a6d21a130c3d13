//! What `GET /events` answers: envelopes as they are, never parsed and written again.

use poem::{Body, IntoResponse, Response};
use poem_openapi::registry::Registry;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef,
};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde_json::Value;

use crate::ids::{EventId, OrganizationId};
use crate::model::Timestamp;
use crate::store::feed::FeedEvent;

pub(super) enum EventsAnswer {
    Page(String),
    Stream(Body),
}

impl EventsAnswer {
    pub(super) fn page(events: &[FeedEvent], next_cursor: &str) -> Self {
        let bytes: usize = events.iter().map(|event| event.body.len() + 1).sum();
        let mut page = String::with_capacity(bytes + next_cursor.len() + 32);
        page.push_str("{\"data\":[");
        for (n, event) in events.iter().enumerate() {
            if n > 0 {
                page.push(',');
            }
            page.push_str(&event.body);
        }
        // Base64url and ids need no escaping.
        page.push_str("],\"next_cursor\":\"");
        page.push_str(next_cursor);
        page.push_str("\"}");
        Self::Page(page)
    }
}

impl IntoResponse for EventsAnswer {
    fn into_response(self) -> Response {
        let response = Response::builder().header(http::header::CACHE_CONTROL, "no-store");
        match self {
            Self::Page(page) => response
                .content_type("application/json; charset=utf-8")
                .body(page),
            Self::Stream(stream) => response
                .content_type("text/event-stream")
                // nginx would collect the stream before it passes it on.
                .header("x-accel-buffering", "no")
                .body(stream),
        }
    }
}

impl ApiResponse for EventsAnswer {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Events, oldest first.",
                status: Some(200),
                status_range: None,
                content: vec![
                    MetaMediaType {
                        content_type: "application/json; charset=utf-8",
                        schema: EventPage::schema_ref(),
                    },
                    MetaMediaType {
                        content_type: "text/event-stream",
                        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
                    },
                ],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        EventPage::register(registry);
    }
}

/// A page of the feed.
#[derive(Object)]
struct EventPage {
    data: Vec<Event>,
    /// The next `after`; never null.
    next_cursor: String,
}

/// CloudEvents 1.0, and a valid Standard Webhooks body.
#[derive(Object)]
struct Event {
    /// `1.0`.
    specversion: String,
    id: EventId,
    #[oai(rename = "type")]
    kind: String,
    time: Timestamp,
    timestamp: Timestamp,
    /// What caused it, as in `/organizations/org_…/directories/dir_…`.
    source: String,
    /// The id of the thing that it is about.
    subject: String,
    /// `application/json`.
    datacontenttype: String,
    organizationid: OrganizationId,
    /// Counts 1, 2, 3… within the organization, in commit order, without gaps.
    sequence: i64,
    data: EventData,
}

#[derive(Object)]
struct EventData {
    /// The whole resource after the change.
    object: Value,
    /// Of `group.member_added` and `group.member_removed`.
    member: Option<EventMember>,
    /// Only the fields that changed, as they were.
    previous: Option<Value>,
    actor: EventActor,
    /// Of the request that made the change.
    request_id: String,
}

#[derive(Object)]
struct EventMember {
    /// `user` or `group`.
    kind: String,
    id: String,
}

#[derive(Object)]
struct EventActor {
    /// `directory`, `connection`, `api_key`, `portal`, `operator` or `system`.
    kind: String,
    id: String,
}
