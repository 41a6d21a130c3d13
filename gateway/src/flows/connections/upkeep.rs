//! What time alone asks of connections: keys that change over, certificates that end, metadata that is read
//! again. Several replicas may look at once: each thing is claimed by a conditional update, so that one does it.

use std::time::Duration;

use super::{notices, refresh, rotation};
use crate::app::App;
use crate::error::Error;

/// How often a replica looks.
const EVERY: Duration = Duration::from_secs(60);

/// Connections looked at in one round for one reason.
pub(super) const BATCH: u64 = 500;

/// Looks until the drain begins.
pub async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.drain.begun() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = once(&app).await {
            tracing::warn!(%error, "the connections could not be looked after; the next round tries again");
        }
    }
}

/// One round.
pub async fn once(app: &App) -> Result<(), Error> {
    rotation::switch_due(app).await?;
    notices::notify_due(app).await?;
    refresh::refresh_due(app).await
}
