//! What time alone ends: logins that nobody finished, used codes, tokens of sessions that are over, ids kept
//! against replays. Every check looks at the time itself; this only keeps the tables small, and the states true
//! for those who read them.

use std::time::Duration;

use chrono::TimeDelta;

use crate::app::App;
use crate::error::Error;
use crate::model::Timestamp;
use crate::store::{housekeeping, idempotency, logins, tokens};

/// How often a replica tidies up. Several do no harm to each other.
const EVERY: Duration = Duration::from_secs(60);
/// How long a code is known after its end, so that a late reuse still ends its session.
const CODES_KEPT: TimeDelta = TimeDelta::days(1);
/// How far back a failed login is looked at again: longer than any pause between two rounds.
const FAILED_LATELY: TimeDelta = TimeDelta::days(1);
/// Rows a transaction: others write in between.
const BATCH: u64 = 1_000;

/// Tidies up until the drain begins.
pub async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.drain.begun() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = tidy(&app).await {
            tracing::warn!(%error, "old rows could not be removed; the next round tries again");
        }
    }
}

/// One round.
pub async fn tidy(app: &App) -> Result<(), Error> {
    let now = app.clock.now();
    let tx = app.store.begin_relaxed().await?;
    logins::expire(&tx, Timestamp(now), Timestamp(now - FAILED_LATELY)).await?;
    logins::forget_used_ids(&tx, Timestamp(now)).await?;
    idempotency::sweep(&tx, Timestamp(now - idempotency::KEPT_FOR)).await?;
    tx.commit().await?;
    loop {
        let tx = app.store.begin_relaxed().await?;
        let removed =
            tokens::remove_expired(&tx, Timestamp(now - CODES_KEPT), Timestamp(now), BATCH).await?;
        tx.commit().await?;
        if removed < BATCH {
            break;
        }
    }
    for chore in housekeeping::chores(now) {
        if app.drain.has_begun() {
            return Ok(());
        }
        let rows = housekeeping::tidy(&app.store, &chore).await?;
        tracing::debug!(table = chore.table, rows, "tidied up");
    }
    housekeeping::forget_events(&app.store, now).await?;
    Ok(())
}
