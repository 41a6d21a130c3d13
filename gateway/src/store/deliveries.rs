//! Deliveries: one event for one endpoint, with its last attempt, and the log of all attempts.
//!
//! A row is written with the first attempt's outcome. Most are then done with; a failure of a parallel
//! endpoint, and what somebody retries by hand, is due by itself (`ready_at`) under a lease of its own.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Set, Statement, Value,
};

use super::delivery_streams::{LEASE_MS, exclusion};
use super::entity::{deliveries, delivery_attempts, events};
use super::feed::FeedEvent;
use super::page::newest_first;
use super::{Reads, Store, StoreError, Tx};
use crate::ids::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::model::{Delivery, DeliveryOutcome, DeliveryStatus, Slice, Timestamp, Window};

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

/// One attempt, and where it leaves its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The delivery's id if this is its first attempt.
    pub new_id: DeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    pub event_id: EventId,
    pub status: DeliveryStatus,
    /// When the delivery is due by itself.
    pub ready_at: Option<Timestamp>,
    /// In this round, this one included.
    pub attempts: i64,
    pub attempt: Attempt,
    pub at: Timestamp,
}

/// Writes attempts in two statements: the deliveries, made at the first attempt, and the log. At most one
/// record for an endpoint and event.
pub async fn record(tx: &Tx, records: &[AttemptRecord]) -> Result<(), StoreError> {
    use deliveries::Column;
    if records.is_empty() {
        return Ok(());
    }
    let rows = records.iter().map(|record| deliveries::ActiveModel {
        id: Set(record.new_id),
        endpoint_id: Set(record.endpoint_id),
        organization_id: Set(record.organization_id),
        event_id: Set(record.event_id),
        status: Set(record.status),
        attempts: Set(record.attempts),
        ready_at: Set(record.ready_at),
        lease_until: Set(None),
        fence: Set(0),
        response_code: Set(record.attempt.response_code),
        latency_ms: Set(Some(record.attempt.latency_ms)),
        body_excerpt: Set(record.attempt.body_excerpt.clone()),
        error: Set(record.attempt.error.clone()),
        created_at: Set(record.at),
        updated_at: Set(record.at),
    });
    let stored = deliveries::Entity::insert_many(rows)
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
    let ids: HashMap<(WebhookEndpointId, EventId), DeliveryId> = stored
        .into_iter()
        .map(|row| ((row.endpoint_id, row.event_id), row.id))
        .collect();
    let log = records.iter().filter_map(|record| {
        let id = ids.get(&(record.endpoint_id, record.event_id))?;
        Some(delivery_attempts::ActiveModel {
            delivery_id: Set(*id),
            attempt: Set(record.at.0.timestamp_micros()),
            attempted_at: Set(record.at),
            outcome: Set(record.attempt.outcome),
            response_code: Set(record.attempt.response_code),
            latency_ms: Set(record.attempt.latency_ms),
            body_excerpt: Set(record.attempt.body_excerpt.clone()),
            error: Set(record.attempt.error.clone()),
        })
    });
    delivery_attempts::Entity::insert_many(log)
        .on_conflict_do_nothing()
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Leases up to `limit` deliveries that are due by themselves, with their events, none of the endpoints in
/// `except`. One whose event is past its retention is parked.
#[expect(
    clippy::disallowed_methods,
    reason = "claims due deliveries of any organization"
)]
pub async fn claim(
    store: &Store,
    limit: u64,
    except: &[WebhookEndpointId],
) -> Result<Vec<(StoredDelivery, FeedEvent)>, StoreError> {
    let now = Timestamp(store.clock().now());
    let lease = store.lease_clock();
    let mut values: Vec<Value> = vec![now.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let except = exclusion("endpoint_id", except, &mut values);
    let due = format!(
        "SELECT id AS due_id FROM deliveries \
         WHERE ready_at <= $1 AND (lease_until IS NULL OR lease_until < {lease}){except} \
         ORDER BY ready_at LIMIT $2"
    );
    let read = store.read();
    let backend = read.db().get_database_backend();
    let look = Statement::from_sql_and_values(backend, due.as_str(), values.clone());
    if read.db().query_one_raw(look).await?.is_none() {
        return Ok(Vec::new());
    }
    let tx = store.begin().await?;
    let sql = format!(
        "WITH due AS ({due} {skip}) \
         UPDATE deliveries SET lease_until = {lease} + {LEASE_MS}, fence = fence + 1 \
         FROM due WHERE id = due_id RETURNING *",
        skip = store.skip_locked(),
    );
    let rows = deliveries::Entity::find()
        .from_raw_sql(Statement::from_sql_and_values(backend, sql, values))
        .all(tx.db())
        .await?;
    let mut found: HashMap<EventId, events::Model> = events::Entity::find()
        .filter(events::Column::Id.is_in(rows.iter().map(|row| row.event_id)))
        .all(tx.db())
        .await?
        .into_iter()
        .map(|event| (event.id, event))
        .collect();
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let delivery = StoredDelivery::from(row);
        match found.get(&delivery.event_id) {
            Some(event) => claimed.push((delivery, FeedEvent::from(event.clone()))),
            None => {
                let error = "the event is past its retention";
                settle(
                    &tx,
                    &delivery,
                    DeliveryStatus::Parked,
                    None,
                    Some(error),
                    now,
                )
                .await?;
            }
        }
    }
    found.clear();
    tx.commit().await?;
    Ok(claimed)
}

