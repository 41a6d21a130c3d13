//! The provisioning log: what it says of each request, and what it never does.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;

use super::stories::replay;
use super::*;
use crate::flows::provisioning_log::{self, Details, Entry};
use crate::model::{DirectoryRequest, RequestOutcome, Window};
use crate::store::directory_requests::{self, RequestFilter};
use crate::store::{DirectoryScope, housekeeping};

impl Client {
    async fn scope(&self) -> DirectoryScope {
        let db = self.app.store.read();
        let found = directories::scope_of(&db, &self.organization, self.directory).await;
        found.unwrap().unwrap()
    }

    /// Oldest first.
    async fn log(&self) -> Vec<DirectoryRequest> {
        provisioning_log::flush(&self.app).await;
        let (db, scope, mut rows) = (self.app.store.read(), self.scope().await, Vec::new());
        let (filter, mut before) = (RequestFilter::default(), None);
        loop {
            let window = Window { limit: 100, before };
            let slice = directory_requests::list(&db, &scope, &filter, window)
                .await
                .unwrap();
            rows.extend(slice.rows);
            before = slice.next;
            if before.is_none() {
                rows.reverse();
                return rows;
            }
        }
    }

    async fn details(&self, row: &DirectoryRequest) -> Details {
        let (db, scope) = (self.app.store.read(), self.scope().await);
        let found = provisioning_log::find(&self.app, &db, &scope, row.id).await;
        let (again, details) = found.unwrap().unwrap();
        assert_eq!(again, *row);
        details
    }

    /// Everything that the log says, in one text.
    async fn whole_log(&self) -> String {
        let mut text = String::new();
        for row in self.log().await {
            let details = self.details(&row).await;
            text.push_str(&format!("{row:?} {details:?}\n"));
        }
        text
    }

    async fn summaries(&self) -> Vec<String> {
        let rows = self.log().await.into_iter();
        rows.map(|row| {
            format!(
                "{} {} {}: {}",
                row.method, row.path, row.status, row.summary
            )
        })
        .collect()
    }
}

#[tokio::test]
async fn each_request_is_told_in_words_with_its_events() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let nobody = "/Users?filter=userName%20eq%20%22ada@acme.example%22&secretToken=x";
    acme.get(nobody).await.expect(200);
    let ada = acme.user("ada@acme.example").await;
    let ben = acme.user("ben@acme.example").await;
    let taken = json!({"schemas": [USER], "userName": "ADA@acme.example"});
    acme.post("/Users", taken).await.expect(409);
    let group = acme.group("Engines", &[&ada]).await;
    let (user, group) = (format!("/Users/{ada}"), format!("/Groups/{group}"));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": ben}]}]);
    acme.patch(&group, add.clone()).await;
    acme.patch(&group, add).await;
    let swap = json!([{"op": "remove", "path": "members"},
        {"op": "add", "path": "members", "value": [{"value": ada}]}]);
    acme.patch(&group, swap).await;
    acme.patch(
        &user,
        json!([{"op": "replace", "path": "active", "value": false}]),
    )
    .await;
    acme.get(&user).await.expect(200);
    acme.get("/users").await.expect(404);
    acme.get("/Schemas").await.expect(200);
    acme.delete(&user).await.expect(204);
    acme.get("/Groups").await.expect(200);
    assert_eq!(
        acme.summaries().await,
        [
            "GET /Users 200: Looked for users with userName eq \"ada@acme.example\": none found",
            "POST /Users 201: Created user \"ada@acme.example\"",
            "POST /Users 201: Created user \"ben@acme.example\"",
            "POST /Users 409: Refused: this directory has a user \"ADA@acme.example\" already",
            "POST /Groups 201: Created group \"Engines\" with 1 member",
            "PATCH /Groups/:id 200: Added 1 member to group \"Engines\"",
            "PATCH /Groups/:id 200: Nothing to change of group \"Engines\"",
            "PATCH /Groups/:id 200: Removed 1 member from group \"Engines\"",
            "PATCH /Users/:id 200: Deactivated user \"ada@acme.example\"",
            "GET /Users/:id 200: Read user \"ada@acme.example\"",
            "GET /users 404: Refused: there is no such endpoint",
            "GET /Schemas 200: Read the schemas",
            &format!("DELETE /Users/:id 204: Deleted user {ada}"),
            "GET /Groups 200: Listed groups: 1 found",
        ]
    );
    let rows = acme.log().await;
    let first = acme.details(&rows[0]).await;
    assert_eq!(first.query["filter"], "userName eq \"ada@acme.example\"");
    assert_eq!(first.query["secretToken"], "…");
    assert_eq!(first.request, None);
    // The first request of all noted that the directory is syncing.
    assert_eq!(rows[0].events[0].kind, "directory.activated");

    let created = &rows[1];
    assert_eq!(created.resource_id.as_deref(), Some(ada.as_str()));
    assert_eq!(created.outcome, RequestOutcome::Succeeded);
    let events = acme.events().await;
    let event = events.iter().find(|event| event["type"] == "user.created");
    assert_eq!(created.events[0].id.to_string(), event.unwrap()["id"]);
    assert_eq!((created.events.len(), created.event_count), (1, 1));
    let details = acme.details(created).await;
    assert!(
        details
            .request
            .unwrap()
            .contains("\"userName\":\"ada@acme.example\"")
    );
    assert!(details.answer.unwrap().contains(&ada));

    let refused = &rows[3];
    assert_eq!(refused.outcome, RequestOutcome::Refused);
    assert_eq!(refused.scim_type.as_deref(), Some("uniqueness"));
    assert_eq!((refused.events.len(), refused.event_count), (0, 0));
}

