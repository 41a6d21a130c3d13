use integration::{RelyingParty, Tenon, text};
use serde_json::{Value, json};

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

/// Of an application that is right otherwise.
fn with(fields: Value) -> Value {
    let mut body = json!({"name": "App", "redirect_uris": ["https://app.example/cb"]});
    let (Value::Object(into), Value::Object(fields)) = (&mut body, fields) else {
        panic!("fields are an object");
    };
    into.extend(fields);
    body
}

/// A public key, and a key set of it.
fn jwks() -> Value {
    json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})
}

#[tokio::test]
async fn how_an_application_proves_itself_follows_from_what_it_is_and_has() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let uri = "https://app.example/jwks.json";
    for (given, kind, method, secret) in [
        (json!({}), "confidential", "client_secret_basic", true),
        (
            json!({"type": "confidential", "token_endpoint_auth_method": "client_secret_post"}),
            "confidential",
            "client_secret_post",
            true,
        ),
        (
            json!({"jwks": jwks()}),
            "confidential",
            "private_key_jwt",
            false,
        ),
        (
            json!({"jwks_uri": uri}),
            "confidential",
            "private_key_jwt",
            false,
        ),
        (
            json!({"jwks_uri": "http://localhost:3000/jwks", "token_endpoint_auth_method": "client_secret_basic"}),
            "confidential",
            "client_secret_basic",
            true,
        ),
        (json!({"type": "public"}), "public", "none", false),
        (
            json!({"token_endpoint_auth_method": "none"}),
            "public",
            "none",
            false,
        ),
    ] {
        let told = given.to_string();
        let made = api.post("/applications", with(given)).await.expect(201);
        assert_eq!(made["type"], kind, "{told}");
        assert_eq!(made["token_endpoint_auth_method"], method, "{told}");
        assert_eq!(made["client_secret"].is_string(), secret, "{told}");
    }
}