/// Writes the outcome of an attempt at a claimed delivery. False when another worker has it by now: then
/// nothing is recorded.
pub async fn finish(
    tx: &Tx,
    delivery: &StoredDelivery,
    record: AttemptRecord,
) -> Result<bool, StoreError> {
    // The row's lock, and the proof that the lease still holds.
    let held = settle(
        tx,
        delivery,
        record.status,
        record.ready_at,
        None,
        record.at,
    )
    .await?;
    if held {
        self::record(tx, &[record]).await?;
    }
    Ok(held)
}

/// Gives a claimed delivery back, due again at `ready_at`. Nothing was tried.
pub async fn give_back(
    tx: &Tx,
    delivery: &StoredDelivery,
    ready_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    settle(tx, delivery, delivery.status, ready_at, None, now).await
}

#[expect(clippy::disallowed_methods, reason = "the claim names the delivery")]
async fn settle(
    tx: &Tx,
    delivery: &StoredDelivery,
    status: DeliveryStatus,
    ready_at: Option<Timestamp>,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    use deliveries::Column;
    let mut update = deliveries::Entity::update_many().set(deliveries::ActiveModel {
        status: Set(status),
        ready_at: Set(ready_at),
        lease_until: Set(None),
        updated_at: Set(now),
        ..Default::default()
    });
    if let Some(error) = error {
        update = update.col_expr(Column::Error, error.into());
    }
    let result = update
        .filter(Column::Id.eq(delivery.id))
        .filter(Column::Fence.eq(delivery.fence))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Deliveries of one endpoint, newest first.
#[expect(
    clippy::disallowed_methods,
    reason = "the caller was allowed to read this endpoint"
)]
pub async fn list(
    db: &impl Reads,
    endpoint: WebhookEndpointId,
    status: Option<DeliveryStatus>,
    window: Window<DeliveryId>,
) -> Result<Slice<StoredDelivery, DeliveryId>, StoreError> {
    use deliveries::Column;
    let query = deliveries::Entity::find()
        .filter(Column::EndpointId.eq(endpoint))
        .filter(Condition::all().add_option(status.map(|status| Column::Status.eq(status))));
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(StoredDelivery::from))
}

/// One delivery. Whether the caller may see it, its endpoint decides.
#[expect(clippy::disallowed_methods, reason = "an API key names a delivery")]
pub async fn find(db: &impl Reads, id: DeliveryId) -> Result<Option<StoredDelivery>, StoreError> {
    let row = deliveries::Entity::find_by_id(id).one(db.db()).await?;
    Ok(row.map(StoredDelivery::from))
}

/// Makes a delivery due now. Where an ordered stream stands at its event, the stream is due, and nothing
/// overtakes it; else the delivery by itself.
#[expect(
    clippy::disallowed_methods,
    reason = "the caller was allowed to read this delivery"
)]
pub async fn retry(tx: &Tx, delivery: &StoredDelivery, now: Timestamp) -> Result<(), StoreError> {
    let backend = tx.db().get_database_backend();
    let stream = Statement::from_sql_and_values(
        backend,
        "UPDATE delivery_streams SET ready_at = $1 \
         WHERE endpoint_id = $2 AND organization_id = $3 AND attempts > 0 AND next_seq = \
           (SELECT seq FROM events WHERE id = $4)",
        [
            now.into(),
            delivery.endpoint_id.into(),
            delivery.organization_id.into(),
            delivery.event_id.into(),
        ],
    );
    if tx.db().execute_raw(stream).await?.rows_affected() == 1 {
        return Ok(());
    }
    let alone = Statement::from_sql_and_values(
        backend,
        "UPDATE deliveries SET ready_at = $1, status = 'retrying', updated_at = $1 WHERE id = $2",
        [now.into(), delivery.id.into()],
    );
    tx.db().execute_raw(alone).await?;
    Ok(())
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

impl From<StoredDelivery> for Delivery {
    fn from(delivery: StoredDelivery) -> Self {
        Self {
            id: delivery.id,
            webhook_endpoint_id: delivery.endpoint_id,
            organization_id: delivery.organization_id,
            event_id: delivery.event_id,
            status: delivery.status,
            attempts: delivery.attempts,
            next_attempt_at: delivery.ready_at,
            response_code: delivery.response_code,
            latency_ms: delivery.latency_ms,
            body_excerpt: delivery.body_excerpt,
            error: delivery.error,
            created_at: delivery.created_at,
            updated_at: delivery.updated_at,
        }
    }
}
