//! What a directory does: users one at a time, groups one member at a time, lists.

use std::sync::{Arc, Mutex, PoisonError};

use integration::{Api, text};
use serde_json::{Value, json};

use crate::{
    load::{Bench, Cost},
    report::Goal::AtLeast,
    seed,
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Written to in turn, as many as there are clients.
const GROUPS: usize = 8;

/// One directory, the users in it, and what they cost while they were few.
pub(crate) struct Directory {
    people: Arc<People>,
    few: usize,
    costs: Costs,
}

/// What is measured again when there are more.
struct Costs {
    create: Cost,
    get: Cost,
    by_name: Cost,
    by_external_id: Cost,
    by_email: Cost,
    list: Cost,
    deactivate: Cost,
}

/// A directory's client, and the ids of the users that it made.
pub(crate) struct People {
    scim: Api,
    domain: String,
    /// Those of the users that [`People::create`] made come in no order.
    ids: Mutex<Vec<String>>,
}

pub(crate) async fn measure(bench: &mut Bench) -> Directory {
    let people = Arc::new(People::of_new_directory(bench, "people.example").await);
    people.create(0).await;
    people.seed(bench, bench.scale.users[0]).await;
    let few = people.count();
    let costs = Costs::measured(bench, &people, 0).await;
    let add = added(bench, &people, bench.scale.members[0]).await;

    let report = &mut bench.report;
    for (what, cost, goal) in costs.named() {
        report.cost(format!("SCIM {what}, {few} users"), cost, goal);
    }
    report.cost("SCIM add a member", add, 0.15);
    let rate = costs.create.per_second;
    report.figure("SCIM create by 8 clients", "/s", rate, AtLeast(1_200.0));
    Directory { people, few, costs }
}

/// The same with as many users in the directory as `scale.users[step]` says.
pub(crate) async fn grow(bench: &mut Bench, directory: &Directory, step: usize) {
    let Directory { people, few, costs } = directory;
    people.seed(bench, bench.scale.users[step]).await;
    let many = people.count();
    let now = Costs::measured(bench, people, step).await;
    let report = &mut bench.report;
    for ((what, before, _), (_, now, _)) in costs.named().into_iter().zip(now.named()) {
        let what = format!("SCIM {what}, {few} to {many} users: CPU against before");
        report.growth(what, before, now, 1.15);
    }
}

impl Costs {
    async fn measured(bench: &mut Bench, people: &Arc<People>, step: usize) -> Self {
        let by_name = |number| {
            let name = people.user_name(number);
            format!("userName%20eq%20%22{name}%22")
        };
        let by_external_id = |number| format!("externalId%20eq%20%22{number:08}%22");
        let by_email = |number| {
            let email = people.user_name(number);
            format!("emails.value%20eq%20%22{email}%22")
        };
        Self {
            get: got(bench, people).await,
            by_name: filtered(bench, people, by_name).await,
            by_external_id: filtered(bench, people, by_external_id).await,
            by_email: filtered(bench, people, by_email).await,
            list: listed(bench, people).await,
            create: created(bench, people).await,
            // Last, when there are enough of them.
            deactivate: deactivated(bench, people, step).await,
        }
    }

    /// With the CPU that the server may take, in milliseconds.
    fn named(&self) -> [(&'static str, Cost, f64); 7] {
        [
            ("create", self.create, 0.15),
            ("get", self.get, 0.06),
            ("filter userName eq", self.by_name, 0.06),
            ("filter externalId eq", self.by_external_id, 0.06),
            ("filter emails.value eq", self.by_email, 0.06),
            ("list of 100", self.list, 0.3),
            ("deactivate", self.deactivate, 0.15),
        ]
    }
}

/// One member more, in a large group against a small one.
pub(crate) async fn members(bench: &mut Bench) {
    let people = Arc::new(People::of_new_directory(bench, "members.example").await);
    let [few, many] = bench.scale.members;
    people.create(0).await;
    people.seed(bench, many + bench.scale.writes * 2).await;
    let small = added(bench, &people, few).await;
    let large = added(bench, &people, many).await;
    let what = format!("SCIM add a member, {few} to {many} members: CPU against before");
    bench.report.growth(what, small, large, 1.15);
}

async fn created(bench: &mut Bench, people: &Arc<People>) -> Cost {
    let people = Arc::clone(people);
    let first = people.count();
    let writes = bench.scale.writes;
    bench
        .cost("SCIM create", writes, move |number| {
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

/// `filter` gives the one for a user's number, as it stands in a query.
async fn filtered(
    bench: &mut Bench,
    people: &Arc<People>,
    filter: impl Fn(usize) -> String,
) -> Cost {
    let people = Arc::clone(people);
    let reads = bench.scale.reads;
    // Not in the order of the rows.
    let asked: Arc<[_]> = (0..people.count().min(reads))
        .map(|number| number * 7919 % people.count())
        .map(|number| (people.user_name(number), filter(number)))
        .collect();
    bench
        .cost("SCIM filter", reads, move |number| {
            let (people, asked) = (Arc::clone(&people), Arc::clone(&asked));
            async move {
                let (name, filter) = &asked[number % asked.len()];
                let found = people.scim.get(&format!("/Users?filter={filter}")).await;
                let found = found.expect(200);
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

/// Users of their own at each step; they stay in the directory.
async fn deactivated(bench: &mut Bench, people: &Arc<People>, step: usize) -> Cost {
    let people = Arc::clone(people);
    let writes = bench.scale.writes;
    // The first user is the model of those that come.
    let first = 1 + step * writes * 2;
    let leave =
        json!({"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": false}}]});
    bench
        .cost("SCIM deactivate", writes, move |number| {
            let (people, leave) = (Arc::clone(&people), leave.clone());
            async move {
                let path = format!("/Users/{}", people.id(first + number));
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

    /// As many users as are missing to `count`, written into the database; at least one has been created.
    async fn seed(&self, bench: &mut Bench, count: usize) {
        let database = bench.tenon.database().url().to_owned();
        bench.tenon.terminate().await;
        let made = seed::users(&database, bench.kind, &self.domain, self.count()..count).await;
        bench.tenon.restart().await;
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.extend(made);
    }

    /// Everything that is its own holds its number in a form that [`seed::users`] replaces.
    pub(crate) async fn create(&self, number: usize) {
        let name = self.user_name(number);
        let user = json!({
            "schemas": [USER],
            "externalId": format!("{number:08}"),
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
