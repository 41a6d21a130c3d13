use integration::{Tenon, text};
use serde_json::json;

use super::{fields, stranger};

#[tokio::test]
async fn an_application_shows_its_secret_once() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({"name": "App", "redirect_uris": ["https://app.example/cb", "http://localhost:3000/cb"]});
    let application = api.post("/applications", body).await.expect(201);
    let secret = text(&application["client_secret"]);
    assert_eq!(application["client_id"], application["id"]);
    assert_eq!(application["type"], "confidential");
    assert_eq!(application["id_token_signing_alg"], "RS256");
    assert_eq!(application["access_token_ttl"], 300);
    assert_eq!(application["refresh_token_ttl"], 2_592_000);
    let one = format!("/applications/{}", text(&application["id"]));
    let shown = api.get(&one).await.expect(200);
    assert!(shown.get("client_secret").is_none());
    assert_eq!(
        api.get("/applications").await.expect(200)["data"],
        json!([shown])
    );

    let rotated = api
        .post(&format!("{one}/rotate_secret"), json!({}))
        .await
        .expect(200);
    assert_ne!(text(&rotated["client_secret"]), secret);

    let body =
        json!({"name": "SPA", "type": "public", "redirect_uris": ["https://app.example/cb"]});
    let public = api.post("/applications", body).await.expect(201);
    assert_eq!(public["client_secret"], json!(null));
    let rotate = format!("/applications/{}/rotate_secret", text(&public["id"]));
    assert_eq!(
        api.post(&rotate, json!({})).await.problem(409),
        "public_client"
    );
    api.delete(&one).await.expect(204);
    api.get(&one).await.problem(404);
    api.delete(&one).await.problem(404);
}

#[tokio::test]
async fn a_patch_replaces_single_fields() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({"name": "App", "redirect_uris": ["https://app.example/cb"],
        "initiate_login_uri": "https://app.example/login", "access_token_ttl": 60});
    let application = api.post("/applications", body).await.expect(201);
    let one = format!("/applications/{}", text(&application["id"]));
    let patch = json!({"redirect_uris": ["https://app.example/other"], "id_token_signing_alg": "ES256",
        "access_token_ttl": null, "initiate_login_uri": null});
    let changed = api.patch(&one, patch).await.expect(200);
    assert_eq!(
        changed["redirect_uris"],
        json!(["https://app.example/other"])
    );
    assert_eq!(changed["id_token_signing_alg"], "ES256");
    assert_eq!(changed["access_token_ttl"], 300);
    assert_eq!(changed["initiate_login_uri"], json!(null));
    assert_eq!(changed["name"], "App");
    assert_eq!(api.get(&one).await.expect(200), changed);
    assert_eq!(
        fields(api.patch(&one, json!({"type": "public"})).await),
        ["type"]
    );
}

#[tokio::test]
async fn wrong_uris_and_times_are_refused() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({
        "name": "App", "redirect_uris": [
            "https://app.example/cb", "http://app.example/cb", "https://app.example/#x",
            "https://u@app.example/", "/cb", "https://*.app.example/"],
        "post_logout_redirect_uris": ["javascript:alert(1)"],
        "backchannel_logout_uri": "ftp://app.example/", "jwks": {"keys": [{"kty": "oct", "k": "x"}]},
    });
    assert_eq!(
        fields(api.post("/applications", body).await),
        [
            "redirect_uris[1]",
            "redirect_uris[2]",
            "redirect_uris[3]",
            "redirect_uris[4]",
            "redirect_uris[5]",
            "post_logout_redirect_uris[0]",
            "backchannel_logout_uri",
            "jwks",
        ]
    );
    let body = json!({"name": "App", "redirect_uris": [], "access_token_ttl": 301, "secret": "x"});
    assert_eq!(
        fields(api.post("/applications", body).await),
        ["redirect_uris", "access_token_ttl", "secret"]
    );
    let stranger = stranger(&api).await;
    stranger.get("/applications").await.problem(403);
}
