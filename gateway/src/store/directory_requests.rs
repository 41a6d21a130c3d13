//! The provisioning log, one row per SCIM request. Written in batches, after the answers (`flows/provisioning_log`).

use std::ops::RangeInclusive;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Set,
};

use super::columns::JsonText;
use super::entity::directory_requests::{ActiveModel, Column, Entity};
use super::{DirectoryScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, DirectoryRequestId, DirectoryTokenId, OrganizationId};
use crate::model::{DirectoryRequest, RequestEvent, RequestOutcome, Slice, Timestamp, Window};

/// A row of the log, with request and answer sealed (`directory_requests`, `sealed`, id).
#[derive(Debug, Clone)]
pub struct Sealed {
    pub scope: DirectoryScope,
    pub request: DirectoryRequest,
    pub sealed: String,
}

pub async fn insert(tx: &Tx, rows: Vec<Sealed>) -> Result<(), StoreError> {
    let rows = rows.into_iter().map(|row| {
        let Sealed {
            scope,
            request,
            sealed,
        } = row;
        ActiveModel {
            id: Set(request.id),
            organization_id: Set(scope.organization().organization()),
            directory_id: Set(scope.directory()),
            method: Set(request.method),
            path: Set(request.path),
            resource_id: Set(request.resource_id),
            status: Set(request.status.into()),
            scim_type: Set(request.scim_type),
            summary: Set(request.summary),
            provider: Set(request.provider),
            quirks: Set(JsonText(request.quirks)),
            events: Set(JsonText(request.events)),
            event_count: Set(request.event_count.into()),
            token_id: Set(request.token_id),
            user_agent: Set(request.user_agent),
            ip: Set(request.ip),
            request_id: Set(request.request_id),
            sealed: Set(sealed),
        }
    });
    Entity::insert_many(rows)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Filters of the list; all given ones hold.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Each of them holds.
    pub statuses: Vec<RangeInclusive<u16>>,
    pub resource_id: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// What a list shows: everything but request and answer.
const LISTED: [Column; 17] = [
    Column::Id,
    Column::OrganizationId,
    Column::DirectoryId,
    Column::Method,
    Column::Path,
    Column::ResourceId,
    Column::Status,
    Column::ScimType,
    Column::Summary,
    Column::Provider,
    Column::Quirks,
    Column::Events,
    Column::EventCount,
    Column::TokenId,
    Column::UserAgent,
    Column::Ip,
    Column::RequestId,
];

#[derive(FromQueryResult)]
struct Row {
    id: DirectoryRequestId,
    organization_id: OrganizationId,
    directory_id: DirectoryId,
    method: String,
    path: String,
    resource_id: Option<String>,
    status: i64,
    scim_type: Option<String>,
    summary: String,
    provider: String,
    quirks: JsonText<Vec<String>>,
    events: JsonText<Vec<RequestEvent>>,
    event_count: i64,
    token_id: DirectoryTokenId,
    user_agent: Option<String>,
    ip: String,
    request_id: String,
}

#[derive(FromQueryResult)]
struct WithSealed {
    #[sea_orm(nested)]
    row: Row,
    sealed: String,
}

/// The newest first.
pub async fn list(
    db: &impl Reads,
    scope: &DirectoryScope,
    filter: &RequestFilter,
    window: Window<DirectoryRequestId>,
) -> Result<Slice<DirectoryRequest, DirectoryRequestId>, StoreError> {
    let earliest = |at: Timestamp| DirectoryRequestId::earliest(at.into());
    let resource = filter.resource_id.as_ref();
    let mut all = Condition::all()
        // With its own index in mind, whose first column this is.
        .add(Column::OrganizationId.eq(scope.organization().organization()))
        .add_option(resource.map(|id| Column::ResourceId.eq(id)))
        .add_option(filter.since.map(|at| Column::Id.gte(earliest(at))))
        .add_option(filter.until.map(|at| Column::Id.lt(earliest(at))))
        .add_option(window.before.map(|id| Column::Id.lt(id)));
    for statuses in &filter.statuses {
        let (first, last) = (i64::from(*statuses.start()), i64::from(*statuses.end()));
        all = all.add(Column::Status.between(first, last));
    }
    let rows = scope
        .select::<Entity>()
        .filter(all)
        .select_only()
        .columns(LISTED)
        .order_by_desc(Column::Id)
        .limit(window.limit + 1)
        .into_model::<Row>()
        .all(db.db())
        .await?;
    let slice = Slice::cut(rows, window.limit, |row| row.id);
    Ok(slice.map(DirectoryRequest::from))
}

/// With request and answer, as they were sealed.
pub async fn find(
    db: &impl Reads,
    scope: &DirectoryScope,
    id: DirectoryRequestId,
) -> Result<Option<(DirectoryRequest, String)>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .select_only()
        .columns(LISTED)
        .column(Column::Sealed)
        .into_model::<WithSealed>()
        .one(db.db())
        .await?;
    Ok(row.map(|row| (DirectoryRequest::from(row.row), row.sealed)))
}

impl From<Row> for DirectoryRequest {
    fn from(row: Row) -> Self {
        let status = u16::try_from(row.status).unwrap_or_default();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            directory_id: row.directory_id,
            method: row.method,
            path: row.path,
            resource_id: row.resource_id,
            outcome: RequestOutcome::of(status),
            status,
            scim_type: row.scim_type,
            summary: row.summary,
            provider: row.provider,
            quirks: row.quirks.0,
            events: row.events.0,
            event_count: u32::try_from(row.event_count).unwrap_or(u32::MAX),
            token_id: row.token_id,
            user_agent: row.user_agent,
            ip: row.ip,
            request_id: row.request_id,
            created_at: row.id.minted_at().into(),
        }
    }
}
