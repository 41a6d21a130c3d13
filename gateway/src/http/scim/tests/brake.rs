//! The mass-change brake and protected users: who is taken away, who waits, and what the directory is told.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::error::Error;
use crate::flows::provisioning::{self, Released};
use crate::flows::provisioning_log;
use crate::ids::UserId;
use crate::model::{BrakeAnswer, ChangeBrake, Window};
use crate::store::directory_requests::{self, RequestFilter};
use crate::store::users::UserRecord;
use crate::store::{DirectoryScope, StoreError, directory_users, users};

/// Stands still until it is told.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

impl Client {
    pub(super) async fn people(&self, count: usize) -> Vec<String> {
        let mut people = Vec::new();
        for number in 0..count {
            people.push(self.user(&format!("user{number:02}")).await);
        }
        people
    }

    async fn inside(&self) -> DirectoryScope {
        let db = self.app.store.read();
        let found = directories::scope_of(&db, &self.organization, self.directory).await;
        found.unwrap().unwrap()
    }

    async fn settings(&self) -> Directory {
        let db = self.app.store.read();
        let found = directories::find(&db, &self.organization, self.directory).await;
        found.unwrap().unwrap()
    }

    pub(super) async fn set(&self, change: impl FnOnce(&mut Directory)) {
        let mut directory = self.settings().await;
        change(&mut directory);
        let tx = self.app.store.begin().await.unwrap();
        directories::update(&tx, &self.organization, &directory)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn brake(&self, share: i64, minimum: i64, answer: BrakeAnswer) {
        let brake = ChangeBrake {
            share,
            minimum,
            answer,
        };
        self.set(|directory| directory.change_brake = Some(brake))
            .await;
    }

    pub(super) async fn deactivate(&self, id: &str) -> Answer {
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        self.patch(&format!("/Users/{id}"), off).await
    }

    async fn reactivate(&self, id: &str) -> Answer {
        let on = json!([{"op": "replace", "path": "active", "value": true}]);
        self.patch(&format!("/Users/{id}"), on).await
    }

    async fn is_active(&self, id: &str) -> bool {
        self.find(&format!("/Users/{id}")).await["active"] == true
    }

    async fn waiting(&self) -> i64 {
        let db = self.app.store.read();
        let counts = directory_users::count_held(&db, &self.organization, &[self.directory]).await;
        let count = counts.unwrap().remove(&self.directory);
        count.unwrap_or_default()
    }

    async fn release(&self, apply: bool) -> Released {
        let (scope, cause) = (self.inside().await, Cause::system("test"));
        let done = provisioning::settle_held(&self.app, &scope, apply, &cause).await;
        let done = done.unwrap();
        let tx = self.app.store.begin().await.unwrap();
        provisioning::end_hold(&tx, &scope, done, &cause)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        done
    }

    async fn count(&self, event_type: &str) -> usize {
        let types = self.event_types().await.into_iter();
        types.filter(|found| found == event_type).count()
    }

    /// As the management API: again while the directory asks for more.
    async fn release_busy(&self) {
        let (scope, cause) = (self.inside().await, Cause::system("test"));
        loop {
            let done = provisioning::settle_held(&self.app, &scope, true, &cause).await;
            let tx = self.app.store.begin().await.unwrap();
            match provisioning::end_hold(&tx, &scope, done.unwrap(), &cause).await {
                Err(Error::Store(StoreError::Stale)) => {}
                result => {
                    result.unwrap();
                    return tx.commit().await.unwrap();
                }
            }
        }
    }

    /// Of the application's user behind a resource.
    pub(super) async fn user_id(&self, id: &str) -> UserId {
        let (db, scope) = (self.app.store.read(), self.inside().await);
        let found = directory_users::find(&db, &scope, id.parse().unwrap()).await;
        found.unwrap().unwrap().user_id
    }

    async fn said(&self) -> Vec<String> {
        provisioning_log::flush(&self.app).await;
        let (db, scope) = (self.app.store.read(), self.inside().await);
        let window = Window {
            limit: 100,
            before: None,
        };
        let rows = directory_requests::list(&db, &scope, &RequestFilter::default(), window).await;
        let rows = rows.unwrap().rows.into_iter();
        rows.map(|row| row.summary).collect()
    }
}

#[tokio::test]
async fn a_brake_holds_at_the_first_removal_above_its_share_and_says_so() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(20).await;
    acme.brake(20, 1, BrakeAnswer::Refuse).await;
    let one = |n: usize| format!("/Users/{}", people[n]);

