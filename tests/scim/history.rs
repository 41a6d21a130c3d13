//! A long random history against a model of it.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use integration::{Answer, Api, Dice, Tenon, events_tell_the_state, text};
use serde_json::{Value, json};

use self::model::{Model, Person, Team};
use super::{GROUP, PATCH, USER};

const STEPS: usize = 300;
const NAMES: [&str; 4] = ["Alpha", "Beta", "Gamma", "Delta"];
const MAPPED: [(&str, &str); 2] = [("Alpha", "admin"), ("Beta", "editor")];

/// A directory, its model, and chance.
struct History {
    scim: Api,
    model: Model,
    dice: Dice,
    /// Groups that give a role whatever they are called, as they had a mapped name once.
    kept: BTreeSet<(String, String)>,
    /// Of each resource, the version last seen and what it stood for.
    versions: BTreeMap<String, (u64, Value)>,
}

/// After every step each resource is what the model says, what the answer said, and of a new version only if it changed;
/// at the end the application's users have the roles that are due, and the events alone tell all of it.
#[tokio::test]
async fn a_random_history_goes_as_its_model_does() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let directory = api.directory(&organization, "Acme").await;
    for (_, role) in MAPPED {
        let body = json!({"name": role, "priority": 1});
        api.put(&format!("/roles/{role}"), body).await.expect(200);
    }
    let mappings = MAPPED.map(|(name, role)| json!({"group_display_name": name, "role": role}));
    let path = format!("/directories/{}/role_mappings", text(&directory["id"]));
    api.put(&path, json!({"mappings": mappings}))
        .await
        .expect(200);

    let mut history = History {
        scim: Api::scim(&directory),
        model: Model::default(),
        dice: Dice::thrown(),
        kept: BTreeSet::new(),
        versions: BTreeMap::new(),
    };
    for _ in 0..STEPS {
        history.step().await;
    }

    let users = events_tell_the_state(&api, &organization).await;
    assert_eq!(users.len(), history.model.people.len());
    for user in users.values() {
        let id = text(&user["sources"][0]["subject"]);
        let person = &history.model.people[&id];
        assert_eq!(user["user_name"], *person.user_name, "{user}");
        assert_eq!(user["active"], person.active, "{user}");
        assert_eq!(
            user["job_title"].as_str(),
            person.title.as_deref(),
            "{user}"
        );
        let roles: BTreeSet<String> = user["roles"]
            .as_array()
            .expect("roles")
            .iter()
            .map(text)
            .collect();
        let expected = history.model.roles(&id, &MAPPED, &history.kept);
        assert_eq!(roles, expected, "{user}");
    }
}

impl History {
    async fn step(&mut self) {
        let (people, teams) = (self.model.people.len(), self.model.teams.len());
        let answer = match self.dice.below(16) {
            0..3 if people < 25 => self.create_person().await,
            3 if teams < 8 => self.create_team().await,
            4..8 if people > 0 => self.change_person().await,
            8..13 if teams > 0 && people > 0 => self.change_team().await,
            13 if people > 8 => {
                let id = self.person();
                self.model.remove(&id);
                self.scim.delete(&format!("/Users/{id}")).await
            }
            14 if teams > 3 => {
                let id = self.team();
                self.model.remove(&id);
                self.scim.delete(&format!("/Groups/{id}")).await
            }
            15 if people > 8 => self.bulk().await,
            _ => self.create_person().await,
        };
        self.check(&answer).await;
    }

    /// All that there is, after an answer.
    async fn check(&mut self, answer: &Answer) {
        let mut lists = Vec::new();
        for path in ["/Users?count=1000", "/Groups?count=1000"] {
            let list = self.scim.get(path).await.expect(200);
            lists.push(list["Resources"].as_array().expect("a list").clone());
        }
        let seen = Model::seen(&lists[0], &lists[1]);
        assert_eq!(seen, self.model, "after {}", answer.body);
        for resource in lists.iter().flatten() {
            let (id, mut content) = (text(&resource["id"]), resource.clone());
            if answer.json["id"] == *id {
                assert_eq!(answer.json, *resource);
                assert_eq!(answer.header("etag"), text(&resource["meta"]["version"]));
            }
            let version = text(&resource["meta"]["version"]);
            let version: u64 = version[3..version.len() - 1].parse().expect("a number");
            let fields = content.as_object_mut().expect("an object");
            fields.remove("meta");
            // A member's name comes and goes without a new version of the group.
            let members = fields.get_mut("members").and_then(Value::as_array_mut);
            for member in members.into_iter().flatten() {
                member["display"] = Value::Null;
            }
            let before = self.versions.insert(id, (version, content.clone()));
            if let Some((before, was)) = before {
                assert!(before <= version, "{resource}");
                assert_eq!(before == version, was == content, "{was} {resource}");
            }
        }
    }

