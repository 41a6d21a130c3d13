//! Delivery streams (one cursor per endpoint and organization) and the deliveries that they made.
//!
//! A stream is worked on under a lease with a fence: whoever lost the lease changes nothing any more (it may
//! have caused a duplicate, never a skip). All queries here span organizations: the worker serves them all,
//! and sends each event only to endpoints that may receive it.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Set, Statement,
};

use super::entity::{deliveries, delivery_attempts, events};
use super::feed::FeedEvent;
use super::{OrgScope, Reads, Store, StoreError, Tx};
use crate::ids::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::model::{DeliveryOutcome, DeliveryStatus, Timestamp};

/// How long a claimed stream belongs to its worker (EVENTS section 3.2).
const LEASE_MS: i64 = 60_000;

/// A claimed stream.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Claim {
    pub endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    pub next_seq: i64,
    /// Attempts at `next_seq` so far.
    pub attempts: i64,
    pub fence: i64,
}

/// One event for one endpoint, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDelivery {
    pub id: DeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    pub event_id: EventId,
    pub status: DeliveryStatus,
    pub attempts: i64,
    pub ready_at: Option<Timestamp>,
    pub response_code: Option<i64>,
    pub latency_ms: Option<i64>,
    pub body_excerpt: Option<String>,
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub fence: i64,
}

/// What one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub outcome: DeliveryOutcome,
    pub response_code: Option<i64>,
    pub latency_ms: i64,
    pub body_excerpt: Option<String>,
    pub error: Option<String>,
}

/// Leases up to `limit` due streams, the longest waiting first. Committed before any network call.
#[expect(
    clippy::disallowed_methods,
    reason = "claims due streams of any organization"
)]
pub async fn claim_streams(store: &Store, limit: u64) -> Result<Vec<Claim>, StoreError> {
    let now = store.clock().now().timestamp_millis();
    let due = Statement::from_sql_and_values(
        store.read().db().get_database_backend(),
        "SELECT 1 AS due FROM delivery_streams WHERE ready_at <= $1 LIMIT 1",
        [now.into()],
    );
    if store.read().db().query_one_raw(due).await?.is_none() {
        return Ok(Vec::new());
    }
    let tx = store.begin().await?;
    let lease = store.lease_clock();
    let sql = format!(
        "UPDATE delivery_streams SET lease_until = {lease} + {LEASE_MS}, fence = fence + 1 \
         WHERE (endpoint_id, organization_id) IN ( \
           SELECT endpoint_id, organization_id FROM delivery_streams \
           WHERE ready_at <= $1 AND (lease_until IS NULL OR lease_until < {lease}) \
           ORDER BY ready_at LIMIT $2 {skip}) \
         RETURNING endpoint_id, organization_id, next_seq, attempts, fence",
        skip = store.skip_locked(),
    );
    let values = [now.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let statement = Statement::from_sql_and_values(tx.db().get_database_backend(), sql, values);
    let rows = tx.db().query_all_raw(statement).await?;
    let claims = rows
        .iter()
        .map(|row| Claim::from_query_result(row, ""))
        .collect::<Result<_, _>>()?;
    tx.commit().await?;
    Ok(claims)
}

/// The next events of a claimed stream, numbered ones only.
#[expect(
    clippy::disallowed_methods,
    reason = "the claim names the organization"
)]
pub async fn next_events(
    db: &impl Reads,
    claim: &Claim,
    limit: u64,
) -> Result<Vec<FeedEvent>, StoreError> {
    let rows = events::Entity::find()
        .filter(events::Column::OrganizationId.eq(claim.organization_id))
        .filter(events::Column::Seq.gte(claim.next_seq))
        .filter(events::Column::Pos.is_not_null())
        .order_by_asc(events::Column::Seq)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(FeedEvent::from).collect())
}

/// Where a stream stands after some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamProgress {
    pub next_seq: i64,
    pub attempts: i64,
    /// `Some`: give the lease back until then. `None`: keep it, renewed.
    pub release_until: Option<Timestamp>,
}