    acme.delete(&one(0)).await.expect(204);
    acme.deactivate(&people[1]).await.expect(200);
    let off = json!({"schemas": [USER], "userName": "user02", "active": false});
    acme.put(&one(2), off.clone()).await.expect(200);
    acme.deactivate(&people[3]).await.expect(200);
    assert_eq!(acme.count("directory.change_held").await, 0);

    let refused = acme.deactivate(&people[4]).await.expect(429);
    assert_eq!(refused.header("retry-after"), "3600");
    let detail = refused.json["detail"].as_str().unwrap();
    let release = format!("/api/v1/directories/{}/release", acme.directory);
    assert!(detail.contains(&release), "{detail}");
    assert!(acme.is_active(&people[4]).await);
    let held = acme.events().await.pop().unwrap();
    assert_eq!(held["type"], "directory.change_held");
    assert_eq!(held["data"]["counts"], json!({"removed": 4, "active": 20}));
    assert_eq!(held["data"]["previous"], json!({"held_at": null}));
    assert!(held["data"]["object"]["held_at"].is_string(), "{held}");

    acme.delete(&one(5)).await.expect(429);
    // Who is gone already waits too.
    acme.delete(&one(1)).await.expect(429);
    acme.put(
        &one(6),
        json!({"schemas": [USER], "userName": "user06", "active": false}),
    )
    .await
    .expect(429);
    assert_eq!(acme.count("directory.change_held").await, 1);
    assert!(acme.said().await[0].starts_with("Held: this directory deactivates"));

    // Everything else goes on.
    acme.user("somebody new").await;
    acme.group("Engineers", &[&people[7]]).await;
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Seven"}]);
    acme.patch(&one(7), renamed).await.expect(200);
    acme.reactivate(&people[1]).await.expect(200);

    assert_eq!(acme.release(true).await, Released::default());
    assert_eq!(acme.settings().await.held_at, None);
    acme.deactivate(&people[4]).await.expect(200);
    acme.release(true).await;
    assert_eq!(acme.count("directory.change_released").await, 1);
}

#[tokio::test]
async fn fewer_people_than_the_minimum_never_hold_a_directory() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(12).await;
    acme.brake(1, 10, BrakeAnswer::Refuse).await;
    for id in &people[..9] {
        acme.deactivate(id).await.expect(200);
    }
    // Nobody goes twice.
    acme.deactivate(&people[0]).await.expect(200);
    acme.delete(&format!("/Users/{}", people[0]))
        .await
        .expect(204);
    assert_eq!(acme.settings().await.held_at, None);
    acme.deactivate(&people[9]).await.expect(429);
}

#[tokio::test]
async fn the_hour_slides_and_whoever_came_meanwhile_counts() {
    let clock = Arc::new(Hand(AtomicI64::new(now().0.timestamp_millis())));
    let pass = |minutes| {
        let millis = TimeDelta::minutes(minutes).num_milliseconds();
        clock.0.fetch_add(millis, Ordering::SeqCst);
    };
    let gateway = Gateway::open(Database::fresh().await, clock.clone(), "off").await;
    let acme = gateway.directory().await;
    let people = acme.people(20).await;
    acme.brake(12, 1, BrakeAnswer::Refuse).await;
    acme.deactivate(&people[0]).await.expect(200);
    pass(40);
    acme.deactivate(&people[1]).await.expect(200);
    pass(21);
    acme.deactivate(&people[2]).await.expect(200);
    // Two of nineteen within the hour; a third would be too many, but there are more people now.
    for number in 0..10 {
        acme.user(&format!("new{number}")).await;
    }
    acme.deactivate(&people[3]).await.expect(200);
    acme.deactivate(&people[4]).await.expect(429);
    // Time alone releases nobody.
    pass(600);
    acme.deactivate(&people[4]).await.expect(429);
    acme.release(true).await;
    acme.deactivate(&people[4]).await.expect(200);
}

