//! Requests with one thing wrong, each refused with the specified error, and none of them changing anything.

use poem::http::{Method, header};
use serde_json::json;

use super::desk::{CHALLENGE, Desk, REDIRECT_URI, SECRET, VERIFIER, basic, request};

/// Parameters that are replaced, or taken away.
type Changes = Vec<(&'static str, Option<String>)>;

/// What an endpoint takes, what is wrong with it, and what it answers.
struct Case {
    path: &'static str,
    changes: Changes,
    status: u16,
    error: &'static str,
}

const LONG: usize = 2049;

fn case(
    path: &'static str,
    changes: &[(&'static str, Option<&str>)],
    status: u16,
    error: &'static str,
) -> Case {
    let changes = changes
        .iter()
        .map(|(name, value)| (*name, value.map(str::to_owned)))
        .collect();
    Case {
        path,
        changes,
        status,
        error,
    }
}

/// A right form of each endpoint, without the client's proof.
fn right(path: &str, code: &str, token: &str) -> Vec<(String, String)> {
    let pairs: Vec<(&str, &str)> = match path {
        "/oauth/token" => vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ],
        "/oauth/revoke" | "/oauth/introspect" => vec![("token", token)],
        _ => vec![
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid"),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

fn changed(mut form: Vec<(String, String)>, changes: &[(&'static str, Option<String>)]) -> String {
    for (name, _) in changes {
        form.retain(|(known, _)| known != name);
    }
    for (name, value) in changes {
        form.extend(value.clone().map(|value| ((*name).to_owned(), value)));
    }
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

/// Wrong in the same way at the authorization endpoint and where the same request is pushed.
fn wrong_requests() -> Vec<(Changes, &'static str)> {
    let long = Some("x".repeat(LONG));
    let one = |name, value: &str| vec![(name, Some(value.to_owned()))];
    let without = |name| vec![(name, None)];
    let twice = |name, value: &str| {
        vec![
            (name, Some(value.to_owned())),
            (name, Some(value.to_owned())),
        ]
    };
    vec![
        (without("response_type"), "invalid_request"),
        (one("response_type", "token"), "unsupported_response_type"),
        (
            one("response_type", "id_token"),
            "unsupported_response_type",
        ),
        (
            one("response_type", "code id_token"),
            "unsupported_response_type",
        ),
        (one("response_type", "none"), "unsupported_response_type"),
        (one("response_mode", "fragment"), "invalid_request"),
        (one("response_mode", "web_message"), "invalid_request"),
        (without("scope"), "invalid_scope"),
        (one("scope", "email"), "invalid_scope"),
        (one("scope", "OPENID"), "invalid_scope"),
        (without("code_challenge"), "invalid_request"),
        (without("code_challenge_method"), "invalid_request"),
        (one("code_challenge_method", "plain"), "invalid_request"),
        (one("code_challenge_method", "s256"), "invalid_request"),
        (one("code_challenge", "short"), "invalid_request"),
        (one("code_challenge", &"=".repeat(43)), "invalid_request"),
        (one("prompt", "none login"), "invalid_request"),
        (one("prompt", "create"), "invalid_request"),
        (one("max_age", "-1"), "invalid_request"),
        (one("max_age", "soon"), "invalid_request"),
        (one("max_age", "1.5"), "invalid_request"),
        (one("request", "a.b.c"), "request_not_supported"),
        (one("registration", "{}"), "registration_not_supported"),
        (one("id_token_hint", "x"), "invalid_request"),
        (one("id_token_hint", "a.b.c"), "invalid_request"),
        (twice("claims", "{}"), "invalid_request"),
        (one("organization_id", "acme"), "invalid_request"),
        (
            one("organization_id", "conn_01jd8m0000000000000000000a"),
            "invalid_request",
        ),
        (one("connection_id", "okta"), "invalid_request"),
        (vec![("state", long.clone())], "invalid_request"),
        (vec![("nonce", long.clone())], "invalid_request"),
        (vec![("login_hint", long.clone())], "invalid_request"),
        (vec![("domain_hint", long.clone())], "invalid_request"),
        (vec![("acr_values", long)], "invalid_request"),
        (twice("scope", "openid"), "invalid_request"),
        (twice("nonce", "n"), "invalid_request"),
        (twice("code_challenge", CHALLENGE), "invalid_request"),
        (twice("login_hint", "ada@acme.example"), "invalid_request"),
        (twice("prompt", "login"), "invalid_request"),
    ]
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(
            "/oauth/token",
            &[("grant_type", None)],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/token",
            &[("grant_type", Some(""))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/token",
            &[("grant_type", Some("password"))],
            400,
            "unsupported_grant_type",
        ),
        case(
            "/oauth/token",
            &[("grant_type", Some("client_credentials"))],
            400,
            "unsupported_grant_type",
        ),
        case(
            "/oauth/token",
            &[("grant_type", Some("implicit"))],
            400,
            "unsupported_grant_type",
        ),
        case("/oauth/token", &[("code", None)], 400, "invalid_request"),
        case("/oauth/token", &[("code", Some("x"))], 400, "invalid_grant"),
        case(
            "/oauth/token",
            &[("code", Some("x")), ("code", Some("y"))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/token",
            &[("redirect_uri", None)],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/token",
            &[("redirect_uri", Some("https://app.example/"))],
            400,
            "invalid_grant",
        ),
        case(
            "/oauth/token",
            &[("redirect_uri", Some("https://app.example/callback?x"))],
            400,
            "invalid_grant",
        ),
        case(
            "/oauth/token",
            &[("code_verifier", None)],
            400,
            "invalid_grant",
        ),
        case(
            "/oauth/token",
            &[("code_verifier", Some("short"))],
            400,
            "invalid_grant",
        ),
        case(
            "/oauth/token",
            &[("code_verifier", Some(CHALLENGE))],
            400,
            "invalid_grant",
        ),
        case(
            "/oauth/token",
            &[("grant_type", Some("refresh_token"))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/token",
            &[
                ("grant_type", Some("refresh_token")),
                ("refresh_token", Some("x")),
            ],
            400,
            "invalid_grant",
        ),
        case("/oauth/revoke", &[("token", None)], 400, "invalid_request"),
        case(
            "/oauth/revoke",
            &[("token", Some(""))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/revoke",
            &[("token", Some("x")), ("token", Some("x"))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/introspect",
            &[("token", None)],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/introspect",
            &[("token", Some(""))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/introspect",
            &[("token", Some("x")), ("token", Some("x"))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/par",
            &[("redirect_uri", None)],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/par",
            &[("redirect_uri", Some("https://evil.example/"))],
            400,
            "invalid_request",
        ),
        case(
            "/oauth/par",
            &[("request_uri", Some("urn:x"))],
            400,
            "invalid_request",
        ),
    ];
    for (changes, error) in wrong_requests() {
        let two = changes.len() > 1 && changes[0].0 == changes[1].0;
        let without_pkce = changes[0].0 == "code_challenge" && changes[0].1.is_none();
        for path in ["/oauth/par", "/oauth/authorize"] {
            cases.push(Case {
                path,
                changes: changes.clone(),
                status: if path == "/oauth/par" { 400 } else { 303 },
                error: if two || without_pkce {
                    "invalid_request"
                } else {
                    error
                },
            });
        }
    }
    cases
}

/// Right in what it asks and wrong in how: another method or media type, or a handle that is nobody's any more.
async fn wrong_ways(desk: &Desk, proof: &str, asked: Vec<(String, String)>) -> usize {
    let id = desk.client.to_string();
    for path in [
        "/oauth/token",
        "/oauth/par",
        "/oauth/revoke",
        "/oauth/introspect",
    ] {
        assert_eq!(desk.get(path).await.status, 405, "GET {path}");
        for (media_type, body) in [
            ("application/json", json!({"token": "x"}).to_string()),
            ("text/plain", changed(asked.clone(), &[])),
            ("", changed(asked.clone(), &[])),
        ] {
            let post = request(Method::POST, path, Some(proof));
            let answer = desk.send(post.content_type(media_type).body(body)).await;
            let told = format!("{path} {media_type:?}");
            assert_eq!(answer.refusal(), (400, "invalid_request"), "{told}");
        }
    }
    let push = async || {
        let post = request(Method::POST, "/oauth/par", Some(proof))
            .content_type("application/x-www-form-urlencoded");
        // Passed over where it is not supported (OIDC Core 5.5).
        let claims = vec![("claims", Some(r#"{"id_token":{"acr":null}}"#.to_owned()))];
        let answer = desk.send(post.body(changed(asked.clone(), &claims))).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["request_uri"].as_str().unwrap().to_owned()
    };
    let other = desk.application(|_| ()).await.to_string();
    let (foreign, used, expired) = (push().await, push().await, push().await);
    let open = async |client: &str, uri: &str| {
        let query = format!("client_id={client}&request_uri={uri}");
        desk.get(&format!("/oauth/authorize?{query}")).await
    };
    assert_eq!(open(&id, &used).await.status, 200);
    let unknown = "urn:ietf:params:oauth:request_uri:unknown".to_owned();
    let handles = [
        (&other, &foreign, 0),
        (&id, &used, 0),
        (&id, &unknown, 0),
        (&id, &expired, 90),
    ];
    for (client, uri, after) in handles {
        desk.advance(chrono::TimeDelta::seconds(after));
        let answer = open(client, uri).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert_eq!(answer.header(header::LOCATION), "", "{uri}");
        let code = answer.headers.get("tenon-error").unwrap();
        assert_eq!(code, "invalid_request_uri", "{uri}");
    }
    4 * 4 + handles.len()
}

#[tokio::test]
async fn every_wrong_request_gets_the_specified_error_and_changes_nothing() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let token = tokens["refresh_token"].as_str().unwrap();
    let id = desk.client.to_string();
    let proof = basic(&id, SECRET);
    let cases = cases();
    let mut count = cases.len();
    for case in &cases {
        let form = changed(right(case.path, &code, token), &case.changes);
        let told = format!("{} {form}", case.path);
        if case.path == "/oauth/authorize" {
            let answer = desk
                .get(&format!("{}?client_id={id}&{form}", case.path))
                .await;
            assert_eq!(
                answer.status.as_u16(),
                case.status,
                "{told} {}",
                answer.text
            );
            let location = answer.header(header::LOCATION);
            assert!(location.starts_with(REDIRECT_URI), "{told}");
            let error = format!("error={}&", case.error);
            assert!(location.contains(&error), "{told}: {location}");
            assert!(location.contains("iss="), "{told}");
            continue;
        }
        let post = request(Method::POST, case.path, Some(&proof))
            .content_type("application/x-www-form-urlencoded")
            .body(form);
        let answer = desk.send(post).await;
        assert_eq!(answer.refusal(), (case.status, case.error), "{told}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{told}");
    }
    // Whoever the client is not: the same at each endpoint.
    let wrong = basic(&id, "wrong");
    let unknown = basic("app_01jd8m0000000000000000000a", SECRET);
    for path in [
        "/oauth/token",
        "/oauth/par",
        "/oauth/revoke",
        "/oauth/introspect",
    ] {
        for authorization in [
            None,
            Some(wrong.as_str()),
            Some(&unknown),
            Some("Basic ???"),
            Some("Bearer x"),
        ] {
            let post = request(Method::POST, path, authorization)
                .content_type("application/x-www-form-urlencoded")
                .body(changed(right(path, &code, token), &[]));
            let answer = desk.send(post).await;
            assert_eq!(
                answer.refusal(),
                (401, "invalid_client"),
                "{path} {authorization:?}"
            );
            let challenge = answer.header(header::WWW_AUTHENTICATE);
            assert_eq!(challenge.starts_with("Basic "), authorization.is_some());
            count += 1;
        }
    }
    for (authorization, challenge) in [
        (None, r#"Bearer realm="tenon""#),
        (Some("Basic eDp4"), r#"Bearer realm="tenon""#),
        (Some("Bearer x"), r#"error="invalid_token""#),
        (Some("Bearer a.b.c"), r#"error="invalid_token""#),
    ] {
        let answer = desk
            .send(request(Method::GET, "/oauth/userinfo", authorization).finish())
            .await;
        assert_eq!(answer.status, 401);
        assert!(answer.header(header::WWW_AUTHENTICATE).contains(challenge));
        count += 1;
    }
    // No standard word goes anywhere from here: a person reads what is wrong.
    for (query, told) in [
        (
            "id_token_hint=x",
            "id_token_hint is not an id token of this issuer",
        ),
        ("client_id=unknown", "there is no such client"),
        (
            "post_logout_redirect_uri=https://app.example/",
            "post_logout_redirect_uri needs an id_token_hint or a client_id",
        ),
        (
            &format!("client_id={id}&post_logout_redirect_uri=https://evil.example/"),
            "post_logout_redirect_uri is not registered with this client",
        ),
        ("state=a&state=b", "the parameter state stands twice"),
    ] {
        let answer = desk.get(&format!("/oauth/logout?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header(header::LOCATION), "", "{query}");
        for part in ["Could not sign you out", told] {
            assert!(answer.text.contains(part), "{query}: {}", answer.text);
        }
        count += 1;
    }
    const MISSING: &str = "The request has no redirect_uri.";
    const UNKNOWN: &str = "The redirect_uri is not one that the application registered.";
    for (uri, told) in [
        ("https://evil.example/", UNKNOWN),
        ("https://app.example/callback/", UNKNOWN),
        ("javascript:alert(1)", UNKNOWN),
        ("", MISSING),
    ] {
        let answer = desk
            .get(&format!(
                "/oauth/authorize?client_id={id}&response_type=code&redirect_uri={uri}"
            ))
            .await;
        assert_eq!(answer.status, 400, "{uri}");
        assert_eq!(answer.header(header::LOCATION), "", "{uri}");
        let code = answer.headers.get("tenon-error").unwrap();
        assert_eq!(code, "invalid_redirect_uri", "{uri}");
        for part in ["invalid_redirect_uri", told] {
            assert!(answer.text.contains(part), "{uri}: {}", answer.text);
        }
        count += 1;
    }
    // None of it changed anything.
    desk.redeem(&code).await.ok();
    desk.refresh(&tokens["refresh_token"]).await.ok();
    count += wrong_ways(&desk, &proof, right("/oauth/par", "", "")).await;
    assert!(count >= 100, "{count}");
    assert_eq!(
        desk.session_state(session).await,
        crate::model::SessionState::Active
    );
}
