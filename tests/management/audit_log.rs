use std::collections::BTreeSet;

use integration::{Api, Idp, NameServer, RelyingParty, Sink, Tenon, UserAgent, text};
use reqwest::Method;
use serde_json::{Value, json};

use super::{acme, stranger};

/// Everything that the log has, oldest first.
async fn export(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/audit_log/export{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = answer.body.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("an entry"))
        .collect()
}

/// A caller whose every operation is looked up in the log.
struct Audited {
    api: Api,
    seen: BTreeSet<String>,
    called: BTreeSet<String>,
    /// What was shown once.
    secrets: Vec<String>,
}

impl Audited {
    async fn new(api: Api) -> Self {
        let mut audited = Self {
            api,
            seen: BTreeSet::new(),
            called: BTreeSet::new(),
            secrets: Vec::new(),
        };
        audited.news().await;
        audited
    }

    async fn news(&mut self) -> Vec<Value> {
        let entries = export(&self.api, "").await.into_iter();
        entries
            .filter(|entry| self.seen.insert(text(&entry["id"])))
            .collect()
    }

    /// Calls an operation, as in `PATCH /roles/{slug}` with `admin` for its one or two parameters, and expects these
    /// actions of it.
    async fn call(
        &mut self,
        operation: &str,
        ids: &[&str],
        body: Value,
        actions: &[&str],
    ) -> Value {
        let (method, template) = operation.split_once(' ').expect("method and path");
        let mut ids = ids.iter();
        let path: String = template
            .split('/')
            .skip(1)
            .map(|part| match part.starts_with('{') {
                true => format!("/{}", ids.next().expect("an id")),
                false => format!("/{part}"),
            })
            .collect();
        let method: Method = method.parse().expect("a method");
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.api.send(method, &path, body).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.body);
        self.called.insert(operation.to_owned());
        for pointer in [
            "/key",
            "/client_secret",
            "/secret",
            "/bearer_token",
            "/scim/bearer_token",
        ] {
            let secret = answer.json.pointer(pointer).and_then(Value::as_str);
            self.secrets.extend(secret.map(str::to_owned));
        }

        let news = self.news().await;
        let mut told: Vec<_> = news.iter().map(|entry| text(&entry["action"])).collect();
        told.sort();
        assert_eq!(told, actions, "{operation}");
        for entry in news {
            assert_eq!(entry["actor"]["kind"], "api_key", "{entry}");
            assert_eq!(entry["ip"], "127.0.0.1", "{entry}");
            assert_eq!(
                entry["request_id"],
                *answer.header("x-request-id"),
                "{entry}"
            );
        }
        answer.json
    }
}

