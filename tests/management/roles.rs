use integration::{Tenon, text};
use serde_json::json;

use super::{acme, fields, stranger};

#[tokio::test]
async fn a_role_is_put_listed_and_deleted() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let role = api
        .put(
            "/roles/admin",
            json!({"name": "Administrator", "priority": 10}),
        )
        .await
        .expect(200);
    assert_eq!(role["slug"], "admin");
    assert_eq!(role["description"], json!(null));
    let body = json!({"name": "Admin", "description": "Everything", "priority": 20});
    let replaced = api.put("/roles/admin", body).await.expect(200);
    assert_eq!(replaced["description"], "Everything");
    assert_eq!(replaced["created_at"], role["created_at"]);
    for slug in ["member", "viewer"] {
        let body = json!({"name": slug, "priority": 1});
        api.put(&format!("/roles/{slug}"), body).await.expect(200);
    }

    let mut slugs = Vec::new();
    let mut path = "/roles?limit=1".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        slugs.push(text(&page["data"][0]["slug"]));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/roles?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(slugs.len(), 3);
    assert_eq!(slugs[2], "admin");
    let all = api.get("/roles").await.expect(200);
    assert_eq!(all["data"][2], replaced);

    api.delete("/roles/viewer").await.expect(204);
    api.delete("/roles/viewer").await.problem(404);
    assert_eq!(
        fields(
            api.put("/roles/Bad Role", json!({"name": "x", "priority": 1}))
                .await
        ),
        ["slug"]
    );
    assert_eq!(
        fields(api.put("/roles/x", json!({"name": "", "prio": 1})).await),
        ["name", "priority", "prio"]
    );
}

#[tokio::test]
async fn a_role_that_something_gives_stays() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    for slug in ["admin", "member"] {
        let body = json!({"name": slug, "priority": 1});
        api.put(&format!("/roles/{slug}"), body).await.expect(200);
    }
    let body = json!({"name": "Okta", "default_role": "member"});
    let directory = api
        .post(&format!("{path}/directories"), body)
        .await
        .expect(201);
    let mappings = format!("/directories/{}/role_mappings", text(&directory["id"]));
    let body = json!({"mappings": [{"group_display_name": "Admins", "role": "admin"}]});
    api.put(&mappings, body).await.expect(200);
    for slug in ["admin", "member"] {
        let answer = api.delete(&format!("/roles/{slug}")).await;
        assert_eq!(answer.problem(409), "role_in_use");
    }
    api.put(&mappings, json!({"mappings": []}))
        .await
        .expect(200);
    api.delete("/roles/admin").await.expect(204);
}

#[tokio::test]
async fn another_priority_decides_anew() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    for (slug, priority) in [("admin", 10), ("member", 1)] {
        let body = json!({"name": slug, "priority": priority});
        api.put(&format!("/roles/{slug}"), body).await.expect(200);
    }
    let body = json!({"name": "Okta", "default_role": "member"});
    let directory = api
        .post(&format!("{path}/directories"), body)
        .await
        .expect(201);
    let scim = integration::Api::scim(&directory);
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@acme.example",
    });
    let user = scim.post("/Users", user).await.expect(201);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Admins", "members": [{"value": user["id"]}],
    });
    scim.post("/Groups", group).await.expect(201);
    let mappings = format!("/directories/{}/role_mappings", text(&directory["id"]));
    let body = json!({"mappings": [{"group_display_name": "Admins", "role": "admin"}]});
    api.put(&mappings, body).await.expect(200);
    let roles = || async {
        let users = api.get(&format!("{path}/users")).await.expect(200);
        users["data"][0]["roles"].clone()
    };
    assert_eq!(roles().await, json!(["admin", "member"]));
    api.patch(&path, json!({"role_policy": "highest_priority"}))
        .await
        .expect(200);
    assert_eq!(roles().await, json!(["admin"]));
    api.put("/roles/member", json!({"name": "member", "priority": 99}))
        .await
        .expect(200);
    assert_eq!(roles().await, json!(["member"]));
    api.patch(&path, json!({"role_policy": "union"}))
        .await
        .expect(200);
    assert_eq!(roles().await, json!(["admin", "member"]));
}

#[tokio::test]
async fn a_bound_key_reads_roles_and_changes_none() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    api.put("/roles/admin", json!({"name": "Admin", "priority": 1}))
        .await
        .expect(200);
    let stranger = stranger(&api).await;
    let roles = stranger.get("/roles").await.expect(200);
    assert_eq!(roles["data"][0]["slug"], "admin");
    stranger
        .put("/roles/x", json!({"name": "x", "priority": 1}))
        .await
        .problem(403);
    stranger.delete("/roles/admin").await.problem(403);
}
