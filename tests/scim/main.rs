//! A directory pushes people and groups, and groups become roles.

mod history;

use integration::{Answer, Api, Tenon, text};
use reqwest::Method;
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async fn acme() -> (Tenon, Value, Value, Api) {
    let tenon = Tenon::start().await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let directory = tenon.api().directory(&organization, "Acme").await;
    let scim = Api::scim(&directory);
    (tenon, organization, directory, scim)
}

fn user(name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": format!("{name}@acme.example"),
        "emails": [{"value": format!("{name}@acme.example"), "type": "work", "primary": true}],
        "active": true,
    })
}

/// A SCIM error (RFC 7644 3.12).
#[track_caller]
fn assert_error(answer: &Answer, status: u16, scim_type: Option<&str>) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/scim+json"),
        "{answer:?}"
    );
    assert_eq!(
        answer.json["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
    );
    assert_eq!(answer.json["status"], status.to_string());
    assert_eq!(
        answer.json["scimType"].as_str(),
        scim_type,
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_group_becomes_a_role_and_a_deactivation_ends_everything() {
    let (tenon, organization, directory, scim) = acme().await;
    let api = tenon.api();
    api.put(
        "/roles/admin",
        json!({"name": "Administrator", "priority": 10}),
    )
    .await
    .expect(200);
    let mappings = json!({"mappings": [{"group_display_name": "Admins", "role": "admin"}]});
    let path = format!("/directories/{}/role_mappings", text(&directory["id"]));
    api.put(&path, mappings).await.expect(200);

    let ada = scim.post("/Users", user("ada")).await.expect(201);
    let group =
        json!({"schemas": [GROUP], "displayName": "Admins", "members": [{"value": ada["id"]}]});
    let group = scim.post("/Groups", group).await.expect(201);
    let path = format!("/organizations/{}/users", text(&organization["id"]));
    let users = api.get(&path).await.expect(200);
    assert_eq!(users["data"][0]["roles"], json!(["admin"]), "{users}");
    assert_eq!(users["data"][0]["email"], "ada@acme.example");
    assert_eq!(users["data"][0]["groups"][0]["display_name"], "Admins");

    let leave = json!({"schemas": [PATCH], "Operations": [
        {"op": "Remove", "path": format!("members[value eq \"{}\"]", text(&ada["id"]))},
    ]});
    let left = scim
        .patch(&format!("/Groups/{}", text(&group["id"])), leave)
        .await;
    assert!(matches!(left.status.as_u16(), 200 | 204), "{}", left.body);
    let users = api.get(&path).await.expect(200);
    assert_eq!(users["data"][0]["roles"], json!([]), "{users}");

    // As Entra ID says it.
    let disable = json!({"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let disabled = scim
        .patch(&format!("/Users/{}", text(&ada["id"])), disable)
        .await
        .expect(200);
    assert_eq!(disabled["active"], false);
    assert_eq!(api.get(&path).await.expect(200)["data"][0]["active"], false);
}

#[tokio::test]
async fn users_are_found_by_filter_page_and_version() {
    let (_tenon, _, _, scim) = acme().await;
    for name in ["ada", "ben", "chloe"] {
        scim.post("/Users", user(name)).await.expect(201);
    }
    let found = scim
        .get("/Users?filter=userName%20eq%20%22ADA%40acme.example%22")
        .await
        .expect(200);
    assert_eq!(found["totalResults"], 1);
    let ada = &found["Resources"][0];
    let page = scim
        .get("/Users?startIndex=2&count=1&sortBy=userName&attributes=userName")
        .await
        .expect(200);
    assert_eq!(
        (
            &page["totalResults"],
            &page["startIndex"],
            &page["itemsPerPage"]
        ),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(page["Resources"][0]["userName"], "ben@acme.example");
    assert_eq!(page["Resources"][0]["active"], json!(null));

    let path = format!("/Users/{}", text(&ada["id"]));
    let read = scim.get(&path).await;
    let etag = read.header("etag").to_owned();
    assert_eq!(etag, text(&read.json["meta"]["version"]));
    let unchanged = scim
        .request(Method::GET, &path)
        .header("if-none-match", &etag);
    assert_eq!(Api::answer(unchanged).await.status, 304);
    let stale = scim
        .request(Method::DELETE, &path)
        .header("if-match", "W/\"0\"");
    assert_eq!(Api::answer(stale).await.status, 412);
    assert_eq!(
        read.json["meta"]["location"],
        format!("{}{path}", scim.base())
    );
}

#[tokio::test]
async fn bad_requests_get_their_code_and_change_nothing() {
    let (tenon, organization, _, scim) = acme().await;
    let ada = scim.post("/Users", user("ada")).await.expect(201);
    let path = format!("/Users/{}", text(&ada["id"]));
    let id = text(&organization["id"]);
    let events = format!("/events?organization_id={id}&limit=1000");
    let before = tenon.api().get(&events).await.expect(200)["data"].clone();
    let patch = |operation: Value| json!({"schemas": [PATCH], "Operations": [operation]});

    for body in ["hello", "", "[]", "{\"userName\": "] {
        let request = scim
            .request(Method::POST, "/Users")
            .header("content-type", "application/scim+json");
        assert_error(
            &Api::answer(request.body(body)).await,
            400,
            Some("invalidSyntax"),
        );
    }
    assert_error(
        &scim.post("/Users", user("ADA")).await,
        409,
        Some("uniqueness"),
    );
    assert_error(
        &scim.post("/Users", json!({"schemas": [USER]})).await,
        400,
        Some("invalidValue"),
    );
    assert_error(
        &scim.get("/Users?filter=nonsense").await,
        400,
        Some("invalidFilter"),
    );
    assert_error(
        &scim.get("/Users?filter=shoeSize%20eq%2042").await,
        400,
        Some("invalidFilter"),
    );
    let unknown = scim
        .patch(
            &path,
            patch(json!({"op": "replace", "path": "shoeSize", "value": 42})),
        )
        .await;
    assert_error(&unknown, 400, Some("invalidPath"));
    let no_target = scim.patch(&path, patch(json!({"op": "remove"}))).await;
    assert_error(&no_target, 400, Some("noTarget"));
    let read_only = scim
        .patch(
            &path,
            patch(json!({"op": "replace", "path": "id", "value": "x"})),
        )
        .await;
    assert_error(&read_only, 400, Some("mutability"));
    let not_boolean = scim
        .patch(
            &path,
            patch(json!({"op": "replace", "path": "active", "value": "perhaps"})),
        )
        .await;
    assert_error(&not_boolean, 400, Some("invalidValue"));
    assert_error(
        &scim.get("/Users/dusr_01jdxyzdxyzdxyzdxyzdxyzdxy").await,
        404,
        None,
    );
    assert_error(&scim.get("/Users/nonsense").await, 404, None);
    assert_error(&scim.get("/NoSuchThing").await, 404, None);
    assert_error(&scim.delete("/Users").await, 405, None);
    let nobody = scim.without_token().get(&path).await;
    assert_error(&nobody, 401, None);
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    assert_error(
        &scim.with_token("nonsense").get("/Users/nonsense").await,
        401,
        None,
    );
    let huge = json!({"schemas": [USER], "userName": "x".repeat(10 << 20)});
    assert_error(&scim.post("/Users", huge).await, 413, None);
    let stranger = json!({
        "schemas": [GROUP],
        "displayName": "Strangers",
        "members": [{"value": "dusr_01jdxyzdxyzdxyzdxyzdxyzdxy"}],
    });
    assert_error(
        &scim.post("/Groups", stranger).await,
        400,
        Some("invalidValue"),
    );

    assert_eq!(
        tenon.api().get(&events).await.expect(200)["data"],
        before,
        "a refused request changed something"
    );
}
