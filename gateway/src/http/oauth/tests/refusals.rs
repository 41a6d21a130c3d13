//! Every way to be refused by the token endpoint, with the standard's code (RFC 6749 5.2).

use chrono::TimeDelta;
use poem::http::{Method, header};

use super::desk::{Desk, REDIRECT_URI, SECRET, VERIFIER, basic, request};
use crate::model::{ApplicationType, ClientAuthMethod, Timestamp};

#[tokio::test]
async fn a_wrong_request_gets_the_standards_code() {
    let desk = Desk::open().await;
    let code = desk.code().await;
    let changed = |name: &str, value: Option<&'static str>| {
        let mut form = desk.redemption(&code);
        form.retain(|(key, _)| *key != name);
        form.extend(value.map(|value| (name.to_owned().leak() as &'static str, value)));
        form
    };
    let other_verifier = "a".repeat(43).leak();
    for (form, error) in [
        (changed("grant_type", None), "invalid_request"),
        (
            changed("grant_type", Some("password")),
            "unsupported_grant_type",
        ),
        (changed("code", None), "invalid_request"),
        (changed("code", Some("unknown")), "invalid_grant"),
        (changed("redirect_uri", None), "invalid_request"),
        (
            changed("redirect_uri", Some("https://app.example/callback/")),
            "invalid_grant",
        ),
        (changed("code_verifier", None), "invalid_grant"),
        (
            changed("code_verifier", Some(other_verifier)),
            "invalid_grant",
        ),
        (changed("code_verifier", Some("short")), "invalid_grant"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", "unknown"),
            ],
            "invalid_grant",
        ),
    ] {
        let answer = desk.token(&form).await;
        assert_eq!(answer.refusal(), (400, error), "{form:?}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(answer.header(header::WWW_AUTHENTICATE), "");
        assert!(answer.json["error_description"].is_string());
    }
    let mut twice = desk.redemption(&code);
    twice.push(("code", &code));
    assert_eq!(desk.token(&twice).await.refusal(), (400, "invalid_request"));
    // None of it used the code up.
    desk.redeem(&code).await.ok();
}

#[tokio::test]
async fn a_code_works_for_a_minute_and_for_its_own_client() {
    let mut desk = Desk::open().await;
    let (in_time, late) = (desk.code().await, desk.code().await);
    desk.advance(TimeDelta::seconds(59));
    desk.redeem(&in_time).await.ok();
    desk.advance(TimeDelta::seconds(1));
    assert_eq!(desk.redeem(&late).await.refusal(), (400, "invalid_grant"));
    let code = desk.code().await;
    desk.client = desk.application(|_| ()).await;
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn without_a_challenge_a_verifier_is_refused() {
    let desk = Desk::open().await;
    let (code, _) = desk.code_with(|code, _| code.code_challenge = None).await;
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
    let mut form = desk.redemption(&code);
    form.retain(|(name, _)| *name != "code_verifier");
    desk.token(&form).await.ok();
}

#[tokio::test]
async fn a_scope_beyond_the_grant_is_refused() {
    let desk = Desk::open().await;
    let (code, _) = desk
        .code_with(|code, _| code.scope = "openid offline_access".to_owned())
        .await;
    let tokens = desk.redeem(&code).await.ok();
    let token = tokens["refresh_token"].as_str().unwrap();
    for scope in ["openid roles", "openid unknown"] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        assert_eq!(desk.token(&form).await.refusal(), (400, "invalid_scope"));
    }
}

#[tokio::test]
async fn a_client_proves_itself_by_header_or_by_form() {
    let desk = Desk::open().await;
    let id = desk.client.to_string();
    let by_form = |code: &'static str| {
        let mut form = desk.redemption(code);
        form.extend([("client_id", &*id), ("client_secret", SECRET)]);
        form
    };
    let code = desk.code().await.leak();
    desk.token_as(None, &by_form(code)).await.ok();

    let (right, wrong) = (basic(&id, SECRET), basic(&id, "wrong"));
    let code = desk.code().await.leak();
    let plain = desk.redemption(code);
    let unknown = "app_01jd8m0000000000000000000a";
    let with_id = |client: &'static str| {
        let mut form = plain.clone();
        form.push(("client_id", client));
        form
    };
    for (authorization, form, refusal) in [
        (None, plain.clone(), (401, "invalid_client")),
        (None, with_id(unknown), (401, "invalid_client")),
        (None, with_id("not-an-id"), (401, "invalid_client")),
        (None, with_id(id.clone().leak()), (401, "invalid_client")),
        (Some(wrong.as_str()), plain.clone(), (401, "invalid_client")),
        (Some("Basic ???"), plain.clone(), (401, "invalid_client")),
        (Some("Bearer abc"), plain.clone(), (401, "invalid_client")),
        (Some(&right), with_id(unknown), (400, "invalid_request")),
        (Some(&right), by_form(code), (400, "invalid_request")),
    ] {
        let answer = desk.token_as(authorization, &form).await;
        assert_eq!(answer.refusal(), refusal, "{authorization:?} {form:?}");
        let challenged = answer
            .header(header::WWW_AUTHENTICATE)
            .starts_with("Basic ");
        assert_eq!(challenged, authorization.is_some() && refusal.0 == 401);
    }
    desk.token_as(Some(&right), &plain).await.ok();
}

