//! One attempt: sign, send, and say what came of it.

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use super::schedule;
use super::target::Target;
use crate::app::App;
use crate::egress::{EgressError, EgressRequest, EgressResponse};
use crate::error::Error;
use crate::model::{DeliveryOutcome, DeliveryStatus, Timestamp};
use crate::store::deliveries::Attempt;
use crate::store::feed::FeedEvent;

/// How much of an answer is kept (EVENTS section 3.1).
const EXCERPT: usize = 1024;

/// What the receiver makes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// To be tried again.
    Failed,
    /// 410: the receiver wants nothing any more.
    Gone,
    /// We had no place to send it from; the receiver is not to blame and nothing counts.
    NotSent,
}

/// A finished attempt.
#[derive(Debug)]
pub struct Sent {
    pub verdict: Verdict,
    pub attempt: Attempt,
    pub retry_after: Option<TimeDelta>,
    /// The receiver has too much to do: 429, 502, 504 or no answer in time.
    pub overloaded: bool,
}

/// Where an attempt leaves its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) status: DeliveryStatus,
    pub(super) retry_at: Option<Timestamp>,
}

impl Ruling {
    /// After `attempts` attempts in this round, this one included.
    pub(super) fn of(app: &App, sent: &Sent, attempts: i64) -> Self {
        let again = || {
            let jitter = f64::from(u32::from_le_bytes(app.entropy.bytes())) / f64::from(u32::MAX);
            schedule::next_attempt(app.clock.now(), attempts, sent.retry_after, jitter)
        };
        let (status, retry_at) = match sent.verdict {
            Verdict::Accepted => (DeliveryStatus::Delivered, None),
            Verdict::Gone | Verdict::NotSent => (DeliveryStatus::Retrying, None),
            Verdict::Failed => match again() {
                Some(at) => (DeliveryStatus::Retrying, Some(at.into())),
                None => (DeliveryStatus::Parked, None),
            },
        };
        Self { status, retry_at }
    }
}

/// Sends one event. `webhook-id` is `event_id`.
pub async fn send(app: &App, target: &Target, event_id: &str, body: String) -> Sent {
    let now = app.clock.now();
    let body = body.into_bytes();
    let headers = match target.headers(event_id, now, &body) {
        Ok(headers) => headers,
        Err(error) => return Sent::impossible(&error),
    };
    let started = Instant::now();
    let answer = app
        .egress
        .send(EgressRequest::webhook(target.url.clone(), headers, body))
        .await;
    let latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let sent = match answer {
        Ok(answer) => judge(&answer, now, latency_ms),
        Err(error) => no_answer(&error, latency_ms),
    };
    app.metrics.webhook_attempt(sent.label());
    sent
}

/// As [`send`], for a recorded event.
pub(super) async fn deliver(app: &App, target: &Target, event: &FeedEvent) -> Sent {
    let sent = send(app, target, &event.id.to_string(), event.body.clone()).await;
    if sent.verdict == Verdict::Accepted {
        let since_commit = app.clock.now() - event.occurred_at.0;
        app.metrics
            .webhook_delivered(since_commit.to_std().unwrap_or_default());
    }
    sent
}

impl Sent {
    fn impossible(error: &Error) -> Self {
        tracing::error!(%error, "a delivery can't be signed");
        Self {
            verdict: Verdict::NotSent,
            attempt: Attempt {
                outcome: DeliveryOutcome::Failed,
                response_code: None,
                latency_ms: 0,
                body_excerpt: None,
                error: Some("it can't be signed".to_owned()),
            },
            retry_after: None,
            overloaded: false,
        }
    }

    fn label(&self) -> &'static str {
        match (self.verdict, self.attempt.outcome) {
            (Verdict::NotSent, _) => "not_sent",
            (_, DeliveryOutcome::Accepted) => "accepted",
            (_, DeliveryOutcome::Refused) => "refused",
            (_, DeliveryOutcome::Failed) => "failed",
        }
    }
}

