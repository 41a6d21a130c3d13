//! The practice directory: Acme's people and groups, pushed over SCIM 2.0 as Okta or Entra ID would, one
//! click per change, with every request and answer shown.

mod routes;
mod scim;

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{clock::Clock, sandbox::people::Person};

pub(super) use routes::routes;
use scim::{Exchange, ScimClient};

/// One directory of one organization, and what it has pushed so far.
pub(super) struct PracticeDirectory {
    client: ScimClient,
    /// Held while a change is being sent, so that two clicks are two changes.
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    people: Vec<PersonRecord>,
    groups: Vec<GroupRecord>,
}

#[derive(Debug, Clone)]
struct PersonRecord {
    person: Person,
    active: bool,
    /// The id that the gateway gave. `None` before the first push and after a deletion.
    remote_id: Option<String>,
}

#[derive(Debug, Clone)]
struct GroupRecord {
    name: String,
    /// Ids of people ([`Person::id`]).
    members: BTreeSet<String>,
    remote_id: Option<String>,
}

/// One click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    PushEverything,
    SetTitle { person: String, title: String },
    SetActive { person: String, active: bool },
    DeletePerson { person: String },
    AddMember { group: String, person: String },
    RemoveMember { group: String, person: String },
    DeleteGroup { group: String },
}

impl PracticeDirectory {
    pub(super) fn new(
        http: reqwest::Client,
        base_url: String,
        token: String,
        people: Vec<Person>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let names: BTreeSet<String> = people
            .iter()
            .flat_map(|person| person.groups.iter().cloned())
            .collect();
        let groups = names.into_iter().map(|name| GroupRecord {
            members: people
                .iter()
                .filter(|person| person.groups.contains(&name))
                .map(|person| person.id.clone())
                .collect(),
            name,
            remote_id: None,
        });
        let records = Records {
            groups: groups.collect(),
            people: people
                .into_iter()
                .map(|person| PersonRecord {
                    person,
                    active: true,
                    remote_id: None,
                })
                .collect(),
        };
        Self {
            client: ScimClient::new(http, base_url, token, clock),
            records: Mutex::new(records),
        }
    }

    /// Takes up where an earlier start left off: what the gateway has is what was pushed.
    pub(super) async fn resume(&self) {
        let mut records = self.records.lock().await;
        let users = self.client.list("/Users").await;
        for record in &mut records.people {
            let known = users
                .iter()
                .find(|user| user["externalId"] == record.person.id.as_str());
            if let Some(user) = known {
                record.remote_id = user["id"].as_str().map(str::to_owned);
                record.active = user["active"].as_bool().unwrap_or(true);
                if let Some(title) = user["title"].as_str() {
                    record.person.job_title = title.to_owned();
                }
            }
        }
        let groups = self.client.list("/Groups").await;
        let Records {
            people,
            groups: own,
        } = &mut *records;
        for record in own {
            let Some(group) = groups
                .iter()
                .find(|group| group["displayName"] == record.name.as_str())
            else {
                continue;
            };
            record.remote_id = group["id"].as_str().map(str::to_owned);
            let members: Vec<&str> = group["members"]
                .as_array()
                .map(|members| {
                    members
                        .iter()
                        .filter_map(|member| member["value"].as_str())
                        .collect()
                })
                .unwrap_or_default();
            record.members = people
                .iter()
                .filter(|person| {
                    person
                        .remote_id
                        .as_deref()
                        .is_some_and(|id| members.contains(&id))
                })
                .map(|person| person.person.id.clone())
                .collect();
        }
    }

