//! What has had its time, taken away in batches. Several replicas may do so at once: each passes over the rows
//! that another one has in hand.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    Value,
};

use super::entity::events;
use super::{Reads, Store, StoreError, idempotency};
use crate::ids::{DeliveryId, DirectoryRequestId, EventId, LoginId};

/// Rows in one transaction: no longer than other writers can wait for.
const BATCH: u64 = 500;
/// Batches of one chore in one go.
const BATCHES: u32 = 40;

/// How long events can be read and replayed (EVENTS section 2).
pub const EVENTS_KEPT: TimeDelta = TimeDelta::days(90);
const LOGINS_KEPT: TimeDelta = TimeDelta::days(30);
/// Personal data, and useful only while somebody still looks for a fault.
const RESPONSES_KEPT: TimeDelta = TimeDelta::days(7);
const DIRECTORY_REQUESTS_KEPT: TimeDelta = TimeDelta::days(30);
/// So that whoever asks why a directory fell silent sees the token that ended.
const DIRECTORY_TOKENS_KEPT: TimeDelta = TimeDelta::days(30);
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(30);
const ATTEMPTS_KEPT: TimeDelta = TimeDelta::days(14);
const CONFIG_CHANGES_KEPT: TimeDelta = TimeDelta::days(1);
/// How long a code is known after its end, so that a late reuse still ends its session.
const CODES_KEPT: TimeDelta = TimeDelta::days(1);

