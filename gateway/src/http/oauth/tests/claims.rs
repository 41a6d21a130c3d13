//! What the tokens say, and by which key.

use std::str::FromStr as _;

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::desk::{Desk, ISSUER, payload};
use crate::model::{SigningAlgorithm, Timestamp};
use crate::store::users::{self, UserRecord};

/// Verified against what `/oauth/jwks` publishes.
async fn verified(desk: &Desk, token: &Value, alg: &str, typ: &str) -> Value {
    let token = token.as_str().unwrap();
    let jwks: JwkSet = serde_json::from_value(desk.get("/oauth/jwks").await.ok()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some(typ));
    let jwk = jwks.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::from_str(alg).unwrap());
    validation.validate_exp = false; // the test's clock is not the machine's
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[desk.client]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims
}

#[tokio::test]
async fn tokens_of_each_algorithm_verify_against_our_keys() {
    let mut desk = Desk::open().await;
    for alg in SigningAlgorithm::ALL {
        desk.client = desk
            .application(|stored| stored.application.id_token_signing_alg = alg)
            .await;
        let tokens = desk.redeem(&desk.code().await).await.ok();
        let id_token = verified(&desk, &tokens["id_token"], alg.as_str(), "JWT").await;
        let access = verified(&desk, &tokens["access_token"], alg.as_str(), "at+jwt").await;
        assert_eq!(id_token["sub"], access["sub"]);
    }
}

#[tokio::test]
async fn all_scopes_give_all_claims() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let answer = desk.redeem(&code).await.ok();
    let id_token = payload(&answer["id_token"]);
    let now = desk.now().0.timestamp();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 300);
    assert_eq!(
        answer["scope"],
        "openid profile email groups roles offline_access"
    );
    assert_eq!(id_token["sid"], session.to_string());
    assert_eq!(id_token["sub"], desk.user.to_string());
    assert_eq!(id_token["aud"], desk.client.to_string());
    assert_eq!(id_token["org_id"], desk.scope.organization().to_string());
    assert_eq!(id_token["iat"], now);
    insta::assert_json_snapshot!(id_token, {
        ".sid" => "[ses]", ".sub" => "[usr]", ".aud" => "[app]", ".org_id" => "[org]",
        ".connection_id" => "[conn]", ".at_hash" => "[hash]",
    }, @r#"
    {
      "iss": "http://localhost:8080",
      "aud": "[app]",
      "exp": 1795340100,
      "iat": 1795339800,
      "nonce": "the-nonce",
      "at_hash": "[hash]",
      "sub": "[usr]",
      "email": "ada@acme.example",
      "email_verified": true,
      "name": "Ada Lovelace",
      "given_name": "Ada",
      "family_name": "Lovelace",
      "org_id": "[org]",
      "org_name": "Acme",
      "org_external_id": "customer-7",
      "connection_id": "[conn]",
      "connection_type": "saml",
      "idp_subject": "ada@idp",
      "roles": [],
      "groups": [
        "Engineering"
      ],
      "sid": "[ses]",
      "auth_time": 1795339795,
      "amr": [
        "mfa"
      ],
      "acr": "urn:example:strong"
    }
    "#);
    let access = payload(&answer["access_token"]);
    insta::assert_json_snapshot!(access, {
        ".sid" => "[ses]", ".sub" => "[usr]", ".aud" => "[app]", ".client_id" => "[app]",
        ".org_id" => "[org]", ".jti" => "[random]",
    }, @r#"
    {
      "iss": "http://localhost:8080",
      "sub": "[usr]",
      "aud": "[app]",
      "client_id": "[app]",
      "exp": 1795340100,
      "iat": 1795339800,
      "jti": "[random]",
      "scope": "openid profile email groups roles offline_access",
      "org_id": "[org]",
      "roles": [],
      "sid": "[ses]",
      "auth_time": 1795339795,
      "acr": "urn:example:strong",
      "amr": [
        "mfa"
      ]
    }
    "#);
}

#[tokio::test]
async fn the_scope_openid_alone_tells_no_personal_data() {
    let desk = Desk::open().await;
    let (code, _) = desk
        .code_with(|code, _| code.scope = "openid".to_owned())
        .await;
    let answer = desk.redeem(&code).await.ok();
    assert_eq!(answer.get("refresh_token"), None);
    let userinfo = desk
        .userinfo(answer["access_token"].as_str().unwrap())
        .await
        .ok();
    for claims in [payload(&answer["id_token"]), userinfo] {
        for personal in [
            "email",
            "email_verified",
            "name",
            "given_name",
            "family_name",
            "roles",
            "groups",
            "attributes",
            "raw_attributes",
        ] {
            assert_eq!(claims.get(personal), None, "{personal}");
        }
        assert_eq!(claims["org_external_id"], "customer-7");
        assert_eq!(claims["connection_type"], "saml");
    }
}

#[tokio::test]
async fn an_email_is_verified_only_in_a_verified_domain() {
    let desk = Desk::open().await;
    for (email, verified) in [
        ("ada@acme.example", true),
        ("Ada@ACME.example", true),
        ("ada@elsewhere.example", false),
        ("ada@acme.example.evil.example", false),
    ] {
        let tx = desk.app.store.begin().await.unwrap();
        let record = users::find_record(&tx, &desk.scope, desk.user)
            .await
            .unwrap()
            .unwrap();
        let record = UserRecord {
            email: Some(email.to_owned()),
            ..record
        };
        users::update(&tx, &desk.scope, desk.user, &record, desk.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let answer = desk.redeem(&desk.code().await).await.ok();
        let id_token = payload(&answer["id_token"]);
        assert_eq!(id_token["email"], email);
        assert_eq!(id_token["email_verified"], verified, "{email}");
    }
}

#[tokio::test]
async fn no_token_outlives_its_session() {
    let desk = Desk::open().await;
    let soon = Timestamp(desk.now().0 + TimeDelta::seconds(42));
    let (code, _) = desk.code_with(|_, session| session.expires_at = soon).await;
    let answer = desk.redeem(&code).await.ok();
    assert_eq!(answer["expires_in"], 42);
    assert_eq!(payload(&answer["id_token"])["exp"], soon.0.timestamp());
    assert_eq!(payload(&answer["access_token"])["exp"], soon.0.timestamp());
}

#[tokio::test]
async fn an_access_token_never_lives_longer_than_five_minutes() {
    let mut desk = Desk::open().await;
    desk.client = desk
        .application(|stored| stored.application.access_token_ttl = 3600)
        .await;
    assert_eq!(
        desk.redeem(&desk.code().await).await.ok()["expires_in"],
        300
    );
    desk.client = desk
        .application(|stored| stored.application.access_token_ttl = 60)
        .await;
    assert_eq!(desk.redeem(&desk.code().await).await.ok()["expires_in"], 60);
}

#[tokio::test]
async fn a_refreshed_id_token_keeps_the_sign_in_and_drops_the_nonce() {
    let desk = Desk::open().await;
    let first = desk.redeem(&desk.code().await).await.ok();
    desk.advance(TimeDelta::seconds(200));
    let second = desk.refresh(&first["refresh_token"]).await.ok();
    let (before, after) = (payload(&first["id_token"]), payload(&second["id_token"]));
    assert_eq!(before["nonce"], "the-nonce");
    assert_eq!(after.get("nonce"), None);
    for same in ["iss", "sub", "aud", "auth_time", "sid", "acr"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(after["iat"], json!(before["iat"].as_i64().unwrap() + 200));
}
