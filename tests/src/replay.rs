//! An application that knows nothing but the events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Api, text};

/// Users and groups by id, and who is in each group.
#[derive(Debug, Default)]
struct Known {
    users: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
    members: BTreeMap<String, BTreeSet<(String, String)>>,
}

/// Reads all events of an organization, whose sequence has no gap, and finds in them the very users, groups and
/// members that the management API shows. Answers with the users, by id.
pub async fn events_tell_the_state(api: &Api, organization: &Value) -> BTreeMap<String, Value> {
    let organization = text(&organization["id"]);
    let mut known = Known::default();
    let (mut sequence, mut after) = (0, String::new());
    loop {
        let path = format!("/events?organization_id={organization}&limit=1000{after}");
        let page = api.get(&path).await.expect(200);
        let events = page["data"].as_array().expect("a list");
        for event in events {
            sequence += 1;
            assert_eq!(event["sequence"], sequence, "{event}");
            known.learn(event);
        }
        if events.is_empty() {
            break;
        }
        after = format!("&after={}", text(&page["next_cursor"]));
    }

    let users = all(api, &format!("/organizations/{organization}/users")).await;
    assert_same(&known.users, &users);
    let groups = all(api, &format!("/organizations/{organization}/groups")).await;
    assert_same(&known.groups, &groups);
    for (id, group) in &groups {
        let members = all(api, &format!("/groups/{id}/members")).await;
        let members: BTreeSet<_> = members.values().map(member).collect();
        assert_eq!(group["member_count"], members.len(), "{group}");
        assert_eq!(known.members[id], members, "{group}");
    }
    users
}

impl Known {
    fn learn(&mut self, event: &Value) {
        let (data, subject) = (&event["data"], text(&event["subject"]));
        let kind = text(&event["type"]);
        match kind.split_once('.') {
            Some(("user", "deleted")) => {
                assert!(self.users.remove(&subject).is_some(), "{event}");
            }
            Some(("user", what)) => {
                let before = self.users.insert(subject, data["object"].clone());
                assert_eq!(before.is_none(), what == "created", "{event}");
            }
            Some(("group", "deleted")) => {
                assert!(self.groups.remove(&subject).is_some(), "{event}");
                self.members.remove(&subject);
            }
            Some(("group", what)) => {
                let before = self.groups.insert(subject.clone(), data["object"].clone());
                assert_eq!(before.is_none(), what == "created", "{event}");
                let members = self.members.entry(subject).or_default();
                let fits = match what {
                    "member_added" => members.insert(member(&data["member"])),
                    "member_removed" => members.remove(&member(&data["member"])),
                    _ => true,
                };
                assert!(fits, "{event}");
            }
            _ => {}
        }
    }
}

fn member(member: &Value) -> (String, String) {
    (text(&member["kind"]), text(&member["id"]))
}

/// Everything of a list, by id.
async fn all(api: &Api, path: &str) -> BTreeMap<String, Value> {
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = api
            .get(&format!("{path}?limit=100{cursor}"))
            .await
            .expect(200);
        for row in page["data"].as_array().expect("a list") {
            found.insert(text(&row["id"]), row.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// A user's `groups` and what it means to be up to date come by other events than the user's own.
fn assert_same(told: &BTreeMap<String, Value>, shown: &BTreeMap<String, Value>) {
    let ids = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(told), ids(shown));
    for (id, shown) in shown {
        let fields = shown.as_object().expect("an object").iter();
        for (field, value) in fields {
            let other = matches!(field.as_str(), "groups" | "updated_at");
            assert!(
                other || told[id][field] == *value,
                "{field}: {} {shown}",
                told[id]
            );
        }
    }
}
