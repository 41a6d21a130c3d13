//! What follows from a push: the application's users, groups, roles and events.

use poem::Request;
use poem::http::Method;
use serde_json::json;

use super::*;
use crate::model::Actor;
use crate::store::users;

#[tokio::test]
async fn without_a_token_that_fits_everything_is_401_and_nothing_is_said() {
    let gateway = Gateway::start().await;
    let (acme, other) = (gateway.directory().await, gateway.directory().await);
    let ada = acme.user("ada").await;
    let bodies: Vec<Value> = {
        let mut bodies = Vec::new();
        for (directory, path) in [
            (acme.directory.to_string(), format!("/Users/{ada}")),
            (acme.directory.to_string(), "/Users/nobody".to_owned()),
            (acme.directory.to_string(), "/nothing/at/all".to_owned()),
            ("dir_nonsense".to_owned(), "/Users".to_owned()),
        ] {
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("/{directory}{path}").parse().unwrap())
                .header("authorization", format!("Bearer {}", other.token))
                .body("not even JSON");
            let answer = answer(&gateway.app, request).await.expect(401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert_eq!(answer.header("content-type"), "application/scim+json");
            bodies.push(answer.json);
        }
        bodies
    };
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test]
async fn a_user_is_made_changed_deactivated_and_deleted_with_one_event_each() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let body = json!({
        "schemas": [USER],
        "userName": "Ada@acme.example",
        "externalId": "ext-1",
        "emails": [{"value": "ada@acme.example", "type": "work", "primary": true}],
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
    });
    let made = acme.post("/Users", body).await.expect(201);
    let path = format!("/Users/{}", made.id());
    assert_eq!(made.header("location"), made.json["meta"]["location"]);
    assert_eq!(made.header("etag"), "W/\"1\"");

    // As Entra ID says it, twice: the second time nothing changes.
    let disable = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    let disabled = acme.patch(&path, disable.clone()).await.expect(200);
    assert_eq!(disabled.json["active"], false);
    assert_eq!(disabled.header("etag"), "W/\"2\"");
    let again = acme.patch(&path, disable).await.expect(200);
    assert_eq!(again.header("etag"), "W/\"2\"");
    assert_eq!(again.json, disabled.json);

    let enable = json!([{"op": "replace", "value": {"active": true}}]);
    acme.patch(&path, enable).await.expect(200);
    let title = json!([{"op": "add", "path": "title", "value": "Countess"}]);
    acme.patch(&path, title).await.expect(200);
    acme.delete(&path).await.expect(204);
    acme.get(&path).await.expect(404);
    acme.delete(&path).await.expect(404);

    let events = acme.events().await;
    let types: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        types,
        [
            "directory.activated",
            "user.created",
            "user.deactivated",
            "user.reactivated",
            "user.updated",
            "user.deleted"
        ]
    );
    let deactivated = &events[2];
    assert_eq!(deactivated["data"]["previous"], json!({"active": true}));
    assert_eq!(deactivated["data"]["object"]["email"], "ada@acme.example");
    assert_eq!(deactivated["data"]["object"]["name"], "Ada Lovelace");
    assert_eq!(
        deactivated["data"]["actor"],
        json!(Actor {
            kind: crate::model::ActorKind::Directory,
            id: acme.directory.to_string()
        })
    );
    let source = deactivated["source"].as_str().unwrap();
    assert!(source.ends_with(&format!("/directories/{}", acme.directory)));
    assert_eq!(events[4]["data"]["previous"], json!({"job_title": null}));
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_but_ones_own() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let other = gateway.directory_in(acme.organization, None).await;
    let ada = acme.user("ada").await;
    let bob = acme.user("bob").await;
    other.user("ADA").await;
    let before = acme.events().await.len();
    let taken = json!({"userName": "ADA"});
    let refused = acme.post("/Users", taken.clone()).await.expect(409);
    assert_eq!(refused.json["scimType"], "uniqueness");
    acme.put(&format!("/Users/{bob}"), taken.clone())
        .await
        .expect(409);
    let late = json!([
        {"op": "replace", "path": "title", "value": "Boss"},
        {"op": "replace", "path": "userName", "value": "Ada"},
    ]);
    acme.patch(&format!("/Users/{bob}"), late).await.expect(409);
    assert_eq!(
        acme.find(&format!("/Users/{bob}")).await["title"],
        Value::Null
    );
    assert_eq!(acme.events().await.len(), before);
    acme.put(&format!("/Users/{ada}"), taken).await.expect(200);
}

