//! Domains looked at by themselves: a pending one hourly for two weeks, so that an administrator who left the
//! page gets verified; a proven one daily, so that a domain that was given up stops routing (SECURITY-MODEL
//! G3). Several replicas may look at once: each look is claimed by a conditional update.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};

use super::{Occasion, conclude, proof};
use crate::app::App;
use crate::error::Error;
use crate::ids::DomainId;
use crate::model::{Cause, Timestamp};
use crate::store::{OrgScope, domains};

/// How often a replica looks for what is due.
const EVERY: Duration = Duration::from_secs(60);

/// Domains looked at in one round.
const BATCH: u64 = 500;

/// Looks under way at a time.
const AT_ONCE: usize = 8;

/// How long one replica has for a look before another one may try.
const LEASE: TimeDelta = TimeDelta::minutes(10);

/// Looks until the drain begins.
pub async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.drain.begun() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = once(&app).await {
            tracing::warn!(%error, "the domains could not be looked at; the next round tries again");
        }
    }
}

/// One round.
pub async fn once(app: &App) -> Result<(), Error> {
    let now = Timestamp(app.clock.now());
    let due = domains::due(&app.store.read(), now, BATCH).await?;
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |(scope, id)| async move {
            if app.drain.has_begun() {
                return;
            }
            if let Err(error) = look_again(app, &scope, id).await {
                tracing::warn!(domain = %id, %error, "a domain could not be looked at");
            }
        })
        .await;
    Ok(())
}

async fn look_again(app: &App, scope: &OrgScope, id: DomainId) -> Result<(), Error> {
    let now = app.clock.now();
    let tx = app.store.begin_relaxed().await?;
    let claimed = domains::claim(&tx, scope, id, Timestamp(now), Timestamp(now + LEASE)).await?;
    tx.commit().await?;
    let Some(domain) = domains::find(&app.store.read(), scope, id).await? else {
        return Ok(());
    };
    if !claimed {
        return Ok(());
    }
    let look = proof::look(app, &domain).await;
    let tx = app.store.begin().await?;
    let cause = Cause::system("domain_check");
    let concluded = conclude(app, &tx, scope, id, &look, Occasion::Routine, &cause).await;
    match concluded {
        Ok(_) => Ok(tx.commit().await?),
        // Removed meanwhile.
        Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
