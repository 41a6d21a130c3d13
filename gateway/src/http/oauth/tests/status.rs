//! Revocation and introspection: to whom a token says what, and what is over when.

use chrono::TimeDelta;
use poem::http::{Method, header};
use serde_json::{Value, json};

use super::desk::{Desk, SECRET, basic, payload, request};
use crate::model::{ApplicationType, ClientAuthMethod, SessionState};
use crate::store::tokens::StoredCode;

const INACTIVE: &str = r#"{"active":false}"#;

impl Desk {
    pub(super) async fn introspect(&self, token: &Value) -> Value {
        let form = [("token", token.as_str().unwrap())];
        self.call("/oauth/introspect", &form).await.ok()
    }

    async fn revoke(&self, token: &Value) {
        let form = [("token", token.as_str().unwrap())];
        let answer = self.call("/oauth/revoke", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(answer.json, Value::Null, "an empty body");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn a_token_of_ours_tells_its_client_what_it_is_worth() {
    let desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let claims = payload(&tokens["access_token"]);
    let access = desk.introspect(&tokens["access_token"]).await;
    assert_eq!(access["active"], true);
    assert_eq!(access["token_type"], "Bearer");
    for same in [
        "scope",
        "client_id",
        "iat",
        "exp",
        "sub",
        "aud",
        "iss",
        "jti",
        "org_id",
        "sid",
        "roles",
    ] {
        assert_eq!(access[same], claims[same], "{same}");
    }
    let refresh = desk.introspect(&tokens["refresh_token"]).await;
    assert_eq!(refresh["active"], true);
    assert_eq!(refresh["sub"], claims["sub"]);
    assert_eq!(refresh["scope"], claims["scope"]);
    assert_eq!(refresh["token_type"], Value::Null);
    // A wrong hint does no harm (RFC 7662 2.1).
    let token = tokens["refresh_token"].as_str().unwrap();
    for hint in ["access_token", "refresh_token", "something_else"] {
        let form = [("token", token), ("token_type_hint", hint)];
        assert_eq!(desk.call("/oauth/introspect", &form).await.ok(), refresh);
    }
}

#[tokio::test]
async fn whoever_is_not_the_tokens_client_learns_nothing_and_ends_nothing() {
    let desk = Desk::open().await;
    let other = desk.application(|_| ()).await.to_string();
    let public = desk
        .application(|stored| {
            stored.application.kind = ApplicationType::Public;
            stored.application.token_endpoint_auth_method = ClientAuthMethod::None;
            stored.secret_hash = None;
        })
        .await
        .to_string();
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let by_other = basic(&other, SECRET);
    for name in ["access_token", "refresh_token"] {
        let token = tokens[name].as_str().unwrap();
        let form = [("token", token)];
        let answer = desk.post("/oauth/introspect", Some(&by_other), &form).await;
        assert_eq!(answer.ok().to_string(), INACTIVE);
        // RFC 7009 2.1: the client is informed of the error, if it proved who it is.
        let answer = desk.post("/oauth/revoke", Some(&by_other), &form).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant"));
        let form = [("token", token), ("client_id", &public)];
        assert_eq!(desk.post("/oauth/revoke", None, &form).await.status, 200);
        let answer = desk.post("/oauth/introspect", None, &form).await;
        assert_eq!(answer.refusal(), (401, "invalid_client"));
        let answer = desk.post("/oauth/introspect", None, &form[..1]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client"));
        assert_eq!(desk.introspect(&tokens[name]).await["active"], true);
    }
    desk.refresh(&tokens["refresh_token"]).await.ok();
}

#[tokio::test]
async fn a_revoked_access_token_goes_alone() {
    let desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    desk.revoke(&tokens["access_token"]).await;
    desk.revoke(&tokens["access_token"]).await;
    let status = desk.introspect(&tokens["access_token"]).await;
    assert_eq!(status.to_string(), INACTIVE);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        desk.userinfo(access).await.refusal(),
        (401, "invalid_token")
    );
    let next = desk.refresh(&tokens["refresh_token"]).await.ok();
    assert_eq!(desk.introspect(&next["access_token"]).await["active"], true);
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_family_and_its_access_tokens_along() {
    let desk = Desk::open().await;
    // The first of the family, though it was rotated: its reply may have got lost.
    for of_family in ["first", "second"] {
        let (code, session) = desk.code_with(|_: &mut StoredCode, _| ()).await;
        let first = desk.redeem(&code).await.ok();
        let second = desk.refresh(&first["refresh_token"]).await.ok();
        assert_eq!(
            desk.introspect(&first["refresh_token"]).await.to_string(),
            INACTIVE,
            "rotated"
        );
        let revoked = if of_family == "first" {
            &first
        } else {
            &second
        };
        desk.revoke(&revoked["refresh_token"]).await;
        assert_eq!(desk.session_state(session).await, SessionState::Revoked);
        for tokens in [&first, &second] {
            for name in ["access_token", "refresh_token"] {
                let status = desk.introspect(&tokens[name]).await;
                assert_eq!(status.to_string(), INACTIVE, "{name}");
            }
            let again = desk.refresh(&tokens["refresh_token"]).await;
            assert_eq!(again.refusal(), (400, "invalid_grant"));
        }
    }
}

#[tokio::test]
async fn what_has_ended_is_inactive_at_once() {
    let desk = Desk::open().await;
    let inactive = async |tokens: &Value, why: &str| {
        for name in ["access_token", "refresh_token"] {
            let status = desk.introspect(&tokens[name]).await;
            assert_eq!(status.to_string(), INACTIVE, "{name}: {why}");
        }
    };
    let (code, session) = desk.code_with(|_, _| ()).await;
    let tokens = desk.redeem(&code).await.ok();
    desk.end_session(session).await;
    inactive(&tokens, "the session ended").await;

    let tokens = desk.redeem(&desk.code().await).await.ok();
    desk.deactivate_user().await;
    inactive(&tokens, "the user was deactivated").await;
    desk.activate_user().await;

    let tokens = desk.redeem(&desk.code().await).await.ok();
    desk.advance(TimeDelta::seconds(301));
    let status = desk.introspect(&tokens["access_token"]).await;
    assert_eq!(status.to_string(), INACTIVE);
    desk.advance(TimeDelta::days(30));
    inactive(&tokens, "their time is over").await;
}

#[tokio::test]
async fn what_is_no_token_of_these_is_inactive_and_needs_no_revocation() {
    let desk = Desk::open().await;
    let code = desk.code().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let id_token = tokens["id_token"].as_str().unwrap();
    for token in [id_token, &code, "x", "..", "a.b.c", &"x".repeat(5000)] {
        let token = json!(token);
        assert_eq!(desk.introspect(&token).await.to_string(), INACTIVE);
        desk.revoke(&token).await;
    }
    // The code was none of its business.
    desk.redeem(&code).await.ok();
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let answer = desk
            .call(path, &[("token_type_hint", "access_token")])
            .await;
        assert_eq!(answer.refusal(), (400, "invalid_request"));
        let answer = desk.call(path, &[("token", "a"), ("token", "b")]).await;
        assert_eq!(answer.refusal(), (400, "invalid_request"));
        let wrong = basic(&desk.client.to_string(), "wrong");
        let answer = desk.post(path, Some(&wrong), &[("token", "a")]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client"));
        let json = request(Method::POST, path, None).content_type("application/json");
        let answer = desk.send(json.body(r#"{"token":"a"}"#)).await;
        assert_eq!(answer.refusal(), (400, "invalid_request"));
        assert_eq!(desk.get(path).await.status, 405);
    }
}
