//! Deliveries that are due by themselves: failures of parallel endpoints, and what somebody retries by hand.

use super::attempt::{Ruling, Sent, Verdict};
use super::disable;
use super::worker::Post;
use crate::app::App;
use crate::error::Error;
use crate::model::Timestamp;
use crate::store::deliveries::{self, AttemptRecord, StoredDelivery};
use crate::store::feed::FeedEvent;
use crate::store::webhook_endpoints;

/// Tries one claimed delivery and writes down what came of it.
///
/// # Errors
/// When the database does not answer: the lease then runs out.
pub(super) async fn retry(
    app: &App,
    post: &Post,
    delivery: &StoredDelivery,
    event: &FeedEvent,
) -> Result<(), Error> {
    let sent = post.deliver(app, event).await;
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    let Some(sent) = sent.filter(|sent| sent.verdict != Verdict::NotSent) else {
        deliveries::give_back(&tx, delivery, Some(post.soon(app)), now).await?;
        return Ok(tx.commit().await?);
    };
    let attempts = delivery.attempts + 1;
    let ruling = Ruling::of(app, &sent, attempts);
    let reason = post.reason_to_disable(app, &sent);
    let endpoint = post.target.id;
    let Sent {
        verdict, attempt, ..
    } = sent;
    let record = AttemptRecord {
        new_id: delivery.id,
        endpoint_id: endpoint,
        organization_id: delivery.organization_id,
        event_id: delivery.event_id,
        status: ruling.status,
        ready_at: ruling.retry_at,
        attempts,
        attempt,
        at: now,
    };
    if !deliveries::finish(&tx, delivery, record).await? {
        return Ok(());
    }
    match (verdict, post.target.failing_since) {
        (Verdict::Accepted, Some(_)) => webhook_endpoints::note_success(&tx, &[endpoint]).await?,
        (Verdict::Failed | Verdict::Gone, None) => {
            webhook_endpoints::note_failure(&tx, &[endpoint], now).await?;
        }
        _ => {}
    }
    tx.commit().await?;
    if let Some(reason) = reason {
        disable::disable(app, endpoint, reason).await?;
    }
    Ok(())
}
