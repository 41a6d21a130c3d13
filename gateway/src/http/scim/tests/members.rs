//! Members selected by a filter: where it names whom it is about, the others are not looked at.

use super::*;

impl Client {
    async fn members_of(&self, group: &str) -> Vec<String> {
        let group = self.find(&format!("/Groups/{group}")).await;
        let members = group["members"].as_array().into_iter().flatten();
        let mut ids: Vec<String> = members
            .map(|m| m["value"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }
}

fn remove(filter: &str) -> Value {
    json!({"op": "remove", "path": format!("members[{filter}]")})
}

#[tokio::test]
async fn a_value_and_a_type_select_a_member_that_is_both() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let (ada, ben) = (acme.user("ada").await, acme.user("ben").await);
    let inner = acme.group("Inner", &[]).await;
    let group = acme.group("Engines", &[&ada, &ben, &inner]).await;
    let path = format!("/Groups/{group}");
    let mut all = vec![ada.clone(), ben.clone(), inner.clone()];
    all.sort();
    let stranger = acme.user("stranger").await;
    for nobody in [
        format!("value eq \"{ada}\" and type eq \"Group\""),
        format!("type eq \"User\" and value eq \"{inner}\""),
        format!("value eq \"{ada}\" and value eq \"{ben}\""),
        format!("value eq \"{stranger}\" and type eq \"User\""),
        format!("value eq \"{ada}\" and type eq \"Robot\""),
        format!("value eq \"{ada}\" and not (type eq \"user\")"),
        "value eq \"nonsense\" and type eq \"User\"".to_owned(),
    ] {
        acme.patch(&path, json!([remove(&nobody)]))
            .await
            .expect(200);
        assert_eq!(acme.members_of(&group).await, all, "{nobody}");
        let replace = json!([{"op": "replace", "path": format!("members[{nobody}]"),
            "value": [{"value": stranger}]}]);
        let refused = acme.patch(&path, replace).await.expect(400);
        assert_eq!(refused.json["scimType"], "noTarget", "{nobody}");
    }
    let one = format!("type eq \"user\" and value eq \"{ada}\"");
    acme.patch(&path, json!([remove(&one)])).await.expect(200);
    all.retain(|id| *id != ada);
    assert_eq!(acme.members_of(&group).await, all);
    let add = json!([{"op": "add", "path": format!("members[{one}]"), "value": {}}]);
    acme.patch(&path, add).await.expect(200);
    let either = format!(
        "(value eq \"{ada}\" and type eq \"User\") or (value eq \"{inner}\" and type eq \"Group\")"
    );
    acme.patch(&path, json!([remove(&either)]))
        .await
        .expect(200);
    assert_eq!(acme.members_of(&group).await, std::slice::from_ref(&ben));
    let swap = json!([{"op": "replace", "path": format!("members[value eq \"{ben}\" and type eq \"User\"]"),
        "value": [{"value": stranger}]}]);
    acme.patch(&path, swap).await.expect(200);
    assert_eq!(acme.members_of(&group).await, [stranger]);
}

#[tokio::test]
async fn it_costs_the_same_in_a_large_group_and_is_not_limited() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(acme.user(&format!("user{n}")).await);
    }
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (small, large) = (
        acme.group("Small", &members[..3]).await,
        acme.group("Large", &members).await,
    );
    let cost = async |group: &str, id: &str| {
        let filter = format!("value eq \"{id}\" and type eq \"User\"");
        let path = format!("/Groups/{group}?excludedAttributes=members");
        let before = acme.app.store.counters().statements.get();
        acme.patch(&path, json!([remove(&filter)]))
            .await
            .expect(200);
        acme.app.store.counters().statements.get() - before
    };
    let of_small = cost(&small, members[0]).await;
    assert_eq!(cost(&large, members[0]).await, of_small);
    // Twenty operations that read everybody are the most (`large.rs`): these read one each.
    let each = members[1..40]
        .iter()
        .map(|id| remove(&format!("value eq \"{id}\" and type eq \"User\"")));
    let path = format!("/Groups/{large}");
    acme.patch(&path, each.collect()).await.expect(200);
    let mut left: Vec<String> = ids[40..].to_vec();
    left.sort();
    assert_eq!(acme.members_of(&large).await, left);
}
