//! One turn at a claimed stream: its next events, in order, each to the endpoint.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::attempt::{Ruling, Sent, Verdict};
use super::disable::{self, Reason};
use super::gate;
use super::recorder::{Health, Line, Report};
use super::worker::Post;
use crate::app::App;
use crate::error::Error;
use crate::ids::DeliveryId;
use crate::model::{DeliveryStatus, Ordering};
use crate::store::deliveries::AttemptRecord;
use crate::store::delivery_streams::{self, Claim, Progress, Then};
use crate::store::feed::FeedEvent;

/// Events read at a time.
const READ: u64 = 64;

/// One worker's time at one stream. An ordered stream has one event under way, a parallel one several.
pub(super) struct Turn<'a> {
    app: &'a App,
    post: &'a Post,
    line: Line,
    claim: Claim,
    cursor: Cursor,
    /// Attempts at the event where an ordered stream stands.
    attempts: i64,
    queue: VecDeque<FeedEvent>,
    /// The organization has no further events.
    exhausted: bool,
    /// Nothing more is begun, and this becomes of the stream.
    stop: Option<Then>,
    disable: Option<Reason>,
}

/// How far the stream has come. In parallel mode an event may end before an earlier one has.
#[derive(Debug)]
struct Cursor {
    unfinished: BTreeSet<i64>,
    next: i64,
}

impl Cursor {
    fn begin(&mut self, seq: i64) {
        self.unfinished.insert(seq);
        self.next = seq + 1;
    }

    fn skip(&mut self, seq: i64) {
        self.next = seq + 1;
    }

    fn end(&mut self, seq: i64) {
        self.unfinished.remove(&seq);
    }

    /// The first event that has not ended.
    fn position(&self) -> i64 {
        self.unfinished.first().copied().unwrap_or(self.next)
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(app: &'a App, post: &'a Post, claim: Claim, line: Line) -> Self {
        Self {
            app,
            post,
            line,
            claim,
            cursor: Cursor {
                unfinished: BTreeSet::new(),
                next: claim.next_seq,
            },
            attempts: claim.attempts,
            queue: VecDeque::new(),
            exhausted: false,
            stop: None,
            disable: None,
        }
    }

    /// Works until nothing is left, the time is up, or the stream has to wait. On return all is written.
    ///
    /// # Errors
    /// When the database does not answer: the lease then runs out.
    pub(super) async fn take(mut self) -> Result<(), Error> {
        let (app, post) = (self.app, self.post);
        let mut flying = FuturesUnordered::new();
        let mut outcome = None;
        loop {
            while let Some(event) = self.next_event(flying.len()).await? {
                flying.push(async move {
                    let sent = post.deliver(app, &event).await;
                    (event, sent)
                });
            }
            let over = flying.is_empty();
            if over || outcome.is_some() {
                let report = self.report(outcome.take(), over);
                self.line.report(report).await;
            }
            match flying.next().await {
                Some((event, sent)) => outcome = self.settle(&event, sent),
                None => break,
            }
        }
        self.line.written().await;
        if let Some(reason) = self.disable {
            disable::disable(app, post.target.id, reason).await?;
        }
        Ok(())
    }

    /// The next event to begin, if one may begin now. Events that the endpoint does not take are passed over.
    async fn next_event(&mut self, flying: usize) -> Result<Option<FeedEvent>, Error> {
        let widest = match self.post.target.ordering {
            Ordering::Ordered => 1,
            Ordering::Parallel => gate::WIDEST,
        };
        while flying < widest && self.stop.is_none() {
            if self.app.drain.has_begun()
                || self.line.is_lost()
                || Instant::now() >= self.post.until
            {
                self.stop = Some(self.at_once());
                break;
            }
            match self.queue.pop_front() {
                Some(event) if self.post.target.takes(&event) => {
                    self.cursor.begin(event.sequence);
                    return Ok(Some(event));
                }
                Some(event) => self.cursor.skip(event.sequence),
                None if self.exhausted => break,
                None => {
                    let read = self.app.store.read();
                    let (of, from) = (self.claim.organization_id, self.cursor.next);
                    let events = delivery_streams::next_events(&read, of, from, READ).await?;
                    self.exhausted = (events.len() as u64) < READ;
                    self.queue.extend(events);
                }
            }
        }
        Ok(None)
    }

    /// What an attempt means for the stream. `None` when nothing was tried.
    fn settle(
        &mut self,
        event: &FeedEvent,
        sent: Option<Sent>,
    ) -> Option<(AttemptRecord, Option<Health>)> {
        let Some(sent) = sent else {
            self.stop.get_or_insert(self.at_once());
            return None;
        };
        if sent.verdict == Verdict::NotSent {
            let soon = Then::At(self.post.soon(self.app));
            self.stop.get_or_insert(soon);
            return None;
        }
        let ordered = self.post.target.ordering == Ordering::Ordered;
        let attempts = if ordered { self.attempts + 1 } else { 1 };
        let ruling = Ruling::of(self.app, &sent, attempts);
        self.attempts = 0;
        match ruling.status {
            // What was refused for good stays where it is, for the day when the endpoint is enabled again.
            DeliveryStatus::Retrying if sent.verdict == Verdict::Gone => {
                self.stop = Some(Then::Off);
            }
            DeliveryStatus::Retrying if ordered => {
                self.attempts = attempts;
                self.stop = ruling.retry_at.map(Then::At);
            }
            // A parallel stream goes on: the delivery is due by itself.
            DeliveryStatus::Retrying | DeliveryStatus::Delivered | DeliveryStatus::Parked => {
                self.cursor.end(event.sequence);
            }
        }
        self.disable = self
            .disable
            .or(self.post.reason_to_disable(self.app, &sent));
        let record = AttemptRecord {
            new_id: DeliveryId::generate(&*self.app.clock, &*self.app.entropy),
            endpoint_id: self.claim.endpoint_id,
            organization_id: self.claim.organization_id,
            event_id: event.id,
            status: ruling.status,
            ready_at: ruling.retry_at.filter(|_| !ordered),
            attempts,
            attempt: sent.attempt,
            at: self.app.clock.now().into(),
        };
        let health = match (sent.verdict, self.post.target.failing_since) {
            (Verdict::Accepted, Some(_)) => Some(Health::Recovered),
            (Verdict::Failed | Verdict::Gone, None) => Some(Health::Failing),
            _ => None,
        };
        Some((record, health))
    }

    fn report(&self, outcome: Option<(AttemptRecord, Option<Health>)>, over: bool) -> Report {
        let then = match (over, self.stop) {
            (false, _) => Then::GoOn,
            (true, Some(then)) => then,
            (true, None) if self.exhausted => Then::Idle,
            (true, None) => self.at_once(),
        };
        let (record, health) = outcome.unzip();
        Report {
            progress: Progress {
                claim: self.claim,
                next_seq: self.cursor.position(),
                attempts: self.attempts,
                then,
            },
            record,
            health: health.flatten(),
        }
    }

    fn at_once(&self) -> Then {
        Then::At(self.app.clock.now().into())
    }
}
