use integration::{Answer, Api, Tenon, text};
use reqwest::Method;
use serde_json::{Value, json};

use super::acme;

async fn post(api: &Api, path: &str, key: &str, body: Value) -> Answer {
    let request = api
        .request(Method::POST, path)
        .header("idempotency-key", key);
    Api::answer(request.json(&body)).await
}

#[tokio::test]
async fn a_secret_that_is_shown_once_is_shown_again_to_the_same_request() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/directories");
    let body = json!({"name": "Okta"});
    let first = post(&api, &path, "k", body.clone()).await.expect(201);
    let again = post(&api, &path, "k", body).await.expect(201);
    assert_eq!(first, again);
    assert!(first["scim"]["bearer_token"].is_string());
    assert_eq!(
        api.get(&path).await.expect(200)["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    post(&api, "/organizations", "k", json!({"name": "A"}))
        .await
        .expect(201);
    for (path, body) in [
        ("/organizations".to_owned(), json!({"name": "B"})),
        (format!("{path}/directories"), json!({"name": "A"})),
    ] {
        let answer = post(&api, &path, "k", body).await;
        assert_eq!(answer.problem(409), "idempotency_key_reused");
    }
    // Keys of different API keys do not meet.
    let other = api
        .post("/api_keys", json!({"name": "other"}))
        .await
        .expect(201);
    let other = api.with_token(&text(&other["key"]));
    post(&other, "/organizations", "k", json!({"name": "B"}))
        .await
        .expect(201);
    let empty = api
        .request(Method::POST, "/organizations")
        .header("idempotency-key", "");
    Api::answer(empty.json(&json!({"name": "C"})))
        .await
        .problem(400);
}

#[tokio::test]
async fn a_refused_request_keeps_no_answer() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/domains");
    let globex = api.organization("Globex", &["globex.example"]).await;
    let body = json!({"domain": "globex.example"});
    let taken = post(&api, &path, "k", body.clone()).await;
    assert_eq!(taken.problem(409), "domain_taken");
    api.delete(&format!("/organizations/{}", text(&globex["id"])))
        .await
        .expect(204);
    post(&api, &path, "k", body).await.expect(201);
}

#[tokio::test]
async fn sixteen_at_once_make_one_thing() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/directories");
    let requests = (0..16).map(|_| {
        let (api, path) = (api.clone(), path.clone());
        tokio::spawn(async move {
            post(&api, &path, "k", json!({"name": "Okta"}))
                .await
                .expect(201)
        })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.expect("no panic"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(
        api.get(&path).await.expect(200)["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}
