//! What a directory's requests ask of the database (docs/performance.md): a statement more is a decision, not an
//! accident.

use serde_json::json;

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
