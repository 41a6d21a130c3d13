//! Each gets its code, and nothing changes.

use integration::{Api, Tenon, text};
use reqwest::Method;
use serde_json::{Value, json};

/// The fields that a problem names.
fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| text(&error["field"])).collect()
}

#[tokio::test]
async fn bad_requests_get_their_code_and_change_nothing() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let id = text(&organization["id"]);
    let count = || async {
        let id = id.clone();
        let events = api
            .get(&format!("/events?organization_id={id}&limit=1000"))
            .await
            .expect(200);
        let organizations = api.get("/organizations").await.expect(200);
        (events["data"].clone(), organizations["data"].clone())
    };
    let before = count().await;

    for (what, body) in [
        ("no JSON", "hello"),
        ("cut off", "{\"name\": \"x\""),
        ("no object", "[]"),
        ("nothing", ""),
        ("not UTF-8", "{\"name\": \"\\ud800\"}"),
    ] {
        let request = api
            .request(Method::POST, "/organizations")
            .header("content-type", "application/json");
        let answer = Api::answer(request.body(body)).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        answer.problem(400);
    }

    for (body, field) in [
        (json!({"name": "x", "nmae": "y"}), "nmae"),
        (json!({"slug": "x"}), "name"),
        (json!({"name": 1}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "x", "domains": ["not a domain"]}), "domains"),
    ] {
        let answer = api.post("/organizations", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        let named = fields(&answer.json);
        assert!(
            named.iter().any(|name| name.starts_with(field)),
            "{body}: {named:?}"
        );
    }

    let taken = api
        .post(
            "/organizations",
            json!({"name": "Globex", "domains": ["ACME.example."]}),
        )
        .await;
    assert_eq!(taken.problem(409), "domain_taken");

    let connections = format!("/organizations/{id}/connections");
    for (what, body) in [
        ("an unknown type", json!({"name": "x", "type": "ldap"})),
        (
            "SAML without settings, to be used at once",
            json!({"name": "x", "type": "saml", "activate": true}),
        ),
        (
            "metadata that is none",
            json!({"name": "x", "type": "saml", "saml": {"metadata_xml": "<x/>"}}),
        ),
        (
            "metadata with a DTD",
            json!({"name": "x", "type": "saml", "saml": {"metadata_xml": "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>"}}),
        ),
        (
            "an issuer over http",
            json!({"name": "x", "type": "oidc", "oidc": {"issuer": "http://idp.example", "client_id": "c"}}),
        ),
    ] {
        let answer = api.post(&connections, body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        assert!(!fields(&answer.json).is_empty(), "{what}: {}", answer.body);
    }

    for path in [
        "/organizations/org_01jdxyzdxyzdxyzdxyzdxyzdxy",
        "/organizations/org_1",
        "/organizations/nonsense",
        "/connections/conn_01jdxyzdxyzdxyzdxyzdxyzdxy",
        "/no_such_thing",
    ] {
        api.get(path).await.problem(404);
    }
    for path in [
        "/organizations?limit=0",
        "/organizations?limit=101",
        "/organizations?limit=x",
        "/organizations?cursor=x",
    ] {
        api.get(path).await.problem(400);
    }
    api.without_token().get("/organizations").await.problem(401);
    api.with_token("nonsense")
        .get("/organizations")
        .await
        .problem(401);

    let huge = json!({"name": "x".repeat(10 << 20)});
    let answer = api.post("/organizations", huge).await;
    assert!(
        matches!(answer.status.as_u16(), 400 | 413),
        "{} {}",
        answer.status,
        answer.body
    );

    assert_eq!(count().await, before, "a refused request changed something");
}
