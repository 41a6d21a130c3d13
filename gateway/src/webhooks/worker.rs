//! The worker: finds what is due, and delivers it (EVENTS section 3.2). Every replica runs one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::attempt::{self, Sent, Verdict};
use super::disable::Reason;
use super::gate::Gate;
use super::recorder::{Recorder, Report};
use super::retry;
use super::schedule::GIVE_UP_AFTER;
use super::target::Target;
use super::turn::Turn;
use crate::app::App;
use crate::error::Error;
use crate::ids::WebhookEndpointId;
use crate::model::{Timestamp, WebhookEndpointState};
use crate::store::Store;
use crate::store::deliveries::{self, StoredDelivery};
use crate::store::delivery_streams::{self, Claim, Progress, Then};
use crate::store::feed::{self, FeedEvent};
use crate::store::webhook_endpoints::{self, StoredEndpoint};

/// Requests in flight in this process.
const IN_FLIGHT: usize = 256;
/// Streams and deliveries in hand; those that wait for a place included.
const IN_HAND: usize = 2_048;
/// Claimed at a time.
const CLAIM: usize = 64;
/// No request begins later after a claim. With the longest request and the time to write it down this is
/// less than the lease, which therefore never has to be renewed.
const TURN: Duration = Duration::from_secs(30);
const BUSY_POLL: Duration = Duration::from_millis(50);
const IDLE_POLL: Duration = Duration::from_secs(1);
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// Until an endpoint whose secret does not open is looked at again.
const UNUSABLE: TimeDelta = TimeDelta::minutes(1);
/// What is in flight when a drain begins ends by then: a request takes 15 s at most.
const DRAIN: Duration = Duration::from_secs(20);

/// What the worker knows in this process. Cheap to clone.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    gates: Mutex<HashMap<WebhookEndpointId, Arc<Gate>>>,
    places: Semaphore,
    /// Turns and retries under way.
    active: watch::Sender<usize>,
    /// One pump at a time: what it found due is counted as under way before the next one looks.
    pumping: tokio::sync::Mutex<()>,
    /// The last pump left something: the end of a turn is a reason to look again.
    left_over: AtomicBool,
    look_again: Notify,
    recorder: Recorder,
}

/// Counts something under way, until it is dropped.
struct Active(Worker);

/// One endpoint, for as long as one claim lasts.
pub(super) struct Post {
    worker: Worker,
    pub(super) target: Target,
    gate: Arc<Gate>,
    pub(super) until: Instant,
}

impl Worker {
    pub fn new(store: &Store) -> Self {
        Self(Arc::new(Inner {
            gates: Mutex::default(),
            places: Semaphore::new(IN_FLIGHT),
            active: watch::Sender::new(0),
            pumping: tokio::sync::Mutex::default(),
            left_over: AtomicBool::new(false),
            look_again: Notify::new(),
            recorder: Recorder::start(store.clone()),
        }))
    }

    fn gate(&self, endpoint: WebhookEndpointId) -> Arc<Gate> {
        let mut gates = self.0.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(endpoint).or_default())
    }

    /// Endpoints of which nothing more is claimed for now. Forgets gates that nobody needs.
    fn crowded(&self) -> Vec<WebhookEndpointId> {
        let mut gates = self.0.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.is_untouched());
        gates
            .iter()
            .filter(|(_, gate)| gate.is_crowded())
            .map(|(id, _)| *id)
            .collect()
    }

    fn begin(&self) -> Active {
        self.0.active.send_modify(|active| *active += 1);
        Active(self.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.0.active.send_modify(|active| *active -= 1);
        if self.0.0.left_over.load(Ordering::Relaxed) {
            self.0.0.look_again.notify_one();
        }
    }
}

impl Post {
    /// Sends one event when there is a place for it. `None` when there was none in time, or the process is
    /// about to end.
    pub(super) async fn deliver(&self, app: &App, event: &FeedEvent) -> Option<Sent> {
        let entered = async {
            let place = self.gate.enter(self.until).await?;
            let in_all = timeout_at(self.until, self.worker.0.places.acquire()).await;
            Some((place, in_all.ok()?.ok()?))
        };
        let _places = tokio::select! {
            entered = entered => entered?,
            () = app.drain.begun() => return None,
        };
        let sent = attempt::deliver(app, &self.target, event).await;
        match sent.verdict {
            Verdict::Accepted => self.gate.widen(),
            _ if sent.overloaded => self.gate.halve(),
            _ => {}
        }
        Some(sent)
    }