#[tokio::test]
async fn a_conditional_request_with_another_version_changes_nothing() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let path = format!("/Users/{}", acme.user("ada").await);
    let fresh = [("if-none-match", "W/\"7\", W/\"1\"")];
    let answer = acme.send(Method::GET, &path, &fresh, "").await.expect(304);
    assert_eq!(answer.header("etag"), "W/\"1\"");
    let stale = [("if-match", "W/\"2\"")];
    let body = json!({"schemas": [USER], "userName": "ada", "title": "x"}).to_string();
    for (method, body) in [(Method::PUT, body.clone()), (Method::DELETE, String::new())] {
        acme.send(method, &path, &stale, body).await.expect(412);
    }
    let held = [("if-match", "*")];
    acme.send(Method::PUT, &path, &held, body).await.expect(200);
}

#[tokio::test]
async fn members_come_and_go_and_users_know_their_groups() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let (ada, bob) = (acme.user("ada").await, acme.user("bob").await);
    let group = acme.group("Engineers", &[&ada]).await;
    let path = format!("/Groups/{group}");
    // Ada is one already: only Bob is added, and only his version moves on.
    let add = json!([{"op": "Add", "path": "members", "value": [
        {"$ref": null, "value": ada}, {"$ref": null, "value": bob},
    ]}]);
    let added = acme.patch(&path, add.clone()).await.expect(200);
    assert_eq!(added.json["members"].as_array().unwrap().len(), 2);
    assert_eq!(added.json["members"][0]["type"], "User");
    let again = acme.patch(&path, add).await.expect(200);
    assert_eq!(again.header("etag"), added.header("etag"));
    let seen = acme.find(&format!("/Users/{bob}")).await;
    assert_eq!(seen["groups"][0]["value"], group);
    assert_eq!(seen["groups"][0]["display"], "Engineers");
    assert_eq!(seen["meta"]["version"], "W/\"2\"");

    let rename = json!([{"op": "replace", "value": {"id": group, "displayName": "Builders"}}]);
    acme.patch(&path, rename).await.expect(200);
    let seen = acme.find(&format!("/Users/{bob}")).await;
    assert_eq!(seen["groups"][0]["display"], "Builders");

    let listed = json!([{"op": "remove", "path": "members", "value": [{"value": ada}]}]);
    acme.patch(&path, listed).await.expect(200);
    assert_eq!(
        acme.find(&format!("/Users/{ada}")).await["groups"],
        Value::Null
    );
    acme.delete(&format!("/Users/{bob}")).await.expect(204);
    let seen = acme.find(&path).await;
    assert_eq!(seen["members"], Value::Null);

    let events = acme.events().await;
    let last: Vec<_> = events[4..].iter().map(|event| &event["type"]).collect();
    assert_eq!(
        last,
        [
            "group.member_added",
            "group.member_added",
            "group.updated",
            "group.member_removed",
            "group.member_removed",
            "user.deleted"
        ]
    );
    assert_eq!(events[7]["data"]["object"]["member_count"], 1);
    assert_eq!(events[8]["data"]["object"]["member_count"], 0);
    let member = events[5]["data"]["member"].clone();
    assert_eq!(member["kind"], "user");
    assert!(member["id"].as_str().unwrap().starts_with("usr_"));
}

#[tokio::test]
async fn a_stranger_is_no_member_and_a_deleted_group_leaves_its_parents() {
    let gateway = Gateway::start().await;
    let (acme, other) = (gateway.directory().await, gateway.directory().await);
    let stranger = other.user("eve").await;
    let inner = acme.group("Inner", &[]).await;
    let outer = acme.group("Outer", &[&inner]).await;
    let body = json!({"displayName": "Mixed", "members": [{"value": stranger}]});
    let refused = acme.post("/Groups", body).await.expect(400);
    assert_eq!(refused.json["scimType"], "invalidValue");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": stranger}]}]);
    acme.patch(&format!("/Groups/{outer}"), add)
        .await
        .expect(400);

    let seen = acme.find(&format!("/Groups/{outer}")).await;
    assert_eq!(seen["members"][0]["type"], "Group");
    assert_eq!(seen["members"][0]["display"], "Inner");
    acme.delete(&format!("/Groups/{inner}")).await.expect(204);
    let seen = acme.find(&format!("/Groups/{outer}")).await;
    assert_eq!(seen["members"], Value::Null);
    assert_eq!(seen["meta"]["version"], "W/\"2\"");
    assert_eq!(
        acme.event_types().await[4..],
        ["group.member_removed", "group.deleted"]
    );
}

