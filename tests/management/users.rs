use integration::{Api, Tenon, text};
use serde_json::{Value, json};

use super::{acme, event_types};

async fn directory(api: &Api, path: &str) -> (String, Api) {
    let body = json!({"name": "Okta"});
    let directory = api
        .post(&format!("{path}/directories"), body)
        .await
        .expect(201);
    (text(&directory["id"]), Api::scim(&directory))
}

async fn user(scim: &Api, name: &str, active: bool) -> Value {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name, "externalId": format!("ext-{name}"), "active": active,
        "emails": [{"value": name, "primary": true}],
    });
    scim.post("/Users", body).await.expect(201)
}

fn names(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().expect("a list");
    rows.iter().map(|user| text(&user["user_name"])).collect()
}

#[tokio::test]
async fn users_are_found_by_what_is_known_of_them() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let (one, scim) = directory(&api, &path).await;
    let (_, other) = directory(&api, &path).await;
    user(&scim, "ada@acme.example", true).await;
    user(&scim, "bob@acme.example", false).await;
    user(&other, "eve@acme.example", true).await;
    let users = format!("{path}/users");
    for (query, expected) in [
        (
            "".to_owned(),
            vec!["eve@acme.example", "bob@acme.example", "ada@acme.example"],
        ),
        (
            "email=ADA@acme.example".to_owned(),
            vec!["ada@acme.example"],
        ),
        (
            "external_id=ext-bob@acme.example".to_owned(),
            vec!["bob@acme.example"],
        ),
        ("active=false".to_owned(), vec!["bob@acme.example"]),
        (
            format!("directory_id={one}&active=true"),
            vec!["ada@acme.example"],
        ),
        ("role=admin".to_owned(), vec![]),
    ] {
        let page = api.get(&format!("{users}?{query}")).await.expect(200);
        assert_eq!(names(&page), expected, "{query}");
    }
    let first = api.get(&format!("{users}?limit=2")).await.expect(200);
    let cursor = text(&first["next_cursor"]);
    let rest = api
        .get(&format!("{users}?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(names(&rest), ["ada@acme.example"]);
    assert_eq!(rest["next_cursor"], json!(null));
    for wrong in ["active=maybe", "directory_id=x", "emial=a", "limit=0"] {
        api.get(&format!("{users}?{wrong}")).await.problem(400);
    }
}

#[tokio::test]
async fn a_deleted_user_is_told_and_gone() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let (_, scim) = directory(&api, &path).await;
    user(&scim, "ada@acme.example", true).await;
    let page = api.get(&format!("{path}/users")).await.expect(200);
    let one = format!("/users/{}", text(&page["data"][0]["id"]));
    assert_eq!(api.get(&one).await.expect(200), page["data"][0]);
    let revoked = api
        .post(&format!("{one}/revoke_sessions"), json!({}))
        .await
        .expect(200);
    assert_eq!(revoked, json!({"revoked": 0}));
    api.delete(&one).await.expect(204);
    api.get(&one).await.problem(404);
    api.delete(&one).await.problem(404);
    api.post(&format!("{one}/revoke_sessions"), json!({}))
        .await
        .problem(404);
    let types = event_types(&api, &path).await;
    assert_eq!(types.last().map(String::as_str), Some("user.deleted"));
    let pushed = scim.get("/Users").await.expect(200);
    assert_eq!(pushed["totalResults"], 0);
}

#[tokio::test]
async fn groups_list_their_own_members() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let (_, scim) = directory(&api, &path).await;
    let mut members = Vec::new();
    for name in ["ada@acme.example", "bob@acme.example"] {
        members.push(json!({"value": user(&scim, name, true).await["id"]}));
    }
    let group = |name: &str, members: &[Value]| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members});
    let inner = scim
        .post("/Groups", group("Inner", &members))
        .await
        .expect(201);
    let nested = [json!({"value": inner["id"]})];
    let outer = scim
        .post("/Groups", group("Outer", &nested))
        .await
        .expect(201);

    let listed = api.get(&format!("{path}/groups")).await.expect(200);
    let shown: Vec<_> = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|group| (text(&group["display_name"]), group["member_count"].clone()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Outer".to_owned(), json!(1)),
            ("Inner".to_owned(), json!(2))
        ]
    );
    let outer = format!("/groups/{}", text(&outer["id"]));
    assert_eq!(api.get(&outer).await.expect(200), listed["data"][0]);
    let of_outer = api.get(&format!("{outer}/members")).await.expect(200);
    assert_eq!(
        of_outer["data"],
        json!([{"kind": "group", "id": inner["id"]}])
    );

    let of_inner = format!("/groups/{}/members?limit=1", text(&inner["id"]));
    let page = api.get(&of_inner).await.expect(200);
    let cursor = text(&page["next_cursor"]);
    let rest = api
        .get(&format!("{of_inner}&cursor={cursor}"))
        .await
        .expect(200);
    let users = api.get(&format!("{path}/users")).await.expect(200);
    let ids: Vec<_> = [&page, &rest].map(|page| page["data"][0].clone()).to_vec();
    for user in users["data"].as_array().expect("a list") {
        assert!(ids.contains(&json!({"kind": "user", "id": user["id"]})));
    }
    assert_eq!(rest["next_cursor"], json!(null));
}
