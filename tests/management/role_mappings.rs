//! A preview says what a mapping would do: what it says comes true when the mapping is put.

use std::collections::{BTreeMap, BTreeSet};

use integration::{Api, Tenon, text};
use serde_json::{Value, json};

use super::{acme, events};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A directory whose active users are `viewer`s, with three people and two groups.
struct Directory {
    api: Api,
    /// `/organizations/{id}`
    organization: String,
    /// `/directories/{id}/role_mappings`
    mappings: String,
    scim: Api,
    /// The SCIM id of each, by name.
    ids: BTreeMap<&'static str, String>,
}

impl Directory {
    async fn pushed(tenon: &Tenon) -> Self {
        let (api, organization) = acme(tenon).await;
        for (slug, priority) in [("admin", 30), ("editor", 20), ("viewer", 10)] {
            let role = json!({"name": slug, "priority": priority});
            api.put(&format!("/roles/{slug}"), role).await.expect(200);
        }
        let path = format!("{organization}/directories");
        let body = json!({"name": "Okta", "default_role": "viewer"});
        let directory = api.post(&path, body).await.expect(201);
        let scim = Api::scim(&directory);
        let mut ids = BTreeMap::new();
        for name in ["ada", "ben", "chloe"] {
            let user = json!({"schemas": [USER], "userName": name, "active": true});
            let user = scim.post("/Users", user).await.expect(201);
            ids.insert(name, text(&user["id"]));
        }
        for (name, members) in [("Admins", &["ada"][..]), ("Writers", &["ada", "ben"])] {
            let members = members.iter().map(|name| json!({"value": ids[name]}));
            let members: Vec<Value> = members.collect();
            let group = json!({"schemas": [GROUP], "displayName": name, "members": members});
            let group = scim.post("/Groups", group).await.expect(201);
            ids.insert(name, text(&group["id"]));
        }
        Self {
            mappings: format!("/directories/{}/role_mappings", text(&directory["id"])),
            api,
            organization,
            scim,
            ids,
        }
    }

    /// `name: role` for each role of each user.
    async fn roles(&self) -> BTreeSet<String> {
        let path = format!("{}/users", self.organization);
        let users = self.api.get(&path).await.expect(200);
        let mut roles = BTreeSet::new();
        for user in users["data"].as_array().expect("a list") {
            let sources = user["role_sources"].as_array().expect("a list");
            let sourced: BTreeSet<String> = sources.iter().map(|one| text(&one["role"])).collect();
            let names = user["roles"].as_array().expect("a list");
            let names: BTreeSet<String> = names.iter().map(text).collect();
            assert_eq!(sourced, names, "{user}");
            let name = text(&user["user_name"]);
            roles.extend(names.iter().map(|role| format!("{name}: {role}")));
        }
        roles
    }

    /// Who gains and who loses what, by the preview and then in truth. Each is `+name: role` or `-name: role`.
    async fn put(&self, mappings: Value) -> Vec<String> {
        let body = json!({ "mappings": mappings });
        let told = events(&self.api, &self.organization).await.len();
        let before = self.roles().await;
        let path = format!("{}/preview", self.mappings);
        let preview = self.api.post(&path, body.clone()).await.expect(200);
        assert_eq!(self.roles().await, before, "a preview changes nothing");
        assert_eq!(events(&self.api, &self.organization).await.len(), told);

        let path = format!("{}/users", self.organization);
        let users = self.api.get(&path).await.expect(200);
        let name = |id: &Value| {
            let users = users["data"].as_array().expect("a list");
            let user = users.iter().find(|user| user["id"] == *id);
            text(&user.expect("a user of the organization")["user_name"])
        };
        let mut said = Vec::new();
        for (sign, list) in [("+", &preview["gains"]), ("-", &preview["losses"])] {
            for one in list.as_array().expect("a list") {
                let (name, role) = (name(&one["user_id"]), text(&one["role"]));
                said.push(format!("{sign}{name}: {role}"));
            }
        }
        said.sort();

        self.api.put(&self.mappings, body).await.expect(200);
        let after = self.roles().await;
        let gained = after.difference(&before).map(|one| format!("+{one}"));
        let lost = before.difference(&after).map(|one| format!("-{one}"));
        let mut happened: Vec<String> = gained.chain(lost).collect();
        happened.sort();
        assert_eq!(said, happened);
        said
    }

    async fn policy(&self, policy: &str) {
        let body = json!({"role_policy": policy});
        self.api.patch(&self.organization, body).await.expect(200);
    }
}