#[tokio::test]
async fn groups_become_roles_and_every_change_of_the_cause_changes_them() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    gateway.role("member", 1).await;
    let acme = gateway.directory().await;
    let acme = gateway
        .directory_in(acme.organization, Some("member"))
        .await;
    let ada = acme.user("ada").await;
    let group = acme.group("Admins", &[&ada]).await;
    let roles = async || {
        let (db, any) = (gateway.app.store.read(), Default::default());
        let all = users::list(&db, &acme.organization, &any, None, 10).await;
        all.unwrap()[0].roles.clone()
    };
    assert_eq!(roles().await, ["member"]);
    acme.map_group("ADMINS", "admin").await;
    assert_eq!(roles().await, ["admin", "member"]);

    let path = format!("/Groups/{group}");
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Others"}]);
    acme.patch(&path, rename).await.expect(200);
    assert_eq!(roles().await, ["admin", "member"]);
    let source = RoleSource::Directory(acme.directory);
    let db = gateway.app.store.read();
    let rows = role_mappings::of_source(&db, &acme.organization, source).await;
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0].group_name.as_deref(), Some("ADMINS"));
    assert_eq!(rows[1].group_id.unwrap().to_string(), group);
    let events = acme.events().await;
    let told = events
        .iter()
        .rfind(|event| event["type"] == "role_mapping.updated");
    let told = &told.unwrap()["data"];
    assert_eq!(told["object"]["mappings"][1]["group_id"], group);
    assert_eq!(told["previous"]["mappings"].as_array().unwrap().len(), 1);
    let back = json!([{"op": "replace", "path": "displayName", "value": "Admins"}]);
    acme.patch(&path, back).await.expect(200);
    assert_eq!(roles().await, ["admin", "member"]);

    let disable = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&format!("/Users/{ada}"), disable)
        .await
        .expect(200);
    assert_eq!(roles().await, ["admin"]);
    acme.put(&path, json!({"displayName": "Admins"}))
        .await
        .expect(200);
    assert_eq!(roles().await, Vec::<String>::new());
    acme.put(
        &path,
        json!({"displayName": "Admins", "members": [{"value": ada}]}),
    )
    .await
    .expect(200);
    assert_eq!(roles().await, ["admin"]);
    acme.delete(&path).await.expect(204);
    assert_eq!(roles().await, Vec::<String>::new());

    let events = acme.events().await;
    let created = events.iter().find(|event| event["type"] == "user.created");
    assert_eq!(
        created.unwrap()["data"]["object"]["roles"],
        json!(["member"])
    );
    let changed: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "user.roles_changed")
        .map(|event| {
            (
                event["data"]["previous"]["roles"].clone(),
                event["data"]["object"]["roles"].clone(),
            )
        })
        .collect();
    assert_eq!(
        changed,
        [
            (json!(["member"]), json!(["admin", "member"])),
            (json!(["admin", "member"]), json!(["admin"])),
            (json!(["admin"]), json!([])),
            (json!([]), json!(["admin"])),
            (json!(["admin"]), json!([])),
        ]
    );
}

