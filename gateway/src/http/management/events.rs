//! The events API: the feed as pages or as server-sent events, and the snapshot to start from.

mod answer;
mod snapshot;
mod stream;

use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use super::Tag;
use super::key::ApiKey;
use super::page::Limit;
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::event_feed::FeedReader;
use crate::flows::webhook_endpoints::check_types;
use crate::ids::OrganizationId;
use crate::store::{OrgScope, feed};
use answer::EventsAnswer;
use snapshot::SnapshotAnswer;

pub(super) struct Events;

#[OpenApi(tag = "Tag::Events")]
impl Events {
    /// Read events, oldest first.
    ///
    /// Each is byte for byte what webhooks carry. Take `next_cursor` as the next `after`; it is never null, and
    /// an empty page means that there is nothing new yet. With `Accept: text/event-stream` the answer is a
    /// stream that goes on as events happen; `Last-Event-ID` is its `after`.
    ///
    /// Nothing is ever skipped silently: 410 `cursor_expired` when events behind `after` are past their
    /// retention of 90 days, 410 `epoch_changed` when the feed was restored from a backup. Take a snapshot then,
    /// and go on from its sequence.
    #[oai(path = "/events", method = "get", operation_id = "listEvents")]
    #[expect(clippy::too_many_arguments, reason = "one per parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        request: &Request,
        /// A `next_cursor`, the id of an event, `latest` or, with `organization_id`, a sequence. From the
        /// oldest event on when absent.
        after: Query<Option<String>>,
        limit: Query<Limit<1000>>,
        /// As in `user.created` or `user.*`; repeated, or with commas in between.
        types: Query<Option<Vec<String>>>,
        /// Only this organization's, in its own sequence.
        organization_id: Query<Option<OrganizationId>>,
        /// Where a broken stream goes on; wins over `after`.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> Result<EventsAnswer, Problem> {
        let types = split(types.0.unwrap_or_default());
        let problems = check_types(&types, "types");
        if !problems.is_empty() {
            return Err(Error::Invalid(problems).into());
        }
        let scope = match organization_id.0.or(key.bound_to()) {
            Some(organization) => Some(scope(&app, &key, organization).await?),
            None => None,
        };
        let streamed = wants_stream(request);
        let after = match last_event_id.0 {
            Some(id) if streamed => Some(id),
            _ => after.0,
        };
        let mut reader = FeedReader::open(&app, scope, types, after.as_deref()).await?;
        if streamed {
            return Ok(EventsAnswer::Stream(stream::body(app.clone(), reader)));
        }
        let events = reader.next(&app, limit.0.0).await?;
        Ok(EventsAnswer::page(&events, &reader.cursor()))
    }

    /// Take a snapshot of an organization.
    ///
    /// NDJSON: a line `{"type": "snapshot", "sequence", …}`, one line `{"type": "role"｜"group"｜"user",
    /// "object"}` for each thing, and at the end `{"type": "end", …}` with their numbers; without that line the
    /// snapshot is not whole. All lines show the same instant. Go on with
    /// `GET /events?organization_id=…&after=<sequence>`.
    #[oai(
        path = "/organizations/:id/snapshot",
        method = "get",
        operation_id = "takeSnapshot"
    )]
    async fn snapshot(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
    ) -> Result<SnapshotAnswer, Problem> {
        let scope = key.scope_owning(&app.store.read(), id.0).await?;
        Ok(SnapshotAnswer::begin(&app, scope))
    }
}

/// The organization's scope. The events of a deleted one are still there for who reads all organizations.
async fn scope(app: &App, key: &ApiKey, id: OrganizationId) -> Result<OrgScope, Error> {
    let db = app.store.read();
    match key.scope_owning(&db, id).await {
        Err(Error::NotFound(name)) if key.bound_to().is_none() => {
            let deleted = app.store.organization_named(id);
            match feed::last_sequence(&db, &deleted).await? {
                0 => Err(Error::NotFound(name)),
                _ => Ok(deleted),
            }
        }
        result => result,
    }
}

fn split(types: Vec<String>) -> Vec<String> {
    types
        .iter()
        .flat_map(|it| it.split(','))
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

fn wants_stream(request: &Request) -> bool {
    request
        .headers()
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}
