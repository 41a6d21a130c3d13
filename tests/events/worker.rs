//! The delivery worker with a moved clock: order, retries, endings, leases.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::ids::{OrganizationId, WebhookEndpointId};
use gateway::model::{DeliveryStatus, EventType, Ordering, WebhookEndpointState};
use gateway::store::delivery_streams::{self, Progress, Then};
use gateway::store::{deliveries, feed, webhook_endpoints};
use gateway::webhooks;
use integration::{Delivery, InProcess, Sink};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn sequences(received: &[Delivery]) -> Vec<u64> {
    let of = |delivery: &Delivery| delivery.event()["sequence"].as_u64().expect("a number");
    received.iter().map(of).collect()
}

async fn record_some(tenon: &InProcess, organization: OrganizationId, count: u32) {
    for n in 0..count {
        tenon
            .record(organization, EventType::UserCreated, &format!("usr_{n}"))
            .await;
    }
}

#[tokio::test]
async fn events_of_an_organization_arrive_one_after_the_other() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let (acme, globex) = (tenon.organization(), tenon.organization());
    for _ in 0..100 {
        tenon.record(acme, EventType::UserCreated, "usr_a").await;
        tenon.record(globex, EventType::UserUpdated, "usr_g").await;
    }
    tenon.deliver_due().await;
    let mut of: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for delivery in sink.received() {
        let event = delivery.event();
        let organization = event["organizationid"].to_string();
        let sequence = event["sequence"].as_u64().expect("a number");
        of.entry(organization).or_default().push(sequence);
    }
    let whole: Vec<u64> = (1..=100).collect();
    assert_eq!(of.into_values().collect::<Vec<_>>(), [whole.clone(), whole]);
}

#[tokio::test]
async fn a_failed_event_is_tried_again_by_the_schedule_and_nothing_overtakes_it() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    let (endpoint, _) = tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let acme = tenon.organization();
    record_some(&tenon, acme, 3).await;
    sink.answer(&[500, 503, 302]);
    for (wait, tries) in [(0, 1), (3, 1), (4, 2), (20, 2), (20, 3), (90, 3)] {
        tenon.clock.advance(Duration::from_secs(wait));
        tenon.deliver_due().await;
        assert_eq!(
            sequences(&sink.received()),
            vec![1; tries],
            "after {wait} s"
        );
    }
    assert!(tenon.find_endpoint(endpoint).await.failing_since.is_some());
    tenon.clock.advance(MINUTE);
    tenon.deliver_due().await;
    let received = sink.received();
    assert_eq!(sequences(&received), [1, 1, 1, 1, 2, 3]);
    let ids: Vec<_> = received.iter().map(|it| it.header("webhook-id")).collect();
    assert!(ids[..4].iter().all(|id| *id == ids[0]));
    assert!(received[..4].iter().all(|it| it.body == received[0].body));
    let times: Vec<_> = received
        .iter()
        .map(|it| it.header("webhook-timestamp"))
        .collect();
    assert_ne!(times[0], times[3], "the timestamp is the attempt's");
    assert_eq!(tenon.find_endpoint(endpoint).await.failing_since, None);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    tenon.endpoint(sink.url(), Ordering::Ordered).await;
    sink.retry_after(7200);
    sink.answer(&[429]);
    record_some(&tenon, tenon.organization(), 1).await;
    tenon.deliver_due().await;
    tenon.clock.advance(HOUR);
    tenon.deliver_due().await;
    assert_eq!(sink.received().len(), 1);
    tenon.clock.advance(HOUR + MINUTE);
    tenon.deliver_due().await;
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test]
async fn one_failing_organization_does_not_delay_another() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let (acme, globex) = (tenon.organization(), tenon.organization());
    let sick = acme.to_string();
    sink.answer_by(move |event| (event["organizationid"] == sick.as_str()).then_some(500));
    record_some(&tenon, acme, 5).await;
    record_some(&tenon, globex, 5).await;
    tenon.deliver_due().await;
    let of_globex: Vec<u64> = sink
        .received()
        .iter()
        .map(Delivery::event)
        .filter(|event| event["organizationid"] == globex.to_string())
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    assert_eq!(of_globex, [1, 2, 3, 4, 5]);
    assert_eq!(sink.received().len(), 6);
}

