use integration::{Tenon, UserAgent, text};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_gateway_that_is_ready_says_so() {
    let tenon = Tenon::start().await;
    let mut browser = UserAgent::new();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(
            browser.get(&format!("{}{path}", tenon.url())).await.status,
            200,
            "{path}"
        );
    }
    let metrics = browser.get(&format!("{}/metrics", tenon.url())).await;
    assert!(
        metrics
            .body
            .contains("# TYPE http_server_request_duration_seconds histogram"),
        "{}",
        metrics.body
    );
    assert_eq!(
        browser
            .get(&format!("{}/api/docs", tenon.url()))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn lists_are_newest_first_and_page_by_cursor() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(api.organization(&format!("Org {number}"), &[]).await["id"].clone());
    }
    made.reverse();

    let mut listed = Vec::new();
    let mut path = "/organizations?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= 2);
        listed.extend(data.iter().map(|organization| organization["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/organizations?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_thing_of_two_requests() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let create = |name: &str| {
        let request = api
            .request(Method::POST, "/organizations")
            .header("idempotency-key", "once");
        integration::Api::answer(request.json(&json!({"name": name})))
    };
    let first = create("Acme").await.expect(201);
    let again = create("Acme").await.expect(201);
    assert_eq!(first, again);
    assert_eq!(create("Globex").await.status, 409);
    let all = api.get("/organizations").await.expect(200);
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn patch_changes_the_fields_given_and_null_clears() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({"name": "Acme", "external_id": "42", "metadata": {"plan": "gold"}});
    let organization = api.post("/organizations", body).await.expect(201);
    let path = format!("/organizations/{}", text(&organization["id"]));
    let changed = api
        .patch(&path, json!({"name": "Acme Ltd", "external_id": null}))
        .await
        .expect(200);
    assert_eq!(changed["name"], "Acme Ltd");
    assert_eq!(changed["external_id"], json!(null));
    assert_eq!(changed["metadata"], json!({"plan": "gold"}));
    assert_eq!(changed["created_at"], organization["created_at"]);
    api.delete(&path).await.expect(204);
    assert_eq!(api.get(&path).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_key_that_may_only_read_only_reads() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    api.organization("Acme", &[]).await;
    let key = api
        .post("/api_keys", json!({"name": "reader", "scopes": ["read"]}))
        .await
        .expect(201);
    let reader = api.with_token(&text(&key["key"]));
    reader.get("/organizations").await.expect(200);
    reader
        .post("/organizations", json!({"name": "Globex"}))
        .await
        .problem(403);
    api.delete(&format!("/api_keys/{}", text(&key["id"])))
        .await
        .expect(204);
    reader.get("/organizations").await.problem(401);
}