/// 2xx alone is success; 3xx is a failure, since redirects are not followed.
fn judge(answer: &EgressResponse, now: DateTime<Utc>, latency_ms: i64) -> Sent {
    let status = answer.status;
    let verdict = match status {
        _ if status.is_success() => Verdict::Accepted,
        StatusCode::GONE => Verdict::Gone,
        _ => Verdict::Failed,
    };
    let (outcome, error) = match verdict {
        Verdict::Accepted => (DeliveryOutcome::Accepted, None),
        _ if status.is_redirection() => (
            DeliveryOutcome::Refused,
            Some("redirects are not followed".to_owned()),
        ),
        _ => (DeliveryOutcome::Refused, None),
    };
    Sent {
        verdict,
        attempt: Attempt {
            outcome,
            response_code: Some(status.as_u16().into()),
            latency_ms,
            body_excerpt: excerpt(&answer.body),
            error,
        },
        retry_after: retry_after(&answer.headers, now),
        overloaded: matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        ),
    }
}

fn no_answer(error: &EgressError, latency_ms: i64) -> Sent {
    Sent {
        verdict: match error {
            EgressError::Busy { .. } => Verdict::NotSent,
            _ => Verdict::Failed,
        },
        attempt: Attempt {
            outcome: DeliveryOutcome::Failed,
            response_code: None,
            latency_ms,
            body_excerpt: None,
            error: Some(error.to_string()),
        },
        retry_after: None,
        overloaded: matches!(error, EgressError::Timeout { .. }),
    }
}

fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    schedule::retry_after(headers.get(header::RETRY_AFTER)?.to_str().ok()?, now)
}

/// The beginning of an answer as text. PostgreSQL stores no NUL; who shows the text escapes the rest.
fn excerpt(body: &[u8]) -> Option<String> {
    let mut body = &body[..body.len().min(EXCERPT)];
    // A character that the cut split is left out.
    if let Err(error) = std::str::from_utf8(body)
        && error.error_len().is_none()
    {
        body = &body[..error.valid_up_to()];
    }
    (!body.is_empty()).then(|| String::from_utf8_lossy(body).replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Sent {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let answer = EgressResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: b"it says so".to_vec(),
        };
        judge(&answer, DateTime::UNIX_EPOCH, 7)
    }

    #[test]
    fn only_2xx_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answer(status, &[]).verdict, Verdict::Accepted, "{status}");
        }
        for status in [300, 301, 302, 308, 400, 401, 404, 409, 429, 500, 502, 503] {
            assert_eq!(answer(status, &[]).verdict, Verdict::Failed, "{status}");
        }
        assert_eq!(answer(410, &[]).verdict, Verdict::Gone);
    }

    #[test]
    fn an_overloaded_receiver_is_known_by_its_answer() {
        for (status, overloaded) in [
            (429, true),
            (502, true),
            (504, true),
            (503, false),
            (500, false),
        ] {
            assert_eq!(answer(status, &[]).overloaded, overloaded, "{status}");
        }
        let asked = answer(503, &[("retry-after", "120")]).retry_after;
        assert_eq!(asked, Some(TimeDelta::seconds(120)));
    }

    #[test]
    fn a_place_that_was_not_free_is_no_failure_of_the_receiver() {
        let host = || "receiver.example".to_owned();
        assert_eq!(
            no_answer(&EgressError::Busy { host: host() }, 1).verdict,
            Verdict::NotSent
        );
        let timeout = EgressError::Timeout {
            host: host(),
            timeout: std::time::Duration::from_secs(15),
        };
        let sent = no_answer(&timeout, 15_000);
        assert_eq!((sent.verdict, sent.overloaded), (Verdict::Failed, true));
        assert_eq!(
            sent.attempt.error.as_deref(),
            Some("no complete answer from receiver.example within 15 s")
        );
    }

    #[test]
    fn an_excerpt_is_short_and_fits_both_databases() {
        assert_eq!(excerpt(b""), None);
        assert_eq!(excerpt(b"a\0b").as_deref(), Some("a\u{fffd}b"));
        let long = "é".repeat(1000);
        assert_eq!(excerpt(long.as_bytes()).unwrap().len(), 1024);
        let odd = format!("x{long}");
        assert_eq!(excerpt(odd.as_bytes()).unwrap().len(), 1023);
        assert_eq!(excerpt(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
    }
}