/// An operation that changes something and is not called here fails the test, and so does one that leaves no entry.
#[tokio::test]
async fn every_operation_that_changes_something_is_in_the_log() {
    let dns = NameServer::start().await;
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", dns.address())]).await;
    let mut acme = Audited::new(tenon.api()).await;
    let none = || Value::Null;

    let application = json!({"name": "App", "redirect_uris": ["https://app.example/cb"]});
    let actions = ["application.created"];
    let app = acme
        .call("POST /applications", &[], application, &actions)
        .await;
    let app = text(&app["id"]);
    let renamed = json!({"name": "Other"});
    acme.call(
        "PATCH /applications/{id}",
        &[&app],
        renamed.clone(),
        &["application.updated"],
    )
    .await;
    acme.call("PATCH /applications/{id}", &[&app], renamed.clone(), &[])
        .await;
    let actions = ["application.secret_rotated"];
    acme.call(
        "POST /applications/{id}/rotate_secret",
        &[&app],
        none(),
        &actions,
    )
    .await;
    acme.call(
        "DELETE /applications/{id}",
        &[&app],
        none(),
        &["application.deleted"],
    )
    .await;

    let body = json!({"name": "Acme", "domains": ["acme.example"]});
    let actions = ["domain.created", "domain.verified", "organization.created"];
    let organization = acme.call("POST /organizations", &[], body, &actions).await;
    let org = text(&organization["id"]);
    let body = json!({"name": "Acme Inc."});
    acme.call(
        "PATCH /organizations/{id}",
        &[&org],
        body,
        &["organization.updated"],
    )
    .await;
    let body = json!({"domain": "proof.example"});
    let actions = ["domain.created"];
    let domain = acme
        .call("POST /organizations/{id}/domains", &[&org], body, &actions)
        .await;
    let domain = text(&domain["id"]);
    let operation = "POST /organizations/{id}/domains/{domain_id}/verify";
    acme.call(operation, &[&org, &domain], none(), &["domain.failed"])
        .await;
    let operation = "PATCH /organizations/{id}/domains/{domain_id}";
    let body = json!({"include_subdomains": true});
    acme.call(operation, &[&org, &domain], body, &["domain.updated"])
        .await;
    let operation = "DELETE /organizations/{id}/domains/{domain_id}";
    acme.call(operation, &[&org, &domain], none(), &["domain.deleted"])
        .await;

    let role = |priority| json!({"name": "Administrator", "priority": priority});
    acme.call("PUT /roles/{slug}", &["admin"], role(1), &["role.created"])
        .await;
    acme.call("PUT /roles/{slug}", &["admin"], role(2), &["role.updated"])
        .await;
    acme.call("PUT /roles/{slug}", &["spare"], role(3), &["role.created"])
        .await;
    acme.call(
        "DELETE /roles/{slug}",
        &["spare"],
        none(),
        &["role.deleted"],
    )
    .await;

    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    let metadata = idp.practice().saml_metadata();
    let body = json!({"name": "IdP", "type": "saml", "saml": {"metadata_xml": metadata}});
    let operation = "POST /organizations/{id}/connections";
    let connection = acme
        .call(operation, &[&org], body, &["connection.created"])
        .await;
    let conn = text(&connection["id"]);
    let url = connection["saml"]["idp_entity_id"].clone();
    let body = json!({"saml": {"metadata_url": url}});
    acme.call(
        "PATCH /connections/{id}",
        &[&conn],
        body,
        &["connection.updated"],
    )
    .await;
    let body = json!({"saml": {"allow_sha1": true}});
    let actions = ["connection.exception_allowed", "connection.updated"];
    acme.call("PATCH /connections/{id}", &[&conn], body, &actions)
        .await;
    acme.call(
        "POST /connections/{id}/refresh_metadata",
        &[&conn],
        none(),
        &[],
    )
    .await;
    let actions = ["connection.updated"];
    acme.call(
        "POST /connections/{id}/rotate_keys",
        &[&conn],
        none(),
        &actions,
    )
    .await;
    let actions = ["connection.activated"];
    acme.call(
        "POST /connections/{id}/activate",
        &[&conn],
        none(),
        &actions,
    )
    .await;
    let body = json!({"mappings": [{"group": "Admins", "role": "admin"}]});
    let operation = "PUT /connections/{id}/role_mappings";
    acme.call(operation, &[&conn], body, &["role_mapping.updated"])
        .await;

    let mut sink = Sink::start().await;
    let body = json!({"url": sink.url(), "event_types": ["user.*"]});
    let actions = ["webhook_endpoint.created"];
    let endpoint = acme
        .call("POST /webhook_endpoints", &[], body, &actions)
        .await;
    let whe = text(&endpoint["id"]);
    let body = json!({"description": "users"});
    let actions = ["webhook_endpoint.updated"];
    acme.call("PATCH /webhook_endpoints/{id}", &[&whe], body, &actions)
        .await;
    let actions = ["webhook_endpoint.secret_rotated"];
    acme.call(
        "POST /webhook_endpoints/{id}/rotate_secret",
        &[&whe],
        none(),
        &actions,
    )
    .await;
    let actions = ["webhook_endpoint.tested"];
    acme.call(
        "POST /webhook_endpoints/{id}/test",
        &[&whe],
        none(),
        &actions,
    )
    .await;
    let actions = ["webhook_endpoint.enabled"];
    acme.call(
        "POST /webhook_endpoints/{id}/enable",
        &[&whe],
        none(),
        &actions,
    )
    .await;

    let app = RelyingParty::register(&tenon).await;
    acme.news().await;
    let sign_in = async || {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        app.redeem(&browser.submit(&posting, posting.form()).await)
            .await
            .expect(200);
    };
    sign_in().await;
    sign_in().await;
    assert!(acme.news().await.is_empty(), "a sign-in is nobody's act");
    sink.next_event("user.created").await;
    let sessions = tenon.api().get("/sessions").await.expect(200);
    let (session, user) = (&sessions["data"][0]["id"], &sessions["data"][0]["user_id"]);
    let (session, user) = (text(session), text(user));
    acme.call(
        "DELETE /sessions/{id}",
        &[&session],
        none(),
        &["session.revoked"],
    )
    .await;
    let actions = ["session.revoked"];
    acme.call(
        "POST /users/{id}/revoke_sessions",
        &[&user],
        none(),
        &actions,
    )
    .await;
    sign_in().await;
    let operation = "POST /organizations/{id}/revoke_sessions";
    let ended = acme.call(operation, &[&org], none(), &actions).await;
    assert_eq!(ended["revoked"], 1);
    acme.call("DELETE /users/{id}", &[&user], none(), &["user.deleted"])
        .await;

    let deliveries = format!("/webhook_endpoints/{whe}/deliveries");
    let deliveries = tenon.api().get(&deliveries).await.expect(200);
    let delivery = text(&deliveries["data"][0]["id"]);
    let actions = ["delivery.retried"];
    acme.call(
        "POST /deliveries/{id}/retry",
        &[&delivery],
        none(),
        &actions,
    )
    .await;
    let body = json!({"after": "2026-01-01T00:00:00.000Z"});
    let actions = ["webhook_endpoint.replayed"];
    acme.call(
        "POST /webhook_endpoints/{id}/replay",
        &[&whe],
        body,
        &actions,
    )
    .await;
    let actions = ["webhook_endpoint.deleted"];
    acme.call("DELETE /webhook_endpoints/{id}", &[&whe], none(), &actions)
        .await;

    let body = json!({"name": "Directory"});
    let operation = "POST /organizations/{id}/directories";
    let directory = acme
        .call(operation, &[&org], body, &["directory.created"])
        .await;
    let dir = text(&directory["id"]);
    acme.call(
        "PATCH /directories/{id}",
        &[&dir],
        renamed,
        &["directory.updated"],
    )
    .await;
    let body = json!({"change_brake": {"share": 1, "minimum": 1}});
    let actions = ["directory.updated"];
    acme.call("PATCH /directories/{id}", &[&dir], body, &actions)
        .await;
    let scim = Api::scim(&directory);
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bo"});
    let person = scim.post("/Users", body).await.expect(201);
    let person = format!("/Users/{}", text(&person["id"]));
    scim.delete(&person).await.expect(429);
    let held = acme.news().await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["action"], "directory.change_held");
    assert_eq!(held[0]["actor"], json!({"kind": "directory", "id": dir}));
    let body = json!({"apply": true});
    let actions = ["directory.change_released"];
    acme.call(
        "POST /directories/{id}/release",
        &[&dir],
        body.clone(),
        &actions,
    )
    .await;
    // What it does is in the events, and counted in its one entry.
    let brake = json!({"change_brake": {"share": 1, "minimum": 1, "answer": "accept"}});
    let updated = ["directory.updated"];
    acme.call("PATCH /directories/{id}", &[&dir], brake, &updated)
        .await;
    scim.delete(&person).await.expect(204);
    assert_eq!(acme.news().await.len(), 1);
    acme.call("POST /directories/{id}/release", &[&dir], body, &actions)
        .await;
    scim.get(&person).await.expect(404);
    let actions = ["directory_token.created"];
    let token = acme
        .call("POST /directories/{id}/tokens", &[&dir], none(), &actions)
        .await;
    let operation = "DELETE /directories/{id}/tokens/{token_id}";
    let token = text(&token["id"]);
    acme.call(
        operation,
        &[&dir, &token],
        none(),
        &["directory_token.deleted"],
    )
    .await;
    let body = json!({"mappings": [{"group_display_name": "Admins", "role": "admin"}]});
    let operation = "PUT /directories/{id}/role_mappings";
    acme.call(operation, &[&dir], body, &["role_mapping.updated"])
        .await;
    acme.call(
        "DELETE /directories/{id}",
        &[&dir],
        none(),
        &["directory.deleted"],
    )
    .await;

    let actions = ["connection.deactivated"];
    acme.call(
        "POST /connections/{id}/deactivate",
        &[&conn],
        none(),
        &actions,
    )
    .await;
    acme.call(
        "DELETE /connections/{id}",
        &[&conn],
        none(),
        &["connection.deleted"],
    )
    .await;
    let body = json!({"name": "another", "organization_id": org});
    let key = acme
        .call("POST /api_keys", &[], body, &["api_key.created"])
        .await;
    let key = text(&key["id"]);
    acme.call(
        "DELETE /api_keys/{id}",
        &[&key],
        none(),
        &["api_key.deleted"],
    )
    .await;
    let actions = ["domain.deleted", "organization.deleted"];
    acme.call("DELETE /organizations/{id}", &[&org], none(), &actions)
        .await;

    let left = export(&acme.api, &format!("?organization_id={org}")).await;
    assert!(
        left.len() > 20,
        "what was done to it outlives it: {}",
        left.len()
    );
    let whole = format!("{:?}", export(&acme.api, "").await);
    assert!(acme.secrets.len() >= 6, "{}", acme.secrets.len());
    for secret in &acme.secrets {
        assert!(!whole.contains(secret), "a secret stands in the log");
    }
    assert!(
        !whole.contains("ada@acme.example"),
        "a person stands in the log"
    );

    let changes_nothing = [
        "POST /discovery",
        "POST /directories/{id}/role_mappings/preview",
    ];
    let document = tenon.api().get("/openapi.json").await.expect(200);
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let operation = format!("{} {path}", method.to_uppercase());
            let known = acme.called.contains(&operation);
            let harmless = method == "get" || changes_nothing.contains(&&*operation);
            assert!(known || harmless, "{operation} is not called here");
        }
    }
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_what_and_what_it_was_before() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    api.patch(&path, json!({"name": "Acme Inc."}))
        .await
        .expect(200);
    let entries = api
        .get("/audit_log?action=organization.updated")
        .await
        .expect(200);
    let entry = &entries["data"][0];
    assert!(text(&entry["id"]).starts_with("aud_"), "{entry}");
    assert!(path.ends_with(&text(&entry["organization_id"])), "{entry}");
    assert_eq!(entry["target"], entry["organization_id"]);
    assert!(text(&entry["actor"]["id"]).starts_with("key_"), "{entry}");
    assert_eq!(entry["before"], json!({"name": "Acme"}));
    assert_eq!(entry["after"], json!({"name": "Acme Inc."}));
    assert_eq!(entries["next_cursor"], Value::Null);
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let id = path.rsplit('/').next().expect("an id").to_owned();
    for n in 0..3 {
        api.patch(&path, json!({"name": format!("Acme {n}")}))
            .await
            .expect(200);
    }
    let count = async |query: &str| export(&api, query).await.len();
    assert_eq!(count(&format!("?organization_id={id}")).await, 6);
    assert_eq!(count("?action=organization.updated").await, 3);
    assert_eq!(count("?action=organization.*").await, 4);
    assert_eq!(count("?action=domain.*").await, 2);
    assert_eq!(count("?action=organization").await, 0);
    assert_eq!(count("?since=2100-01-01T00:00:00Z").await, 0);
    assert_eq!(count("?until=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(count("?actor=key_nobody").await, 0);
    let first = api
        .get("/audit_log?action=organization.*&limit=3")
        .await
        .expect(200);
    let cursor = text(&first["next_cursor"]);
    let last = format!("/audit_log?action=organization.*&limit=3&cursor={cursor}");
    let last = api.get(&last).await.expect(200);
    assert_eq!(last["data"][0]["action"], "organization.created");
    assert_eq!(last["next_cursor"], Value::Null);
    let refused = api.get("/audit_log?action=a%25").await.problem(400);
    assert_eq!(refused, "invalid_request");
}

#[tokio::test]
async fn a_bound_key_sees_what_was_done_in_its_organization_alone() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let id = path.rsplit('/').next().expect("an id");
    let stranger = stranger(&api).await;
    let own = export(&stranger, "").await;
    assert!(!own.is_empty());
    for entry in own {
        assert_ne!(entry["organization_id"], *id, "{entry}");
        assert_ne!(entry["organization_id"], Value::Null, "{entry}");
    }
    for list in ["/audit_log", "/audit_log/export"] {
        let path = format!("{list}?organization_id={id}");
        assert_eq!(stranger.get(&path).await.problem(404), "not_found");
    }
}
