//! The feed: every committed event gets its position after the commit, and the delivery streams that it
//! concerns are woken (EVENTS section 3.3).
//!
//! An id taken before the commit is not in commit order, and a reader could skip. So positions are given
//! afterwards, in batches, by whoever holds the feed's one row: any replica may, one at a time does.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, Statement,
};

use super::entity::{event_feed, events};
use super::{OrgScope, Reads, Store, StoreError, Tx};
use crate::clock::Entropy;
use crate::ids::{EventId, OrganizationId};
use crate::model::Timestamp;

/// Events numbered in one transaction.
const BATCH: u64 = 1_000;

/// One event as readers and receivers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    pub id: EventId,
    pub organization_id: OrganizationId,
    pub sequence: i64,
    pub position: i64,
    pub event_type: String,
    pub occurred_at: Timestamp,
    /// The envelope's final bytes.
    pub body: String,
}

/// The feed's epoch and how far it goes. A restore from backup begins a new epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    pub epoch: String,
    pub last_position: i64,
}

/// Makes the feed in the first start's transaction.
pub async fn ensure(tx: &Tx, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let row = event_feed::ActiveModel {
        id: Set(1),
        epoch: Set(entropy.token().chars().take(12).collect()),
        last_pos: Set(0),
    };
    event_feed::Entity::insert(row)
        .on_conflict_do_nothing()
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "one row above all organizations")]
pub async fn state(db: &impl Reads) -> Result<FeedState, StoreError> {
    let row = event_feed::Entity::find()
        .one(db.db())
        .await?
        .ok_or(StoreError::Stale)?;
    Ok(FeedState {
        epoch: row.epoch,
        last_position: row.last_pos,
    })
}

/// Numbers what was committed since the last call and wakes the streams concerned. Returns how many events
/// were numbered.
pub async fn sequence(store: &Store) -> Result<u64, StoreError> {
    let mut total = 0;
    while is_behind(&store.read()).await? {
        let numbered = sequence_batch(store).await?;
        total += numbered;
        if numbered < BATCH {
            break;
        }
    }
    Ok(total)
}

#[expect(
    clippy::disallowed_methods,
    reason = "asks whether any organization has news, shows nothing"
)]
async fn is_behind(db: &impl Reads) -> Result<bool, StoreError> {
    let one = events::Entity::find()
        .select_only()
        .column(events::Column::Seq)
        .filter(events::Column::Pos.is_null())
        .limit(1)
        .into_tuple::<i64>()
        .one(db.db())
        .await?;
    Ok(one.is_some())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the feed is numbered across organizations"
)]
async fn sequence_batch(store: &Store) -> Result<u64, StoreError> {
    let tx = store.begin().await?;
    let backend = tx.db().get_database_backend();
    // The row lock: what is read from here on was committed before.
    let locked = Statement::from_string(
        backend,
        "UPDATE event_feed SET last_pos = last_pos WHERE id = 1 RETURNING last_pos",
    );
    let base: i64 = tx
        .db()
        .query_one_raw(locked)
        .await?
        .ok_or(StoreError::Stale)?
        .try_get("", "last_pos")?;
    // An organization's events become visible in `seq` order, so they are numbered in that order too.
    let number = Statement::from_sql_and_values(
        backend,
        "UPDATE events SET pos = $1 + fresh.n FROM ( \
           SELECT id, ROW_NUMBER() OVER (ORDER BY organization_id, seq) AS n FROM events \
           WHERE pos IS NULL ORDER BY organization_id, seq LIMIT $2 \
         ) AS fresh WHERE events.id = fresh.id",
        [base.into(), i64::try_from(BATCH).unwrap_or(i64::MAX).into()],
    );
    let numbered = tx.db().execute_raw(number).await?.rows_affected();
    if numbered == 0 {
        return Ok(0);
    }
    let last = base + i64::try_from(numbered).unwrap_or(i64::MAX);
    let advance = Statement::from_sql_and_values(
        backend,
        "UPDATE event_feed SET last_pos = $1 WHERE id = 1",
        [last.into()],
    );
    tx.db().execute_raw(advance).await?;
    // One row per endpoint and organization, whatever the number of events. A stream that waits for a retry
    // keeps its time; one of a disabled endpoint keeps its cursor and sleeps. All lock them in this order.
    // The inner LIMIT has SQLite look the new events up by `pos`: grouping alone would make it walk through
    // all there ever were, by organization.
    let wake = Statement::from_sql_and_values(
        backend,
        "INSERT INTO delivery_streams \
           (endpoint_id, organization_id, next_seq, ready_at, attempts, fence) \
         SELECT endpoint.id, fresh.organization_id, fresh.seq, \
           CASE WHEN endpoint.state = 'enabled' THEN CAST($1 AS BIGINT) END, 0, 0 \
         FROM webhook_endpoints AS endpoint \
         JOIN (SELECT organization_id, MIN(seq) AS seq \
               FROM (SELECT organization_id, seq FROM events WHERE pos > $2 \
                     ORDER BY pos LIMIT $3) AS numbered \
               GROUP BY organization_id) AS fresh \
           ON endpoint.organization_id IS NULL OR endpoint.organization_id = fresh.organization_id \
         WHERE true ORDER BY endpoint.id, fresh.organization_id \
         ON CONFLICT (endpoint_id, organization_id) \
         DO UPDATE SET ready_at = excluded.ready_at WHERE delivery_streams.ready_at IS NULL",
        [
            store.clock().now().timestamp_millis().into(),
            base.into(),
            i64::try_from(BATCH).unwrap_or(i64::MAX).into(),
        ],
    );
    tx.db().execute_raw(wake).await?;
    tx.commit().await?;
    Ok(numbered)
}

