//! Directories make users, and the application hears of each: once, and signed.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::{Delivery, Sink, text};
use serde_json::json;

use crate::{
    load::Bench,
    report::Goal::{AtLeast, AtMost},
    scim::People,
};

/// As many organizations as there are clients: within one, deliveries wait for each other.
const DIRECTORIES: usize = 8;

pub(crate) async fn measure(bench: &mut Bench) {
    let api = bench.tenon.api();
    let mut directories = Vec::new();
    for number in 0..DIRECTORIES {
        directories.push(People::of_new_directory(bench, &format!("heard{number}.example")).await);
    }
    let directories: Arc<[People]> = directories.into();
    let mut sink = Sink::start().await;
    let endpoint = json!({"url": sink.url(), "event_types": ["user.created"]});
    let endpoint = api.webhook_endpoint(endpoint).await;
    let secret = text(&endpoint["secret"]);
    let secret = secret.strip_prefix("whsec_").expect("a prefix");
    let mut receiver = Receiver {
        secret: STANDARD.decode(secret).expect("base64"),
        heard: HashSet::new(),
    };

    let create = {
        let directories = Arc::clone(&directories);
        move |number: usize| {
            let directories = Arc::clone(&directories);
            async move { directories[number % DIRECTORIES].create(number).await }
        }
    };
    let delivered = async |created: usize| {
        while receiver.heard.len() < created {
            receiver.check(&sink.next().await);
        }
    };
    let deliveries = bench.scale.deliveries;
    let cost = bench
        .cost_until("create and webhook", deliveries, create, delivered)
        .await;
    let report = &mut bench.report;
    report.cost("SCIM create and its webhook delivered", cost, 0.3);
    let rate = cost.per_second;
    let what = "changes by 8 clients and their deliveries";
    report.figure(what, "/s", rate, AtLeast(1_000.0));

    // No faster than half of what the machine can do: beyond that only its queue would be measured.
    let paced = (rate / 2.0).min(f64::from(bench.scale.deliveries_per_second));
    let pace = Duration::from_secs_f64(1.0 / paced);
    let times = times_to_delivery(bench, pace, &directories, &mut sink, &mut receiver).await;
    let what = format!("from change to delivery, {paced:.0} changes a second: p99");
    let p99 = times[(times.len() * 99).div_ceil(100) - 1];
    let p99 = p99.as_secs_f64() * 1000.0;
    bench.report.figure(what, "ms", p99, AtMost(100.0));

    let path = format!("/webhook_endpoints/{}", text(&endpoint["id"]));
    api.delete(&path).await.expect(204);
}

/// Changes begin at a steady pace, whatever became of those before them; each is timed from its request's
/// begin to the arrival of its webhook. Sorted.
async fn times_to_delivery(
    bench: &Bench,
    every: Duration,
    directories: &Arc<[People]>,
    sink: &mut Sink,
    receiver: &mut Receiver,
) -> Vec<Duration> {
    let count = bench.scale.deliveries;
    // Names that nobody has yet.
    let first = 10 * count;
    let begun: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let pace = {
        let (directories, begun) = (Arc::clone(directories), Arc::clone(&begun));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            let mut changes = tokio::task::JoinSet::new();
            for number in first..first + count {
                ticks.tick().await;
                let (directories, begun) = (Arc::clone(&directories), Arc::clone(&begun));
                changes.spawn(async move {
                    let people = &directories[number % DIRECTORIES];
                    let name = people.user_name(number);
                    begun
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(name, Instant::now());
                    people.create(number).await;
                });
            }
            changes.join_all().await;
        })
    };
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        let delivery = sink.next().await;
        receiver.check(&delivery);
        let name = text(&delivery.event()["data"]["object"]["user_name"]);
        let begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(delivery.at - begun[&name]);
    }
    pace.await.expect("every change is answered");
    times.sort_unstable();
    times
}

/// What an application does with a webhook.
struct Receiver {
    secret: Vec<u8>,
    /// `webhook-id`s.
    heard: HashSet<String>,
}

impl Receiver {
    /// It is signed (Standard Webhooks), and was not heard before.
    fn check(&mut self, delivery: &Delivery) {
        let header = |name| delivery.header(name);
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&delivery.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let signature = STANDARD.encode(hmac::sign(&key, &signed));
        assert_eq!(header("webhook-signature"), format!("v1,{signature}"));
        assert!(
            self.heard.insert(id.to_owned()),
            "a second time: {delivery:?}"
        );
    }
}