#[tokio::test]
async fn a_public_client_has_its_name_and_pkce() {
    let mut desk = Desk::open().await;
    desk.client = desk
        .application(|stored| {
            stored.application.kind = ApplicationType::Public;
            stored.application.token_endpoint_auth_method = ClientAuthMethod::None;
            stored.secret_hash = None;
        })
        .await;
    let id = desk.client.to_string();
    let code = desk.code().await;
    let mut form = desk.redemption(&code);
    form.push(("client_id", &id));
    let answer = desk.token_as(Some(&basic(&id, "")), &form).await;
    assert_eq!(answer.refusal(), (401, "invalid_client"));
    let tokens = desk.token_as(None, &form).await.ok();
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", &id),
    ];
    desk.token_as(None, &form).await.ok();
}

#[tokio::test]
async fn the_secret_before_the_rotation_works_until_its_time() {
    let mut desk = Desk::open().await;
    let until = Timestamp(desk.now().0 + TimeDelta::hours(1));
    let previous = (desk.app.vault.hash("before"), until);
    desk.client = desk
        .application(|stored| stored.previous_secret = Some(previous))
        .await;
    let old = basic(&desk.client.to_string(), "before");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "unknown"),
    ];
    assert_eq!(
        desk.token_as(Some(&old), &form).await.refusal(),
        (400, "invalid_grant")
    );
    desk.advance(TimeDelta::hours(1));
    assert_eq!(
        desk.token_as(Some(&old), &form).await.refusal(),
        (401, "invalid_client")
    );
    assert_eq!(desk.token(&form).await.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn only_a_form_in_the_body_is_read() {
    let desk = Desk::open().await;
    let code = desk.code().await;
    let right = basic(&desk.client.to_string(), SECRET);
    let query = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}"
    );
    let post = |path: &str| request(Method::POST, path, Some(&right));
    let form = "application/x-www-form-urlencoded";
    let in_the_url = post(&format!("/oauth/token?{query}"))
        .content_type(form)
        .finish();
    let as_json = post("/oauth/token")
        .content_type("application/json")
        .body("{}");
    let untyped = post("/oauth/token").body(query.clone());
    let too_long = post("/oauth/token")
        .content_type(form)
        .header(header::CONTENT_LENGTH, 64 * 1024 + 1)
        .body("x".repeat(64 * 1024 + 1));
    let not_text = post("/oauth/token")
        .content_type(form)
        .body(vec![0xff, 0xfe]);
    for (request, status) in [
        (in_the_url, 400),
        (as_json, 400),
        (untyped, 400),
        (too_long, 413),
        (not_text, 400),
    ] {
        assert_eq!(
            desk.send(request).await.refusal(),
            (status, "invalid_request")
        );
    }
    let request = post("/oauth/token")
        .content_type(&format!("{form}; charset=UTF-8"))
        .body(query);
    desk.send(request).await.ok();
    assert_eq!(desk.get("/oauth/token").await.status, 405);
}

/// RFC 6749 4.1.2.1 and 5.2: %x20-21 / %x23-5B / %x5D-7E.
#[tokio::test]
async fn a_description_has_only_the_characters_of_the_standard() {
    let desk = Desk::open().await;
    let allowed = |text: &str| {
        let wrong = |byte: &u8| !matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert_eq!(text.bytes().find(wrong), None, "{text}");
    };
    let client = desk.client.to_string();
    let strange = "a\"b\\c\u{e9}\n\u{202e}";
    let mut twice = desk.redemption("x");
    twice.extend([(strange, "1"), (strange, "2")]);
    let answer = desk.token(&twice).await;
    assert_eq!(answer.refusal(), (400, "invalid_request"));
    let said = answer.json["error_description"].as_str().unwrap();
    assert!(said.contains("a'b/c???"), "{said}");
    allowed(said);

    for (name, value) in [
        (strange, "1"),
        ("organization_id", "x"),
        ("connection_id", "x"),
        ("prompt", "none login"),
        ("response_mode", "\u{e9}"),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &client)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid")
            .append_pair(name, value)
            .append_pair(strange, "2")
            .finish();
        let path = format!("/oauth/authorize?{query}");
        let answer = desk.get(&path).await;
        let sent = url::Url::parse(answer.header(header::LOCATION)).unwrap();
        let mut pairs = sent.query_pairs();
        let said = pairs.find(|(name, _)| name == "error_description");
        allowed(&said.unwrap().1);
    }
}
