//! Many writers at once (SECURITY-MODEL G15).

use serde_json::json;

use super::*;

#[tokio::test]
async fn twenty_parallel_patches_of_one_group_lose_nothing() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let mut users = Vec::new();
    for n in 0..20 {
        users.push(acme.user(&format!("user{n}")).await);
    }
    let path = format!("/Groups/{}", acme.group("Everybody", &[]).await);
    let patches = users.iter().map(|id| {
        let (acme, path) = (acme.clone(), path.clone());
        let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
        tokio::spawn(async move { acme.patch(&path, add).await.status.as_u16() })
    });
    for patch in patches.collect::<Vec<_>>() {
        assert_eq!(patch.await.unwrap(), 200);
    }
    let group = acme.find(&path).await;
    assert_eq!(group["members"].as_array().unwrap().len(), 20);
    assert_eq!(group["meta"]["version"], "W/\"21\"");
}

#[tokio::test]
async fn an_add_that_races_with_a_deletion_leaves_no_ghost() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let path = format!("/Groups/{}", acme.group("Everybody", &[]).await);
    for n in 0..20 {
        let user = acme.user(&format!("user{n}")).await;
        let add = json!([{"op": "add", "path": "members", "value": [{"value": user}]}]);
        let delete = format!("/Users/{user}");
        let (added, deleted) = tokio::join!(acme.patch(&path, add), acme.delete(&delete));
        deleted.expect(204);
        assert!(matches!(added.status.as_u16(), 200 | 400), "{}", added.json);
    }
    assert_eq!(acme.find(&path).await["members"], Value::Null);
    let last = acme.events().await.pop().unwrap();
    assert!(last["type"] == "user.deleted" || last["data"]["object"]["member_count"] == 0);
}

#[tokio::test]
async fn two_directories_and_sixteen_clients_misplace_no_row() {
    let gateway = Gateway::start().await;
    let directories = [gateway.directory().await, gateway.directory().await];
    let clients = (0..16).map(|client| {
        let acme = directories[client % 2].clone();
        tokio::spawn(async move {
            for n in 0..8 {
                let name = format!("{}-{client}-{n}", acme.directory);
                let user = acme.user(&name).await;
                acme.group(&name, &[&user]).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    for acme in &directories {
        for (path, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
            let found = acme.find(&format!("{path}?count=1000")).await;
            assert_eq!(found["totalResults"], 64);
            for resource in found["Resources"].as_array().unwrap() {
                let name = resource[name].as_str().unwrap();
                assert!(name.starts_with(&acme.directory.to_string()), "{name}");
            }
        }
        let own = format!("/organizations/{}/", acme.organization.organization());
        for event in acme.events().await {
            assert!(event["source"].as_str().unwrap().starts_with(&own));
        }
    }
}

#[tokio::test]
async fn of_ten_writers_with_one_tag_exactly_one_wins() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let user = format!("/Users/{}", acme.user("ada").await);
    let group = format!("/Groups/{}", acme.group("Engineers", &[]).await);
    for (path, named) in [(user, "userName"), (group, "displayName")] {
        let writers = (0..10).map(|n| {
            let (acme, path) = (acme.clone(), path.clone());
            let body = json!({named: format!("writer {n}")}).to_string();
            tokio::spawn(async move {
                let held = [("if-match", "W/\"1\"")];
                acme.send(Method::PUT, &path, &held, body).await.status
            })
        });
        let mut statuses = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            statuses.push(writer.await.unwrap().as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "{path}");
        assert_eq!(statuses[1..], [412; 9], "{path}");
        assert_eq!(acme.find(&path).await["meta"]["version"], "W/\"2\"");
    }
}
