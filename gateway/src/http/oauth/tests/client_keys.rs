//! A client's `jwks_uri`: its keys rotate there, and nobody's assertions become a flood of requests to it.

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;
use futures_util::future::join_all;
use poem::http::{StatusCode, header};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{Endpoint, Request, Response, Server};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::assertions::{Pair, proven, unproven};
use super::desk::Desk;
use crate::ids::ApplicationId;
use crate::model::ClientAuthMethod;

#[derive(Default)]
struct Published {
    keys: Vec<Value>,
    broken: bool,
    asked: usize,
}

/// The client's own server.
struct KeyServer {
    url: String,
    published: Arc<Mutex<Published>>,
    task: JoinHandle<()>,
}

struct Keys(Arc<Mutex<Published>>);

impl Endpoint for Keys {
    type Output = Response;

    async fn call(&self, _: Request) -> poem::Result<Response> {
        let mut published = self.0.lock().unwrap();
        published.asked += 1;
        if published.broken {
            return Ok(StatusCode::INTERNAL_SERVER_ERROR.into());
        }
        Ok(Response::builder()
            .header(header::CACHE_CONTROL, "max-age=600")
            .content_type("application/jwk-set+json")
            .body(json!({"keys": published.keys}).to_string()))
    }
}

impl KeyServer {
    async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await;
        let acceptor = acceptor.unwrap();
        let address = acceptor.local_addr().remove(0);
        let address = *address.as_socket_addr().unwrap();
        let published = Arc::<Mutex<Published>>::default();
        let endpoint = Keys(published.clone());
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self {
            url: format!("http://{address}/jwks"),
            published,
            task,
        }
    }

    fn publish(&self, keys: &[Value]) {
        keys.clone_into(&mut self.published().keys);
    }

    fn fail(&self, broken: bool) {
        self.published().broken = broken;
    }

    fn asked(&self) -> usize {
        self.published().asked
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap()
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A gateway, a client whose keys stand at a server of its own, and one such key.
async fn scene() -> (Desk, KeyServer, ApplicationId, Pair) {
    let (desk, server, pair) = (Desk::open().await, KeyServer::start().await, Pair::p256());
    server.publish(&[pair.public("first")]);
    let client = desk
        .application(|stored| {
            stored.application.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            stored.application.jwks_uri = Some(server.url.clone());
            stored.secret_hash = None;
        })
        .await;
    (desk, server, client, pair)
}

impl Desk {
    async fn prove(&self, client: ApplicationId, pair: &Pair, kid: &str) -> (u16, String) {
        let assertion = pair.sign_as(kid, &self.claims(client));
        self.try_assertion(&assertion, &[]).await
    }
}

#[tokio::test]
async fn a_client_rotates_its_keys_at_its_jwks_uri() {
    let (desk, server, client, first) = scene().await;
    assert_eq!(desk.prove(client, &first, "first").await, proven());
    assert_eq!(desk.prove(client, &first, "first").await, proven());
    assert_eq!(server.asked(), 1, "kept");

    // The new key signs as soon as it is published, and the old one as long as it is.
    let second = Pair::p256();
    server.publish(&[first.public("first"), second.public("second")]);
    assert_eq!(desk.prove(client, &second, "second").await, proven());
    assert_eq!(desk.prove(client, &first, "first").await, proven());
    assert_eq!(server.asked(), 2);

    // A key that is withdrawn stops counting when the copy ends, at the latest.
    server.publish(&[second.public("second")]);
    assert_eq!(desk.prove(client, &first, "first").await, proven());
    desk.advance(TimeDelta::minutes(10));
    assert_eq!(desk.prove(client, &first, "first").await, unproven());
    assert_eq!(desk.prove(client, &second, "second").await, proven());
}

#[tokio::test]
async fn unknown_kids_cause_one_fetch_of_the_clients_keys_a_minute() {
    let (desk, server, client, pair) = scene().await;
    let stranger = Pair::p256();
    assert_eq!(desk.prove(client, &pair, "first").await, proven());
    let kids: Vec<String> = (0..40).map(|at| format!("made-up-{at}")).collect();
    let attempts = kids.iter().map(|kid| desk.prove(client, &stranger, kid));
    for answer in join_all(attempts).await {
        assert_eq!(answer, unproven());
    }
    assert_eq!(server.asked(), 2, "all at once");
    for kid in &kids[..29] {
        desk.advance(TimeDelta::seconds(2));
        assert_eq!(desk.prove(client, &stranger, kid).await, unproven());
    }
    assert_eq!(server.asked(), 2, "58 seconds of them");
    desk.advance(TimeDelta::seconds(2));
    assert_eq!(desk.prove(client, &stranger, "last").await, unproven());
    assert_eq!(server.asked(), 3);
    assert_eq!(desk.prove(client, &pair, "first").await, proven());

    // What is no assertion at all causes none.
    desk.advance(TimeDelta::minutes(11));
    let id = client.to_string();
    let answer = desk.try_assertion("a.b.c", &[("client_id", &id)]).await;
    assert_eq!(answer, unproven());
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn keys_that_can_not_be_read_are_left_alone_for_a_while() {
    let (desk, server, client, pair) = scene().await;
    server.fail(true);
    let attempts = (0..20).map(|_| desk.prove(client, &pair, "first"));
    for answer in join_all(attempts).await {
        assert_eq!(answer, unproven());
    }
    desk.advance(TimeDelta::seconds(9));
    server.fail(false);
    assert_eq!(desk.prove(client, &pair, "first").await, unproven());
    assert_eq!(server.asked(), 1);
    desk.advance(TimeDelta::seconds(1));
    assert_eq!(desk.prove(client, &pair, "first").await, proven());
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn an_outage_of_the_clients_server_is_bridged_for_a_day() {
    let (desk, server, client, pair) = scene().await;
    assert_eq!(desk.prove(client, &pair, "first").await, proven());
    server.fail(true);
    desk.advance(TimeDelta::minutes(10));
    for _ in 0..5 {
        assert_eq!(desk.prove(client, &pair, "first").await, proven());
        desk.advance(TimeDelta::seconds(10));
    }
    assert_eq!(server.asked(), 2, "one try a minute");
    desk.advance(TimeDelta::hours(24));
    assert_eq!(desk.prove(client, &pair, "first").await, unproven());
}