/// What stands in the log of a directory that told this story.
async fn told(gateway: &Gateway, story: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let acme = gateway.directory().await;
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    replay(&acme, &all.join(story)).await;
    let rows = acme.log().await;
    (
        rows.iter().flat_map(|row| row.quirks.clone()).collect(),
        rows.into_iter().map(|row| row.provider).collect(),
    )
}

#[tokio::test]
async fn the_quirks_of_each_directory_are_named() {
    let gateway = Gateway::start().await;
    for (story, expected) in [
        ("okta/push-group", &["id_in_value"][..]),
        ("okta/password-sync", &["password_discarded"]),
        ("entra/deactivate", &["capitalised_op", "boolean_as_text"]),
        (
            "entra/manager",
            &[
                "capitalised_op",
                "bare_manager",
                "null_reference",
                "wrapped_value",
            ],
        ),
        (
            "entra/new-typed-value",
            &["capitalised_op", "element_created"],
        ),
        (
            "entra/app-roles",
            &["capitalised_op", "boolean_as_text", "element_created"],
        ),
        (
            "entra/members-remove-by-list",
            &[
                "capitalised_op",
                "members_removed_by_list",
                "null_reference",
            ],
        ),
        (
            "entra/compliance-flag",
            &[
                "compliance_flag",
                "dotted_key",
                "urn_key",
                "path_key",
                "bare_manager",
            ],
        ),
        ("entra/membership-check", &["compared_as_value"]),
        (
            "onelogin/life",
            &["boolean_as_text", "blank_text", "unknown_attribute"],
        ),
        ("rippling/life", &["object_for_array"]),
        (
            "jumpcloud/activation",
            &["blank_text", "members_removed_by_list"],
        ),
    ] {
        let (quirks, providers) = told(&gateway, story).await;
        for quirk in expected {
            assert!(
                quirks.contains(*quirk),
                "{story}: {quirk} is not in {quirks:?}"
            );
        }
        let told_by_quirk = ["capitalised_op", "compliance_flag", "microsoft_schema"];
        let entra = quirks
            .iter()
            .any(|quirk| told_by_quirk.contains(&quirk.as_str()));
        assert_eq!(providers.contains("entra"), entra, "{story}: {providers:?}");
    }
}

#[tokio::test]
async fn who_asks_is_named_by_the_settings_or_by_what_it_sends() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let agent = ("user-agent", "Okta SCIM Client 1.0.0");
    acme.send(Method::GET, "/Users", &[agent], "")
        .await
        .expect(200);
    acme.get("/Users").await.expect(200);

    let tx = acme.app.store.begin().await.unwrap();
    let directory = directories::find(&tx, &acme.organization, acme.directory).await;
    let directory = Directory {
        provider: Some("Google Workspace".to_owned()),
        ..directory.unwrap().unwrap()
    };
    directories::update(&tx, &acme.organization, &directory)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    acme.send(Method::GET, "/Users", &[agent], "")
        .await
        .expect(200);

    let rows = acme.log().await;
    let providers: Vec<&str> = rows.iter().map(|row| row.provider.as_str()).collect();
    assert_eq!(providers, ["okta", "generic", "google"]);
    assert_eq!(rows[0].user_agent.as_deref(), Some(agent.1));
    assert_eq!(rows[1].user_agent, None);
    let db = acme.app.store.read();
    let tokens = directories::tokens(&db, &acme.organization, acme.directory);
    assert_eq!(rows[0].token_id, tokens.await.unwrap()[0].id);
}

