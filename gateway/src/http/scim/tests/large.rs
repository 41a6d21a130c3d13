//! What is large, slow or too much is cut, refused or waited for, and never kept from ending somebody's access.

use super::*;
use crate::http::limits::Limit;
use crate::store::groups;

#[tokio::test]
async fn a_user_in_very_many_groups_is_changed_deactivated_and_deleted() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    for n in 0..490 {
        acme.group(&format!("{n} {}", "x".repeat(500)), &[&ada])
            .await;
    }
    let path = format!("/Users/{ada}");
    let title = json!([{"op": "replace", "path": "title", "value": "Countess"}]);
    acme.patch(&path, title).await.expect(200);
    let disable = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&path, disable).await.expect(200);
    acme.delete(&path).await.expect(204);
    let events = acme.events().await;
    for event_type in ["user.updated", "user.deactivated", "user.deleted"] {
        let event = events.iter().rfind(|event| event["type"] == event_type);
        let object = &event.unwrap()["data"]["object"];
        assert_eq!(object["groups_truncated"], true, "{event_type}");
        let kept = object["groups"].as_array().unwrap().len();
        assert!(kept == 100 || event_type == "user.deleted", "{kept}");
        assert_eq!(object["user_name"], "ada");
        assert_eq!(object["attributes_truncated"], Value::Null);
    }
}

#[tokio::test]
async fn a_user_too_large_to_be_told_is_refused() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let path = format!("/Users/{}", acme.user("ada").await);
    let large = json!({"userName": "ada", "urn:acme:1.0:User": {"note": "x".repeat(300_000)}});
    acme.put(&path, large).await.expect(413);
}

#[tokio::test]
async fn a_lock_that_others_hold_for_seconds_is_waited_for() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let group = acme.group("Everybody", &[]).await;
    let tx = gateway.app.store.begin().await.unwrap();
    let scope = directories::scope_of(&tx, &acme.organization, acme.directory).await;
    let scope = scope.unwrap().unwrap();
    groups::lock(&tx, &scope, group.parse().unwrap())
        .await
        .unwrap();
    // Longer than PostgreSQL's lock_timeout.
    let held = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        drop(tx);
    });
    let rename = json!([{"op": "replace", "path": "displayName", "value": "All"}]);
    acme.patch(&format!("/Groups/{group}"), rename)
        .await
        .expect(200);
    held.await.unwrap();
}

#[tokio::test]
async fn each_operation_of_a_bulk_counts_as_a_request() {
    let gateway = Gateway::with_rate_limits("on").await;
    let acme = gateway.directory().await;
    for _ in 0..1_990 {
        let limits = &gateway.app.rate_limits;
        limits.check(Limit::Directory, acme.directory).unwrap();
    }
    let operation = json!({"method": "DELETE", "path": "/Users/nobody"});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": vec![operation; 1_000],
    });
    let results = acme.post("/Bulk", body).await.expect(200).json;
    let results = results["Operations"].as_array().unwrap();
    let with = |status: &str| results.iter().filter(|r| r["status"] == status).count();
    assert!(with("404") >= 9 && with("429") > 0, "{}", with("429"));
    assert_eq!(with("404") + with("429"), 1_000);
    let limited = results.iter().find(|result| result["status"] == "429");
    assert_eq!(limited.unwrap()["response"]["status"], "429");
    // 16: the same over a request of its own. On a slow machine the allowance grows again before it comes.
    let limits = &gateway.app.rate_limits;
    let mut limited = acme.get("/Users").await;
    for _ in 0..100 {
        if limited.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        while limits.check(Limit::Directory, acme.directory).is_ok() {}
        limited = acme.get("/Users").await;
    }
    let limited = limited.expect(429);
    assert_eq!(limited.header("content-type"), "application/scim+json");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(limited.json["status"], "429");
}

#[tokio::test]
async fn filters_that_read_everything_too_often_are_too_many() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let many = |part: &str, count: usize| vec![part; count].join(" or ");
    for part in [
        "title co \"a\"",
        "title ew \"a\"",
        "title ne \"a\"",
        "title pr",
    ] {
        let search = |count| json!({"filter": many(part, count)});
        acme.post("/Users/.search", search(10)).await.expect(200);
        for path in ["/Users/.search", "/.search"] {
            let refused = acme.post(path, search(11)).await.expect(400);
            assert_eq!(refused.json["scimType"], "tooMany", "{part}");
        }
    }
    let quick = json!({"filter": many("userName eq \"a\"", 100)});
    acme.post("/Users/.search", quick).await.expect(200);
}

#[tokio::test]
async fn what_reads_all_members_is_done_twenty_times_a_request_at_most() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let path = format!("/Groups/{}", acme.group("Everybody", &[&ada]).await);
    let replace = |count| {
        let one = json!({"op": "replace", "path": "members", "value": [{"value": ada}]});
        Value::from(vec![one; count])
    };
    acme.patch(&path, replace(21)).await.expect(413);
    acme.patch(&path, replace(20)).await.expect(200);
    // Out and in again a thousand times is no move.
    let turn = [
        json!({"op": "remove", "path": "members", "value": [{"value": ada}]}),
        json!({"op": "add", "path": "members", "value": [{"value": ada}]}),
    ];
    let before = acme.events().await.len();
    acme.patch(&path, Value::from(vec![turn; 50].concat()))
        .await
        .expect(200);
    assert_eq!(acme.events().await.len(), before);
}

#[tokio::test]
async fn what_cannot_be_sorted_by_is_refused_also_at_the_root() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    for (path, key) in [
        ("/Users", "groups"),
        ("/Users", "groups.display"),
        ("/Groups", "members"),
        ("/Groups", "members.value"),
        ("/Users", "schemas"),
    ] {
        let refused = acme.get(&format!("{path}?sortBy={key}")).await.expect(400);
        assert_eq!(refused.json["scimType"], "invalidPath", "{path} {key}");
    }
    let search = |key: &str| json!({"sortBy": key});
    for key in ["shoeSize", "members", "name"] {
        let refused = acme.post("/.search", search(key)).await.expect(400);
        assert_eq!(refused.json["scimType"], "invalidPath", "{key}");
    }
    acme.post("/.search", search("userName")).await.expect(200);
    acme.post("/.search", search("displayName"))
        .await
        .expect(200);
}