#[tokio::test]
async fn a_preview_says_who_loses_a_role() {
    let tenon = Tenon::start().await;
    let acme = Directory::pushed(&tenon).await;
    // Another directory of the organization, whose users no mapping of the first is about.
    let path = format!("{}/directories", acme.organization);
    let other = acme.api.post(&path, json!({"name": "Other"})).await;
    let other = Api::scim(&other.expect(201));
    let eve = json!({"schemas": [USER], "userName": "eve"});
    let eve = other.post("/Users", eve).await.expect(201);
    let group = json!({
        "schemas": [GROUP], "displayName": "Admins", "members": [{"value": eve["id"]}],
    });
    other.post("/Groups", group).await.expect(201);

    let admins = json!({"group_display_name": "ADMINS", "role": "admin"});
    let writers = json!({"group_id": acme.ids["Writers"], "role": "editor"});
    let said = acme.put(json!([admins, writers])).await;
    assert_eq!(said, ["+ada: admin", "+ada: editor", "+ben: editor"]);
    // A role by another way is no change, of two ways one less neither.
    let twice = json!({"group_id": acme.ids["Admins"], "role": "editor"});
    assert!(acme.put(json!([admins, writers, twice])).await.is_empty());
    assert!(acme.put(json!([admins, writers])).await.is_empty());
    // One mapping less, and one for another.
    assert_eq!(acme.put(json!([writers])).await, ["-ada: admin"]);
    let promoted = json!({"group_id": acme.ids["Writers"], "role": "admin"});
    let said = acme.put(json!([promoted])).await;
    let expected = ["+ada: admin", "+ben: admin", "-ada: editor", "-ben: editor"];
    assert_eq!(said, expected);
    // The default role is nobody's to lose by a mapping.
    let default = json!({"group_id": acme.ids["Writers"], "role": "viewer"});
    let said = acme.put(json!([default])).await;
    assert_eq!(said, ["-ada: admin", "-ben: admin"]);
    // Somebody deactivated has what the groups give and no default role.
    let disable = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    let path = format!("/Users/{}", acme.ids["ben"]);
    acme.scim.patch(&path, disable).await.expect(200);
    assert_eq!(acme.put(json!([])).await, ["-ben: viewer"]);
}

#[tokio::test]
async fn a_preview_knows_that_only_the_highest_role_counts() {
    let tenon = Tenon::start().await;
    let acme = Directory::pushed(&tenon).await;
    acme.policy("highest_priority").await;
    let admins = json!({"group_display_name": "Admins", "role": "admin"});
    let writers = json!({"group_display_name": "Writers", "role": "editor"});
    // A higher role takes the place of the default one.
    let said = acme.put(json!([writers])).await;
    let expected = [
        "+ada: editor",
        "+ben: editor",
        "-ada: viewer",
        "-ben: viewer",
    ];
    assert_eq!(said, expected);
    let said = acme.put(json!([writers, admins])).await;
    assert_eq!(said, ["+ada: admin", "-ada: editor"]);
    // What lies below the highest comes and goes unseen.
    assert_eq!(
        acme.put(json!([admins])).await,
        ["+ben: viewer", "-ben: editor"]
    );
    let back = acme.put(json!([admins, writers])).await;
    assert_eq!(back, ["+ben: editor", "-ben: viewer"]);
    // Without its highest role, the next one shows.
    let said = acme.put(json!([writers])).await;
    assert_eq!(said, ["+ada: editor", "-ada: admin"]);
    let said = acme.put(json!([])).await;
    let expected = [
        "+ada: viewer",
        "+ben: viewer",
        "-ada: editor",
        "-ben: editor",
    ];
    assert_eq!(said, expected);

    // Where it comes from is told of the role that counts, and of no other.
    acme.put(json!([admins, writers])).await;
    let path = format!("{}/users", acme.organization);
    let sources = async || {
        let users = acme.api.get(&path).await.expect(200);
        let users = users["data"].as_array().expect("a list").iter();
        let sources = users.map(|user| (text(&user["user_name"]), user["role_sources"].clone()));
        sources.collect::<BTreeMap<String, Value>>()
    };
    let of_ada = |all: &BTreeMap<String, Value>| all["ada"].clone();
    let highest = json!([{"role": "admin", "source": acme.ids["Admins"]}]);
    assert_eq!(of_ada(&sources().await), highest);
    acme.policy("union").await;
    let all = of_ada(&sources().await);
    assert_eq!(all.as_array().expect("a list").len(), 3, "{all}");
    assert_eq!(
        all[1],
        json!({"role": "editor", "source": acme.ids["Writers"]})
    );
    assert!(text(&all[2]["source"]).starts_with("dir_"), "{all}");
}