#[tokio::test]
async fn when_the_schedule_ends_the_event_is_parked_and_the_stream_goes_on() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    let (endpoint, _) = tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let acme = tenon.organization();
    record_some(&tenon, acme, 2).await;
    sink.answer_by(|event| (event["subject"] == "usr_0").then_some(400));
    for _ in 0..12 {
        tenon.deliver_due().await;
        // Something else succeeds in between, so that the endpoint is not one with failures only.
        let globex = tenon.organization();
        tenon.record(globex, EventType::UserDeleted, "usr_g").await;
        tenon.clock.advance(29 * HOUR);
    }
    tenon.deliver_due().await;
    let of_acme: Vec<u64> = sink
        .received()
        .iter()
        .map(Delivery::event)
        .filter(|event| event["organizationid"] == acme.to_string())
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    assert_eq!(of_acme, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    let parked = tenon
        .deliveries(endpoint, Some(DeliveryStatus::Parked))
        .await;
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (parked[0].attempts, parked[0].response_code),
        (12, Some(400))
    );

    // By hand, once more.
    sink.answer_by(|_| None);
    let tx = tenon.app.store.begin().await.expect("a transaction");
    let now = tenon.app.clock.now().into();
    deliveries::retry(&tx, &parked[0], now)
        .await
        .expect("an answer");
    tx.commit().await.expect("it commits");
    tenon.deliver_due().await;
    assert!(
        tenon
            .deliveries(endpoint, Some(DeliveryStatus::Parked))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_parallel_stream_goes_on_and_its_failures_are_due_by_themselves() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    let (endpoint, _) = tenon.endpoint(sink.url(), Ordering::Parallel).await;
    let acme = tenon.organization();
    record_some(&tenon, acme, 200).await;
    sink.answer_by(|event| (event["sequence"].as_u64()? % 50 == 7).then_some(500));
    tenon.deliver_due().await;
    let mut first = sequences(&sink.received());
    first.sort_unstable();
    assert_eq!(first, (1..=200).collect::<Vec<_>>());
    let failed = tenon
        .deliveries(endpoint, Some(DeliveryStatus::Retrying))
        .await;
    assert_eq!(failed.len(), 4);

    sink.answer_by(|_| None);
    tenon.deliver_due().await;
    assert_eq!(sink.received().len(), 200, "not before its time");
    tenon.clock.advance(MINUTE);
    tenon.deliver_due().await;
    let mut again = sequences(&sink.received()[200..]);
    again.sort_unstable();
    assert_eq!(again, [7, 57, 107, 157]);
    assert!(
        tenon
            .deliveries(endpoint, Some(DeliveryStatus::Retrying))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_receiver_that_answers_410_is_left_alone_until_it_is_enabled_and_then_misses_nothing() {
    for ordering in [Ordering::Ordered, Ordering::Parallel] {
        let tenon = InProcess::start().await;
        let sink = Sink::start().await;
        let (endpoint, _) = tenon.endpoint(sink.url(), ordering).await;
        let acme = tenon.organization();
        record_some(&tenon, acme, 1).await;
        tenon.deliver_due().await;
        sink.answer(&[410]);
        record_some(&tenon, acme, 1).await;
        tenon.deliver_due().await;
        let stored = tenon.find_endpoint(endpoint).await;
        assert_eq!(stored.state, WebhookEndpointState::Disabled);
        assert_eq!(stored.disabled_reason.as_deref(), Some("receiver_gone"));

        record_some(&tenon, acme, 3).await;
        tenon.clock.advance(24 * HOUR);
        tenon.deliver_due().await;
        assert_eq!(sequences(&sink.received()), [1, 2]);

        enable(&tenon, endpoint).await;
        tenon.deliver_due().await;
        let mut rest = sequences(&sink.received()[2..]);
        rest.sort_unstable();
        assert_eq!(rest, [2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn five_days_of_nothing_but_failures_disable_an_endpoint() {
    let tenon = InProcess::start().await;
    let (endpoint, _) = tenon
        .endpoint("http://127.0.0.1:9/closed", Ordering::Ordered)
        .await;
    record_some(&tenon, tenon.organization(), 1).await;
    for _ in 0..4 {
        tenon.deliver_due().await;
        tenon.clock.advance(29 * HOUR);
    }
    let stored = tenon.find_endpoint(endpoint).await;
    assert_eq!(stored.state, WebhookEndpointState::Enabled);
    tenon.deliver_due().await;
    tenon.clock.advance(29 * HOUR);
    tenon.deliver_due().await;
    let stored = tenon.find_endpoint(endpoint).await;
    assert_eq!(stored.state, WebhookEndpointState::Disabled);
    assert_eq!(stored.disabled_reason.as_deref(), Some("failing"));
    let failed = tenon
        .deliveries(endpoint, Some(DeliveryStatus::Retrying))
        .await;
    let error = failed[0].error.as_deref().expect("a reason");
    assert!(error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn an_address_that_may_not_be_reached_is_a_failure_that_says_so() {
    let tenon = InProcess::start().await;
    let (endpoint, _) = tenon
        .endpoint("https://169.254.169.254/latest", Ordering::Ordered)
        .await;
    record_some(&tenon, tenon.organization(), 1).await;
    tenon.deliver_due().await;
    let failed = tenon.deliveries(endpoint, None).await;
    assert_eq!(
        failed[0].error.as_deref(),
        Some("169.254.169.254 may not be reached: a link-local address")
    );
}

#[tokio::test]
async fn a_new_endpoint_starts_now_and_a_replay_goes_back() {
    let tenon = InProcess::start().await;
    let acme = tenon.organization();
    record_some(&tenon, acme, 3).await;
    let sink = Sink::start().await;
    let (endpoint, _) = tenon.endpoint(sink.url(), Ordering::Ordered).await;
    record_some(&tenon, acme, 2).await;
    tenon.deliver_due().await;
    assert_eq!(sequences(&sink.received()), [4, 5]);

    let events = feed::read(
        &tenon.app.store.read(),
        None,
        feed::After::Position(0),
        &[],
        100,
    )
    .await
    .expect("the database answers");
    let second = events
        .iter()
        .find(|event| event.sequence == 2)
        .expect("an event");
    let stored = tenon.find_endpoint(endpoint).await;
    let tx = tenon.app.store.begin().await.expect("a transaction");
    let now = tenon.app.clock.now().into();
    webhook_endpoints::replay(&tx, &stored, second.position, now)
        .await
        .expect("an answer");
    tx.commit().await.expect("it commits");
    tenon.deliver_due().await;
    let received = sink.received();
    assert_eq!(sequences(&received[2..]), [3, 4, 5]);
    assert_eq!(received[3].body, received[0].body, "the same bytes again");
    assert_eq!(
        received[3].header("webhook-id"),
        received[0].header("webhook-id")
    );
}

#[tokio::test]
async fn both_secrets_sign_while_a_rotation_overlaps() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    let (endpoint, old) = tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let mut stored = tenon.find_endpoint(endpoint).await;
    let until = tenon.app.clock.now() + 24 * HOUR;
    let tx = tenon.app.store.begin().await.expect("a transaction");
    let new = webhooks::target::give_secret(&tenon.app, &tx, &mut stored, Some(until.into()))
        .await
        .expect("a secret");
    webhook_endpoints::update(&tx, &stored)
        .await
        .expect("an answer");
    tx.commit().await.expect("it commits");
    let new = new.expose();
    let acme = tenon.organization();
    record_some(&tenon, acme, 1).await;
    tenon.deliver_due().await;
    tenon.clock.advance(25 * HOUR);
    record_some(&tenon, acme, 1).await;
    tenon.deliver_due().await;

    let received = sink.received();
    let signatures = |n: usize| received[n].header("webhook-signature").split(' ').count();
    assert_eq!((signatures(0), signatures(1)), (2, 1));
    assert!(verifies(&received[0], &old) && verifies(&received[0], new));
    let mut tampered = received[0].clone();
    tampered.body = [&tampered.body[..], b" "].concat().into();
    assert!(!verifies(&tampered, new));
}

/// With the official library, whose tolerance of five minutes holds for the machine's clock.
fn verifies(delivery: &Delivery, secret: &str) -> bool {
    let mut headers = reqwest::header::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = delivery.header(name).parse().expect("a header");
        headers.insert(name, value);
    }
    standardwebhooks::Webhook::new(secret)
        .expect("a secret")
        .verify(&delivery.body, &headers)
        .is_ok()
}

async fn enable(tenon: &InProcess, endpoint: WebhookEndpointId) {
    let tx = tenon.app.store.begin().await.expect("a transaction");
    let now = tenon.app.clock.now().into();
    let enabled = webhook_endpoints::enable(&tx, endpoint, now).await;
    assert!(enabled.expect("an answer"));
    tx.commit().await.expect("it commits");
}

/// As if a minute had passed: on PostgreSQL leases run by the database's clock, which no test moves.
async fn expire_leases(tenon: &InProcess) {
    let url = tenon.database.url();
    if url.starts_with("postgres:") {
        use sqlx::{Connection, Executor, PgConnection};
        let mut database = PgConnection::connect(url).await.expect("a connection");
        let expired = database
            .execute("UPDATE delivery_streams SET lease_until = 0")
            .await;
        expired.expect("an update");
    }
    tenon.clock.advance(MINUTE + Duration::from_secs(1));
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_changes_nothing() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    let (endpoint, _) = tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let acme = tenon.organization();
    record_some(&tenon, acme, 3).await;
    let store = &tenon.app.store;
    feed::sequence(store).await.expect("the database answers");
    let zombie = delivery_streams::claim(store, 10, &[])
        .await
        .expect("the database answers");
    assert_eq!(zombie.len(), 1);
    let again = delivery_streams::claim(store, 10, &[])
        .await
        .expect("an answer");
    assert!(again.is_empty(), "the lease holds");
    tenon.deliver_due().await;
    assert!(sink.received().is_empty());

    expire_leases(&tenon).await;
    tenon.deliver_due().await;
    assert_eq!(sequences(&sink.received()), [1, 2, 3]);

    let tx = store.begin().await.expect("a transaction");
    let late = Progress {
        claim: zombie[0],
        next_seq: 99,
        attempts: 0,
        then: Then::Idle,
    };
    let held = delivery_streams::advance(&tx, store, &[late])
        .await
        .expect("an answer");
    assert!(held.is_empty());
    tx.commit().await.expect("it commits");
    record_some(&tenon, acme, 1).await;
    tenon.deliver_due().await;
    assert_eq!(sequences(&sink.received()), [1, 2, 3, 4]);
    assert_eq!(tenon.deliveries(endpoint, None).await.len(), 4);
}

#[tokio::test]
async fn sixteen_writers_at_a_time_leave_no_hole_and_every_event_arrives_once() {
    let tenon = InProcess::start().await;
    let sink = Sink::start().await;
    tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let tenon = std::sync::Arc::new(tenon);
    let organizations = [
        tenon.organization(),
        tenon.organization(),
        tenon.organization(),
    ];
    let worker = tokio::spawn(webhooks::run(tenon.app.clone()));
    let writers = (0..16).map(|writer| {
        let tenon = tenon.clone();
        tokio::spawn(async move {
            for n in 0..24 {
                let organization = organizations[(writer + n) % 3];
                let subject = format!("usr_{writer}_{n}");
                tenon
                    .record(organization, EventType::UserCreated, &subject)
                    .await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    tenon.deliver_due().await;
    tenon.app.drain.begin();
    worker.await.expect("the worker ends");
    let mut of: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for delivery in sink.received() {
        let event = delivery.event();
        let sequence = event["sequence"].as_u64().expect("a number");
        of.entry(event["organizationid"].to_string())
            .or_default()
            .push(sequence);
    }
    let whole: Vec<u64> = (1..=128).collect();
    assert_eq!(of.len(), 3);
    assert!(of.values().all(|sequences| *sequences == whole), "{of:?}");

    let feed = feed::read(
        &tenon.app.store.read(),
        None,
        feed::After::Position(0),
        &[],
        1000,
    )
    .await
    .expect("the database answers");
    let positions: Vec<i64> = feed.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=384).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_replicas_share_the_work_without_a_duplicate() {
    if std::env::var("TEST_DATABASE").as_deref() != Ok("postgres") {
        return; // SQLite has one process.
    }
    let tenon = InProcess::start().await;
    let other = tenon.replica().await;
    let sink = Sink::start().await;
    tenon.endpoint(sink.url(), Ordering::Ordered).await;
    let workers = [
        tokio::spawn(webhooks::run(tenon.app.clone())),
        tokio::spawn(webhooks::run(other.app.clone())),
    ];
    for _ in 0..40 {
        let organization = tenon.organization();
        record_some(&tenon, organization, 3).await;
        record_some(&other, organization, 3).await;
    }
    let mut deadline = 200;
    while sink.received().len() < 240 && deadline > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        deadline -= 1;
    }
    tenon.app.drain.begin();
    other.app.drain.begin();
    for worker in workers {
        worker.await.expect("the worker ends");
    }
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for delivery in sink.received() {
        let event = delivery.event();
        let before = last.entry(event["organizationid"].to_string()).or_default();
        *before += 1;
        assert_eq!(event["sequence"], *before);
    }
    assert_eq!(sink.received().len(), 240);
}
