//! Every kind of token at every place that takes one: only its own (SECURITY-MODEL G19).

use serde_json::{Value, json};

use super::assertions::{ClientKey, claims};
use super::desk::{Desk, ISSUER};
use crate::model::SigningAlgorithm;

#[tokio::test]
async fn token_confusion_matrix() {
    let desk = Desk::open().await;
    let key = ClientKey::new();
    let client = desk.key_client(&key).await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let signing = desk.app.signing_keys.current().await.unwrap();
    let signing = signing.active(SigningAlgorithm::Es256).unwrap();
    let now = desk.now().0.timestamp();
    let logout = json!({
        "iss": ISSUER, "sub": desk.user, "aud": desk.client, "iat": now, "exp": now + 60, "jti": "l",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    // Our own key under the claims of an assertion, and the claims of an access token under another type.
    let ours = signing.sign("JWT", &claims(&desk, client, "ours")).unwrap();
    let access_claims = super::desk::payload(&tokens["access_token"]);
    let kinds = [
        ("access", text("access_token")),
        ("refresh", text("refresh_token")),
        ("id", text("id_token")),
        ("logout", signing.sign("logout+jwt", &logout).unwrap()),
        ("retyped", signing.sign("JWT", &access_claims).unwrap()),
        ("assertion", key.sign(None, &claims(&desk, client, "own"))),
        ("assertion by us", ours),
    ];
    for (kind, token) in &kinds {
        let userinfo = desk.userinfo(token).await.status.as_u16();
        assert_eq!(
            userinfo,
            if *kind == "access" { 200 } else { 401 },
            "{kind}"
        );
        let form = [("token", token.as_str())];
        let told = desk.post("/oauth/introspect", &form).await.ok();
        let active = matches!(*kind, "access" | "refresh");
        assert_eq!(told["active"], active, "{kind}");
        let assertion = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "unknown"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", token.as_str()),
        ];
        let client = desk.token_as(None, &assertion).await.status.as_u16();
        assert_eq!(
            client,
            if *kind == "assertion" { 400 } else { 401 },
            "{kind}"
        );
        let hint = desk
            .get(&format!(
                "/oauth/logout?id_token_hint={token}&client_id=app_wrong"
            ))
            .await;
        assert_eq!(hint.status, 400, "{kind}");
        if *kind != "refresh" {
            let refused = desk.refresh(&Value::from(token.as_str())).await;
            assert_eq!(refused.refusal(), (400, "invalid_grant"), "{kind}");
        }
        assert_eq!(
            desk.redeem(token).await.refusal(),
            (400, "invalid_grant"),
            "{kind}"
        );
    }
}