#[tokio::test]
async fn a_password_is_in_no_row_of_the_log() {
    const SECRET: &str = "correct-horse-battery";
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let user = json!({"schemas": [USER], "userName": "ada", "password": SECRET});
    let ada = acme.post("/Users", user.clone()).await.expect(201).id();
    let path = format!("/Users/{ada}");
    acme.post("/Users", user.clone()).await.expect(409);
    acme.put(&path, user.clone()).await.expect(200);
    let urn = format!("{USER}:password");
    for operation in [
        json!({"op": "replace", "path": "password", "value": SECRET}),
        json!({"op": "Replace", "path": "Password", "value": SECRET}),
        json!({"op": "replace", "path": urn, "value": SECRET}),
        json!({"op": "replace", "value": {"password": SECRET}}),
        json!({"op": "replace", "value": {urn: SECRET}}),
        json!({"op": "add", "path": format!("password[value eq \"{SECRET}\"]"), "value": SECRET}),
        json!({"op": "frobnicate", "path": "password", "value": SECRET}),
    ] {
        acme.patch(&path, json!([operation])).await;
    }
    let filter = format!("/Users?filter=password%20eq%20%22{SECRET}%22");
    acme.get(&filter).await.expect(400);
    let search = json!({"schemas": [], "filter": format!("password eq \"{SECRET}\"")});
    acme.post("/Users/.search", search).await.expect(400);
    let not_json = format!("{{\"password\": \"{SECRET}\"");
    let sent = acme.send(Method::POST, "/Users", &[], not_json).await;
    sent.expect(400);
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "PUT", "path": path, "data": user},
        {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": [
            {"op": "replace", "path": "password", "value": SECRET}]}},
    ]});
    acme.post("/Bulk", bulk).await.expect(200);
    let token = acme.token.clone();
    let log = acme.whole_log().await;
    assert_eq!(log.lines().count(), 3 + 7 + 3 + 3);
    assert!(log.contains("[redacted]") && log.contains("password_discarded"));
    assert!(!log.contains(SECRET), "{log}");
    assert!(!log.contains(&token), "{log}");
}

#[tokio::test]
async fn what_a_log_keeps_of_a_large_request_is_its_start() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let strangers: Vec<Value> = (0..5_000)
        .map(|n| json!({"value": format!("dusr_{n}")}))
        .collect();
    let group = json!({"schemas": [GROUP], "displayName": "x".repeat(1_000), "members": strangers});
    acme.post("/Groups", group).await.expect(400);
    let agent = "a".repeat(5_000);
    let path = format!("/Users/{}", "b".repeat(5_000));
    acme.send(Method::GET, &path, &[("user-agent", &agent)], "")
        .await
        .expect(404);
    let rows = acme.log().await;
    let request = acme.details(&rows[0]).await.request.unwrap();
    assert!(
        request.len() < 16 * 1024 + 4 && request.ends_with('…'),
        "{}",
        request.len()
    );
    assert!(rows[0].summary.chars().count() < 200);
    assert!(rows[1].user_agent.as_ref().unwrap().len() < 200);
    assert!(rows[1].resource_id.as_ref().unwrap().len() < 200);
}

#[tokio::test]
async fn a_bulk_request_has_a_row_and_each_of_its_operations_too() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.user("taken").await;
    let operation = |name: &str| {
        json!({"method": "POST", "path": "/Users", "bulkId": name,
            "data": {"schemas": [USER], "userName": name}})
    };
    let mut operations = vec![operation("ada"), operation("taken"), operation("ben")];
    operations[0]["data"]["active"] = "True".into();
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "failOnErrors": 1, "Operations": operations});
    acme.post("/Bulk", bulk).await.expect(200);
    assert_eq!(
        acme.summaries().await[1..],
        [
            "POST /Users 201: Created user \"ada\"",
            "POST /Users 409: Refused: this directory has a user \"taken\" already",
            "POST /Bulk 200: Bulk of 3 operations: 1 done, 1 refused, 1 not reached",
        ]
    );
    let rows = acme.log().await;
    assert_eq!(rows[1].quirks, ["boolean_as_text"]);
    assert_eq!(rows[1].events[0].kind, "user.created");
    assert_eq!((rows[2].event_count, rows[3].event_count), (0, 0));
    assert!(rows[3].quirks.is_empty());
}

