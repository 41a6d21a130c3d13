use integration::text;
use reqwest::Method;
use serde_json::{Value, json};

use super::Scene;

/// Every SCIM route, as nobody and with another directory's token: 401 for all, whether the id exists or not.
#[tokio::test]
async fn nobody_and_another_directory_reach_nothing() {
    let scene = Scene::set().await;
    let group = text(&scene.acme_scim.get("/Groups").await.expect(200)["Resources"][0]["id"]);
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "eve@acme.example",
    });
    let user = scene.acme_scim.post("/Users", user).await.expect(201);
    let user_path = format!("/Users/{}", text(&user["id"]));
    let group_path = format!("/Groups/{group}");
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {"active": false}}],
    });
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    let none = Value::Null;
    let before = scene.everything().await;
    for (method, path, body) in [
        (Method::GET, "/Users", &none),
        (Method::POST, "/Users", &user),
        (Method::POST, "/Users/.search", &search),
        (Method::GET, &user_path, &none),
        (Method::PUT, &user_path, &user),
        (Method::PATCH, &user_path, &patch),
        (Method::DELETE, &user_path, &none),
        (Method::GET, "/Groups", &none),
        (Method::POST, "/Groups", &json!({"displayName": "Evil"})),
        (Method::POST, "/Groups/.search", &search),
        (Method::GET, &group_path, &none),
        (Method::PUT, &group_path, &json!({"displayName": "Evil"})),
        (Method::PATCH, &group_path, &patch),
        (Method::DELETE, &group_path, &none),
        (Method::GET, "/Users/nonsense", &none),
        (Method::POST, "/.search", &search),
        (Method::POST, "/Bulk", &json!({})),
        (Method::GET, "/ServiceProviderConfig", &none),
        (Method::GET, "/ResourceTypes", &none),
        (Method::GET, "/Schemas", &none),
        (Method::GET, "/Me", &none),
        (Method::GET, "/nonsense", &none),
    ] {
        let body = Some(body.clone()).filter(|body| !body.is_null());
        for (who, api) in [
            ("nobody", scene.acme_scim.without_token()),
            ("Globex", scene.acme_scim.with_token(&scene.globex_token)),
        ] {
            let answer = api.send(method.clone(), path, body.clone()).await;
            assert_eq!(
                answer.status, 401,
                "{who}: {method} {path}: {}",
                answer.body
            );
            assert_eq!(
                answer.json["status"], "401",
                "{who}: {method} {path}: {}",
                answer.body
            );
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        scene.everything().await,
        before,
        "a stranger changed something"
    );
}

/// A member from another directory is as unknown as one that never was.
#[tokio::test]
async fn a_group_takes_no_member_of_another_directory() {
    let scene = Scene::set().await;
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example",
    });
    let ada = scene.acme_scim.post("/Users", user).await.expect(201);
    let organizations = scene.tenon.api().get("/organizations").await.expect(200);
    let globex = &organizations["data"][0];
    assert_eq!(globex["name"], "Globex");
    let globex = integration::Api::scim(&scene.tenon.api().directory(globex, "Second").await);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Thieves",
        "members": [{"value": ada["id"]}],
    });
    let answer = globex.post("/Groups", group).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(globex.get("/Groups").await.expect(200)["totalResults"], 0);
}
