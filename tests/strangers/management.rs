use reqwest::Method;
use serde_json::{Value, json};

use super::Scene;

/// What a key of Globex gets where Acme's ids stand in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// 404, as for an id that nobody has.
    Hidden,
    /// 200, with nothing of Acme's in it.
    OwnOnly,
    /// 403: it stands above the organizations.
    Forbidden,
}

use Stranger::{Forbidden, Hidden, OwnOnly};

/// Each operation, what a stranger gets, and a body that would be right from the owner.
fn operations() -> Vec<(&'static str, Stranger, Value)> {
    let none = Value::Null;
    let mappings = json!({"mappings": [{"group_display_name": "Admins", "role": "admin"}]});
    vec![
        ("GET /organizations", OwnOnly, none.clone()),
        ("POST /organizations", Forbidden, json!({"name": "Initech"})),
        ("GET /organizations/{id}", Hidden, none.clone()),
        (
            "PATCH /organizations/{id}",
            Hidden,
            json!({"name": "Taken over"}),
        ),
        ("DELETE /organizations/{id}", Hidden, none.clone()),
        ("GET /organizations/{id}/domains", Hidden, none.clone()),
        (
            "POST /organizations/{id}/domains",
            Hidden,
            json!({"domain": "evil.example"}),
        ),
        (
            "GET /organizations/{id}/domains/{domain_id}",
            Hidden,
            none.clone(),
        ),
        (
            "PATCH /organizations/{id}/domains/{domain_id}",
            Hidden,
            json!({"include_subdomains": true}),
        ),
        (
            "DELETE /organizations/{id}/domains/{domain_id}",
            Hidden,
            none.clone(),
        ),
        (
            "POST /organizations/{id}/domains/{domain_id}/verify",
            Hidden,
            none.clone(),
        ),
        ("GET /organizations/{id}/connections", Hidden, none.clone()),
        (
            "POST /organizations/{id}/connections",
            Hidden,
            json!({"name": "Evil", "type": "oidc", "oidc": {"issuer": "https://evil.example", "client_id": "x"}}),
        ),
        ("GET /connections/{id}", Hidden, none.clone()),
        ("PATCH /connections/{id}", Hidden, json!({"name": "Evil"})),
        ("DELETE /connections/{id}", Hidden, none.clone()),
        ("POST /connections/{id}/activate", Hidden, none.clone()),
        ("POST /connections/{id}/deactivate", Hidden, none.clone()),
        ("POST /connections/{id}/rotate_keys", Hidden, json!({})),
        (
            "POST /connections/{id}/refresh_metadata",
            Hidden,
            none.clone(),
        ),
        ("GET /connections/{id}/role_mappings", Hidden, none.clone()),
        (
            "PUT /connections/{id}/role_mappings",
            Hidden,
            json!({"mappings": [{"group": "Admins", "role": "admin"}]}),
        ),
        ("GET /organizations/{id}/directories", Hidden, none.clone()),
        (
            "POST /organizations/{id}/directories",
            Hidden,
            json!({"name": "Evil"}),
        ),
        ("GET /directories/{id}", Hidden, none.clone()),
        ("PATCH /directories/{id}", Hidden, json!({"name": "Evil"})),
        ("DELETE /directories/{id}", Hidden, none.clone()),
        ("GET /directories/{id}/requests", Hidden, none.clone()),
        (
            "GET /directories/{id}/requests/{request_id}",
            Hidden,
            none.clone(),
        ),
        (
            "GET /directories/{id}/waiting_changes",
            Hidden,
            none.clone(),
        ),
        (
            "POST /directories/{id}/release",
            Hidden,
            json!({"apply": true}),
        ),
        ("POST /directories/{id}/tokens", Hidden, none.clone()),
        (
            "DELETE /directories/{id}/tokens/{token_id}",
            Hidden,
            none.clone(),
        ),
        ("GET /directories/{id}/role_mappings", Hidden, none.clone()),
        (
            "PUT /directories/{id}/role_mappings",
            Hidden,
            mappings.clone(),
        ),
        (
            "POST /directories/{id}/role_mappings/preview",
            Hidden,
            mappings,
        ),
        ("GET /roles", OwnOnly, none.clone()),
        (
            "PUT /roles/{slug}",
            Forbidden,
            json!({"name": "Evil", "priority": 1}),
        ),
        ("DELETE /roles/{slug}", Forbidden, none.clone()),
        ("GET /organizations/{id}/users", Hidden, none.clone()),
        ("GET /users/{id}", Hidden, none.clone()),
        ("DELETE /users/{id}", Hidden, none.clone()),
        ("POST /users/{id}/revoke_sessions", Hidden, none.clone()),
        (
            "POST /organizations/{id}/revoke_sessions",
            Hidden,
            none.clone(),
        ),
        ("GET /organizations/{id}/groups", Hidden, none.clone()),
        ("GET /groups/{id}", Hidden, none.clone()),
        ("GET /groups/{id}/members", Hidden, none.clone()),
        (
            "POST /discovery",
            OwnOnly,
            json!({"email": "ada@acme.example"}),
        ),
        ("GET /applications", Forbidden, none.clone()),
        (
            "POST /applications",
            Forbidden,
            json!({"name": "Evil", "redirect_uris": ["https://evil.example/cb"]}),
        ),
        ("GET /applications/{id}", Forbidden, none.clone()),
        (
            "PATCH /applications/{id}",
            Forbidden,
            json!({"redirect_uris": ["https://evil.example/cb"]}),
        ),
        ("DELETE /applications/{id}", Forbidden, none.clone()),
        (
            "POST /applications/{id}/rotate_secret",
            Forbidden,
            none.clone(),
        ),
        ("GET /webhook_endpoints", OwnOnly, none.clone()),
        // For all organizations; one of its own it may have.
        (
            "POST /webhook_endpoints",
            Forbidden,
            json!({"url": "https://evil.example/hook"}),
        ),
        ("GET /webhook_endpoints/{id}", Hidden, none.clone()),
        (
            "PATCH /webhook_endpoints/{id}",
            Hidden,
            json!({"url": "https://evil.example/hook"}),
        ),
        ("DELETE /webhook_endpoints/{id}", Hidden, none.clone()),
        (
            "POST /webhook_endpoints/{id}/rotate_secret",
            Hidden,
            none.clone(),
        ),
        ("POST /webhook_endpoints/{id}/test", Hidden, none.clone()),
        ("POST /webhook_endpoints/{id}/enable", Hidden, none.clone()),
        (
            "POST /webhook_endpoints/{id}/replay",
            Hidden,
            json!({"after": "2026-01-01T00:00:00.000Z"}),
        ),
        (
            "GET /webhook_endpoints/{id}/deliveries",
            Hidden,
            none.clone(),
        ),
        ("POST /deliveries/{id}/retry", Hidden, none.clone()),
        ("GET /events", OwnOnly, none.clone()),
        ("GET /organizations/{id}/snapshot", Hidden, none.clone()),
        ("GET /logins", OwnOnly, none.clone()),
        ("GET /logins/{id}", Hidden, none.clone()),
        ("GET /audit_log", OwnOnly, none.clone()),
        ("GET /audit_log/export", OwnOnly, none.clone()),
        ("GET /sessions", OwnOnly, none.clone()),
        ("DELETE /sessions/{id}", Hidden, none.clone()),
        ("GET /api_keys", OwnOnly, none.clone()),
        // For all organizations.
        ("POST /api_keys", Forbidden, json!({"name": "Evil"})),
        ("DELETE /api_keys/{id}", Hidden, none),
    ]
}

