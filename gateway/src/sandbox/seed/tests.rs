//! The seed against a management API that remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use poem::{
    Endpoint, EndpointExt, Request, Response, Server,
    endpoint::make,
    http::{Method, StatusCode},
    listener::{Acceptor as _, Listener as _, TcpListener},
};

use super::*;
use crate::sandbox::idp::testing::practice_idp;

const SANDBOX: &str = "http://127.0.0.1:8081";

/// Collections by path, newest first, and every call that was not a GET.
#[derive(Default)]
struct FakeApi {
    collections: BTreeMap<String, Vec<Value>>,
    calls: Vec<String>,
    ids: u32,
}

impl FakeApi {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        if method == Method::GET {
            let mut data = self.collections.get(path).cloned().unwrap_or_default();
            if let Some(id) = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("external_id="))
            {
                data.retain(|entry| entry["external_id"] == id);
            }
            return (StatusCode::OK, json!({"data": data, "next_cursor": null}));
        }
        self.calls.push(format!("{method} {path}"));
        self.ids += 1;
        let n = self.ids;
        let (_, last) = path.rsplit_once('/').unwrap();
        match (method.as_str(), last) {
            ("POST", "rotate_secret") => (
                StatusCode::OK,
                json!({"client_secret": format!("secret{n}"), "secret": format!("whsec_{n}")}),
            ),
            ("POST", "tokens") => (
                StatusCode::CREATED,
                json!({"bearer_token": format!("token{n}")}),
            ),
            ("POST", _) => {
                let mut shown = body;
                shown["id"] = format!("id_{n}").into();
                self.collections
                    .entry(path.to_owned())
                    .or_default()
                    .insert(0, shown.clone());
                if shown["type"] == "saml" {
                    shown["saml"]["sp"] = json!({"entity_id": "http://gw/saml/c/metadata", "acs_url": "http://gw/saml/c/acs"});
                    self.collections.get_mut(path).unwrap()[0] = shown.clone();
                }
                let base_url = format!("http://gw/scim/v2/id_{n}");
                let kept = &mut self.collections.get_mut(path).unwrap()[0];
                match last {
                    "directories" => kept["scim"] = json!({"base_url": base_url}),
                    "applications" => kept["client_id"] = format!("client_{n}").into(),
                    _ => {}
                }
                shown = kept.clone();
                match last {
                    "directories" => shown["scim"]["bearer_token"] = format!("token{n}").into(),
                    "applications" => shown["client_secret"] = format!("secret{n}").into(),
                    "webhook_endpoints" => shown["secret"] = format!("whsec_{n}").into(),
                    _ => {}
                }
                (StatusCode::CREATED, shown)
            }
            ("PATCH", id) => {
                let entries = self.collections.values_mut().flatten();
                let found = entries.into_iter().find(|entry| entry["id"] == id).unwrap();
                for (name, value) in body.as_object().unwrap() {
                    match (&mut found[name.as_str()], value) {
                        (Value::Object(kept), Value::Object(given)) => kept.extend(given.clone()),
                        (kept, given) => *kept = given.clone(),
                    }
                }
                (StatusCode::OK, found.clone())
            }
            _ => (StatusCode::OK, json!({})),
        }
    }
}

async fn serve(fake: Arc<Mutex<FakeApi>>) -> String {
    let acceptor = TcpListener::bind("127.0.0.1:0")
        .into_acceptor()
        .await
        .unwrap();
    let address = acceptor.local_addr()[0].as_socket_addr().copied().unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint(fake)));
    format!("http://{address}")
}

fn endpoint(fake: Arc<Mutex<FakeApi>>) -> impl Endpoint<Output = Response> {
    make(move |mut request: Request| {
        let fake = Arc::clone(&fake);
        async move {
            let path = request
                .uri()
                .path()
                .strip_prefix("/api/v1")
                .unwrap()
                .to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = request.take_body().into_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (status, answer) =
                fake.lock()
                    .unwrap()
                    .answer(request.method(), &path, &query, body);
            Response::builder().status(status).body(answer.to_string())
        }
    })
    .map_to_response()
}

struct Start {
    api: ApiClient,
    idp: PracticeIdp,
    fake: Arc<Mutex<FakeApi>>,
    folder: tempfile::TempDir,
}

impl Start {
    async fn new() -> Self {
        let fake = Arc::<Mutex<FakeApi>>::default();
        let url = serve(Arc::clone(&fake)).await;
        Self {
            api: ApiClient::new(reqwest::Client::new(), &url, "key".into()),
            idp: practice_idp(),
            fake,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One start of the sandbox: what it seeded, and what it changed for that.
    async fn seed(&self, sandbox_url: &str) -> (Seeded, Vec<String>) {
        self.fake.lock().unwrap().calls.clear();
        let file = self.folder.path().join("sandbox.json");
        let seeded = seed(&self.api, &self.idp, sandbox_url, &file, "s3cret".into())
            .await
            .unwrap();
        let mut calls = self.fake.lock().unwrap().calls.clone();
        calls.retain(|call| !call.starts_with("PUT /roles/"));
        (seeded, calls)
    }
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let start = Start::new().await;
    let (first, calls) = start.seed(SANDBOX).await;
    insta::assert_snapshot!(calls.join("\n"), @r"
    POST /organizations
    POST /organizations
    POST /organizations/id_4/connections
    PUT /connections/id_6/role_mappings
    POST /organizations/id_5/connections
    PUT /connections/id_8/role_mappings
    POST /organizations/id_4/directories
    PUT /directories/id_10/role_mappings
    POST /applications
    POST /webhook_endpoints
    ");
    let (second, calls) = start.seed(SANDBOX).await;
    assert_eq!(calls, [""; 0]);
    assert_eq!(first.scim_token, second.scim_token);
    assert_eq!(first.client_secret, second.client_secret);
    assert_eq!(first.webhook_secret, second.webhook_secret);
}

#[tokio::test]
async fn another_port_puts_the_addresses_right() {
    let start = Start::new().await;
    let (_, _) = start.seed(SANDBOX).await;
    let (_, calls) = start.seed("http://127.0.0.1:9999").await;
    let changed: Vec<_> = calls
        .iter()
        .map(|call| call.split('/').nth(1).unwrap())
        .collect();
    assert_eq!(changed, ["applications", "webhook_endpoints"]);
}

#[tokio::test]
async fn lost_secrets_are_made_again_and_nothing_else() {
    let start = Start::new().await;
    let (first, _) = start.seed(SANDBOX).await;
    std::fs::remove_file(start.folder.path().join("sandbox.json")).unwrap();
    let (second, calls) = start.seed(SANDBOX).await;
    assert!(
        calls.iter().all(|call| {
            call.starts_with("PATCH /connections/")
                || call.ends_with("/tokens")
                || call.ends_with("/rotate_secret")
        }),
        "{calls:?}"
    );
    assert_eq!(first.acme_id, second.acme_id);
    assert_ne!(first.scim_token, second.scim_token);
    assert_ne!(first.client_secret, second.client_secret);
    assert_ne!(first.webhook_secret, second.webhook_secret);
}