/// Moves a stream's cursor. False when the lease was lost to another worker.
#[expect(clippy::disallowed_methods, reason = "the claim names the stream")]
pub async fn advance(
    tx: &Tx,
    store: &Store,
    claim: &Claim,
    progress: StreamProgress,
) -> Result<bool, StoreError> {
    let lease = store.lease_clock();
    let set = match progress.release_until {
        Some(at) => format!("ready_at = {}, lease_until = NULL", at.0.timestamp_millis()),
        None => format!("lease_until = {lease} + {LEASE_MS}"),
    };
    let statement = Statement::from_sql_and_values(
        tx.db().get_database_backend(),
        format!(
            "UPDATE delivery_streams SET next_seq = $1, attempts = $2, {set} \
             WHERE endpoint_id = $3 AND organization_id = $4 AND fence = $5"
        ),
        [
            progress.next_seq.into(),
            progress.attempts.into(),
            claim.endpoint_id.into(),
            claim.organization_id.into(),
            claim.fence.into(),
        ],
    );
    Ok(tx.db().execute_raw(statement).await?.rows_affected() == 1)
}

/// Puts a stream to sleep unless an event came in the meantime. The row lock comes first: a sequencer that
/// is about to wake the stream either committed before, and its events are seen here, or waits and then
/// finds the stream asleep. False when there is more to do, or the lease was lost.
#[expect(clippy::disallowed_methods, reason = "the claim names the stream")]
pub async fn sleep(store: &Store, claim: &Claim, next_seq: i64) -> Result<bool, StoreError> {
    let tx = store.begin().await?;
    let statement = Statement::from_sql_and_values(
        tx.db().get_database_backend(),
        "UPDATE delivery_streams SET next_seq = $1, attempts = 0, ready_at = NULL, \
         lease_until = NULL WHERE endpoint_id = $2 AND organization_id = $3 AND fence = $4",
        [
            next_seq.into(),
            claim.endpoint_id.into(),
            claim.organization_id.into(),
            claim.fence.into(),
        ],
    );
    let mine = tx.db().execute_raw(statement).await?.rows_affected() == 1;
    let more = next_events(
        &tx,
        &Claim {
            next_seq,
            ..claim.clone()
        },
        1,
    )
    .await?;
    if !mine {
        return Ok(true);
    }
    if !more.is_empty() {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

/// Writes the outcome of one attempt: the delivery's row, made at the first attempt, and the log.
pub async fn record_attempt(
    tx: &Tx,
    id: DeliveryId,
    claim: &Claim,
    event: EventId,
    status: DeliveryStatus,
    ready_at: Option<Timestamp>,
    attempts: i64,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<(), StoreError> {
    use deliveries::Column;
    let row = deliveries::ActiveModel {
        id: Set(id),
        endpoint_id: Set(claim.endpoint_id),
        organization_id: Set(claim.organization_id),
        event_id: Set(event),
        status: Set(status),
        attempts: Set(attempts),
        ready_at: Set(ready_at),
        lease_until: Set(None),
        fence: Set(0),
        response_code: Set(attempt.response_code),
        latency_ms: Set(Some(attempt.latency_ms)),
        body_excerpt: Set(attempt.body_excerpt.clone()),
        error: Set(attempt.error.clone()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let stored = deliveries::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::EndpointId, Column::EventId])
                .update_columns([
                    Column::Status,
                    Column::Attempts,
                    Column::ReadyAt,
                    Column::LeaseUntil,
                    Column::ResponseCode,
                    Column::LatencyMs,
                    Column::BodyExcerpt,
                    Column::Error,
                    Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_with_returning(tx.db())
        .await?;
    let log = delivery_attempts::ActiveModel {
        delivery_id: Set(stored.id),
        attempt: Set(now.0.timestamp_micros()),
        attempted_at: Set(now),
        outcome: Set(attempt.outcome),
        response_code: Set(attempt.response_code),
        latency_ms: Set(attempt.latency_ms),
        body_excerpt: Set(attempt.body_excerpt.clone()),
        error: Set(attempt.error.clone()),
    };
    delivery_attempts::Entity::insert(log)
        .on_conflict_do_nothing()
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Leases single deliveries that are due by themselves: retries of parallel endpoints and those asked for
/// by hand.
#[expect(
    clippy::disallowed_methods,
    reason = "claims due deliveries of any organization"
)]
pub async fn claim_deliveries(
    store: &Store,
    limit: u64,
) -> Result<Vec<(StoredDelivery, FeedEvent)>, StoreError> {
    let now = store.clock().now().timestamp_millis();
    let read = store.read();
    let backend = read.db().get_database_backend();
    let due = Statement::from_sql_and_values(
        backend,
        "SELECT 1 AS due FROM deliveries WHERE ready_at <= $1 LIMIT 1",
        [now.into()],
    );
    if read.db().query_one_raw(due).await?.is_none() {
        return Ok(Vec::new());
    }
    let tx = store.begin().await?;
    let lease = store.lease_clock();
    let sql = format!(
        "UPDATE deliveries SET lease_until = {lease} + {LEASE_MS}, fence = fence + 1 \
         WHERE id IN (SELECT id FROM deliveries \
           WHERE ready_at <= $1 AND (lease_until IS NULL OR lease_until < {lease}) \
           ORDER BY ready_at LIMIT $2 {skip}) RETURNING *",
        skip = store.skip_locked(),
    );
    let values = [now.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let rows = deliveries::Entity::find()
        .from_raw_sql(Statement::from_sql_and_values(backend, sql, values))
        .all(tx.db())
        .await?;
    let ids = rows.iter().map(|row| row.event_id);
    let found = events::Entity::find()
        .filter(events::Column::Id.is_in(ids))
        .all(tx.db())
        .await?;
    tx.commit().await?;
    let mut claimed = Vec::new();
    for row in rows {
        if let Some(event) = found.iter().find(|event| event.id == row.event_id) {
            claimed.push((StoredDelivery::from(row), FeedEvent::from(event.clone())));
        }
    }
    Ok(claimed)
}

/// Whether this worker still holds a claimed delivery.
#[expect(clippy::disallowed_methods, reason = "the claim names the delivery")]
pub async fn still_claimed(tx: &Tx, delivery: &StoredDelivery) -> Result<bool, StoreError> {
    let row = deliveries::Entity::find_by_id(delivery.id)
        .one(tx.db())
        .await?;
    Ok(row.is_some_and(|row| row.fence == delivery.fence))
}

/// Deliveries of one endpoint, the newest first.
#[expect(
    clippy::disallowed_methods,
    reason = "the caller was allowed to read this endpoint"
)]
pub async fn list(
    db: &impl Reads,
    endpoint: WebhookEndpointId,
    status: Option<DeliveryStatus>,
    before: Option<DeliveryId>,
    limit: u64,
) -> Result<Vec<StoredDelivery>, StoreError> {
    let rows = deliveries::Entity::find()
        .filter(deliveries::Column::EndpointId.eq(endpoint))
        .filter(
            Condition::all()
                .add_option(status.map(|status| deliveries::Column::Status.eq(status)))
                .add_option(before.map(|id| deliveries::Column::Id.lt(id))),
        )
        .order_by_desc(deliveries::Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredDelivery::from).collect())
}

/// One delivery; with a scope only if it is the organization's.
#[expect(
    clippy::disallowed_methods,
    reason = "an unbound API key names a delivery"
)]
pub async fn find(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    id: DeliveryId,
) -> Result<Option<StoredDelivery>, StoreError> {
    let query = match scope {
        Some(scope) => scope.select::<deliveries::Entity>(),
        None => deliveries::Entity::find(),
    };
    let row = query
        .filter(deliveries::Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(StoredDelivery::from))
}

/// Makes a delivery due now, whatever its order.
#[expect(
    clippy::disallowed_methods,
    reason = "the caller was allowed to read this delivery"
)]
pub async fn retry(tx: &Tx, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
    let statement = Statement::from_sql_and_values(
        tx.db().get_database_backend(),
        "UPDATE deliveries SET ready_at = $2, lease_until = NULL, status = 'retrying' WHERE id = $1",
        [id.into(), now.into()],
    );
    Ok(tx.db().execute_raw(statement).await?.rows_affected() == 1)
}

impl From<deliveries::Model> for StoredDelivery {
    fn from(row: deliveries::Model) -> Self {
        Self {
            id: row.id,
            endpoint_id: row.endpoint_id,
            organization_id: row.organization_id,
            event_id: row.event_id,
            status: row.status,
            attempts: row.attempts,
            ready_at: row.ready_at,
            response_code: row.response_code,
            latency_ms: row.latency_ms,
            body_excerpt: row.body_excerpt,
            error: row.error,
            created_at: row.created_at,
            updated_at: row.updated_at,
            fence: row.fence,
        }
    }
}