    /// Sends a change. What the gateway answered stands in the log; a refusal leaves the record as it was.
    pub(super) async fn apply(&self, change: &Change) {
        let mut records = self.records.lock().await;
        match change {
            Change::PushEverything => self.push_everything(&mut records).await,
            Change::SetTitle { person, title } => {
                if let Some(record) = records.person(person)
                    && let Some(path) = record.path()
                    && self
                        .client
                        .patch(&path, &patch("replace", "title", json!(title)))
                        .await
                {
                    record.person.job_title.clone_from(title);
                }
            }
            Change::SetActive { person, active } => {
                if let Some(record) = records.person(person)
                    && let Some(path) = record.path()
                    && self
                        .client
                        .patch(&path, &patch("replace", "active", json!(active)))
                        .await
                {
                    record.active = *active;
                }
            }
            Change::DeletePerson { person } => {
                if let Some(record) = records.person(person)
                    && let Some(path) = record.path()
                    && self.client.delete(&path).await
                {
                    record.remote_id = None;
                    record.active = true;
                }
            }
            Change::AddMember { group, person } => {
                let member = records
                    .person(person)
                    .and_then(|record| record.remote_id.clone());
                if let Some(member) = member
                    && let Some(record) = records.group(group)
                    && let Some(path) = record.path()
                    && self
                        .client
                        .patch(&path, &patch("add", "members", json!([{"value": member}])))
                        .await
                {
                    record.members.insert(person.clone());
                }
            }
            Change::RemoveMember { group, person } => {
                let member = records
                    .person(person)
                    .and_then(|record| record.remote_id.clone());
                if let Some(member) = member
                    && let Some(record) = records.group(group)
                    && let Some(path) = record.path()
                    && self.client.patch(&path, &remove_member(&member)).await
                {
                    record.members.remove(person);
                }
            }
            Change::DeleteGroup { group } => {
                if let Some(record) = records.group(group)
                    && let Some(path) = record.path()
                    && self.client.delete(&path).await
                {
                    record.remote_id = None;
                }
            }
        }
    }

    /// Each resource as real directories do it: look it up by its unique name, then create or replace.
    async fn push_everything(&self, records: &mut Records) {
        for record in &mut records.people {
            if record.remote_id.is_none() {
                record.remote_id = self
                    .client
                    .find("/Users", "userName", &record.person.email)
                    .await;
            }
            let user = user(&record.person, record.active);
            match record.path() {
                Some(path) => {
                    self.client.put(&path, &user).await;
                }
                None => record.remote_id = self.client.create("/Users", &user).await,
            }
        }
        let Records { people, groups } = records;
        for record in groups {
            let members: Vec<Value> = people
                .iter()
                .filter(|person| record.members.contains(&person.person.id))
                .filter_map(|person| person.remote_id.as_ref().map(|id| json!({"value": id})))
                .collect();
            if record.remote_id.is_none() {
                record.remote_id = self
                    .client
                    .find("/Groups", "displayName", &record.name)
                    .await;
            }
            match record.path() {
                Some(path) => {
                    self.client
                        .patch(&path, &patch("replace", "members", members.into()))
                        .await;
                }
                None => {
                    let group = json!({
                        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                        "displayName": record.name,
                        "members": members,
                    });
                    record.remote_id = self.client.create("/Groups", &group).await;
                }
            }
        }
    }

    async fn snapshot(&self) -> (Vec<PersonRecord>, Vec<GroupRecord>, Vec<Exchange>) {
        let records = self.records.lock().await;
        (
            records.people.clone(),
            records.groups.clone(),
            self.client.log(),
        )
    }
}

impl Records {
    fn person(&mut self, id: &str) -> Option<&mut PersonRecord> {
        self.people.iter_mut().find(|record| record.person.id == id)
    }

    fn group(&mut self, name: &str) -> Option<&mut GroupRecord> {
        self.groups.iter_mut().find(|record| record.name == name)
    }
}

impl PersonRecord {
    fn path(&self) -> Option<String> {
        self.remote_id.as_ref().map(|id| format!("/Users/{id}"))
    }
}

impl GroupRecord {
    fn path(&self) -> Option<String> {
        self.remote_id.as_ref().map(|id| format!("/Groups/{id}"))
    }
}

/// RFC 7643 4.1 with the enterprise extension (4.3).
fn user(person: &Person, active: bool) -> Value {
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ],
        "externalId": person.id,
        "userName": person.email,
        "name": {"givenName": person.given_name, "familyName": person.family_name},
        "displayName": person.display_name(),
        "title": person.job_title,
        "active": active,
        "emails": [{"value": person.email, "type": "work", "primary": true}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": person.department},
    })
}

/// RFC 7644 3.5.2 with one operation.
fn patch(op: &str, path: &str, value: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": op, "path": path, "value": value}],
    })
}

/// RFC 7644 3.5.2.2: the value filter names the one member that goes.
fn remove_member(id: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": format!("members[value eq \"{id}\"]")}],
    })
}

#[cfg(test)]
mod tests;
