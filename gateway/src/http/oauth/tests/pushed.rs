//! Pushed authorization requests (RFC 9126), and answers by form post.

use chrono::TimeDelta;
use poem::http::{Method, header};

use super::desk::{Answer, CHALLENGE, Desk, ISSUER, REDIRECT_URI, request};

const REQUEST: [(&str, &str); 7] = [
    ("response_type", "code"),
    ("redirect_uri", REDIRECT_URI),
    ("scope", "openid"),
    ("state", "the-state"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
    // Answers at once, without a page.
    ("prompt", "none"),
];

impl Desk {
    async fn push(&self, form: &[(&str, &str)]) -> String {
        let answer = self.post("/oauth/par", form).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(answer.json["expires_in"], 60);
        answer.json["request_uri"].as_str().unwrap().to_owned()
    }

    pub(super) async fn authorize(&self, query: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        self.get(&format!("/oauth/authorize?{query}")).await
    }
}

#[tokio::test]
async fn a_pushed_request_works_once_for_its_client_within_a_minute() {
    let desk = Desk::open().await;
    let other = desk.application(|_| ()).await.to_string();
    let id = desk.client.to_string();
    let uri = desk.push(&REQUEST).await;
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    let ask = |client: &str, uri: &str| {
        let query = vec![
            ("client_id".to_owned(), client.to_owned()),
            ("request_uri".to_owned(), uri.to_owned()),
            // Beside the reference nothing else counts.
            ("state".to_owned(), "another".to_owned()),
        ];
        query
    };
    let go = async |client: &str, uri: &str| {
        let query = ask(client, uri);
        let query: Vec<_> = query
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        desk.authorize(&query).await
    };
    assert_eq!(go(&other, &uri).await.status, 400);
    let answered = go(&id, &uri).await;
    assert_eq!(answered.status, 303, "{}", answered.text);
    let location = answered.header(header::LOCATION);
    assert!(location.starts_with(REDIRECT_URI) && location.contains("error=login_required"));
    assert!(location.contains("state=the-state"), "{location}");
    let again = go(&id, &uri).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("invalid_request_uri"), "{}", again.text);

    let late = desk.push(&REQUEST).await;
    desk.advance(TimeDelta::seconds(60));
    assert_eq!(go(&id, &late).await.status, 400);
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    assert_eq!(go(&id, unknown).await.status, 400);
}

#[tokio::test]
async fn of_many_browsers_with_one_request_uri_one_gets_on() {
    let desk = Desk::open().await;
    let id = desk.client.to_string();
    let uri = desk.push(&REQUEST).await;
    let query = [("client_id", id.as_str()), ("request_uri", uri.as_str())];
    let attempts = (0..8).map(|_| desk.authorize(&query));
    let answers = futures_util::future::join_all(attempts).await;
    let won = answers.iter().filter(|answer| answer.status == 303);
    assert_eq!(won.count(), 1);
}

#[tokio::test]
async fn form_post_answers_with_a_page_that_posts() {
    let desk = Desk::open().await;
    let id = desk.client.to_string();
    let mut query = REQUEST.to_vec();
    query.extend([("client_id", id.as_str()), ("response_mode", "form_post")]);
    let page = desk.authorize(&query).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(
        policy.contains("form-action https://app.example https:;"),
        "{policy}"
    );
    for part in [
        format!(r#"<form method="post" action="{REDIRECT_URI}" data-submit-now>"#),
        r#"name="error" value="login_required""#.to_owned(),
        r#"name="state" value="the-state""#.to_owned(),
        format!(r#"name="iss" value="{ISSUER}""#),
        "<button".to_owned(),
    ] {
        assert!(page.text.contains(&part), "{part} in {}", page.text);
    }
    let unknown = [("response_mode", "fragment")];
    query.retain(|(name, _)| *name != "response_mode");
    query.extend(unknown);
    let refused = desk.authorize(&query).await;
    assert!(
        refused
            .header(header::LOCATION)
            .contains("error=invalid_request")
    );
    let answer = desk
        .send(request(Method::GET, "/oauth/par", None).finish())
        .await;
    assert_eq!(answer.status, 405);
}
