//! Which tokens open userinfo: ours, of the right kind, while everything behind them lives
//! (SECURITY-MODEL G19).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use poem::http::{Method, header};
use serde_json::{Value, json};

use super::desk::{Desk, payload, request};
use crate::model::SigningAlgorithm;
use crate::store::applications;

async fn signed(desk: &Desk, typ: &str, claims: &Value) -> String {
    let keys = desk.app.signing_keys.current().await.unwrap();
    keys.active(SigningAlgorithm::Es256)
        .unwrap()
        .sign(typ, claims)
        .unwrap()
}

#[tokio::test]
async fn userinfo_tells_what_is_known_by_now() {
    let desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let access = tokens["access_token"].as_str().unwrap();
    let answer = desk.userinfo(access).await;
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    let claims = answer.ok();
    let id_token = payload(&tokens["id_token"]);
    for same in [
        "sub",
        "email",
        "name",
        "org_id",
        "connection_id",
        "sid",
        "groups",
        "auth_time",
    ] {
        assert_eq!(claims[same], id_token[same], "{same}");
    }
    assert_eq!(
        claims["attributes"],
        json!({"cost_center": 42, "team": "blue"})
    );
    assert_eq!(
        claims["raw_attributes"],
        json!({"urn:oid:0.9.2342": ["ada"]})
    );
    let authorization = format!("bearer {access}");
    let by_post = request(Method::POST, "/oauth/userinfo", Some(&authorization)).finish();
    assert_eq!(desk.send(by_post).await.ok(), claims);
}

#[tokio::test]
async fn any_other_token_is_refused() {
    let desk = Desk::open().await;
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let access = tokens["access_token"].as_str().unwrap();
    let claims = payload(&tokens["access_token"]);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let [header, body, signature] = access.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let other_header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = &desk.app.signing_keys.current().await.unwrap();
    let kid = kid.active(SigningAlgorithm::Es256).unwrap().kid.clone();
    let none = other_header(json!({"alg": "none", "typ": "at+jwt", "kid": kid}));
    let hmac = other_header(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}));
    let stranger = other_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": "unknown"}));
    let forged =
        URL_SAFE_NO_PAD.encode(with("sub", json!("usr_01jd8m0000000000000000000a")).to_string());
    let wrong = vec![
        tokens["id_token"].as_str().unwrap().to_owned(),
        tokens["refresh_token"].as_str().unwrap().to_owned(),
        signed(&desk, "JWT", &claims).await,
        signed(&desk, "logout+jwt", &claims).await,
        signed(&desk, "at+jwt", &with("iss", json!("https://evil.example"))).await,
        signed(
            &desk,
            "at+jwt",
            &with("iss", json!("http://localhost:8080/")),
        )
        .await,
        signed(&desk, "at+jwt", &with("aud", json!("https://api.example"))).await,
        signed(
            &desk,
            "at+jwt",
            &with("client_id", json!("app_01jd8m0000000000000000000a")),
        )
        .await,
        signed(
            &desk,
            "at+jwt",
            &with("org_id", json!("org_01jd8m0000000000000000000a")),
        )
        .await,
        signed(
            &desk,
            "at+jwt",
            &with("sub", json!("usr_01jd8m0000000000000000000a")),
        )
        .await,
        signed(
            &desk,
            "at+jwt",
            &with("sid", json!("ses_01jd8m0000000000000000000a")),
        )
        .await,
        signed(&desk, "at+jwt", &with("exp", json!(claims["iat"]))).await,
        format!("{none}.{body}."),
        format!("{hmac}.{body}.{signature}"),
        format!("{stranger}.{body}.{signature}"),
        format!("{header}.{forged}.{signature}"),
        format!("{header}.{body}"),
        format!("{header}.{body}.{signature}.{signature}"),
        "..".to_owned(),
        "x".to_owned(),
    ];
    for token in wrong {
        let answer = desk.userinfo(&token).await;
        assert_eq!(answer.refusal(), (401, "invalid_token"), "{token}");
        let challenge = answer.header(header::WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Bearer ") && challenge.contains(r#"error="invalid_token""#));
    }
    desk.userinfo(access).await.ok();
}

#[tokio::test]
async fn no_token_is_answered_with_the_bare_challenge() {
    let desk = Desk::open().await;
    let by_query = desk.get("/oauth/userinfo?access_token=x").await;
    let basic = request(Method::GET, "/oauth/userinfo", Some("Basic abc")).finish();
    for answer in [
        desk.get("/oauth/userinfo").await,
        by_query,
        desk.send(basic).await,
    ] {
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.header(header::WWW_AUTHENTICATE),
            r#"Bearer realm="tenon""#
        );
    }
}

#[tokio::test]
async fn a_token_without_openid_is_not_enough() {
    let desk = Desk::open().await;
    let first = desk.redeem(&desk.code().await).await.ok();
    let token = first["refresh_token"].as_str().unwrap();
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("scope", "email"),
    ];
    let tokens = desk.token(&narrow).await.ok();
    let answer = desk
        .userinfo(tokens["access_token"].as_str().unwrap())
        .await;
    assert_eq!(answer.refusal(), (403, "insufficient_scope"));
}

#[tokio::test]
async fn a_token_ends_with_its_time_its_session_its_user_and_its_application() {
    let mut desk = Desk::open().await;
    let access = |tokens: Value| tokens["access_token"].as_str().unwrap().to_owned();
    let ended = |answer: super::desk::Answer| {
        assert_eq!(answer.refusal(), (401, "invalid_token"));
    };
    let late = access(desk.redeem(&desk.code().await).await.ok());
    desk.advance(TimeDelta::seconds(299));
    desk.userinfo(&late).await.ok();
    desk.advance(TimeDelta::seconds(1));
    ended(desk.userinfo(&late).await);

    let (code, session) = desk.code_with(|_, _| ()).await;
    let revoked = access(desk.redeem(&code).await.ok());
    desk.end_session(session).await;
    ended(desk.userinfo(&revoked).await);

    let usual = desk.client;
    desk.client = desk.application(|_| ()).await;
    let orphan = access(desk.redeem(&desk.code().await).await.ok());
    let tx = desk.app.store.begin().await.unwrap();
    assert!(applications::remove(&tx, desk.client).await.unwrap());
    tx.commit().await.unwrap();
    ended(desk.userinfo(&orphan).await);

    desk.client = usual;
    let gone = access(desk.redeem(&desk.code().await).await.ok());
    desk.deactivate_user().await;
    ended(desk.userinfo(&gone).await);
}
