//! What a directory does: users one at a time, groups one member at a time, lists.

use std::sync::{Arc, Mutex, PoisonError};

use integration::{Api, text};
use serde_json::{Value, json};

use crate::{
    load::{Bench, Cost},
    report::Goal::AtLeast,
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Written to in turn, as many as there are clients.
const GROUPS: usize = 8;

/// One directory, the users in it, and what they cost while they were few.
pub(crate) struct Directory {
    people: Arc<People>,
    create: Cost,
    get: Cost,
    filter: Cost,
}

/// A directory's client, and the ids of the users that it made.
pub(crate) struct People {
    scim: Api,
    domain: String,
    ids: Mutex<Vec<String>>,
}

pub(crate) async fn measure(bench: &mut Bench) -> Directory {
    let people = Arc::new(People::of_new_directory(bench, "people.example").await);
    let create = created(bench, &people, "SCIM create").await;
    let few = bench.scale.users[0];
    people.make(bench, few).await;

    let get = got(bench, &people).await;
    let filter = filtered(bench, &people).await;
    let list = listed(bench, &people).await;
    let add = added(bench, &people, bench.scale.members[0]).await;
    let deactivate = deactivated(bench).await;

    let report = &mut bench.report;
    report.cost("SCIM create", create, 0.15);
    report.cost("SCIM get", get, 0.06);
    report.cost("SCIM filter userName eq", filter, 0.06);
    report.cost("SCIM list of 100", list, 0.3);
    report.cost("SCIM deactivate", deactivate, 0.15);
    report.cost("SCIM add a member", add, 0.15);
    let rate = create.per_second;
    report.figure("SCIM create by 8 clients", "/s", rate, AtLeast(1_200.0));
    Directory {
        people,
        create,
        get,
        filter,
    }
}

/// The same with many users in the directory.
pub(crate) async fn grow(bench: &mut Bench, directory: Directory) {
    let Directory { people, .. } = &directory;
    let before = people.count();
    let many = bench.scale.users[1];
    people.make(bench, many).await;
    let create = created(bench, people, "SCIM create among many").await;
    let get = got(bench, people).await;
    let filter = filtered(bench, people).await;
    let what = |operation| {
        let after = people.count();
        format!("SCIM {operation}, {before} to {after} users: CPU against before")
    };
    let (created, got, filtered) = (what("create"), what("get"), what("filter"));
    let report = &mut bench.report;
    report.growth(created, directory.create, create, 1.15);
    report.growth(got, directory.get, get, 1.15);
    report.growth(filtered, directory.filter, filter, 1.15);
}

/// One member more, in a large group against a small one.
pub(crate) async fn members(bench: &mut Bench) {
    let people = Arc::new(People::of_new_directory(bench, "members.example").await);
    let [few, many] = bench.scale.members;
    people.make(bench, many + bench.scale.writes * 2).await;
    let small = added(bench, &people, few).await;
    let large = added(bench, &people, many).await;
    let what = format!("SCIM add a member, {few} to {many} members: CPU against before");
    bench.report.growth(what, small, large, 1.15);
}

async fn created(bench: &mut Bench, people: &Arc<People>, name: &str) -> Cost {
    let people = Arc::clone(people);
    let first = people.count();
    let writes = bench.scale.writes;
    bench
        .cost(name, writes, move |number| {
            let people = Arc::clone(&people);
            async move { people.create(first + number).await }
        })
        .await
}

async fn got(bench: &mut Bench, people: &Arc<People>) -> Cost {
    let people = Arc::clone(people);
    let reads = bench.scale.reads;
    bench
        .cost("SCIM get", reads, move |number| {
            let people = Arc::clone(&people);
            async move {
                let id = people.id(number);
                let user = people.scim.get(&format!("/Users/{id}")).await.expect(200);
                assert_eq!(user["id"], *id);
            }
        })
        .await
}

async fn filtered(bench: &mut Bench, people: &Arc<People>) -> Cost {
    let people = Arc::clone(people);
    let reads = bench.scale.reads;
    bench
        .cost("SCIM filter", reads, move |number| {
            let people = Arc::clone(&people);
            async move {
                // Not in the order of the rows.
                let name = people.user_name(number * 7919 % people.count());
                let filter = format!("/Users?filter=userName%20eq%20%22{name}%22");
                let found = people.scim.get(&filter).await.expect(200);
                assert_eq!(found["totalResults"], 1, "{name}: {found}");
                assert_eq!(found["Resources"][0]["userName"], *name);
            }
        })
        .await
}

async fn listed(bench: &mut Bench, people: &Arc<People>) -> Cost {
    let people = Arc::clone(people);
    let pages = people.count() / 100;
    let reads = bench.scale.reads / 5;
    bench
        .cost("SCIM list", reads, move |number| {
            let people = Arc::clone(&people);
            async move {
                let start = number % pages * 100 + 1;
                let path = format!("/Users?startIndex={start}&count=100");
                let page = people.scim.get(&path).await.expect(200);
                assert_eq!(page["totalResults"], people.count());
                assert_eq!(page["Resources"].as_array().map(Vec::len), Some(100));
            }
        })
        .await
}

/// In a directory of its own, so that the others stay as they are.
async fn deactivated(bench: &mut Bench) -> Cost {
    let people = Arc::new(People::of_new_directory(bench, "leavers.example").await);
    let writes = bench.scale.writes;
    people.make(bench, writes * 2).await;
    let leave =
        json!({"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": false}}]});
    bench
        .cost("SCIM deactivate", writes, move |number| {
            let (people, leave) = (Arc::clone(&people), leave.clone());
            async move {
                let path = format!("/Users/{}", people.id(number));
                let left = people.scim.patch(&path, leave).await.expect(200);
                assert_eq!(left["active"], false);
            }
        })
        .await
}