#[tokio::test]
async fn discovery_search_and_the_unknown_answer_as_the_standard_says() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.user("ada").await;
    acme.group("Engineers", &[]).await;
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/User",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ] {
        acme.get(path).await.expect(200);
        acme.post(path, json!({})).await.expect(405);
        acme.get(&format!("{path}?filter=id%20pr"))
            .await
            .expect(403);
    }
    acme.get("/Schemas/urn:nobody").await.expect(404);
    acme.get("/Nowhere").await.expect(404);
    for (method, path, allow) in [
        (Method::PUT, "/Users", "GET, HEAD, POST"),
        (Method::POST, "/Users/x", "GET, HEAD, PUT, PATCH, DELETE"),
        (Method::GET, "/Users/.search", "POST"),
        (Method::GET, "/Bulk", "POST"),
        (Method::DELETE, "/Schemas", "GET, HEAD"),
    ] {
        let refused = acme.send(method, path, &[], "{}").await.expect(405);
        assert_eq!(refused.headers["allow"], allow, "{path}");
    }
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        acme.send(method, "/Me", &[], "{}").await.expect(501);
    }
    let search = json!({"filter": "userName eq \"ADA\" or displayName co \"engin\"", "count": 5});
    // An attribute that only users have matches no group.
    let found = acme.post("/.search", search).await.expect(200).json;
    assert_eq!(found["totalResults"], 1);
    let search = json!({"filter": "meta.resourceType pr", "count": 1, "startIndex": 2});
    let found = acme.post("/.search", search).await.expect(200).json;
    assert_eq!(found["totalResults"], 2);
    assert_eq!(found["Resources"][0]["displayName"], "Engineers");
    let search = json!({"filter": "userName sw \"a\"", "attributes": ["userName"]});
    let found = acme.post("/Users/.search", search).await.expect(200).json;
    assert_eq!(found["Resources"][0]["userName"], "ada");
    assert_eq!(found["Resources"][0]["active"], Value::Null);
    let counted = acme.find("/Users?count=0").await;
    assert_eq!(counted["totalResults"], 1);
    assert_eq!(counted["Resources"], json!([]));
    let refused = acme.get("/Users?filter=password%20pr").await.expect(400);
    assert_eq!(refused.json["scimType"], "invalidFilter");
}

#[tokio::test]
async fn a_group_is_written_whole_or_not_at_all_and_by_its_version() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let path = format!("/Groups/{}", acme.group("Engineers", &[]).await);
    let before = (acme.find(&path).await, acme.events().await.len());
    let late = json!([
        {"op": "replace", "path": "displayName", "value": "Builders"},
        {"op": "add", "path": "members", "value": [{"value": ada}]},
        {"op": "add", "path": "members", "value": [{"value": "dusr_01jdxyzdxyzdxyzdxyzdxyzdxy"}]},
    ]);
    let refused = acme.patch(&path, late).await.expect(400);
    assert_eq!(refused.json["scimType"], "invalidValue");
    let after = (acme.find(&path).await, acme.events().await.len());
    assert_eq!(after, before);

    let fresh = [("if-none-match", "W/\"1\"")];
    acme.send(Method::GET, &path, &fresh, "").await.expect(304);
    let stale = [("if-match", "W/\"7\"")];
    let body = json!({"displayName": "Builders"}).to_string();
    let patch = json!({"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "displayName", "value": "Builders"},
    ]});
    for (method, body) in [
        (Method::PUT, body),
        (Method::PATCH, patch.to_string()),
        (Method::DELETE, String::new()),
    ] {
        acme.send(method, &path, &stale, body).await.expect(412);
    }
    assert_eq!(acme.find(&path).await, before.0);
}

#[tokio::test]
async fn what_is_written_is_answered_in_the_parts_asked_for() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let body = json!({"schemas": [USER], "userName": "ada", "title": "Countess"});
    let made = acme
        .post("/Users?attributes=title", body.clone())
        .await
        .expect(201);
    let path = format!("/Users/{}", made.id());
    let put = acme
        .put(&format!("{path}?excludedAttributes=userName"), body)
        .await
        .expect(200)
        .json;
    let change = json!([{"op": "replace", "path": "title", "value": "Engineer"}]);
    let patched = acme
        .patch(&format!("{path}?attributes=title"), change)
        .await;
    let patched = patched.expect(200).json;
    for (answer, title) in [(&made.json, "Countess"), (&patched, "Engineer")] {
        assert_eq!(answer["title"], title);
        assert_eq!(answer["userName"], Value::Null, "{answer}");
        assert_eq!(answer["schemas"], json!([USER]));
    }
    assert_eq!(put["title"], "Countess");
    assert_eq!(
        (&put["userName"], &put["id"]),
        (&Value::Null, &made.json["id"])
    );
}
