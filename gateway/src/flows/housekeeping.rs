//! What time alone ends: logins that nobody finished, used codes, tokens of sessions that are over, ids kept
//! against replays. Every check looks at the time itself; this only keeps the tables small, and the states true
//! for those who read them.

use std::time::Duration;

use crate::app::App;
use crate::error::Error;
use crate::store::housekeeping;

/// How often a replica tidies up. Several do no harm to each other.
const EVERY: Duration = Duration::from_secs(60);

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
    for chore in housekeeping::chores(now) {
        if app.drain.has_begun() {
            return Ok(());
        }
        let rows = housekeeping::tidy(&app.store, &chore).await?;
        tracing::debug!(table = chore.table, rows, "tidied up");
    }
    app.signing_keys.tend().await?;
    housekeeping::forget_events(&app.store, now).await?;
    Ok(())
}
