//! Directories make users, and the application hears of each: once, and signed.

use std::{collections::HashSet, sync::Arc};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::{Delivery, Sink, text};
use serde_json::json;

use crate::{load::Bench, report::Goal::AtLeast, scim::People};

/// As many organizations as there are clients: within one, deliveries wait for each other.
const DIRECTORIES: usize = 8;

pub(crate) async fn measure(bench: &mut Bench) {
    let api = bench.tenon.api();
    let mut directories = Vec::new();
    for number in 0..DIRECTORIES {
        directories.push(People::of_new_directory(bench, &format!("heard{number}.example")).await);
    }
    let mut sink = Sink::start().await;
    let endpoint = json!({"url": sink.url(), "event_types": ["user.created"]});
    let endpoint = api.webhook_endpoint(endpoint).await;
    let secret = text(&endpoint["secret"]);
    let secret = secret.strip_prefix("whsec_").expect("a prefix");
    let secret = STANDARD.decode(secret).expect("base64");

    let directories: Arc<[People]> = directories.into();
    let mut heard = HashSet::new();
    let create = move |number: usize| {
        let directories = Arc::clone(&directories);
        async move { directories[number % DIRECTORIES].create(number).await }
    };
    let delivered = async |created: usize| {
        while heard.len() < created {
            let delivery = sink.next().await;
            assert_signed(&delivery, &secret);
            let id = delivery.header("webhook-id").to_owned();
            assert!(heard.insert(id), "a second time: {delivery:?}");
        }
    };
    let deliveries = bench.scale.deliveries;
    let cost = bench
        .cost_until("create and webhook", deliveries, create, delivered)
        .await;
    let path = format!("/webhook_endpoints/{}", text(&endpoint["id"]));
    api.delete(&path).await.expect(204);

    let report = &mut bench.report;
    report.cost("SCIM create and its webhook delivered", cost, 0.3);
    let rate = cost.per_second;
    report.figure(
        "changes by 8 clients and their deliveries",
        "/s",
        rate,
        AtLeast(1_000.0),
    );
}

/// By the Standard Webhooks specification.
fn assert_signed(delivery: &Delivery, secret: &[u8]) {
    let (id, timestamp) = (
        delivery.header("webhook-id"),
        delivery.header("webhook-timestamp"),
    );
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(&delivery.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = STANDARD.encode(hmac::sign(&key, &signed));
    assert_eq!(
        delivery.header("webhook-signature"),
        format!("v1,{signature}")
    );
}