#[tokio::test]
async fn of_twenty_parallel_removals_exactly_as_many_as_allowed_go_through() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(40).await;
    acme.brake(10, 1, BrakeAnswer::Refuse).await;
    let removals = people.iter().take(20).enumerate().map(|(number, id)| {
        let (acme, id) = (acme.clone(), id.clone());
        tokio::spawn(async move {
            let answer = match number % 2 {
                0 => acme.deactivate(&id).await,
                _ => acme.delete(&format!("/Users/{id}")).await,
            };
            answer.status.as_u16()
        })
    });
    let (mut done, mut held) = (0, 0);
    for removal in removals.collect::<Vec<_>>() {
        match removal.await.unwrap() {
            200 | 204 => done += 1,
            429 => held += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((done, held), (4, 16));
    assert_eq!(acme.count("directory.change_held").await, 1);
    let gone = acme.count("user.deactivated").await + acme.count("user.deleted").await;
    assert_eq!(gone, 4);
}

#[tokio::test]
async fn parallel_removals_that_are_accepted_are_done_or_wait_also_during_a_release() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(40).await;
    acme.brake(10, 1, BrakeAnswer::Accept).await;
    let remove = |targets: &[String]| {
        let removals = targets.iter().cloned().enumerate().map(|(number, id)| {
            let acme = acme.clone();
            tokio::spawn(async move {
                match number % 2 {
                    0 => acme.deactivate(&id).await.expect(200),
                    _ => acme.delete(&format!("/Users/{id}")).await.expect(204),
                };
            })
        });
        removals.collect::<Vec<_>>()
    };
    for removal in remove(&people[..20]) {
        removal.await.unwrap();
    }
    let gone = acme.count("user.deactivated").await + acme.count("user.deleted").await;
    assert_eq!((gone, acme.waiting().await), (4, 16));

    // Whoever is asked for meanwhile is done, waits, or holds the directory anew.
    let more = remove(&people[20..36]);
    acme.release_busy().await;
    for removal in more {
        removal.await.unwrap();
    }
    acme.release_busy().await;
    assert_eq!(acme.waiting().await, 0);
    for (number, id) in people.iter().enumerate() {
        let shown = acme.get(&format!("/Users/{id}")).await;
        let expected = match (number, number % 2) {
            (36.., _) => (200, json!(true)),
            (_, 0) => (200, json!(false)),
            _ => (404, Value::Null),
        };
        let found = (shown.status.as_u16(), shown.json["active"].clone());
        assert_eq!(found, expected, "{number}");
    }
    assert_eq!(acme.count("user.deactivated").await, 18);
    assert_eq!(acme.count("user.deleted").await, 18);
}

#[tokio::test]
async fn whoever_signed_in_before_and_is_pushed_as_inactive_is_asked_for_too() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|name| {
        let user = UserId::generate(&SystemClock, &SystemEntropy);
        let record = UserRecord {
            external_id: Some(name.to_owned()),
            active: true,
            ..UserRecord::default()
        };
        (user, record)
    });
    let tx = acme.app.store.begin().await.unwrap();
    for (user, record) in [&ada, &bob, &eve] {
        users::insert(&tx, &acme.organization, *user, record, now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let active = async |user: UserId| {
        let found = users::find(&acme.app.store.read(), &acme.organization, user).await;
        found.unwrap().unwrap().active
    };
    let push = async |name: &str| {
        let off = json!({
            "schemas": [USER], "userName": name, "externalId": name, "active": false,
        });
        acme.post("/Users", off).await
    };
    acme.set(|directory| directory.protected_user_ids = vec![ada.0])
        .await;
    push("ada").await.expect(403);
    assert!(active(ada.0).await);

    acme.brake(1, 1, BrakeAnswer::Refuse).await;
    push("bob").await.expect(429);
    assert!(acme.settings().await.held_at.is_some());
    // A stranger who comes inactive leaves nobody out.
    push("mallory").await.expect(201);
    acme.brake(1, 1, BrakeAnswer::Accept).await;
    let told = push("bob").await.expect(201);
    assert_eq!(told.json["active"], false);
    assert_eq!((acme.waiting().await, active(bob.0).await), (1, true));
    assert_eq!(acme.release(true).await.applied, 1);
    assert!(!active(bob.0).await);
    acme.set(|directory| directory.change_brake = None).await;
    push("eve").await.expect(201);
    assert!(!active(eve.0).await);
    assert_eq!(acme.count("user.deactivated").await, 2);
}

#[tokio::test]
async fn groups_are_no_business_of_the_brake() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(3).await;
    let all: Vec<&str> = people.iter().map(String::as_str).collect();
    let group = format!("/Groups/{}", acme.group("Everybody", &all).await);
    acme.brake(1, 1, BrakeAnswer::Refuse).await;
    acme.deactivate(&people[0]).await.expect(429);
    let empty = json!([{"op": "remove", "path": "members"}]);
    acme.patch(&group, empty).await.expect(200);
    acme.delete(&group).await.expect(204);
    assert_eq!(acme.count("group.member_removed").await, 3);
}