/// One member more in groups that have `members` already.
async fn added(bench: &mut Bench, people: &Arc<People>, members: usize) -> Cost {
    let mut groups = Vec::new();
    let first: Vec<Value> = (0..members)
        .map(|number| json!({"value": people.id(number)}))
        .collect();
    for number in 0..GROUPS {
        let name = format!("{members} and more {number}");
        let group = json!({"schemas": [GROUP], "displayName": name, "members": first});
        let group = people.scim.post("/Groups", group).await.expect(201);
        groups.push(text(&group["id"]));
    }
    let groups: Arc<[String]> = groups.into();
    // Those that the warm-up doesn't add are enough for all groups.
    let writes = bench
        .scale
        .writes
        .min((people.count() - members) * GROUPS / 2);
    let cost = {
        let (people, groups) = (Arc::clone(people), Arc::clone(&groups));
        bench
            .cost("SCIM add a member", writes, move |number| {
                let (people, groups) = (Arc::clone(&people), Arc::clone(&groups));
                async move {
                    let member = people.id(members + number / GROUPS);
                    let add = json!({"schemas": [PATCH], "Operations": [
                        {"op": "add", "path": "members", "value": [{"value": member}]},
                    ]});
                    let path = format!("/Groups/{}", groups[number % GROUPS]);
                    let answer = people.scim.patch(&path, add).await;
                    assert!(matches!(answer.status.as_u16(), 200 | 204), "{answer:?}");
                }
            })
            .await
    };
    let mut now = 0;
    for group in &*groups {
        let group = bench.tenon.api().get(&format!("/groups/{group}")).await;
        let count = group.expect(200)["member_count"].as_u64();
        now += usize::try_from(count.expect("a count")).expect("a small one");
    }
    assert!(now >= GROUPS * members + cost.operations, "{now} members");
    cost
}

impl People {
    pub(crate) async fn of_new_directory(bench: &Bench, domain: &str) -> Self {
        let api = bench.tenon.api();
        let organization = api.organization(domain, &[domain]).await;
        let directory = api.directory(&organization, domain).await;
        Self {
            scim: Api::scim(&directory),
            domain: domain.to_owned(),
            ids: Mutex::default(),
        }
    }

    /// Users until there are `count`, or as many as there is time for.
    async fn make(self: &Arc<Self>, bench: &Bench, count: usize) {
        let first = self.count();
        if count <= first {
            return;
        }
        let people = Arc::clone(self);
        bench
            .prepare(count - first, move |number| {
                let people = Arc::clone(&people);
                async move { people.create(first + number).await }
            })
            .await;
    }

    pub(crate) async fn create(&self, number: usize) {
        let name = self.user_name(number);
        let user = json!({
            "schemas": [USER],
            "externalId": format!("{:08}", number),
            "userName": name,
            "name": {"givenName": "Ada", "familyName": "Example"},
            "displayName": format!("Ada Example {number}"),
            "title": "Engineer",
            "emails": [{"value": name, "type": "work", "primary": true}],
            "active": true,
        });
        let made = self.scim.post("/Users", user).await.expect(201);
        assert_eq!(made["userName"], *name);
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.push(text(&made["id"]));
    }

    pub(crate) fn count(&self) -> usize {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(crate) fn user_name(&self, number: usize) -> String {
        format!("user{number}@{}", self.domain)
    }

    /// Of one of the users, in turn.
    fn id(&self, number: usize) -> String {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids[number % ids.len()].clone()
    }
}
