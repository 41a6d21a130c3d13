//! The management API: what every client of it relies on, and each resource with its refusals.

mod api_keys;
mod applications;
mod audit_log;
mod bad_input;
mod connections;
mod conventions;
mod directories;
mod directory_requests;
mod domain_checks;
mod domain_claims;
mod domains;
mod idempotency;
mod organizations;
mod role_mappings;
mod roles;
mod users;

use integration::{Api, Tenon, text};
use serde_json::{Value, json};

/// A gateway with one organization, and the path below it.
async fn acme(tenon: &Tenon) -> (Api, String) {
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let path = format!("/organizations/{}", text(&organization["id"]));
    (api, path)
}

/// The types of an organization's events, in order, with what `data` says. `path` is the organization's.
async fn events(api: &Api, path: &str) -> Vec<(String, Value)> {
    let id = path.rsplit('/').next().expect("an id");
    let path = format!("/events?organization_id={id}&limit=1000");
    let events = api.get(&path).await.expect(200);
    let events = events["data"].as_array().expect("a list").clone();
    events
        .into_iter()
        .map(|event| (text(&event["type"]), event["data"].clone()))
        .collect()
}

/// The types alone.
async fn event_types(api: &Api, path: &str) -> Vec<String> {
    let events = events(api, path).await;
    events.into_iter().map(|(kind, _)| kind).collect()
}

/// `field: message` of each error of a 400.
#[track_caller]
fn errors(answer: integration::Answer) -> Vec<String> {
    assert_eq!(answer.status, 400, "{}", answer.body);
    let errors = answer.json["errors"].as_array().expect("errors").clone();
    errors
        .iter()
        .map(|error| format!("{}: {}", text(&error["field"]), text(&error["message"])))
        .collect()
}

/// The fields alone.
#[track_caller]
fn fields(answer: integration::Answer) -> Vec<String> {
    let named = errors(answer).into_iter();
    named
        .map(|error| error.split(": ").next().unwrap_or_default().to_owned())
        .collect()
}

/// A key that is bound to another organization.
async fn stranger(api: &Api) -> Api {
    let globex = api.organization("Globex", &["globex.example"]).await;
    let body = json!({"name": "stranger", "organization_id": globex["id"]});
    let key = api.post("/api_keys", body).await.expect(201);
    api.with_token(&text(&key["key"]))
}
