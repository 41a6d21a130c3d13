//! An organization as it is at one instant, and the sequence that this reflects, as NDJSON.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::Registry;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef,
};
use poem_openapi::types::ToJSON;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::App;
use crate::error::Error;
use crate::model::{Timestamp, Window};
use crate::store::users::UserFilter;
use crate::store::{OrgScope, Snapshot, feed, groups, roles, users};

/// Rows read at a time.
const PAGE: u64 = 500;
/// How long a client may take for one page. A snapshot holds a connection of the database, and its log.
const PATIENCE: Duration = Duration::from_secs(5);
const CONTENT_TYPE: &str = "application/x-ndjson";

/// Ends with an empty piece: a channel that closes without one breaks the answer off.
pub(super) struct SnapshotAnswer(mpsc::Receiver<Bytes>);

impl SnapshotAnswer {
    pub(super) fn begin(app: &App, scope: OrgScope) -> Self {
        let (sender, receiver) = mpsc::channel(2);
        let app = app.clone();
        tokio::spawn(async move {
            let lines = Lines { sender };
            if let Err(Ended::Failed(error)) = write(&app, &scope, &lines).await {
                tracing::error!(%error, "a snapshot could not be finished");
            }
        });
        Self(receiver)
    }
}

/// Why a snapshot ended early.
enum Ended {
    /// The client left, or reads too slowly.
    Gone,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Lines {
    sender: mpsc::Sender<Bytes>,
}

impl Lines {
    async fn send(&self, lines: impl IntoIterator<Item = Value>) -> Result<(), Ended> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.to_json_string());
            text.push('\n');
        }
        match text.is_empty() {
            true => Ok(()),
            false => self.pass(text.into()).await,
        }
    }

    async fn pass(&self, piece: Bytes) -> Result<(), Ended> {
        match timeout(PATIENCE, self.sender.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Gone),
        }
    }
}

fn line(kind: &str, object: &impl ToJSON) -> Value {
    json!({"type": kind, "object": object.to_json()})
}

async fn write(app: &App, scope: &OrgScope, lines: &Lines) -> Result<(), Ended> {
    let db = app.store.snapshot().await?;
    let sequence = feed::last_sequence(&db, scope).await?;
    let head = json!({
        "type": "snapshot",
        "organization_id": scope.organization(),
        "sequence": sequence,
        "time": Timestamp::from(app.clock.now()),
    });
    lines.send([head]).await?;
    let roles = write_roles(&db, lines).await?;
    let groups = write_groups(&db, scope, lines).await?;
    let users = write_users(&db, scope, lines).await?;
    let end = json!({"type": "end", "roles": roles, "groups": groups, "users": users});
    lines.send([end]).await?;
    lines.pass(Bytes::new()).await
}

async fn write_roles(db: &Snapshot, lines: &Lines) -> Result<usize, Ended> {
    let (mut count, mut before) = (0, None);
    loop {
        let window = Window {
            limit: PAGE,
            before,
        };
        let slice = roles::list(db, window).await?;
        count += slice.rows.len();
        lines
            .send(slice.rows.iter().map(|role| line("role", role)))
            .await?;
        before = slice.next;
        if before.is_none() {
            return Ok(count);
        }
    }
}

async fn write_groups(db: &Snapshot, scope: &OrgScope, lines: &Lines) -> Result<usize, Ended> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = groups::list(db, scope, after, PAGE).await?;
        count += rows.len();
        after = rows.last().map(|group| group.id);
        let last = (rows.len() as u64) < PAGE;
        lines
            .send(rows.iter().map(|group| line("group", group)))
            .await?;
        if last {
            return Ok(count);
        }
    }
}

async fn write_users(db: &Snapshot, scope: &OrgScope, lines: &Lines) -> Result<usize, Ended> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = users::list(db, scope, &UserFilter::default(), after, PAGE).await?;
        count += rows.len();
        after = rows.last().map(|user| user.id);
        let last = (rows.len() as u64) < PAGE;
        lines
            .send(rows.iter().map(|user| line("user", user)))
            .await?;
        if last {
            return Ok(count);
        }
    }
}

impl IntoResponse for SnapshotAnswer {
    fn into_response(self) -> Response {
        let pieces = stream::unfold(Some(self.0), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(piece) if piece.is_empty() => None,
                Some(piece) => Some((Ok(piece), Some(receiver))),
                None => Some((Err(io::Error::other("the snapshot broke off")), None)),
            }
        });
        Response::builder()
            .content_type(CONTENT_TYPE)
            .header(http::header::CACHE_CONTROL, "no-store")
            .body(Body::from_bytes_stream(pieces))
    }
}

impl ApiResponse for SnapshotAnswer {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "One JSON object a line.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: CONTENT_TYPE,
                    schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
