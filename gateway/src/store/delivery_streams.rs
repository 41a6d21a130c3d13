//! Delivery streams: one cursor per endpoint and organization (EVENTS section 3).
//!
//! A stream is worked on under a lease with a fence: whoever lost the lease changes nothing any more (it may
//! have caused a duplicate, never a skip). All queries here span organizations: the worker serves them all,
//! and sends each event only to endpoints that may receive it.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement, Value,
};

use super::entity::events;
use super::feed::FeedEvent;
use super::{Reads, Store, StoreError, Tx};
use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::Timestamp;

/// How long a claimed stream belongs to its worker. Whoever claims has to be done before it ends.
pub const LEASE_MS: i64 = 60_000;

/// A stream's key.
pub type StreamId = (WebhookEndpointId, OrganizationId);

/// A claimed stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Claim {
    pub endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    pub next_seq: i64,
    /// Attempts at `next_seq` so far.
    pub attempts: i64,
    pub fence: i64,
    /// 1 when another worker let its lease run out.
    pub taken_over: i64,
}

impl Claim {
    pub fn stream(&self) -> StreamId {
        (self.endpoint_id, self.organization_id)
    }
}

/// What becomes of a stream's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The work goes on under the lease.
    GoOn,
    /// Given back; due again at this time.
    At(Timestamp),
    /// Given back; there was nothing more to do. Due again with the next event.
    Idle,
    /// Given back; the endpoint is off.
    Off,
}

/// Where a stream stands after some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub claim: Claim,
    pub next_seq: i64,
    pub attempts: i64,
    pub then: Then,
}

/// Leases up to `limit` due streams, the longest waiting first, none of the endpoints in `except`. Committed
/// before any network call.
#[expect(
    clippy::disallowed_methods,
    reason = "claims due streams of any organization"
)]
pub async fn claim(
    store: &Store,
    limit: u64,
    except: &[WebhookEndpointId],
) -> Result<Vec<Claim>, StoreError> {
    let lease = store.lease_clock();
    let mut values: Vec<Value> = vec![
        store.clock().now().timestamp_millis().into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let except = exclusion("endpoint_id", except, &mut values);
    let due = format!(
        "SELECT endpoint_id AS due_endpoint, organization_id AS due_organization, \
           CAST(CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END AS BIGINT) AS due_taken \
         FROM delivery_streams \
         WHERE ready_at <= $1 AND (lease_until IS NULL OR lease_until < {lease}){except} \
         ORDER BY ready_at LIMIT $2"
    );
    let backend = store.read().db().get_database_backend();
    // Nothing to do, most of the time: that costs a read only.
    let look = Statement::from_sql_and_values(backend, due.as_str(), values.clone());
    if store.read().db().query_one_raw(look).await?.is_none() {
        return Ok(Vec::new());
    }
    // SQLite returns columns of the table only; there is no other worker there either.
    let taken = match backend {
        DbBackend::Postgres => "due_taken",
        _ => "0",
    };
    let tx = store.begin().await?;
    let sql = format!(
        "WITH due AS ({due} {skip}) \
         UPDATE delivery_streams SET lease_until = {lease} + {LEASE_MS}, fence = fence + 1 \
         FROM due WHERE endpoint_id = due_endpoint AND organization_id = due_organization \
         RETURNING endpoint_id, organization_id, next_seq, attempts, fence, \
           {taken} AS taken_over",
        skip = store.skip_locked(),
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let rows = tx.db().query_all_raw(statement).await?;
    let claims = rows
        .iter()
        .map(|row| Claim::from_query_result(row, ""))
        .collect::<Result<_, _>>()?;
    tx.commit().await?;
    Ok(claims)
}

/// ` AND column NOT IN ($3, …)`, or nothing.
pub(super) fn exclusion(
    column: &str,
    except: &[WebhookEndpointId],
    values: &mut Vec<Value>,
) -> String {
    if except.is_empty() {
        return String::new();
    }
    let places: Vec<String> = except
        .iter()
        .map(|id| {
            values.push((*id).into());
            format!("${}", values.len())
        })
        .collect();
    format!(" AND {column} NOT IN ({})", places.join(", "))
}

/// An organization's events from `from_seq` on, numbered ones only.
#[expect(
    clippy::disallowed_methods,
    reason = "the claim names the organization"
)]
pub async fn next_events(
    db: &impl Reads,
    organization: OrganizationId,
    from_seq: i64,
    limit: u64,
) -> Result<Vec<FeedEvent>, StoreError> {
    let rows = events::Entity::find()
        .filter(events::Column::OrganizationId.eq(organization))
        .filter(events::Column::Seq.gte(from_seq))
        .filter(events::Column::Pos.is_not_null())
        .order_by_asc(events::Column::Seq)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(FeedEvent::from).collect())
}

