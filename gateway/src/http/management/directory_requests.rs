//! The provisioning log of a directory: what it asked for, and what it was told.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::key::ApiKey;
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::provisioning_log;
use crate::ids::{DirectoryId, DirectoryRequestId};
use crate::model::{DirectoryRequest, RequestOutcome, Timestamp};
use crate::store::directory_requests::{self, RequestFilter};
use crate::store::{DirectoryScope, Reads, directories};

/// A request with what was sent and answered.
#[derive(Debug, Object)]
struct DirectoryRequestWithBodies {
    #[oai(flatten)]
    request: DirectoryRequest,
    /// Query parameters. Those that SCIM does not have are named only.
    query: BTreeMap<String, String>,
    /// The start of the body that was sent, as JSON text: up to 16 KiB, passwords and tokens redacted.
    request_body: Option<String>,
    /// The start of what was answered.
    answer_body: Option<String>,
}

pub(super) struct DirectoryRequests;

#[OpenApi(tag = "Tag::Directories")]
impl DirectoryRequests {
    /// List a directory's requests.
    ///
    /// The provisioning log, kept for 30 days: each request that came with a token of the directory, reads too. A
    /// request is there within a second of its answer.
    #[oai(
        path = "/directories/:id/requests",
        method = "get",
        operation_id = "listDirectoryRequests"
    )]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DirectoryRequestId>>,
        outcome: Query<Option<RequestOutcome>>,
        /// A status, such as `409`, or a class of them, such as `4xx`.
        #[oai(validator(pattern = "^[1-5]([0-9][0-9]|xx)$"))]
        status: Query<Option<String>>,
        /// Of the user or group, as the directory knows it: `dusr_…`, `grp_…`.
        resource_id: Query<Option<String>>,
        since: Query<Option<Timestamp>>,
        until: Query<Option<Timestamp>>,
    ) -> Result<Json<Page<DirectoryRequest>>, Problem> {
        let db = app.store.read();
        let scope = scope(&key, &db, id.0).await?;
        provisioning_log::flush(&app).await;
        let statuses = [
            outcome.0.map(of_outcome),
            status.0.as_deref().and_then(read),
        ];
        let filter = RequestFilter {
            statuses: statuses.into_iter().flatten().collect(),
            resource_id: resource_id.0,
            since: since.0,
            until: until.0,
        };
        let window = window(limit.0, cursor.0);
        let slice = directory_requests::list(&db, &scope, &filter, window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Find a request of a directory, with what was sent and answered.
    #[oai(
        path = "/directories/:id/requests/:request_id",
        method = "get",
        operation_id = "findDirectoryRequest"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
        request_id: Path<DirectoryRequestId>,
    ) -> Result<Json<DirectoryRequestWithBodies>, Problem> {
        let db = app.store.read();
        let scope = scope(&key, &db, id.0).await?;
        let found = provisioning_log::find(&app, &db, &scope, request_id.0).await?;
        let (request, details) = found.ok_or(Error::NotFound("request"))?;
        Ok(Json(DirectoryRequestWithBodies {
            request,
            query: details.query,
            request_body: details.request,
            answer_body: details.answer,
        }))
    }
}

async fn scope(key: &ApiKey, db: &impl Reads, id: DirectoryId) -> Result<DirectoryScope, Error> {
    let organization = key.scope_owning(db, id).await?;
    let scope = directories::scope_of(db, &organization, id).await?;
    scope.ok_or(Error::NotFound("directory"))
}

fn of_outcome(outcome: RequestOutcome) -> RangeInclusive<u16> {
    match outcome {
        RequestOutcome::Succeeded => 100..=399,
        RequestOutcome::Refused => 400..=499,
        RequestOutcome::Failed => 500..=599,
    }
}

/// `409` or `4xx`.
fn read(status: &str) -> Option<RangeInclusive<u16>> {
    match status.strip_suffix("xx") {
        Some(class) => {
            let first = class.parse::<u16>().ok()? * 100;
            Some(first..=first + 99)
        }
        None => {
            let one = status.parse().ok()?;
            Some(one..=one)
        }
    }
}