    fn person(&mut self) -> String {
        let ids: Vec<_> = self.model.people.keys().collect();
        (*self.dice.pick(&ids)).clone()
    }

    fn team(&mut self) -> String {
        let ids: Vec<_> = self.model.teams.keys().collect();
        (*self.dice.pick(&ids)).clone()
    }

    /// Some people and some groups older than this one, so that there is no circle.
    fn members(&mut self, of: Option<&str>) -> BTreeSet<String> {
        let people = self.model.people.keys();
        let teams = self.model.teams.keys();
        let teams = teams.filter(|id| of.is_none_or(|of| id.as_str() < of));
        let all: Vec<String> = people.chain(teams).cloned().collect();
        all.into_iter().filter(|_| self.dice.one_in(4)).collect()
    }

    fn title(&mut self) -> Option<String> {
        (!self.dice.one_in(3)).then(|| format!("Title {}", self.dice.below(4)))
    }

    fn user_name(&mut self) -> String {
        format!(
            "{}{}@acme.example",
            self.dice.pick(&["ada", "ADA", "ben"]),
            self.dice.below(40)
        )
    }

    async fn create_person(&mut self) -> Answer {
        let person = Person {
            user_name: self.user_name(),
            title: self.title(),
            active: !self.dice.one_in(4),
        };
        let answer = self.scim.post("/Users", user(&person)).await;
        if self.model.is_taken(&person.user_name, "") {
            assert_eq!(answer.status, 409, "{}", answer.body);
            assert_eq!(answer.json["scimType"], "uniqueness");
        } else {
            assert_eq!(answer.status, 201, "{}", answer.body);
            self.model.people.insert(text(&answer.json["id"]), person);
        }
        answer
    }