/// Moves cursors and gives leases back; at most one progress per stream. Returns the streams whose lease was
/// still held: nothing may be recorded for the others.
///
/// The rows are locked first, in the order in which the sequencer locks them. One that is about to wake a
/// stream going idle either committed before, and its events are seen here, or waits and then finds the
/// stream asleep: no event is left behind.
#[expect(clippy::disallowed_methods, reason = "the claims name the streams")]
pub async fn advance(
    tx: &Tx,
    store: &Store,
    all: &[Progress],
) -> Result<HashSet<StreamId>, StoreError> {
    if all.is_empty() {
        return Ok(HashSet::new());
    }
    lock(tx, all.iter().map(|it| it.claim.stream())).await?;
    let mut values: Vec<Value> = Vec::with_capacity(all.len() * 7);
    let mut rows = Vec::with_capacity(all.len());
    for progress in all {
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + 7).map(|n| format!("${n}")).collect();
        rows.push(format!("({})", places.join(", ")));
        let ready_at = match progress.then {
            Then::At(at) => Some(at.0.timestamp_millis()),
            Then::GoOn | Then::Idle | Then::Off => None,
        };
        values.extend([
            progress.claim.endpoint_id.into(),
            progress.claim.organization_id.into(),
            progress.claim.fence.into(),
            progress.next_seq.into(),
            progress.attempts.into(),
            i64::from(progress.then == Then::GoOn).into(),
            Value::BigInt(ready_at),
        ]);
    }
    let sql = format!(
        "WITH progress (of_endpoint, of_organization, of_fence, new_seq, new_attempts, goes_on, new_ready) \
           AS (VALUES {}) \
         UPDATE delivery_streams SET next_seq = new_seq, attempts = new_attempts, \
           ready_at = CASE WHEN goes_on = 1 THEN ready_at ELSE new_ready END, \
           lease_until = CASE WHEN goes_on = 1 THEN lease_until END \
         FROM progress WHERE endpoint_id = of_endpoint AND organization_id = of_organization \
           AND fence = of_fence \
         RETURNING endpoint_id, organization_id",
        rows.join(", ")
    );
    let backend = tx.db().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let mut held = HashSet::with_capacity(all.len());
    for row in tx.db().query_all_raw(statement).await? {
        held.insert((
            row.try_get("", "endpoint_id")?,
            row.try_get("", "organization_id")?,
        ));
    }
    let idle = all
        .iter()
        .filter(|it| it.then == Then::Idle && held.contains(&it.claim.stream()))
        .map(|it| it.claim.stream());
    wake_again(tx, store, idle).await?;
    Ok(held)
}

/// SQLite has one writer at a time, who needs no lock.
#[expect(clippy::disallowed_methods, reason = "the claims name the streams")]
async fn lock(tx: &Tx, streams: impl Iterator<Item = StreamId>) -> Result<(), StoreError> {
    let backend = tx.db().get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(());
    }
    let (list, values) = stream_list(streams, Vec::new());
    let sql = format!(
        "SELECT 1 FROM delivery_streams WHERE (endpoint_id, organization_id) IN ({list}) \
         ORDER BY endpoint_id, organization_id FOR UPDATE"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    tx.db().execute_raw(statement).await?;
    Ok(())
}