#[tokio::test]
async fn who_has_no_token_of_the_directory_is_not_in_its_log() {
    let gateway = Gateway::start().await;
    let (acme, other) = (gateway.directory().await, gateway.directory().await);
    for token in [other.token.as_str(), "nonsense"] {
        let request = poem::Request::builder()
            .uri(format!("/{}/Users", acme.directory).parse().unwrap())
            .header("authorization", format!("Bearer {token}"))
            .finish();
        answer(&gateway.app, request).await.expect(401);
    }
    assert_eq!(acme.log().await, []);
    assert_eq!(other.log().await, []);
    // Nor does one directory's log show another's.
    acme.user("ada").await;
    assert_eq!(other.log().await, []);
    let row = acme.log().await.remove(0);
    let (db, scope) = (gateway.app.store.read(), other.scope().await);
    let found = provisioning_log::find(&gateway.app, &db, &scope, row.id).await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn a_row_is_kept_for_thirty_days() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.user("ada").await;
    assert_eq!(acme.log().await.len(), 1);
    for (days, left) in [(29, 1), (31, 0)] {
        let later = now().0 + TimeDelta::days(days);
        let chores = housekeeping::chores(later).into_iter();
        for chore in chores.filter(|chore| chore.table == "directory_requests") {
            housekeeping::tidy(&gateway.app.store, &chore)
                .await
                .unwrap();
        }
        assert_eq!(acme.log().await.len(), left, "after {days} days");
    }
}

#[tokio::test]
async fn what_has_no_room_is_dropped_and_counted() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.user("ada").await;
    let request = acme.log().await.remove(0);
    let scope = acme.scope().await;
    let statements = || gateway.app.store.counters().statements.get();
    let before = statements();
    const NOTED: usize = 600;
    for _ in 0..NOTED {
        gateway.app.provisioning_log.note(Entry {
            scope,
            request: DirectoryRequest {
                id: crate::ids::DirectoryRequestId::generate(&SystemClock, &SystemEntropy),
                ..request.clone()
            },
            details: Details {
                request: Some("x".repeat(32 * 1024)),
                ..Details::default()
            },
        });
    }
    // Whoever is being answered waits for no statement of the log.
    assert_eq!(statements(), before);
    let kept = acme.log().await.len() - 1;
    assert!((200..300).contains(&kept), "{kept} kept");
    let dropped = format!("provisioning_log_dropped_total {}\n", NOTED - kept);
    assert!(gateway.app.metrics.render().unwrap().contains(&dropped));
    // There is room again.
    acme.user("ben").await;
    assert_eq!(acme.log().await.len(), kept + 2);
}

#[tokio::test]
async fn the_log_writes_itself_in_batches_that_wait_for_no_disk_and_to_its_end() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let app = gateway.app.clone();
    acme.get("/Users").await.expect(200);
    let counters = app.store.counters().clone();
    let commits = || {
        (
            counters.durable_commits.get(),
            counters.relaxed_commits.get(),
        )
    };
    let (durable, relaxed) = commits();
    let writer = tokio::spawn(provisioning_log::run(app.clone()));
    for _ in 0..30 {
        acme.get("/Users").await.expect(200);
    }
    let (scope, filter) = (acme.scope().await, RequestFilter::default());
    let written = async || {
        let window = Window {
            limit: 100,
            before: None,
        };
        let db = app.store.read();
        let slice = directory_requests::list(&db, &scope, &filter, window).await;
        slice.unwrap().rows.len()
    };
    while written().await < 31 {
        tokio::task::yield_now().await;
    }
    let (durable_now, relaxed_now) = commits();
    assert_eq!(durable_now, durable);
    assert!(
        relaxed_now - relaxed < 15,
        "{} commits",
        relaxed_now - relaxed
    );

    app.drain.begin();
    writer.await.unwrap();
    acme.get("/Users").await.expect(200);
    provisioning_log::last_call(&app).await;
    assert_eq!(written().await, 32);
}

#[tokio::test]
async fn a_directory_that_is_deleted_takes_its_rows_along_and_nobody_elses() {
    let gateway = Gateway::start().await;
    let (acme, other) = (gateway.directory().await, gateway.directory().await);
    acme.get("/Users").await.expect(200);
    assert_eq!(acme.log().await.len(), 1);
    acme.get("/Users").await.expect(200);
    other.get("/Users").await.expect(200);
    let tx = gateway.app.store.begin().await.unwrap();
    let removed = directories::remove(&tx, &acme.organization, acme.directory).await;
    assert!(removed.unwrap());
    tx.commit().await.unwrap();
    // One batch, of which one row has no directory any more.
    assert_eq!(other.log().await.len(), 1);
    let metrics = gateway.app.metrics.render().unwrap();
    assert!(
        metrics.contains("provisioning_log_dropped_total 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_second_group_of_one_name_is_made_and_warned_of() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.group("Engines", &[]).await;
    acme.group("ENGINES", &[]).await;
    let other = format!("/Groups/{}", acme.group("Other", &[]).await);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "engines"}]);
    acme.patch(&other, rename).await.expect(200);
    let told: Vec<bool> = acme
        .summaries()
        .await
        .iter()
        .map(|summary| summary.ends_with("; another group has the same displayName"))
        .collect();
    assert_eq!(told, [false, true, false, true]);
}