/// One table's rule.
#[derive(Debug, Clone)]
pub struct Chore {
    pub table: &'static str,
    key: &'static str,
    /// Rows for which this holds; `$1` is the bound, in the assignments too.
    condition: &'static str,
    bound: Value,
    action: Action,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Delete,
    Set(&'static str),
}

/// All rules but that of the events, whose order matters. Each condition begins with what an index has.
pub fn chores(now: DateTime<Utc>) -> Vec<Chore> {
    use Action::{Delete, Set};
    let chore = |table, key, condition, bound, action| Chore {
        table,
        key,
        condition,
        bound,
        action,
    };
    let before = |kept: TimeDelta| Value::from((now - kept).timestamp_millis());
    let past = before(TimeDelta::zero());
    vec![
        chore(
            "logins",
            "id",
            "state IN ('pending', 'verified') AND expires_at <= $1",
            past.clone(),
            Set("state = 'expired', sealed = NULL, finished_at = $1"),
        ),
        // A failed login can be tried again until it expires; then nobody can go on with what it kept. Only
        // a day's are looked at: longer than any pause between two rounds.
        chore(
            "logins",
            "id",
            "state = 'failed' AND expires_at <= $1 AND expires_at > $1 - 86400000 AND sealed IS NOT NULL",
            past.clone(),
            Set("sealed = NULL"),
        ),
        chore(
            "logins",
            "id",
            "id < $1",
            LoginId::earliest(now - LOGINS_KEPT).into(),
            Delete,
        ),
        chore(
            "login_responses",
            "login_id",
            "login_id < $1",
            LoginId::earliest(now - RESPONSES_KEPT).into(),
            Delete,
        ),
        chore(
            "directory_requests",
            "id",
            "id < $1",
            DirectoryRequestId::earliest(now - DIRECTORY_REQUESTS_KEPT).into(),
            Delete,
        ),
        chore(
            "directory_tokens",
            "id",
            "expires_at < $1",
            before(DIRECTORY_TOKENS_KEPT),
            Delete,
        ),
        chore(
            "replay_ids",
            "connection_id, id",
            "expires_at < $1",
            past.clone(),
            Delete,
        ),
        chore(
            "logouts",
            "relay_state_hash",
            "expires_at <= $1",
            past.clone(),
            Delete,
        ),
        chore(
            "authorization_codes",
            "code_hash",
            "expires_at < $1",
            before(CODES_KEPT),
            Delete,
        ),
        chore(
            "refresh_tokens",
            "token_hash",
            "expires_at < $1",
            past.clone(),
            Delete,
        ),
        chore(
            "revoked_access_tokens",
            "jti",
            "expires_at < $1",
            past.clone(),
            Delete,
        ),
        chore(
            "pushed_requests",
            "handle_hash",
            "expires_at < $1",
            past.clone(),
            Delete,
        ),
        chore(
            "client_assertions",
            "application_id, jti_hash",
            "expires_at < $1",
            past.clone(),
            Delete,
        ),
        chore(
            "sessions",
            "id",
            "state = 'active' AND expires_at <= $1",
            past,
            Set("state = 'expired'"),
        ),
        chore(
            "sessions",
            "id",
            "state IN ('revoked', 'expired') AND expires_at <= $1",
            before(SESSIONS_KEPT),
            Delete,
        ),
        chore(
            "idempotency_keys",
            "api_key_id, idempotency_key",
            "created_at < $1",
            before(idempotency::KEPT_FOR),
            Delete,
        ),
        chore(
            "delivery_attempts",
            "delivery_id, attempt",
            "attempted_at <= $1",
            before(ATTEMPTS_KEPT),
            Delete,
        ),
        chore(
            "deliveries",
            "id",
            "id < $1",
            DeliveryId::earliest(now - EVENTS_KEPT).into(),
            Delete,
        ),
        chore(
            "config_changes",
            "version",
            "changed_at <= $1",
            before(CONFIG_CHANGES_KEPT),
            Delete,
        ),
    ]
}

/// Does one chore, and returns how many rows it was.
#[expect(
    clippy::disallowed_methods,
    reason = "what has expired goes, whoever owns it"
)]
pub async fn tidy(store: &Store, chore: &Chore) -> Result<u64, StoreError> {
    let Chore {
        table,
        key,
        condition,
        bound,
        action,
    } = chore;
    let backend = store.read().db().get_database_backend();
    let due = format!("SELECT {key} FROM {table} WHERE {condition}");
    let look = Statement::from_sql_and_values(backend, format!("{due} LIMIT 1"), [bound.clone()]);
    let verb = match action {
        Action::Delete => format!("DELETE FROM {table}"),
        Action::Set(assignments) => format!("UPDATE {table} SET {assignments}"),
    };
    let sql = format!(
        "{verb} WHERE ({key}) IN ({due} LIMIT {BATCH} {skip})",
        skip = store.skip_locked()
    );
    let mut total = 0;
    for _ in 0..BATCHES {
        // Nothing to do, most of the time: that costs a read only.
        if store
            .read()
            .db()
            .query_one_raw(look.clone())
            .await?
            .is_none()
        {
            break;
        }
        // What a power failure brings back, the next round takes away again.
        let tx = store.begin_relaxed().await?;
        let batch = Statement::from_sql_and_values(backend, sql.as_str(), [bound.clone()]);
        let rows = tx.db().execute_raw(batch).await?.rows_affected();
        tx.commit().await?;
        total += rows;
        if rows < BATCH {
            break;
        }
    }
    Ok(total)
}

/// Removes the oldest events, always a whole beginning of the feed: so its first position tells every reader
/// whether something behind a cursor is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "what is past its retention goes, whoever owns it"
)]
pub async fn forget_events(store: &Store, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let bound = EventId::earliest(now - EVENTS_KEPT);
    let mut total = 0;
    for _ in 0..BATCHES {
        let oldest: Vec<(i64, EventId)> = events::Entity::find()
            .select_only()
            .column(events::Column::Pos)
            .column(events::Column::Id)
            .filter(events::Column::Pos.is_not_null())
            .order_by_asc(events::Column::Pos)
            .limit(BATCH)
            .into_tuple()
            .all(store.read().db())
            .await?;
        let old = oldest.iter().take_while(|(_, id)| *id < bound);
        let Some((last, _)) = old.last() else {
            break;
        };
        let tx = store.begin().await?;
        let result = events::Entity::delete_many()
            .filter(events::Column::Pos.lte(*last))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        total += result.rows_affected;
        if oldest.len() as u64 > result.rows_affected {
            break;
        }
    }
    Ok(total)
}