/// Those of these sleeping streams that have events after all are due at once.
#[expect(clippy::disallowed_methods, reason = "the claims name the streams")]
async fn wake_again(
    tx: &Tx,
    store: &Store,
    streams: impl Iterator<Item = StreamId>,
) -> Result<(), StoreError> {
    let now = store.clock().now().timestamp_millis();
    let (list, values) = stream_list(streams, vec![now.into()]);
    if list.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE delivery_streams SET ready_at = $1 \
         WHERE (endpoint_id, organization_id) IN ({list}) AND EXISTS ( \
           SELECT 1 FROM events WHERE events.organization_id = delivery_streams.organization_id \
           AND events.seq >= delivery_streams.next_seq AND events.pos IS NOT NULL)"
    );
    let statement = Statement::from_sql_and_values(tx.db().get_database_backend(), sql, values);
    tx.db().execute_raw(statement).await?;
    Ok(())
}

/// `VALUES ($1, $2), …` for an `IN`, or nothing; the values follow those that are there.
fn stream_list(
    streams: impl Iterator<Item = StreamId>,
    mut values: Vec<Value>,
) -> (String, Vec<Value>) {
    let mut rows = Vec::new();
    for (endpoint, organization) in streams {
        let first = values.len() + 1;
        rows.push(format!("(${first}, ${})", first + 1));
        values.push(endpoint.into());
        values.push(organization.into());
    }
    if rows.is_empty() {
        return (String::new(), values);
    }
    (format!("VALUES {}", rows.join(", ")), values)
}

/// After a start on SQLite: this process is the only one, so every lease is a dead one's.
#[expect(
    clippy::disallowed_methods,
    reason = "leases of a process that is gone, whatever the organization"
)]
pub async fn release_all(store: &Store) -> Result<(), StoreError> {
    let tx = store.begin().await?;
    let backend = tx.db().get_database_backend();
    if backend != DbBackend::Sqlite {
        return Ok(());
    }
    for table in ["delivery_streams", "deliveries"] {
        let statement = Statement::from_string(
            backend,
            format!(
                "UPDATE {table} SET lease_until = NULL, fence = fence + 1 \
                 WHERE lease_until IS NOT NULL"
            ),
        );
        tx.db().execute_raw(statement).await?;
    }
    tx.commit().await
}

/// What waits, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Backlog {
    /// When the oldest event happened that waits for its first attempt.
    pub oldest: Option<i64>,
    /// Streams that wait for a retry.
    pub blocked: i64,
    pub unsequenced: i64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "counts what waits, shows nothing of any organization"
)]
pub async fn backlog(store: &Store) -> Result<Backlog, StoreError> {
    let read = store.read();
    let statement = Statement::from_sql_and_values(
        read.db().get_database_backend(),
        "SELECT \
           (SELECT MIN(event.occurred_at) FROM events AS event JOIN ( \
              SELECT organization_id, next_seq FROM delivery_streams \
              WHERE ready_at <= $1 AND attempts = 0 ORDER BY ready_at LIMIT 100 \
            ) AS waiting ON event.organization_id = waiting.organization_id \
              AND event.seq = waiting.next_seq) AS oldest, \
           (SELECT COUNT(*) FROM delivery_streams \
            WHERE ready_at IS NOT NULL AND attempts > 0) AS blocked, \
           (SELECT COUNT(*) FROM events WHERE pos IS NULL) AS unsequenced",
        [store.clock().now().timestamp_millis().into()],
    );
    let row = read
        .db()
        .query_one_raw(statement)
        .await?
        .ok_or(StoreError::Stale)?;
    Ok(Backlog::from_query_result(&row, "")?)
}
