//! The sample application's webhook receiver: verifies Standard Webhooks signatures, keeps the latest events.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use poem::http::{HeaderMap, StatusCode};
use serde_json::Value;
use standardwebhooks::Webhook;

/// Events kept for the page.
const KEPT: usize = 200;

/// One delivery as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) at: DateTime<Utc>,
    /// `webhook-id`: the event's id. Deliveries are at least once, so a receiver has to know it.
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) organization_id: String,
    pub(super) sequence: u64,
    pub(super) verified: bool,
    pub(super) repeated: bool,
    /// Pretty-printed.
    pub(super) body: String,
}

pub(super) struct Receiver {
    secret: String,
    received: Mutex<VecDeque<Received>>,
    /// How many deliveries ever came: changes whenever the page would.
    count: AtomicU64,
}

impl Receiver {
    pub(super) fn new(secret: String) -> Self {
        Self {
            secret,
            received: Mutex::default(),
            count: AtomicU64::new(0),
        }
    }

    /// The status to answer: 204, or 401 for what nobody with the secret has signed.
    pub(super) fn receive(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        at: DateTime<Utc>,
    ) -> StatusCode {
        let verified =
            Webhook::new(&self.secret).is_ok_and(|webhook| webhook.verify(body, headers).is_ok());
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let id = headers
            .get("webhook-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default();

        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = received
            .iter()
            .any(|earlier| earlier.verified && earlier.id == id);
        received.push_front(Received {
            at,
            id: id.to_owned(),
            event_type: text("type"),
            organization_id: text("organizationid"),
            sequence: event["sequence"].as_u64().unwrap_or_default(),
            verified,
            repeated: verified && repeated,
            body: serde_json::to_string_pretty(&event).unwrap_or_default(),
        });
        received.truncate(KEPT);
        self.count.fetch_add(1, Ordering::Relaxed);
        if verified {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::UNAUTHORIZED
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The latest first.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"type":"user.created","sequence":7,"organizationid":"org_1"}"#;

    fn signed(secret: &str) -> HeaderMap {
        let now = SystemClock.now().timestamp();
        let signature = Webhook::new(secret)
            .unwrap()
            .sign("evt_1", now, BODY)
            .unwrap();
        [
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", &now.to_string()),
            ("webhook-signature", &signature),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
    }

    #[test]
    fn a_signed_event_is_shown_as_verified_and_a_second_delivery_as_repeated() {
        let receiver = Receiver::new(SECRET.into());
        let now = SystemClock.now();
        assert_eq!(
            receiver.receive(&signed(SECRET), BODY, now),
            StatusCode::NO_CONTENT
        );
        assert_eq!(
            receiver.receive(&signed(SECRET), BODY, now),
            StatusCode::NO_CONTENT
        );
        let received = receiver.received();
        assert_eq!((received[0].sequence, received[0].repeated), (7, true));
        assert_eq!((received[1].verified, received[1].repeated), (true, false));
    }

    #[test]
    fn what_the_gateway_did_not_sign_is_refused_and_shown_as_such() {
        let receiver = Receiver::new(SECRET.into());
        let stranger = signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(
            receiver.receive(&stranger, BODY, SystemClock.now()),
            StatusCode::UNAUTHORIZED
        );
        assert!(!receiver.received()[0].verified);
        let nothing = receiver.receive(&HeaderMap::new(), b"", SystemClock.now());
        assert_eq!(nothing, StatusCode::UNAUTHORIZED);
    }
}
