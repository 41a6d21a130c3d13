//! What crashes and crowds must not do.

mod history;

use std::collections::HashSet;

use integration::{Api, Sink, Tenon, text};
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "externalId": name,
        "emails": [{"value": name, "type": "work", "primary": true}],
    })
}

/// The answer of a SCIM request is a promise: the change and its event are on the disk.
#[tokio::test]
async fn kill_9_right_after_a_scim_answer_loses_nothing() {
    let mut tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sink = Sink::start().await;
    let organization = api.organization("Acme", &["acme.example"]).await;
    let directory = api.directory(&organization, "Acme").await;
    let scim = Api::scim(&directory);
    api.webhook_endpoint(json!({"url": sink.url(), "event_types": ["user.created"]}))
        .await;

    let mut promised = Vec::new();
    for round in 0..5 {
        let name = format!("user-{round}@acme.example");
        let created = scim.post("/Users", user(&name)).await.expect(201);
        tenon.kill().await;
        promised.push((text(&created["id"]), name));
        tenon.restart().await;
    }

    for (id, name) in &promised {
        let found = scim.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!(found["userName"], **name);
    }
    let mut arrived = Vec::new();
    while arrived.len() < promised.len() {
        let event = sink.next().await.event();
        let name = text(&event["data"]["object"]["user_name"]);
        // At least once: a kill between a delivery and its record repeats it, and never reorders.
        if arrived.last() != Some(&name) {
            arrived.push(name);
        }
    }
    let expected: Vec<_> = promised.into_iter().map(|(_, name)| name).collect();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn sigterm_ends_what_is_under_way_and_exits_with_0() {
    let mut tenon = Tenon::start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &[]).await;
    let status = tenon.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    tenon.restart().await;
    let path = format!("/organizations/{}", text(&organization["id"]));
    assert_eq!(api.get(&path).await.expect(200)["name"], "Acme");
}

/// Sixteen clients write two directories of two organizations at the same time: the same names in both, people
/// and groups. No row may land on the other side.
#[tokio::test]
async fn two_directories_written_by_sixteen_clients_do_not_mix() {
    const CLIENTS: usize = 16;
    const USERS_OF_EACH: usize = 12;
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sides = Vec::new();
    for name in ["acme", "globex"] {
        let organization = api.organization(name, &[&format!("{name}.example")]).await;
        let directory = api.directory(&organization, name).await;
        sides.push((name, organization, Api::scim(&directory)));
    }

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (side, _, scim) = &sides[client % 2];
        let (side, scim) = (*side, scim.clone());
        clients.spawn(async move {
            let mut members = Vec::new();
            for number in 0..USERS_OF_EACH {
                // The same userName on both sides: unique in a directory, not in the world.
                let mut body = user(&format!("user-{}-{number}@shared.example", client / 2));
                body["displayName"] = json!(side);
                let created = scim.post("/Users", body).await.expect(201);
                members.push(json!({"value": created["id"]}));
            }
            let group = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": format!("group-{}", client / 2),
                "members": members,
            });
            scim.post("/Groups", group).await.expect(201);
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no client failed");
    }

    let mut seen = HashSet::new();
    for (side, organization, scim) in &sides {
        let all = scim.get("/Users?count=1000").await.expect(200);
        let users = all["Resources"].as_array().expect("a list");
        assert_eq!(users.len(), CLIENTS / 2 * USERS_OF_EACH, "{side}");
        assert_eq!(all["totalResults"], users.len());
        for user in users {
            assert_eq!(user["displayName"], *side);
            assert!(
                seen.insert(text(&user["id"])),
                "{} is on both sides",
                user["id"]
            );
        }
        let ids: HashSet<_> = users.iter().map(|user| text(&user["id"])).collect();
        let groups = scim.get("/Groups?count=1000").await.expect(200);
        let groups = groups["Resources"].as_array().expect("a list").clone();
        assert_eq!(groups.len(), CLIENTS / 2);
        for group in &groups {
            let members = group["members"].as_array().expect("members");
            assert_eq!(members.len(), USERS_OF_EACH, "{group}");
            assert!(
                members
                    .iter()
                    .all(|member| ids.contains(&text(&member["value"]))),
                "{group}"
            );
        }

        // The event log of each organization has no hole, and only its own people.
        let id = text(&organization["id"]);
        let events = api
            .get(&format!("/events?organization_id={id}&limit=1000"))
            .await
            .expect(200);
        let events = events["data"].as_array().expect("a list").clone();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["sequence"], index + 1);
            assert_eq!(event["organizationid"], organization["id"]);
            if event["type"] == "user.created" {
                assert_eq!(event["data"]["object"]["display_name"], *side);
            }
        }
        let created = events
            .iter()
            .filter(|event| event["type"] == "user.created")
            .count();
        assert_eq!(created, CLIENTS / 2 * USERS_OF_EACH);
    }
}