#[tokio::test]
async fn a_wrong_field_of_an_application_is_named_and_nothing_changes() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let made = api.post("/applications", with(json!({}))).await;
    let made = made.expect(201);
    let one = format!("/applications/{}", text(&made["id"]));
    let before = api.get(&one).await.expect(200);
    let mut private = jwks();
    private["keys"][0]["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let many = json!({"keys": vec![json!({"kty": "EC", "x": "a".repeat(1024)}); 65]});
    let mut cases = vec![
        ("jwks", json!([])),
        ("jwks", json!("https://app.example/jwks.json")),
        ("jwks", json!({"keys": []})),
        ("jwks", json!({"keys": "none"})),
        ("jwks", json!({"keys": [{"kid": "k1"}]})),
        ("jwks", json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})),
        ("jwks", private),
        ("jwks", many),
        ("jwks_uri", json!(7)),
        ("token_endpoint_auth_method", json!("none")),
    ];
    for uri in [
        "",
        "/jwks",
        "http://app.example/jwks",
        "https://app.example/#jwks",
        "https://u:p@app.example/jwks",
        "ftp://app.example/jwks",
    ] {
        cases.push(("jwks_uri", json!(uri)));
    }
    for method in [
        "",
        "tls_client_auth",
        "client_secret_jwt",
        "PRIVATE_KEY_JWT",
    ] {
        cases.push(("token_endpoint_auth_method", json!(method)));
    }
    for alg in ["", "none", "HS256", "rs256", "PS256"] {
        cases.push(("id_token_signing_alg", json!(alg)));
    }
    for seconds in [json!(0), json!(-1), json!(301), json!("60"), json!(1.5)] {
        cases.push(("access_token_ttl", seconds));
    }
    for seconds in [json!(0), json!(-1), json!(31_536_001), json!("60")] {
        cases.push(("refresh_token_ttl", seconds.clone()));
        cases.push(("session_idle_ttl", seconds));
    }
    for (field, value) in cases {
        let mut body = json!({});
        body[field] = value;
        // Creating, `none` alone makes a public application.
        if body != json!({"token_endpoint_auth_method": "none"}) {
            let refused = api.post("/applications", with(body.clone())).await;
            assert_eq!(fields(refused), [field], "{body}");
        }
        let refused = api.patch(&one, body.clone()).await;
        assert_eq!(fields(refused), [field], "{body}");
    }
    // What does not fit together.
    for (body, field) in [
        (
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            "jwks",
        ),
        (
            json!({"jwks": jwks(), "jwks_uri": "https://app.example/jwks"}),
            "jwks_uri",
        ),
    ] {
        let refused = api.post("/applications", with(body.clone())).await;
        assert_eq!(fields(refused), [field], "{body}");
        assert_eq!(fields(api.patch(&one, body.clone()).await), [field]);
    }
    for (body, field) in [
        (json!({"type": "native"}), "type"),
        (
            json!({"type": "public", "token_endpoint_auth_method": "client_secret_basic"}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"type": "confidential", "token_endpoint_auth_method": "none"}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"type": "public", "jwks": jwks(), "token_endpoint_auth_method": "private_key_jwt"}),
            "token_endpoint_auth_method",
        ),
    ] {
        let refused = api.post("/applications", with(body.clone())).await;
        assert_eq!(fields(refused), [field], "{body}");
    }
    let two = json!({"access_token_ttl": 0, "jwks_uri": 7});
    assert_eq!(
        fields(api.patch(&one, two).await),
        ["access_token_ttl", "jwks_uri"]
    );
    assert_eq!(api.get(&one).await.expect(200), before);
    let all = api.get("/applications").await.expect(200);
    assert_eq!(all["data"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn null_brings_back_what_an_application_is_without_a_field() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = with(json!({
        "id_token_signing_alg": "EdDSA", "access_token_ttl": 1, "refresh_token_ttl": 31_536_000,
    }));
    let made = api.post("/applications", body).await.expect(201);
    assert_eq!(made["access_token_ttl"], 1);
    assert_eq!(made["refresh_token_ttl"], 31_536_000);
    assert_eq!(made["id_token_signing_alg"], "EdDSA");
    let one = format!("/applications/{}", text(&made["id"]));
    let patch = async |body: Value| api.patch(&one, body).await;
    let usual =
        json!({"id_token_signing_alg": null, "access_token_ttl": null, "refresh_token_ttl": null});
    let changed = patch(usual).await.expect(200);
    assert_eq!(changed["id_token_signing_alg"], "RS256");
    assert_eq!(changed["access_token_ttl"], 300);
    assert_eq!(changed["refresh_token_ttl"], 2_592_000);
    assert_eq!(fields(patch(json!({"type": null})).await), ["type"]);

    // By its keys from now on: the secret opens nothing any more.
    let by_keys = json!({"jwks": jwks(), "token_endpoint_auth_method": null});
    let changed = patch(by_keys).await.expect(200);
    assert_eq!(changed["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(changed["jwks"], jwks());
    let rotate = format!("{one}/rotate_secret");
    let refused = api.post(&rotate, json!({})).await;
    assert_eq!(refused.problem(409), "no_client_secret");
    // Without keys it could prove itself by nothing.
    assert_eq!(fields(patch(json!({"jwks": null})).await), ["jwks"]);
    let elsewhere = json!({"jwks": null, "jwks_uri": "https://app.example/jwks"});
    let changed = patch(elsewhere).await.expect(200);
    assert_eq!(changed["jwks"], Value::Null);
    assert_eq!(changed["token_endpoint_auth_method"], "private_key_jwt");

    let by_secret = json!({"jwks_uri": null, "token_endpoint_auth_method": null});
    let changed = patch(by_secret).await.expect(200);
    assert_eq!(changed["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(changed["jwks_uri"], Value::Null);
    let rotated = api.post(&rotate, json!({})).await.expect(200);
    assert!(rotated["client_secret"].is_string(), "{rotated}");
    assert_eq!(api.get(&one).await.expect(200), {
        let mut shown = rotated;
        shown
            .as_object_mut()
            .expect("an object")
            .remove("client_secret");
        shown
    });
}

#[tokio::test]
async fn a_secret_that_leaked_is_dead_at_once_and_any_after_two_rotations() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut client = RelyingParty::register(&tenon).await;
    let rotate = format!("/applications/{}/rotate_secret", client.client_id);
    let first = client.client_secret.clone().expect("a secret");
    let rotated = async |body: Value| {
        let answer = api.post(&rotate, body).await.expect(200);
        text(&answer["client_secret"])
    };
    let mut opens = async |secret: &str| {
        client.client_secret = Some(secret.to_owned());
        let form = [("token", "none of ours")];
        let answer = client.call("/oauth/introspect", &form).await;
        if answer.status == 401 {
            assert_eq!(answer.json["error"], "invalid_client");
            return false;
        }
        answer.expect(200)["active"] == false
    };
    let second = rotated(json!({})).await;
    assert!(opens(&first).await && opens(&second).await);
    let third = rotated(json!({})).await;
    assert!(!opens(&first).await && opens(&second).await && opens(&third).await);
    let fourth = rotated(json!({"revoke_previous": true})).await;
    assert!(!opens(&second).await && !opens(&third).await && opens(&fourth).await);
}