#[tokio::test]
async fn each_operation_of_a_bulk_request_counts() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(10).await;
    acme.brake(30, 1, BrakeAnswer::Refuse).await;
    let operations: Vec<Value> = people
        .iter()
        .map(|id| json!({"method": "DELETE", "path": format!("/Users/{id}")}))
        .collect();
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
    let bulk = json!({"schemas": [schema], "Operations": operations});
    let answer = acme.post("/Bulk", bulk).await.expect(200);
    let done = answer.json["Operations"].as_array().unwrap().iter();
    let statuses: Vec<&str> = done.map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses[..3], ["204"; 3]);
    assert_eq!(statuses[3..], ["429"; 7]);
}

#[tokio::test]
async fn what_was_accepted_while_held_waits_over_a_restart_and_is_done_at_the_release() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(10).await;
    let one = |n: usize| format!("/Users/{}", people[n]);
    acme.group("Engineers", &[&people[2]]).await;
    acme.brake(10, 1, BrakeAnswer::Accept).await;
    acme.deactivate(&people[0]).await.expect(200);

    let both = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "replace", "path": "displayName", "value": "One"},
    ]);
    let told = acme.patch(&one(1), both).await.expect(200);
    assert_eq!(told.json["active"], false);
    assert_eq!(acme.count("directory.change_held").await, 1);
    let shown = acme.find(&one(1)).await;
    assert_eq!(
        (&shown["active"], &shown["displayName"]),
        (&json!(true), &json!("One"))
    );
    // The same again changes nothing.
    acme.deactivate(&people[1]).await.expect(200);
    assert_eq!(acme.waiting().await, 1);

    acme.delete(&one(2)).await.expect(204);
    acme.find(&one(2)).await;
    // A deletion follows a deactivation.
    acme.deactivate(&people[3]).await.expect(200);
    acme.delete(&one(3)).await.expect(204);
    // Whoever is taken back does not wait.
    acme.deactivate(&people[4]).await.expect(200);
    acme.reactivate(&people[4]).await.expect(200);
    acme.delete(&one(5)).await.expect(204);
    let on = json!({"schemas": [USER], "userName": "user05", "active": true});
    acme.put(&one(5), on).await.expect(200);
    // Another change of somebody who waits is done at once, and is no return.
    acme.deactivate(&people[6]).await.expect(200);
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Six"}]);
    acme.patch(&one(6), renamed).await.expect(200);
    acme.delete(&one(0)).await.expect(204);
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "None"}]);
    acme.patch(&one(0), renamed).await.expect(200);
    assert_eq!(acme.waiting().await, 5);
    assert_eq!(acme.count("user.deactivated").await, 1);
    assert_eq!(acme.count("user.deleted").await, 0);
    assert!(acme.is_active(&people[6]).await);
    let said = acme.said().await;
    let deletion = format!(
        "Held: the deletion of user \"{}\" waits for the release",
        people[2]
    );
    assert!(
        said.iter().any(|line| line.starts_with(&deletion)),
        "{said:?}"
    );
    let deactivation = "Held: the deactivation of user \"user01\" waits for the release";
    assert!(
        said.iter().any(|line| line.starts_with(deactivation)),
        "{said:?}"
    );

    let Client {
        organization,
        directory,
        token,
        ..
    } = acme;
    let Gateway { app, _database } = gateway;
    drop(app);
    let gateway = Gateway::open(_database, Arc::new(SystemClock), "off").await;
    let acme = Client {
        app: gateway.app.clone(),
        organization,
        directory,
        token,
    };
    acme.deactivate(&people[7]).await.expect(200);
    assert_eq!(acme.waiting().await, 6);
    let done = Released {
        applied: 6,
        dropped: 0,
    };
    assert_eq!(acme.release(true).await, done);
    assert_eq!(acme.release(true).await, Released::default());
    assert_eq!(acme.waiting().await, 0);
    for gone in [0, 2, 3] {
        acme.get(&one(gone)).await.expect(404);
    }
    for inactive in [1, 6, 7] {
        assert!(!acme.is_active(&people[inactive]).await, "{inactive}");
    }
    for active in [4, 5, 8, 9] {
        assert!(acme.is_active(&people[active]).await, "{active}");
    }
    assert_eq!(acme.count("user.deactivated").await, 4);
    assert_eq!(acme.count("user.deleted").await, 3);
    assert_eq!(acme.count("group.member_removed").await, 1);
    let last = acme.events().await.pop().unwrap();
    assert_eq!(last["type"], "directory.change_released");
    assert_eq!(last["data"]["counts"], json!({"applied": 6, "dropped": 0}));
}

