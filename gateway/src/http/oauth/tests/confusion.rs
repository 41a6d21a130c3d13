//! Every kind of token at every place that takes one: only its own (SECURITY-MODEL G19).

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::assertions::Pair;
use super::desk::{Desk, ISSUER, payload};
use crate::flows::client_assertion::ASSERTION_TYPE;
use crate::model::SigningAlgorithm;

#[tokio::test]
async fn token_confusion_matrix() {
    let desk = Desk::open().await;
    let pair = Pair::p256();
    let client = desk.client_with_keys(&[&pair]).await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let keys = desk.app.signing_keys.current().await.unwrap();
    let signing = keys.active(SigningAlgorithm::Es256).unwrap();
    let now = desk.now().0.timestamp();
    let logout = json!({
        "iss": ISSUER, "sub": desk.user, "aud": desk.client, "iat": now, "exp": now + 60, "jti": "l",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    // Our own key under the claims of an assertion, and an access token's claims under the type of others.
    let ours = signing.sign("JWT", &desk.claims(client)).unwrap();
    let retyped = signing.sign("JWT", &payload(&tokens["access_token"]));
    let kinds = [
        ("access", text("access_token")),
        ("refresh", text("refresh_token")),
        ("id", text("id_token")),
        ("code", desk.code().await),
        ("logout", signing.sign("logout+jwt", &logout).unwrap()),
        ("retyped", retyped.unwrap()),
        (
            "assertion",
            pair.sign(Algorithm::ES256, &desk.claims(client)),
        ),
        ("assertion by us", ours),
    ];
    for (kind, token) in &kinds {
        let userinfo = desk.userinfo(token).await.status.as_u16();
        let expected = if *kind == "access" { 200 } else { 401 };
        assert_eq!(userinfo, expected, "{kind} at userinfo");
        let form = [("token", token.as_str())];
        let told = desk.call("/oauth/introspect", &form).await.ok();
        let active = matches!(*kind, "access" | "refresh");
        assert_eq!(told["active"], active, "{kind} introspected");
        let assertion = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "unknown"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", token.as_str()),
        ];
        let client = desk.token_as(None, &assertion).await.status.as_u16();
        let expected = if *kind == "assertion" { 400 } else { 401 };
        assert_eq!(client, expected, "{kind} as an assertion");
        if *kind != "refresh" {
            let refused = desk.refresh(&Value::from(token.as_str())).await;
            let refused = refused.refusal();
            assert_eq!(refused, (400, "invalid_grant"), "{kind} as a refresh token");
        }
        if *kind != "code" {
            let refused = desk.redeem(token).await;
            let refused = refused.refusal();
            assert_eq!(refused, (400, "invalid_grant"), "{kind} as a code");
        }
    }
    // None of it used up what was in the wrong place.
    desk.redeem(&kinds[3].1).await.ok();
    desk.refresh(&tokens["refresh_token"]).await.ok();
    // Last, since the right hint ends the session.
    for (kind, token) in &kinds {
        let logout = format!("/oauth/logout?id_token_hint={token}");
        // Only our own key makes the retyped one, and by type and claims that is an id token.
        let is_id_token = matches!(*kind, "id" | "retyped");
        let expected = if is_id_token { 200 } else { 400 };
        let hint = desk.get(&logout).await.status.as_u16();
        assert_eq!(hint, expected, "{kind} as a hint");
    }
}
