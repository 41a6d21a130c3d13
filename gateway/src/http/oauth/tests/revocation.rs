//! Revocation (RFC 7009) and introspection (RFC 7662): what is taken back is dead at once, and nobody but its client
//! learns anything of a token (SECURITY-MODEL G12, G22).

use poem::http::header;
use serde_json::{Value, json};

use super::desk::{Desk, SECRET, basic, payload};
use crate::model::{ApplicationType, SessionState};

impl Desk {
    async fn introspect(&self, token: &Value) -> Value {
        let token = token.as_str().unwrap();
        let answer = self.post("/oauth/introspect", &[("token", token)]).await;
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        answer.ok()
    }

    async fn revoke(&self, token: &Value) -> u16 {
        let token = token.as_str().unwrap();
        let answer = self.post("/oauth/revoke", &[("token", token)]).await;
        answer.status.as_u16()
    }
}

#[tokio::test]
async fn introspection_tells_the_client_what_its_tokens_are() {
    let desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let claims = payload(&tokens["access_token"]);
    let access = desk.introspect(&tokens["access_token"]).await;
    assert_eq!(access["active"], true);
    assert_eq!(access["token_type"], "Bearer");
    for claim in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "exp",
        "iat",
        "jti",
        "scope",
        "org_id",
        "roles",
        "sid",
    ] {
        assert_eq!(access[claim], claims[claim], "{claim}");
    }
    let refresh = desk.introspect(&tokens["refresh_token"]).await;
    assert_eq!(refresh["active"], true);
    assert_eq!(refresh["sub"], claims["sub"]);
    let rotated = desk.refresh(&tokens["refresh_token"]).await.ok();
    let inactive = json!({ "active": false });
    assert_eq!(desk.introspect(&tokens["refresh_token"]).await, inactive);
    assert_eq!(
        desk.introspect(&rotated["refresh_token"]).await["active"],
        true
    );
    for other in [json!("unknown"), tokens["id_token"].clone()] {
        assert_eq!(desk.introspect(&other).await, inactive);
    }
}

#[tokio::test]
async fn another_client_learns_nothing_and_takes_nothing_back() {
    let mut desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let owner = desk.client;
    desk.client = desk.application(|_| ()).await;
    for token in [&tokens["access_token"], &tokens["refresh_token"]] {
        assert_eq!(desk.introspect(token).await, json!({ "active": false }));
        assert_eq!(desk.revoke(token).await, 400);
    }
    desk.client = owner;
    for token in [&tokens["access_token"], &tokens["refresh_token"]] {
        assert_eq!(desk.introspect(token).await["active"], true);
    }
}

#[tokio::test]
async fn a_public_client_revokes_its_tokens_and_introspects_none() {
    let mut desk = Desk::open().await;
    desk.client = desk
        .application(|stored| {
            stored.application.kind = ApplicationType::Public;
            stored.secret_hash = None;
        })
        .await;
    let id = desk.client.to_string();
    let code = desk.code().await;
    let mut form = desk.redemption(&code);
    form.push(("client_id", &id));
    let tokens = desk.token_as(None, &form).await.ok();
    let form = [
        ("client_id", id.as_str()),
        ("token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let refused = desk.post_as(None, "/oauth/introspect", &form).await;
    assert_eq!(refused.refusal(), (401, "invalid_client"));
    let revoked = desk.post_as(None, "/oauth/revoke", &form).await;
    assert_eq!(revoked.status, 200);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(desk.userinfo(access).await.status, 401);
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_family_and_its_access_tokens_with_it() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let first = desk.redeem(&code).await.ok();
    let second = desk.refresh(&first["refresh_token"]).await.ok();
    // The one that was used before is of the family, too.
    assert_eq!(desk.revoke(&first["refresh_token"]).await, 200);
    assert_eq!(desk.session_state(session).await, SessionState::Revoked);
    for token in [
        &first["access_token"],
        &second["access_token"],
        &second["refresh_token"],
    ] {
        assert_eq!(desk.introspect(token).await, json!({ "active": false }));
        assert_eq!(desk.revoke(token).await, 200, "gone is gone");
    }
    let refused = desk.refresh(&second["refresh_token"]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_revoked_access_token_goes_alone() {
    let desk = Desk::open().await;
    let first = desk.redeem(&desk.code().await).await.ok();
    assert_eq!(desk.revoke(&first["access_token"]).await, 200);
    assert_eq!(desk.revoke(&first["access_token"]).await, 200);
    let inactive = json!({ "active": false });
    assert_eq!(desk.introspect(&first["access_token"]).await, inactive);
    let access = first["access_token"].as_str().unwrap();
    assert_eq!(
        desk.userinfo(access).await.refusal(),
        (401, "invalid_token")
    );
    let second = desk.refresh(&first["refresh_token"]).await.ok();
    assert_eq!(
        desk.introspect(&second["access_token"]).await["active"],
        true
    );
    let other_hint = [
        ("token", second["refresh_token"].as_str().unwrap()),
        ("token_type_hint", "access_token"),
    ];
    desk.post("/oauth/introspect", &other_hint).await.ok();
    assert_eq!(desk.post("/oauth/revoke", &other_hint).await.status, 200);
    assert_eq!(desk.introspect(&second["access_token"]).await, inactive);
}

#[tokio::test]
async fn the_end_of_a_session_and_a_deactivation_show_at_once() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let ended = desk.redeem(&code).await.ok();
    let other = desk.redeem(&desk.code().await).await.ok();
    desk.end_session(session).await;
    let inactive = json!({ "active": false });
    assert_eq!(desk.introspect(&ended["access_token"]).await, inactive);
    assert_eq!(
        desk.introspect(&other["access_token"]).await["active"],
        true
    );
    desk.deactivate_user().await;
    for token in [&other["access_token"], &other["refresh_token"]] {
        assert_eq!(desk.introspect(token).await, inactive);
    }
    let wrong = basic(&desk.client.to_string(), "wrong");
    for path in ["/oauth/introspect", "/oauth/revoke", "/oauth/par"] {
        let refused = desk.post_as(Some(&wrong), path, &[("token", SECRET)]).await;
        assert_eq!(refused.refusal(), (401, "invalid_client"), "{path}");
        assert!(
            refused
                .header(header::WWW_AUTHENTICATE)
                .starts_with("Basic ")
        );
    }
}