#[tokio::test]
async fn a_release_that_drops_leaves_everybody_as_they_are() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(10).await;
    acme.brake(1, 1, BrakeAnswer::Accept).await;
    acme.deactivate(&people[0]).await.expect(200);
    acme.delete(&format!("/Users/{}", people[1]))
        .await
        .expect(204);
    let done = Released {
        applied: 0,
        dropped: 2,
    };
    assert_eq!(acme.release(false).await, done);
    assert!(acme.is_active(&people[0]).await && acme.is_active(&people[1]).await);
    assert_eq!(acme.count("user.deactivated").await, 0);
    assert_eq!(acme.settings().await.held_at, None);
}

#[tokio::test]
async fn a_protected_user_is_taken_away_by_no_request_of_a_directory() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let people = acme.people(3).await;
    let (ada, user) = (&people[0], acme.user_id(&people[0]).await);
    let path = format!("/Users/{ada}");
    acme.set(|directory| directory.protected_user_ids = vec![user])
        .await;

    let refused = acme.deactivate(ada).await.expect(403);
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.starts_with("this user is protected"), "{detail}");
    let off = json!({"schemas": [USER], "userName": "user00", "active": false});
    acme.put(&path, off).await.expect(403);
    acme.delete(&path).await.expect(403);
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
    let delete = json!({"method": "DELETE", "path": path});
    let bulk = json!({"schemas": [schema], "Operations": [delete]});
    let bulk = acme.post("/Bulk", bulk).await.expect(200);
    assert_eq!(bulk.json["Operations"][0]["status"], "403");
    let said = acme.said().await;
    let refused = |line: &&String| line.starts_with("Refused: this user is protected");
    assert_eq!(said.iter().filter(refused).count(), 4, "{said:?}");
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Ada"}]);
    acme.patch(&path, renamed).await.expect(200);
    acme.deactivate(&people[1]).await.expect(200);

    // Whoever is protected after the promise stays too.
    acme.brake(1, 1, BrakeAnswer::Accept).await;
    acme.deactivate(&people[2]).await.expect(200);
    let late = acme.user_id(&people[2]).await;
    acme.set(|directory| directory.protected_user_ids.push(late))
        .await;
    let done = Released {
        applied: 0,
        dropped: 1,
    };
    assert_eq!(acme.release(true).await, done);
    assert!(acme.is_active(&people[2]).await);

    let tx = acme.app.store.begin().await.unwrap();
    let cause = Cause::system("test");
    crate::flows::directories::remove(&acme.app, &tx, &acme.organization, acme.directory, &cause)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let db = acme.app.store.read();
    let left = users::of_organization(&db, &acme.organization)
        .await
        .unwrap();
    assert_eq!(left, [user, late]);
    for user in users::load(&db, &acme.organization, &left).await.unwrap() {
        assert!(user.active && user.sources.is_empty(), "{user:?}");
    }
}
