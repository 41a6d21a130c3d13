//! Groups in groups (SCIM.md section 4): allowed, kept as they are said, circles too, and never followed.

use super::*;
use crate::store::users;

impl Client {
    async fn add(&self, group: &str, member: &str) -> Answer {
        let add = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
        self.patch(&format!("/Groups/{group}"), add).await
    }

    /// `type id` of each member, in the order of ids.
    async fn members(&self, group: &str) -> Vec<String> {
        let group = self.find(&format!("/Groups/{group}")).await;
        let members = group["members"].as_array().into_iter().flatten();
        let member = |member: &Value| {
            let id = member["value"].as_str().unwrap();
            let kind = member["type"].as_str().unwrap();
            let reference = member["$ref"].as_str().unwrap();
            assert!(reference.ends_with(&format!("/{kind}s/{id}")), "{member}");
            format!("{kind} {id}")
        };
        members.map(member).collect()
    }

    async fn found_groups(&self, filter: &str) -> Vec<String> {
        let search = json!({"filter": filter, "sortBy": "displayName"});
        let found = self.post("/Groups/.search", search).await.expect(200).json;
        let found = found["Resources"].as_array().unwrap().iter();
        found
            .map(|group| group["displayName"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn groups_go_round_in_circles_and_nobody_follows_them() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 1).await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let a = acme.group("A", &[]).await;
    let b = acme.group("B", &[&a]).await;
    let c = acme.group("C", &[&b, &ada]).await;
    let in_order = |mut members: Vec<String>| {
        members.sort();
        members
    };
    // A circle of three, and one of one.
    let closed = acme.add(&a, &c).await.expect(200);
    let itself = acme.add(&a, &a).await.expect(200);
    assert_ne!(closed.header("etag"), itself.header("etag"));
    let again = acme.add(&a, &a).await.expect(200);
    assert_eq!(again.json, itself.json);
    let expected = in_order(vec![format!("Group {a}"), format!("Group {c}")]);
    assert_eq!(in_order(acme.members(&a).await), expected);
    assert_eq!(acme.members(&b).await, [format!("Group {a}")]);
    let expected = in_order(vec![format!("Group {b}"), format!("User {ada}")]);
    assert_eq!(in_order(acme.members(&c).await), expected);

    // Only the group that lists her is hers, in the resource, in filters and for roles.
    let seen = acme.find(&format!("/Users/{ada}")).await;
    assert_eq!(seen["groups"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["groups"][0]["value"], *c);
    assert_eq!(seen["groups"][0]["type"], "direct");
    assert_eq!(
        acme.found_groups(&format!("members eq \"{ada}\"")).await,
        ["C"]
    );
    assert_eq!(
        acme.found_groups(&format!("members.value eq \"{a}\""))
            .await,
        ["A", "B"]
    );
    assert_eq!(
        acme.found_groups("members[type eq \"group\" and display eq \"b\"]")
            .await,
        ["C"]
    );
    assert_eq!(
        acme.found_groups("members.type eq \"Group\"").await,
        ["A", "B", "C"]
    );
    let roles = async || {
        let (db, any) = (gateway.app.store.read(), Default::default());
        let all = users::list(&db, &acme.organization, &any, None, 10).await;
        all.unwrap()[0].roles.clone()
    };
    acme.map_group("A", "admin").await;
    assert_eq!(roles().await, Vec::<String>::new());
    acme.map_group("C", "admin").await;
    assert_eq!(roles().await, ["admin"]);

    // A name is shown wherever the group is listed.
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Bee"}]);
    acme.patch(&format!("/Groups/{b}"), rename)
        .await
        .expect(200);
    assert_eq!(acme.found_groups("members.display eq \"bee\"").await, ["C"]);

    // By PUT, too: the circle as a whole, and then without the group itself.
    let url = format!("/Groups/{a}");
    let body = |members: &[&String]| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        json!({"displayName": "A", "members": members})
    };
    let kept = acme.put(&url, body(&[&a, &c])).await.expect(200);
    assert_eq!(kept.json["meta"], itself.json["meta"]);
    acme.put(&url, body(&[&c])).await.expect(200);
    assert_eq!(acme.members(&a).await, [format!("Group {c}")]);
    acme.put(&url, body(&[&a, &c])).await.expect(200);

    // Whoever goes leaves the others, and itself, with an event for each.
    let before = acme.events().await.len();
    acme.delete(&url).await.expect(204);
    let types = acme.event_types().await.split_off(before);
    assert_eq!(types, ["group.member_removed", "group.deleted"]);
    assert_eq!(acme.members(&b).await, Vec::<String>::new());
    assert_eq!(in_order(acme.members(&c).await), expected);
    acme.delete(&format!("/Groups/{b}")).await.expect(204);
    assert_eq!(acme.members(&c).await, [format!("User {ada}")]);
    assert_eq!(roles().await, ["admin"]);
}

#[tokio::test]
async fn a_directory_goes_with_the_circles_in_it() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let (a, b) = (acme.group("A", &[]).await, acme.group("B", &[]).await);
    for (group, member) in [(&a, &b), (&b, &a), (&a, &a)] {
        acme.add(group, member).await.expect(200);
    }
    let before = acme.events().await.len();
    let cause = Cause::system("test");
    let (app, scope) = (&gateway.app, &acme.organization);
    crate::flows::directories::remove_in_steps(app, scope, acme.directory, &cause)
        .await
        .unwrap();
    let types = acme.event_types().await.split_off(before);
    let deleted = types.iter().filter(|kind| *kind == "group.deleted");
    assert_eq!(deleted.count(), 2, "{types:?}");
    assert_eq!(types.last().unwrap(), "directory.deleted");
}

/// Each holds its own group and wants the other's.
#[tokio::test]
async fn two_groups_that_take_each_other_in_at_once_both_do() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    for _ in 0..5 {
        let (a, b) = (acme.group("A", &[]).await, acme.group("B", &[]).await);
        let (one, two) = tokio::join!(acme.add(&a, &b), acme.add(&b, &a));
        one.expect(200);
        two.expect(200);
        assert_eq!(acme.members(&a).await, [format!("Group {b}")]);
        assert_eq!(acme.members(&b).await, [format!("Group {a}")]);
        let (url_a, url_b) = (format!("/Groups/{a}"), format!("/Groups/{b}"));
        let (one, two) = tokio::join!(acme.delete(&url_a), acme.delete(&url_b));
        one.expect(204);
        two.expect(204);
    }
    assert_eq!(acme.find("/Groups").await["totalResults"], 0);
}