    /// When to come back after something that is no fault of the receiver.
    pub(super) fn soon(&self, app: &App) -> Timestamp {
        Timestamp(app.clock.now() + TimeDelta::seconds(1))
    }

    pub(super) fn reason_to_disable(&self, app: &App, sent: &Sent) -> Option<Reason> {
        match (sent.verdict, self.target.failing_since) {
            (Verdict::Gone, _) => Some(Reason::ReceiverGone),
            (Verdict::Failed, Some(since)) if since.0 + GIVE_UP_AFTER <= app.clock.now() => {
                Some(Reason::Failing)
            }
            _ => None,
        }
    }
}

/// Delivers until the drain begins, and then only what is in flight.
pub async fn run(app: App) {
    if let Err(error) = delivery_streams::release_all(&app.store).await {
        tracing::warn!(%error, "the leases of the last run could not be released");
    }
    let worker = &app.webhooks;
    let mut recorded = app.store.events_recorded();
    let mut measured = Instant::now();
    while !app.drain.has_begun() {
        let pause = match pump(&app).await {
            Ok(Found::Begun { more: true }) => continue,
            Ok(Found::Begun { more: false } | Found::UnderWay) => BUSY_POLL,
            Ok(Found::Nothing) => IDLE_POLL,
            Err(error) => {
                tracing::warn!(%error, "events could not be delivered; trying again");
                IDLE_POLL
            }
        };
        if measured.elapsed() >= MEASURE_EVERY {
            measured = Instant::now();
            measure(&app).await;
        }
        tokio::select! {
            () = app.drain.begun() => {}
            _ = recorded.changed() => {}
            () = worker.0.look_again.notified() => {}
            () = sleep(pause) => {}
        }
    }
    let mut active = worker.0.active.subscribe();
    let ended = timeout(DRAIN, active.wait_for(|active| *active == 0)).await;
    if ended.is_err() {
        tracing::warn!("deliveries were still in flight at the end; they will be repeated");
    }
}

/// Works off everything that is due now, and returns when it is recorded. For tests with a moved clock; what
/// is due later stays.
///
/// # Errors
/// When the database does not answer.
pub async fn deliver_due(app: &App) -> Result<(), Error> {
    let worker = &app.webhooks;
    while !app.drain.has_begun() {
        let mut active = worker.0.active.subscribe();
        active.mark_unchanged();
        match pump(app).await? {
            Found::Nothing => return Ok(()),
            Found::Begun { .. } => {}
            Found::UnderWay => {
                // Fails only without a sender, which the worker holds.
                let _ = active.changed().await;
            }
        }
    }
    Ok(())
}

/// What one look found.
enum Found {
    /// Nothing is due, and nothing was under way.
    Nothing,
    /// Nothing else is due.
    UnderWay,
    Begun {
        more: bool,
    },
}

/// Numbers what was committed, claims what is due, and sets it going.
async fn pump(app: &App) -> Result<Found, Error> {
    let worker = &app.webhooks;
    let _alone = worker.0.pumping.lock().await;
    let idle = *worker.0.active.borrow() == 0;
    feed::sequence(&app.store).await?;
    let crowded = worker.crowded();
    let room = IN_HAND.saturating_sub(*worker.0.active.borrow());
    let limit = room.min(CLAIM) as u64;
    let claimed_at = Instant::now();
    let (streams, retries) = match limit {
        0 => (Vec::new(), Vec::new()),
        _ => (
            delivery_streams::claim(&app.store, limit, &crowded).await?,
            deliveries::claim(&app.store, limit, &crowded).await?,
        ),
    };
    let full = streams.len() as u64 == limit || retries.len() as u64 == limit;
    worker
        .0
        .left_over
        .store(full || !crowded.is_empty(), Ordering::Relaxed);
    if streams.is_empty() && retries.is_empty() {
        return Ok(if idle {
            Found::Nothing
        } else {
            Found::UnderWay
        });
    }
    for _ in streams.iter().filter(|claim| claim.taken_over == 1) {
        app.metrics.lease_taken_over();
    }
    let endpoints = streams.iter().map(|claim| claim.endpoint_id);
    let endpoints = endpoints.chain(retries.iter().map(|(delivery, _)| delivery.endpoint_id));
    let posts = open_posts(app, endpoints.collect(), claimed_at + TURN).await?;
    for claim in streams {
        let (app, active) = (app.clone(), worker.begin());
        let post = posts.get(&claim.endpoint_id).cloned();
        tokio::spawn(async move {
            report("stream", work_stream(&app, post, claim).await);
            drop(active);
        });
    }
    for (delivery, event) in retries {
        let (app, active) = (app.clone(), worker.begin());
        let post = posts.get(&delivery.endpoint_id).cloned();
        tokio::spawn(async move {
            report(
                "delivery",
                work_delivery(&app, post, &delivery, &event).await,
            );
            drop(active);
        });
    }
    Ok(Found::Begun { more: full })
}

