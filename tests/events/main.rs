//! Every change becomes an event, and every event arrives: in order, signed, at least once.

mod worker;

use integration::{Api, Sink, Tenon, text};
use serde_json::{Value, json};

async fn acme(tenon: &Tenon) -> (Value, Api) {
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let directory = tenon.api().directory(&organization, "Acme").await;
    (organization, Api::scim(&directory))
}

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("{name}@acme.example"),
        "externalId": name,
        "emails": [{"value": format!("{name}@acme.example"), "type": "work", "primary": true}],
        "name": {"givenName": name, "familyName": "Example"},
        "active": true,
    })
}

#[tokio::test]
async fn what_a_directory_changes_arrives_in_order_byte_for_byte_as_the_api_shows_it() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sink = Sink::start().await;
    let (organization, scim) = acme(&tenon).await;
    let id = text(&organization["id"]);
    api.webhook_endpoint(json!({"url": sink.url(), "organization_id": id}))
        .await;

    let ada = scim.post("/Users", user("ada")).await.expect(201);
    let path = format!("/Users/{}", text(&ada["id"]));
    let patch = |value: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "value": value}],
        })
    };
    scim.patch(&path, patch(json!({"displayName": "Ada"})))
        .await
        .expect(200);
    scim.patch(&path, patch(json!({"displayName": "Ada"})))
        .await
        .expect(200); // changes nothing: no event
    scim.patch(&path, patch(json!({"active": false})))
        .await
        .expect(200);
    scim.patch(&path, patch(json!({"active": true})))
        .await
        .expect(200);
    scim.delete(&path).await.expect(204);

    // The directory's first request.
    assert_eq!(sink.next().await.event()["type"], "directory.activated");
    let mut delivered = Vec::new();
    for expected in [
        "user.created",
        "user.updated",
        "user.deactivated",
        "user.reactivated",
        "user.deleted",
    ] {
        let delivery = sink.next().await;
        let event = delivery.event();
        assert_eq!(event["type"], expected, "{event}");
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], delivery.header("webhook-id"));
        assert_eq!(event["time"], event["timestamp"]);
        assert_eq!(event["organizationid"], organization["id"]);
        assert_eq!(event["data"]["actor"]["kind"], "directory");
        delivered.push(delivery);
    }
    let deactivated = delivered[2].event();
    assert_eq!(deactivated["data"]["previous"], json!({"active": true}));
    assert_eq!(deactivated["data"]["object"]["active"], false);
    assert_eq!(deactivated["data"]["object"]["email"], "ada@acme.example");

    // One without a hole from the first event on, and the very bytes that were delivered.
    let answer = api
        .get(&format!("/events?organization_id={id}&limit=1000"))
        .await;
    let body = answer.body.clone();
    let all = answer.expect(200);
    let sequences: Vec<_> = all["data"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["sequence"].as_u64())
        .collect();
    let expected: Vec<_> = (1..=sequences.len() as u64).map(Some).collect();
    assert_eq!(sequences, expected);
    for delivery in &delivered {
        let text = std::str::from_utf8(&delivery.body).expect("UTF-8");
        assert!(body.contains(text), "{text} is not in {body}");
    }
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_event_again_and_nothing_overtakes_it() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sink = Sink::start().await;
    let (_, scim) = acme(&tenon).await;
    let endpoint = api
        .webhook_endpoint(json!({"url": sink.url(), "event_types": ["user.created"]}))
        .await;
    sink.answer(&[500]);
    scim.post("/Users", user("ada")).await.expect(201);
    scim.post("/Users", user("ben")).await.expect(201);

    let first = sink.next().await;
    let again = sink.next().await;
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("webhook-id"), again.header("webhook-id"));
    assert_eq!(
        first.event()["data"]["object"]["user_name"],
        "ada@acme.example"
    );
    assert_eq!(
        sink.next().await.event()["data"]["object"]["user_name"],
        "ben@acme.example"
    );

    let path = format!("/webhook_endpoints/{}/deliveries", text(&endpoint["id"]));
    // The outcome is written down after the receiver has answered.
    let mut of_ada = Value::Null;
    for _ in 0..200 {
        let deliveries = api.get(&path).await.expect(200);
        let all = deliveries["data"].as_array().expect("a list");
        let found = all
            .iter()
            .find(|delivery| delivery["event_id"] == first.header("webhook-id"));
        of_ada = found.cloned().unwrap_or_default();
        if of_ada["attempts"] == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(of_ada["attempts"], 2, "{of_ada}");
}

#[tokio::test]
async fn one_organization_never_waits_for_another() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sink = Sink::start().await;
    let (_, acme) = acme(&tenon).await;
    let globex = api.organization("Globex", &["globex.example"]).await;
    let globex = Api::scim(&api.directory(&globex, "Globex").await);
    api.webhook_endpoint(json!({"url": sink.url(), "event_types": ["user.created"]}))
        .await;
    sink.answer(&[503]);
    acme.post("/Users", user("ada")).await.expect(201);
    let failed = sink.next().await;
    globex.post("/Users", user("gina")).await.expect(201);
    let next = sink.next().await;
    assert_ne!(
        next.header("webhook-id"),
        failed.header("webhook-id"),
        "it waited for the retry"
    );
    assert_eq!(
        sink.next().await.header("webhook-id"),
        failed.header("webhook-id")
    );
}

/// On PostgreSQL the worker that records a delivery and whoever takes the endpoint away lock the same rows: in
/// one order, or one of them is refused as a deadlock.
#[tokio::test]
async fn an_endpoint_goes_while_its_deliveries_are_written_down() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut directories = Vec::new();
    for name in ["acme", "globex", "initech", "umbrella"] {
        let organization = api.organization(name, &[]).await;
        directories.push(Api::scim(&api.directory(&organization, name).await));
    }
    for round in 0..12 {
        let mut sink = Sink::start().await;
        let endpoint = api.webhook_endpoint(json!({"url": sink.url()})).await;
        let path = format!("/webhook_endpoints/{}", text(&endpoint["id"]));
        let mut changes = tokio::task::JoinSet::new();
        for scim in &directories {
            let scim = scim.clone();
            changes.spawn(async move {
                for n in 0..6 {
                    let created = user(&format!("u{round}-{n}"));
                    scim.post("/Users", created).await.expect(201);
                }
            });
        }
        for _ in 0..6 {
            sink.next().await;
        }
        match round % 3 {
            // Turned off by its receiver, then on again.
            0 => {
                sink.answer(&[410]);
                while api.get(&path).await.expect(200)["state"] == "enabled" {
                    tokio::task::yield_now().await;
                }
                api.post(&format!("{path}/enable"), json!({}))
                    .await
                    .expect(200);
            }
            1 => {
                api.post(
                    &format!("{path}/replay"),
                    json!({"after": "2020-01-01T00:00:00.000Z"}),
                )
                .await
                .expect(200);
            }
            _ => {}
        }
        api.delete(&path).await.expect(204);
        changes.join_all().await;
    }
    let log = tenon.log();
    assert!(!log.contains("deadlock"), "{log}");
}
