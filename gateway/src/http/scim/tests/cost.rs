//! What a directory's requests ask of the database (docs/performance.md): a statement more is a decision, not an
//! accident.

use serde_json::{Value, json};

use super::{Client, Gateway, USER};
use crate::model::BrakeAnswer;

impl Client {
    /// Statements and commits of what `work` does, with the memory as true as a running gateway keeps it. On a
    /// machine that stands still for a second, memory is asked about again: the best of several counts.
    async fn cost_of<T>(&self, work: impl AsyncFn(usize) -> T) -> (u64, u64) {
        let store = &self.app.store;
        let asked = || {
            let counters = store.counters();
            let commits = counters.durable_commits.get() + counters.relaxed_commits.get();
            (counters.statements.get(), commits)
        };
        let mut best = (u64::MAX, u64::MAX);
        for number in 0..4 {
            store.refresh_routing().await.unwrap();
            let before = asked();
            work(number).await;
            let after = asked();
            best = best.min((after.0 - before.0, after.1 - before.1));
        }
        best
    }
}

#[tokio::test]
async fn a_read_is_one_statement_and_a_new_user_one_commit_of_few() {
    let gateway = Gateway::start().await;
    let client = gateway.directory().await;
    // The first request notes that the directory is syncing.
    let id = client.user("ada@acme.example").await;
    client.group("Engineers", &[&id]).await;

    let path = format!("/Users/{id}");
    assert_eq!(
        client.cost_of(async |_| client.find(&path).await).await,
        (1, 0)
    );
    let groups = &client.find(&path).await["groups"];
    assert_eq!(groups[0]["display"], "Engineers", "{groups}");

    let by_name = "/Users?filter=userName%20eq%20%22ada@acme.example%22";
    assert_eq!(
        client.cost_of(async |_| client.find(by_name).await).await,
        (2, 0)
    );

    let create = async |number: usize| {
        let user = json!({
            "schemas": [USER],
            "externalId": number.to_string(),
            "userName": format!("grace{number}@acme.example"),
            "displayName": "Grace",
            "emails": [{"value": "grace@acme.example", "primary": true}],
        });
        client.post("/Users", user).await.expect(201)
    };
    let (statements, commits) = client.cost_of(create).await;
    // Default role, join, user, resource, its values, two for the event; PostgreSQL takes a turn to join.
    let postgres = std::env::var("TEST_DATABASE").as_deref() == Ok("postgres");
    assert_eq!((statements, commits), (7 + u64::from(postgres), 1));
}

/// Users of the directory, made a thousand at a time.
async fn crowd(client: &Client, name: &str, count: usize) -> Vec<String> {
    let operation = |number: usize| {
        let name = format!("{name}-{number}@acme.example");
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {
            "schemas": [USER], "userName": name, "externalId": name,
            "emails": [{"value": name, "type": "work", "primary": true}],
        }})
    };
    let mut ids = Vec::new();
    for start in (0..count).step_by(1_000) {
        let numbers = start..count.min(start + 1_000);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": numbers.map(operation).collect::<Vec<_>>(),
        });
        let made = client.post("/Bulk", body).await.expect(200).json;
        for result in made["Operations"].as_array().unwrap() {
            let location = result["location"].as_str().unwrap();
            ids.push(location.rsplit('/').next().unwrap().to_owned());
        }
    }
    ids
}

/// How Entra ID looks somebody up.
const ENTRA: &str = "emails[type eq \"work\"].value";

/// What each costs in a directory as large as it is. `name` is that of at least four users.
async fn costs(
    client: &Client,
    name: &str,
    users: &[String],
    group: &str,
) -> Vec<(&'static str, (u64, u64))> {
    let patch = async |path: String, change: Value| {
        let patched = client.patch(&path, json!([change])).await;
        patched.expect(200);
    };
    let group = format!("/Groups/{group}?attributes=displayName");
    let add = async |number: usize| {
        let value = json!([{"value": users[number]}]);
        let change = json!({"op": "add", "path": "members", "value": value});
        patch(group.clone(), change).await;
    };
    let remove = async |number: usize| {
        let path = format!("members[value eq \"{}\"]", users[number]);
        patch(group.clone(), json!({"op": "remove", "path": path})).await;
    };
    let set_active = async |number: usize, active: bool| {
        let path = format!("/Users/{}", users[number]);
        let change = json!({"op": "replace", "path": "active", "value": active});
        patch(path, change).await;
    };
    let find = async |attribute: &str| {
        let filter = format!("{attribute} eq \"{name}-1@acme.example\"");
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = client.find(&format!("/Users?filter={filter}")).await;
        assert_eq!(found["totalResults"], 1, "{filter}");
    };
    let mut costs = vec![
        ("add a member", client.cost_of(add).await),
        ("remove a member", client.cost_of(remove).await),
        (
            "deactivate",
            client.cost_of(async |n| set_active(n, false).await).await,
        ),
        (
            "reactivate",
            client.cost_of(async |n| set_active(n, true).await).await,
        ),
    ];
    for attribute in ["userName", "externalId", "emails", "emails.value", ENTRA] {
        let cost = client.cost_of(async |_| find(attribute).await).await;
        costs.push((attribute, cost));
    }
    costs
}

#[tokio::test]
async fn what_a_change_and_a_lookup_cost_does_not_grow_with_the_directory() {
    let gateway = Gateway::start().await;
    let client = gateway.directory().await;
    let few = crowd(&client, "few", 4).await;
    let small = client.group("Small", &[]).await;
    let before = costs(&client, "few", &few, &small).await;
    // A change of members: the group with its lock, who they are, their rows, the group, the users' versions, is the
    // group mapped, two for the event.
    let expected = [
        ("add a member", (8, 1)),
        ("remove a member", (8, 1)),
        ("deactivate", (13, 1)),
        ("reactivate", (11, 1)),
        ("userName", (2, 0)),
        ("externalId", (2, 0)),
        ("emails", (2, 0)),
        ("emails.value", (2, 0)),
        (ENTRA, (2, 0)),
    ];
    assert_eq!(before, expected);

    let many = crowd(&client, "many", 1_200).await;
    let members: Vec<&str> = many[4..].iter().map(String::as_str).collect();
    let large = client.group("Large", &members).await;
    assert_eq!(costs(&client, "many", &many, &large).await, expected);
}

#[tokio::test]
async fn a_brake_adds_two_statements_to_a_deactivation_whatever_the_directorys_size() {
    let gateway = Gateway::start().await;
    let mut costs = Vec::new();
    for size in [12, 60] {
        let client = gateway.directory().await;
        let people = client.people(size).await;
        let mut next = people.iter();
        let mut deactivate = async || {
            let four: Vec<&String> = next.by_ref().take(4).collect();
            let one = async |number: usize| client.deactivate(four[number]).await.expect(200);
            client.cost_of(one).await
        };
        let plain = deactivate().await;
        client.brake(100, 1, BrakeAnswer::Refuse).await;
        // The first of an hour counts who is active; the others need not.
        costs.push((plain, deactivate().await));

        client.brake(1, 1, BrakeAnswer::Refuse).await;
        client.deactivate(&people[8]).await.expect(429);
        let held = async |_| client.deactivate(&people[8]).await.expect(429);
        // Its token and both its rows are read, once more under the lock.
        assert_eq!(client.cost_of(held).await.0, 3);
    }
    let [(plain, braked), other] = costs[..] else {
        unreachable!("two sizes");
    };
    assert_eq!(other, (plain, braked));
    assert_eq!(braked, (plain.0 + 2, 1));
}