fn report(what: &'static str, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, "a {what} could not be worked on; its lease will run out");
    }
}

/// An endpoint to deliver to, or what becomes of what is due for it.
type Opened = Result<Arc<Post>, Then>;

async fn open_posts(
    app: &App,
    mut ids: Vec<WebhookEndpointId>,
    until: Instant,
) -> Result<HashMap<WebhookEndpointId, Opened>, Error> {
    ids.sort_unstable();
    ids.dedup();
    let endpoints = webhook_endpoints::load(&app.store.read(), &ids).await?;
    let mut posts = HashMap::with_capacity(endpoints.len());
    for endpoint in &endpoints {
        posts.insert(endpoint.id, open_post(app, endpoint, until).await);
    }
    Ok(posts)
}

async fn open_post(app: &App, endpoint: &StoredEndpoint, until: Instant) -> Opened {
    if endpoint.state == WebhookEndpointState::Disabled {
        return Err(Then::Off);
    }
    match Target::open(app, endpoint).await {
        Ok(target) => Ok(Arc::new(Post {
            worker: app.webhooks.clone(),
            target,
            gate: app.webhooks.gate(endpoint.id),
            until,
        })),
        Err(error) => {
            tracing::error!(endpoint = %endpoint.id, %error, "a webhook endpoint can't be used");
            Err(Then::At((app.clock.now() + UNUSABLE).into()))
        }
    }
}

/// `None`: the endpoint is gone, and its streams with it.
async fn work_stream(app: &App, post: Option<Opened>, claim: Claim) -> Result<(), Error> {
    let Some(post) = post else {
        return Ok(());
    };
    let line = app.webhooks.0.recorder.line();
    match post {
        Ok(post) => Turn::new(app, &post, claim, line).take().await?,
        Err(then) => {
            let progress = Progress {
                claim,
                next_seq: claim.next_seq,
                attempts: claim.attempts,
                then,
            };
            let report = Report {
                progress,
                record: None,
                health: None,
            };
            line.report(report).await;
            line.written().await;
        }
    }
    Ok(())
}

async fn work_delivery(
    app: &App,
    post: Option<Opened>,
    delivery: &StoredDelivery,
    event: &FeedEvent,
) -> Result<(), Error> {
    let then = match post {
        Some(Ok(post)) => return retry::retry(app, &post, delivery, event).await,
        Some(Err(then)) => then,
        None => return Ok(()),
    };
    let ready_at = match then {
        Then::At(at) => Some(at),
        Then::GoOn | Then::Idle | Then::Off => None,
    };
    let tx = app.store.begin().await?;
    deliveries::give_back(&tx, delivery, ready_at, app.clock.now().into()).await?;
    Ok(tx.commit().await?)
}

async fn measure(app: &App) {
    match delivery_streams::backlog(&app.store).await {
        Ok(backlog) => {
            let now = app.clock.now().timestamp_millis();
            let lag = backlog.oldest.map_or(0, |at| now.saturating_sub(at));
            let lag = Duration::from_millis(u64::try_from(lag).unwrap_or(0));
            app.metrics.set_outbox_lag(lag);
            app.metrics.set_webhook_streams_blocked(backlog.blocked);
            app.metrics
                .set_outbox_unsequenced_events(backlog.unsequenced);
        }
        Err(error) => tracing::warn!(%error, "the backlog of events could not be measured"),
    }
}