/// Which part of the feed to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Position(i64),
    /// Of one organization.
    Sequence(i64),
}

/// Events in the feed's order, of one organization or, for a reader above organizations, of all. `types`
/// are exact names or `user.*`; empty means all.
#[expect(
    clippy::disallowed_methods,
    reason = "an unbound API key reads the whole feed"
)]
pub async fn read(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    after: After,
    types: &[String],
    limit: u64,
) -> Result<Vec<FeedEvent>, StoreError> {
    let mut query = match scope {
        Some(scope) => scope.select::<events::Entity>(),
        None => events::Entity::find(),
    };
    query = query.filter(events::Column::Pos.is_not_null());
    query = match after {
        After::Position(position) => query
            .filter(events::Column::Pos.gt(position))
            .order_by_asc(events::Column::Pos),
        After::Sequence(sequence) => query
            .filter(events::Column::Seq.gt(sequence))
            .order_by_asc(events::Column::Seq),
    };
    if !types.is_empty() {
        query = query.filter(of_types(types));
    }
    Ok(query
        .limit(limit)
        .all(db.db())
        .await?
        .into_iter()
        .map(FeedEvent::from)
        .collect())
}

fn of_types(types: &[String]) -> sea_orm::Condition {
    types
        .iter()
        .fold(sea_orm::Condition::any(), |any, pattern| {
            if pattern == "*" {
                return any.add(Expr::value(true));
            }
            match pattern.strip_suffix(".*") {
                Some(prefix) => any.add(events::Column::Kind.starts_with(format!("{prefix}."))),
                None => any.add(events::Column::Kind.eq(pattern)),
            }
        })
}

/// One event by id.
#[expect(
    clippy::disallowed_methods,
    reason = "an unbound API key names an event as its cursor"
)]
pub async fn find(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    id: EventId,
) -> Result<Option<FeedEvent>, StoreError> {
    let query = match scope {
        Some(scope) => scope.select::<events::Entity>(),
        None => events::Entity::find(),
    };
    Ok(query
        .filter(events::Column::Id.eq(id))
        .one(db.db())
        .await?
        .map(FeedEvent::from))
}

/// The last `sequence` of the organization; 0 when it has no events yet.
pub async fn last_sequence(db: &impl Reads, scope: &OrgScope) -> Result<i64, StoreError> {
    let row = scope
        .select::<super::entity::event_streams::Entity>()
        .one(db.db())
        .await?;
    Ok(row.map_or(0, |row| row.last_seq))
}