    async fn create_team(&mut self) -> Answer {
        let team = Team {
            name: (*self.dice.pick(&NAMES)).to_owned(),
            members: self.members(None),
        };
        let answer = self.scim.post("/Groups", group(&team)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.model.teams.insert(text(&answer.json["id"]), team);
        answer
    }

    async fn change_person(&mut self) -> Answer {
        let id = self.person();
        let path = format!("/Users/{id}");
        let mut after = self.model.people[&id].clone();
        let answer = match self.dice.below(5) {
            0 => {
                after = Person {
                    user_name: self.user_name(),
                    title: self.title(),
                    active: !self.dice.one_in(3),
                };
                self.scim.put(&path, user(&after)).await
            }
            1 => {
                after.active = !after.active;
                // As Entra ID says it.
                let value = if after.active { "True" } else { "False" };
                self.patch(
                    &path,
                    json!([{"op": "Replace", "path": "active", "value": value}]),
                )
                .await
            }
            2 => {
                after.title = None;
                self.patch(&path, json!([{"op": "remove", "path": "title"}]))
                    .await
            }
            3 => {
                after.active = self.dice.one_in(2);
                after.title = Some("Boss".to_owned());
                let value = json!({"active": after.active, "title": "Boss"});
                self.patch(&path, json!([{"op": "replace", "value": value}]))
                    .await
            }
            // A late conflict undoes what came before it.
            _ => {
                after.title = Some("Late".to_owned());
                after.user_name = self.user_name();
                let operations = json!([
                    {"op": "add", "path": "title", "value": "Late"},
                    {"op": "replace", "path": "userName", "value": after.user_name},
                ]);
                self.patch(&path, operations).await
            }
        };
        if self.model.is_taken(&after.user_name, &id) {
            assert_eq!(answer.status, 409, "{}", answer.body);
        } else {
            assert_eq!(answer.status, 200, "{}", answer.body);
            self.model.people.insert(id, after);
        }
        answer
    }

    async fn change_team(&mut self) -> Answer {
        let id = self.team();
        let path = format!("/Groups/{id}");
        let mut after = self.model.teams[&id].clone();
        let some = self.members(Some(&id));
        let answer = match self.dice.below(8) {
            0 => {
                after = Team {
                    name: (*self.dice.pick(&NAMES)).to_owned(),
                    members: some,
                };
                self.scim.put(&path, group(&after)).await
            }
            1 | 2 => {
                after.members.extend(some.iter().cloned());
                let add = json!([{"op": "add", "path": "members", "value": values(&some)}]);
                self.patch(&path, add).await
            }
            3 => {
                let mut some = some;
                some.insert(self.person());
                after.members.retain(|member| !some.contains(member));
                let remove = json!([{"op": "Remove", "path": "members", "value": values(&some)}]);
                self.patch(&path, remove).await
            }
            4 => {
                let one = self.person();
                after.members.remove(&one);
                let path_of_one = format!("members[value eq \"{one}\"]");
                self.patch(&path, json!([{"op": "remove", "path": path_of_one}]))
                    .await
            }
            5 => {
                after.members = some;
                let all = values(&after.members);
                self.patch(
                    &path,
                    json!([{"op": "replace", "path": "members", "value": all}]),
                )
                .await
            }
            6 => {
                after.name = (*self.dice.pick(&NAMES)).to_owned();
                let value = json!({"id": id, "displayName": after.name});
                self.patch(&path, json!([{"op": "replace", "value": value}]))
                    .await
            }
            // A stranger among them: nobody is added.
            _ => {
                let mut all = values(&some);
                all.push(json!({"value": "dusr_01jdxyzdxyzdxyzdxyzdxyzdxy"}));
                let answer = self
                    .patch(
                        &path,
                        json!([{"op": "add", "path": "members", "value": all}]),
                    )
                    .await;
                assert_eq!(answer.status, 400, "{}", answer.body);
                return answer;
            }
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        let before = self.model.teams.insert(id.clone(), after.clone());
        let renamed = before.filter(|before| before.name != after.name);
        for (name, role) in MAPPED {
            if renamed.as_ref().is_some_and(|before| before.name == name) {
                self.kept.insert((id.clone(), role.to_owned()));
            }
        }
        answer
    }

    /// A newcomer in a new group, somebody renamed, somebody gone.
    async fn bulk(&mut self) -> Answer {
        let (changed, gone) = (self.person(), self.person());
        let person = Person {
            user_name: self.user_name(),
            title: None,
            active: true,
        };
        let mut team = Team {
            name: (*self.dice.pick(&NAMES)).to_owned(),
            members: self.members(None),
        };
        team.members.remove(&gone);
        let mut body = group(&team);
        let members = body["members"].as_array_mut().expect("members");
        members.push(json!({"value": "bulkId:new"}));
        let operations = json!([
            {"method": "DELETE", "path": format!("/Users/{gone}")},
            {"method": "POST", "path": "/Groups", "bulkId": "team", "data": body},
            {"method": "POST", "path": "/Users", "bulkId": "new", "data": user(&person)},
            {"method": "PATCH", "path": format!("/Users/{changed}"), "data": {"schemas": [PATCH],
                "Operations": [{"op": "add", "path": "title", "value": "By bulk"}]}},
        ]);
        let urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let body = json!({"schemas": [urn], "Operations": operations});
        let answer = self.scim.post("/Bulk", body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let results = answer.json["Operations"].as_array().expect("results");
        let made = |bulk_id: &str| {
            let result = results.iter().find(|result| result["bulkId"] == bulk_id);
            let result = result.expect("a result");
            (result["status"] == "201").then(|| {
                let location = text(&result["location"]);
                location.rsplit('/').next().expect("an id").to_owned()
            })
        };
        self.model.remove(&gone);
        let is_taken = self.model.is_taken(&person.user_name, "");
        let newcomer = made("new");
        assert_eq!(newcomer.is_none(), is_taken, "{}", answer.body);
        // The group refers to somebody who could not be made, or has them.
        let new_team = made("team");
        assert_eq!(new_team.is_none(), is_taken, "{}", answer.body);
        if let (Some(newcomer), Some(new_team)) = (newcomer, new_team) {
            self.model.people.insert(newcomer.clone(), person);
            team.members.insert(newcomer);
            self.model.teams.insert(new_team, team);
        }
        if let Some(person) = self.model.people.get_mut(&changed) {
            person.title = Some("By bulk".to_owned());
        }
        answer
    }

    async fn patch(&self, path: &str, operations: Value) -> Answer {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.scim.patch(path, body).await
    }
}

fn user(person: &Person) -> Value {
    json!({
        "schemas": [USER],
        "userName": person.user_name,
        "title": person.title,
        "active": person.active,
    })
}

fn group(team: &Team) -> Value {
    json!({"schemas": [GROUP], "displayName": team.name, "members": values(&team.members)})
}

fn values(members: &BTreeSet<String>) -> Vec<Value> {
    members.iter().map(|id| json!({"value": id})).collect()
}
