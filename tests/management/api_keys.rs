use std::time::Duration;

use gateway::flows::api_keys::{self, NewApiKey};
use gateway::http::health::Health;
use gateway::model::ApiScope;
use integration::{InProcess, Tenon, text};
use poem::{Endpoint, IntoEndpoint, Request};
use serde_json::json;

use super::{acme, errors};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_key_gives_away_no_more_than_it_has() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let organization = path.rsplit('/').next().expect("an id");
    let body = json!({"name": "bound", "organization_id": organization, "scopes": ["write"]});
    let bound = api.post("/api_keys", body).await.expect(201);
    assert_eq!(bound["scopes"], json!(["write"]));
    let key = text(&bound["key"]);
    assert_eq!(bound["last_four"], key[key.len() - 4..]);
    let bound = api.with_token(&key);
    // Without the scope it can't read.
    assert_eq!(bound.get(&path).await.problem(403), "forbidden");
    bound
        .patch(&path, json!({"name": "Acme Ltd"}))
        .await
        .expect(200);

    bound
        .post("/api_keys", json!({"name": "x"}))
        .await
        .problem(403);
    let wider = json!({"name": "x", "organization_id": organization});
    bound.post("/api_keys", wider).await.problem(403);
    let globex = api.organization("Globex", &[]).await;
    let elsewhere = json!({"name": "x", "organization_id": globex["id"], "scopes": ["write"]});
    bound.post("/api_keys", elsewhere).await.problem(404);
    let same = json!({"name": "x", "organization_id": organization, "scopes": ["write"]});
    bound.post("/api_keys", same).await.expect(201);
}

#[tokio::test]
async fn keys_are_listed_without_their_text_and_end() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let organization = path.rsplit('/').next().expect("an id");
    let body = json!({"name": "bound", "organization_id": organization});
    let bound = api.post("/api_keys", body).await.expect(201);
    let text_of_key = text(&bound["key"]);
    let listed = api.get("/api_keys").await.expect(200);
    let names: Vec<_> = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|key| &key["name"])
        .collect();
    assert_eq!(names, ["bound", "bootstrap"]);
    assert!(!listed.to_string().contains(&text_of_key));
    let own = api.with_token(&text_of_key);
    let listed = own.get("/api_keys").await.expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    assert!(listed["data"][0]["last_used_at"].is_string());

    let past = json!({"name": "x", "expires_at": "2020-01-01T00:00:00.000Z"});
    assert_eq!(
        errors(api.post("/api_keys", past).await),
        ["expires_at: has to be in the future"]
    );
    let wrong = json!({"name": "x", "expires_at": "tomorrow", "scopes": ["admin"]});
    assert_eq!(errors(api.post("/api_keys", wrong).await).len(), 2);

    api.delete(&format!("/api_keys/{}", text(&bound["id"])))
        .await
        .expect(204);
    let answer = own.get("/api_keys").await;
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(answer.problem(401), "unauthorized");
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let tenon = InProcess::start().await;
    let app = &tenon.app;
    let tx = app.store.begin().await.expect("a transaction");
    let new = NewApiKey {
        name: "short".to_owned(),
        scopes: vec![ApiScope::Read],
        organization_id: None,
        expires_at: Some((app.clock.now() + HOUR).into()),
    };
    let (_, key) = api_keys::create(app, &tx, new).await.expect("a key");
    tx.commit().await.expect("it is committed");
    let health = Health::new(app.drain.clone(), || Box::pin(async { Ok(()) }));
    let gateway = gateway::http::routes(app, &health).into_endpoint();
    let list = || async {
        let request = Request::builder()
            .uri_str("/api/v1/organizations")
            .header("authorization", format!("Bearer {key}"))
            .finish();
        gateway.get_response(request).await.status().as_u16()
    };
    assert_eq!(list().await, 200);
    // The machine's own clock goes on beside: a slow run must not reach the end by itself.
    tenon.clock.advance(HOUR - MINUTE);
    assert_eq!(list().await, 200);
    tenon.clock.advance(MINUTE);
    assert_eq!(list().await, 401);
}
