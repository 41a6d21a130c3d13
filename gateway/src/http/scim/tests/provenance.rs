//! Where each role of a user comes from: a group, the directory's default, groups claimed at login.

use super::claims::signed_in;
use super::*;
use crate::ids::UserId;
use crate::store::users;

/// Role and source of each.
async fn sources(gateway: &Gateway, acme: &Client, user: UserId) -> Vec<(String, String)> {
    let found = users::find(&gateway.app.store.read(), &acme.organization, user).await;
    let user = found.unwrap().unwrap();
    let mut names: Vec<&String> = user.role_sources.iter().map(|one| &one.role).collect();
    names.dedup();
    assert_eq!(names, user.roles.iter().collect::<Vec<_>>());
    let sources = user.role_sources.into_iter();
    sources.map(|one| (one.role, one.source)).collect()
}

#[tokio::test]
async fn each_role_of_a_user_says_where_it_comes_from() {
    let gateway = Gateway::start().await;
    for (role, priority) in [("member", 1), ("admin", 10)] {
        gateway.role(role, priority).await;
    }
    let scope = gateway.directory().await.organization;
    let acme = gateway.directory_in(scope, Some("member")).await;
    let user = signed_in(&gateway, &acme.organization, "ext-ada").await;
    let of = async || sources(&gateway, &acme, user).await;
    let pair = |role: &str, source: &str| (role.to_owned(), source.to_owned());
    // What the last event says was there before.
    let previous = async || {
        let last = acme.events().await.pop().unwrap();
        assert_eq!(last["type"], "user.roles_changed", "{last}");
        let object = &last["data"]["object"];
        let told: Vec<(String, String)> = object["role_sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let text = |name: &str| one[name].as_str().unwrap().to_owned();
                (text("role"), text("source"))
            })
            .collect();
        assert_eq!(told, of().await);
        last["data"]["previous"].clone()
    };
    let pairs = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(role, source)| json!({"role": role, "source": source}))
            .collect::<Value>()
    };

    // Claimed.
    let claimed = of().await;
    let [(role, connection)] = claimed.as_slice() else {
        panic!("{claimed:?}");
    };
    assert_eq!(role, "member");
    assert!(connection.starts_with("conn_"), "{connection}");

    // And by default: one role, two sources.
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "ext-ada"});
    let ada = acme.post("/Users", body).await.expect(201).id();
    let directory = acme.directory.to_string();
    let both = [pair("member", connection), pair("member", &directory)];
    assert_eq!(of().await, both);
    assert_eq!(
        previous().await,
        json!({"role_sources": pairs(&[("member", connection)])})
    );

    // A directory with groups knows better than the login.
    acme.map_group("Admins", "admin").await;
    let one = acme.group("Admins", &[&ada]).await;
    assert_eq!(
        of().await,
        [pair("admin", &one), pair("member", &directory)]
    );

    // Another group of the name gives it once more, which changes no role, but where it comes from.
    let two = acme.group("ADMINS", &[]).await;
    let path = format!("/Groups/{two}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]);
    acme.patch(&path, add).await.expect(200);
    let mut three = [
        pair("admin", &one),
        pair("admin", &two),
        pair("member", &directory),
    ];
    three.sort();
    assert_eq!(of().await, three);
    assert_eq!(
        previous().await,
        json!({"role_sources": pairs(&[("admin", &one), ("member", &directory)])})
    );
    let before = acme.events().await.len();
    let title = json!([{"op": "replace", "path": "title", "value": "Countess"}]);
    acme.patch(&format!("/Users/{ada}"), title)
        .await
        .expect(200);
    let types = acme.event_types().await.split_off(before);
    assert_eq!(types, ["user.updated"]);

    // One source less is told, a role less is told as such.
    acme.delete(&format!("/Groups/{one}")).await.expect(204);
    assert_eq!(
        of().await,
        [pair("admin", &two), pair("member", &directory)]
    );
    assert_eq!(previous().await["roles"], Value::Null);
    let deactivate = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&format!("/Users/{ada}"), deactivate)
        .await
        .expect(200);
    assert_eq!(of().await, [pair("admin", &two)]);
    assert_eq!(
        previous().await,
        json!({
            "roles": ["admin", "member"],
            "role_sources": pairs(&[("admin", &two), ("member", &directory)]),
        })
    );
    let reactivate = json!([{"op": "replace", "path": "active", "value": true}]);
    acme.patch(&format!("/Users/{ada}"), reactivate)
        .await
        .expect(200);
    // With its last group the directory ceases to know better.
    acme.delete(&path).await.expect(204);
    assert_eq!(of().await, both);
}