#[tokio::test]
async fn nobody_and_another_tenant_reach_nothing_by_any_operation() {
    let scene = Scene::set().await;
    let operations = operations();
    let document = scene.tenon.api().get("/openapi.json").await.expect(200);
    let known: Vec<_> = operations
        .iter()
        .map(|(operation, ..)| (*operation).to_owned())
        .collect();
    let mut documented = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            documented.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let missing: Vec<_> = documented
        .iter()
        .filter(|operation| !known.contains(operation))
        .collect();
    assert!(missing.is_empty(), "no entry here for {missing:#?}");
    let gone: Vec<_> = known
        .iter()
        .filter(|operation| !documented.contains(operation))
        .collect();
    assert!(gone.is_empty(), "no such operations: {gone:#?}");

    let before = scene.everything().await;
    let acme: Vec<_> = scene
        .ids
        .iter()
        .filter(|(name, _)| !matches!(*name, "roles" | "applications"))
        .collect();
    for (operation, expected, body) in operations {
        let (method, template) = operation.split_once(' ').expect("method and path");
        let method: Method = method.parse().expect("a method");
        let path = scene.path(template);
        let body = Some(body).filter(|body| !body.is_null());

        let nobody = scene
            .tenon
            .api()
            .without_token()
            .send(method.clone(), &path, body.clone())
            .await;
        assert_eq!(nobody.status, 401, "nobody: {operation}: {}", nobody.body);

        let answer = scene.stranger.send(method, &path, body).await;
        let status = match expected {
            Hidden => 404,
            OwnOnly => 200,
            Forbidden => 403,
        };
        assert_eq!(
            answer.status.as_u16(),
            status,
            "a stranger: {operation}: {}",
            answer.body
        );
        for (name, id) in &acme {
            // What the stranger itself put into the path may come back in a message.
            let leaked = answer.body.contains(id.as_str()) && !path.contains(id.as_str());
            assert!(
                !leaked,
                "{operation} shows one of Acme's {name}: {}",
                answer.body
            );
        }
    }
    assert_eq!(
        scene.everything().await,
        before,
        "a stranger changed something"
    );
}

/// A filter is no way around: asking for Acme by its id finds what asking for nobody finds.
#[tokio::test]
async fn filters_do_not_reach_over_the_wall() {
    let scene = Scene::set().await;
    let organization = scene.path("/organizations/{id}");
    let id = organization.rsplit('/').next().expect("an id");
    let user = scene.path("/users/{id}");
    let user = user.rsplit('/').next().expect("an id");
    for path in [
        format!("/events?organization_id={id}"),
        format!("/audit_log?organization_id={id}"),
        format!("/logins?organization_id={id}"),
        "/logins?email=ada@acme.example".to_owned(),
        format!("/sessions?organization_id={id}"),
        format!("/sessions?user_id={user}"),
        "/organizations?search=Acme".to_owned(),
        "/organizations?domain=acme.example".to_owned(),
    ] {
        let answer = scene.stranger.get(&path).await;
        match answer.status.as_u16() {
            200 => assert_eq!(answer.json["data"], json!([]), "{path}"),
            status => assert_eq!(status, 404, "{path}: {}", answer.body),
        }
    }
}
