//! What a directory has pushed, as simply as it can be said.

use std::collections::{BTreeMap, BTreeSet};

use integration::text;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) user_name: String,
    pub(crate) title: Option<String>,
    pub(crate) active: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Team {
    pub(crate) name: String,
    pub(crate) members: BTreeSet<String>,
}

/// By id.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) teams: BTreeMap<String, Team>,
}

impl Model {
    /// Whether another person has this name.
    pub(crate) fn is_taken(&self, user_name: &str, by_other_than: &str) -> bool {
        self.people.iter().any(|(id, person)| {
            id != by_other_than && person.user_name.eq_ignore_ascii_case(user_name)
        })
    }

    /// The person or group is gone, also from all groups.
    pub(crate) fn remove(&mut self, id: &str) {
        self.people.remove(id);
        self.teams.remove(id);
        for team in self.teams.values_mut() {
            team.members.remove(id);
        }
    }

    /// The roles that mappings by a group's name, or by its id, give a person.
    pub(crate) fn roles(
        &self,
        id: &str,
        by_name: &[(&str, &str)],
        by_id: &BTreeSet<(String, String)>,
    ) -> BTreeSet<String> {
        let is_in = |team: &str| {
            self.teams
                .get(team)
                .is_some_and(|it| it.members.contains(id))
        };
        let named = self.teams.iter().flat_map(|(team, it)| {
            let mapped = by_name.iter().filter(|(name, _)| *name == it.name);
            mapped.map(move |(_, role)| (team.as_str(), *role))
        });
        let by_id = by_id.iter();
        let all = named.chain(by_id.map(|(team, role)| (team.as_str(), role.as_str())));
        all.filter(|(team, _)| is_in(team))
            .map(|(_, role)| role.to_owned())
            .collect()
    }

    /// The same of what two lists of the server show, which agree about who is in what.
    pub(crate) fn seen(users: &[Value], groups: &[Value]) -> Self {
        let mut model = Self::default();
        for user in users {
            let person = Person {
                user_name: text(&user["userName"]),
                title: user["title"].as_str().map(str::to_owned),
                active: user["active"] == true,
            };
            model.people.insert(text(&user["id"]), person);
        }
        for group in groups {
            let members = links(&group["members"]);
            let count = group["members"].as_array().map_or(0, Vec::len);
            assert_eq!(members.len(), count, "one entry a member: {group}");
            let name = text(&group["displayName"]);
            model
                .teams
                .insert(text(&group["id"]), Team { name, members });
        }
        for user in users {
            let id = text(&user["id"]);
            let teams = model.teams.iter();
            let expected: BTreeSet<String> = teams
                .filter(|(_, team)| team.members.contains(&id))
                .map(|(id, _)| id.clone())
                .collect();
            assert_eq!(links(&user["groups"]), expected, "{user}");
        }
        model
    }
}

/// The `value`s of members or groups.
fn links(list: &Value) -> BTreeSet<String> {
    let links = list.as_array().into_iter().flatten();
    links.map(|link| text(&link["value"])).collect()
}
