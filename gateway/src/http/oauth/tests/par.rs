//! What the endpoint for pushed requests takes. What becomes of the handle is tested in `tests/oauth`.

use poem::http::header;

use super::desk::{CHALLENGE, Desk, REDIRECT_URI, SECRET, basic};
use crate::flows::pushed_requests;

const GOOD: [(&str, &str); 6] = [
    ("response_type", "code"),
    ("redirect_uri", REDIRECT_URI),
    ("scope", "openid email"),
    ("state", "xyz"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// The good request with one parameter changed; an empty value takes it away.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut form: Vec<_> = GOOD
        .into_iter()
        .filter(|(other, _)| *other != name)
        .collect();
    form.push((name, value));
    form
}

#[tokio::test]
async fn a_good_request_gets_a_handle_for_its_client_and_for_once() {
    let desk = Desk::open().await;
    let answer = desk.call("/oauth/par", &GOOD).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(answer.json["expires_in"], 90);
    let uri = answer.json["request_uri"].as_str().unwrap();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));

    let other = desk.application(|_| ()).await;
    let take = async |client| pushed_requests::take(&desk.app, client, uri).await.unwrap();
    assert_eq!(take(other).await, None);
    let query = take(desk.client).await.unwrap();
    assert!(
        query.starts_with(&format!("client_id={}&", desk.client)),
        "{query}"
    );
    assert!(query.contains("state=xyz") && query.contains("scope=openid+email"));
    assert_eq!(take(desk.client).await, None, "used");
}

#[tokio::test]
async fn a_handle_lasts_a_minute_and_a_half_and_keeps_no_credential() {
    let desk = Desk::open().await;
    let client_id = desk.client.to_string();
    let mut form = GOOD.to_vec();
    form.extend([("client_id", client_id.as_str()), ("client_secret", SECRET)]);
    let push = async || {
        let answer = desk.post("/oauth/par", None, &form).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.json["request_uri"].as_str().unwrap().to_owned()
    };
    let uri = push().await;
    let query = pushed_requests::take(&desk.app, desk.client, &uri).await;
    assert!(!query.unwrap().unwrap().contains(SECRET));
    let uri = push().await;
    desk.advance(chrono::TimeDelta::seconds(90));
    let late = pushed_requests::take(&desk.app, desk.client, &uri).await;
    assert_eq!(late.unwrap(), None);
}

#[tokio::test]
async fn what_the_authorization_endpoint_would_refuse_is_refused_at_once() {
    let desk = Desk::open().await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("redirect_uri", "", "invalid_request"),
        ("scope", "email", "invalid_scope"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "a.b.c", "request_not_supported"),
        (
            "request_uri",
            "urn:ietf:params:oauth:request_uri:x",
            "invalid_request",
        ),
        (
            "request_uri",
            "https://app.example/request",
            "invalid_request",
        ),
        ("organization_id", "acme", "invalid_request"),
        (
            "client_id",
            "app_01jd8m0000000000000000000a",
            "invalid_request",
        ),
    ] {
        let answer = desk.call("/oauth/par", &with(name, value)).await;
        assert_eq!(answer.refusal(), (400, error), "{name}={value}");
    }
    let mut twice = GOOD.to_vec();
    twice.push(("state", "abc"));
    let answer = desk.call("/oauth/par", &twice).await;
    assert_eq!(answer.refusal(), (400, "invalid_request"));
    let wrong = basic(&desk.client.to_string(), "wrong");
    let answer = desk.post("/oauth/par", Some(&wrong), &GOOD).await;
    assert_eq!(answer.refusal(), (401, "invalid_client"));
    let answer = desk.post("/oauth/par", None, &GOOD).await;
    assert_eq!(answer.refusal(), (401, "invalid_client"));
    assert_eq!(desk.get("/oauth/par").await.status, 405);
}
