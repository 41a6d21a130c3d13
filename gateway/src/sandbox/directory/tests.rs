//! The practice directory against a SCIM endpoint that remembers what it was sent.

use poem::{
    EndpointExt, Request, Response, Server,
    endpoint::make,
    http::{Method, StatusCode},
    listener::{Acceptor as _, Listener as _, TcpListener},
};

use super::*;
use crate::{clock::SystemClock, sandbox::people};

type Sent = Arc<std::sync::Mutex<Vec<(String, Value)>>>;

/// Answers with ids it counts up; refuses every PATCH of `active`, as a strict service might.
async fn start() -> (PracticeDirectory, Sent) {
    let sent = Sent::default();
    let acceptor = TcpListener::bind("127.0.0.1:0")
        .into_acceptor()
        .await
        .unwrap();
    let address = acceptor.local_addr()[0].as_socket_addr().copied().unwrap();
    let seen = Arc::clone(&sent);
    let endpoint = make(move |mut request: Request| {
        let seen = Arc::clone(&seen);
        async move {
            assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
            let body = request.take_body().into_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut seen = seen.lock().unwrap();
            seen.push((
                format!("{} {}", request.method(), request.uri()),
                body.clone(),
            ));
            let (status, answer) = match *request.method() {
                Method::GET => (StatusCode::OK, json!({"totalResults": 0, "Resources": []})),
                Method::POST => (
                    StatusCode::CREATED,
                    json!({"id": format!("r{}", seen.len())}),
                ),
                Method::PATCH if body["Operations"][0]["path"] == "active" => {
                    (StatusCode::BAD_REQUEST, json!({"detail": "no"}))
                }
                _ => (StatusCode::OK, json!({})),
            };
            Response::builder().status(status).body(answer.to_string())
        }
    });
    tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint.map_to_response()));
    let acme = people::seeded()
        .into_iter()
        .filter(|person| person.domain() == people::ACME_DOMAIN);
    let directory = PracticeDirectory::new(
        reqwest::Client::new(),
        format!("http://{address}"),
        "t0ken".into(),
        acme.collect(),
        Arc::new(SystemClock),
    );
    (directory, sent)
}

fn methods(sent: &Sent) -> Vec<String> {
    let mut sent = sent.lock().unwrap();
    sent.drain(..)
        .map(|(line, _)| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn a_push_looks_up_and_creates_and_the_next_one_replaces() {
    let (directory, sent) = start().await;
    directory.apply(&Change::PushEverything).await;
    let first = methods(&sent);
    assert_eq!(
        first.len(),
        2 * (4 + 2),
        "four people and two groups: {first:?}"
    );
    assert_eq!(first[..2], ["GET /Users", "POST /Users"]);
    assert_eq!(first[8..10], ["GET /Groups", "POST /Groups"]);
    directory.apply(&Change::PushEverything).await;
    let second = methods(&sent);
    assert!(
        second[..4]
            .iter()
            .all(|line| line.starts_with("PUT /Users/")),
        "{second:?}"
    );
    assert!(
        second[4..]
            .iter()
            .all(|line| line.starts_with("PATCH /Groups/")),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_member_is_added_and_removed_by_one_operation() {
    let (directory, sent) = start().await;
    directory.apply(&Change::PushEverything).await;
    methods(&sent);
    let (group, person) = ("Support".to_owned(), "acme-1001".to_owned());
    let add = Change::AddMember {
        group: group.clone(),
        person: person.clone(),
    };
    directory.apply(&add).await;
    directory
        .apply(&Change::RemoveMember { group, person })
        .await;
    let sent = sent.lock().unwrap();
    let operations: Vec<_> = sent
        .iter()
        .map(|(_, body)| body["Operations"][0].clone())
        .collect();
    assert_eq!(
        operations[0],
        json!({"op": "add", "path": "members", "value": [{"value": "r2"}]})
    );
    assert_eq!(
        operations[1],
        json!({"op": "remove", "path": "members[value eq \"r2\"]"})
    );
}

#[tokio::test]
async fn a_refused_change_is_shown_and_not_believed() {
    let (directory, _) = start().await;
    directory.apply(&Change::PushEverything).await;
    directory
        .apply(&Change::SetActive {
            person: "acme-1002".into(),
            active: false,
        })
        .await;
    let (people, _, log) = directory.snapshot().await;
    assert!(people[1].active);
    assert_eq!(log[0].status, Some(400));
    assert!(log[0].answer.contains("no"));
}

#[tokio::test]
async fn nothing_that_was_not_pushed_is_changed() {
    let (directory, sent) = start().await;
    directory
        .apply(&Change::SetTitle {
            person: "acme-1001".into(),
            title: "x".into(),
        })
        .await;
    directory
        .apply(&Change::DeleteGroup {
            group: "Support".into(),
        })
        .await;
    assert_eq!(methods(&sent), [""; 0]);
}