/// The first position that is still kept.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a number of the feed, shows nothing"
)]
pub async fn oldest_position(db: &impl Reads) -> Result<Option<i64>, StoreError> {
    let oldest: Option<Option<i64>> = events::Entity::find()
        .select_only()
        .column(events::Column::Pos)
        .filter(events::Column::Pos.is_not_null())
        .order_by_asc(events::Column::Pos)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(oldest.flatten())
}

/// The oldest event's id, by the time of the ids.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a number of the feed, shows nothing"
)]
pub async fn oldest_id(db: &impl Reads) -> Result<Option<EventId>, StoreError> {
    Ok(events::Entity::find()
        .select_only()
        .column(events::Column::Id)
        .order_by_asc(events::Column::Id)
        .into_tuple()
        .one(db.db())
        .await?)
}

/// The first `sequence` of the organization that is still kept.
pub async fn oldest_sequence(db: &impl Reads, scope: &OrgScope) -> Result<Option<i64>, StoreError> {
    Ok(scope
        .select::<events::Entity>()
        .select_only()
        .column(events::Column::Seq)
        .order_by_asc(events::Column::Seq)
        .into_tuple()
        .one(db.db())
        .await?)
}

/// The last `sequence` of the organization that has its place in the feed; what was committed before is
/// numbered before.
pub async fn last_numbered_sequence(db: &impl Reads, scope: &OrgScope) -> Result<i64, StoreError> {
    let numbered: Option<i64> = scope
        .select::<events::Entity>()
        .select_only()
        .column(events::Column::Seq)
        .filter(events::Column::Pos.is_not_null())
        .order_by_desc(events::Column::Seq)
        .into_tuple()
        .one(db.db())
        .await?;
    match numbered {
        Some(numbered) => Ok(numbered),
        // All that there was is past its retention, or nothing is numbered yet.
        None => match oldest_sequence(db, scope).await? {
            Some(unnumbered) => Ok(unnumbered - 1),
            None => last_sequence(db, scope).await,
        },
    }
}

/// The organization's last `sequence` up to this position of the feed.
pub async fn sequence_at(
    db: &impl Reads,
    scope: &OrgScope,
    position: i64,
) -> Result<i64, StoreError> {
    let at: Option<i64> = scope
        .select::<events::Entity>()
        .select_only()
        .column(events::Column::Seq)
        .filter(events::Column::Pos.lte(position))
        .order_by_desc(events::Column::Seq)
        .into_tuple()
        .one(db.db())
        .await?;
    match at {
        Some(at) => Ok(at),
        None => Ok(oldest_sequence(db, scope).await?.unwrap_or(1) - 1),
    }
}

/// The last position with nothing behind it that happened before `at`: every event since then comes later.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a number of the feed, shows nothing"
)]
pub async fn position_before(db: &impl Reads, at: DateTime<Utc>) -> Result<i64, StoreError> {
    // Ids carry the time, and their index makes this a look at what is replayed anyway.
    let statement = Statement::from_sql_and_values(
        db.db().get_database_backend(),
        "SELECT COALESCE( \
           (SELECT MIN(pos) - 1 FROM events WHERE id >= $1), \
           (SELECT last_pos FROM event_feed WHERE id = 1)) AS position",
        [EventId::earliest(at).into()],
    );
    let row = db
        .db()
        .query_one_raw(statement)
        .await?
        .ok_or(StoreError::Stale)?;
    Ok(row.try_get("", "position")?)
}

impl From<events::Model> for FeedEvent {
    fn from(row: events::Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            sequence: row.seq,
            position: row.pos.unwrap_or_default(),
            event_type: row.kind,
            occurred_at: row.occurred_at,
            body: row.body,
        }
    }
}

/// Whether an event of `event_type` is one of these types; empty means all.
pub fn matches(types: &[String], event_type: &str) -> bool {
    types.is_empty()
        || types.iter().any(|pattern| {
            pattern == "*"
                || pattern == event_type
                || pattern
                    .strip_suffix('*')
                    .is_some_and(|prefix| prefix.ends_with('.') && event_type.starts_with(prefix))
        })
}
