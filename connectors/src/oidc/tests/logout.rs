use serde_json::{Value, json};

use super::fake_idp::{Login, METADATA, Signer, noon};
use crate::Begin;
use crate::oidc::EndSession;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A provider that is about to send a right logout token.
fn logout() -> Login {
    let mut login = Login::new();
    login.idp.header["typ"] = "logout+jwt".into();
    login.idp.claims = json!({
        "iss": login.settings.issuer, "aud": "tenon", "sub": "u-1", "sid": "s-1", "jti": "j-1",
        "iat": noon().timestamp(), "exp": noon().timestamp() + 120, "events": {EVENT: {}},
    });
    login
}

async fn code(login: &Login) -> &'static str {
    let token = login.idp.id_token();
    let read = login
        .connector()
        .read_logout_token(&token, login.now, &login.idp)
        .await;
    read.map_or_else(|error| error.code(), |_| "ok")
}

#[tokio::test]
async fn a_logout_token_names_a_person_a_session_or_both() {
    let login = logout();
    let token = login.idp.id_token();
    let connector = login.connector();
    let read = connector.read_logout_token(&token, login.now, &login.idp);
    let read = read.await.unwrap();
    assert_eq!(read.subject.as_deref(), Some("u-1"));
    assert_eq!(read.session.as_deref(), Some("s-1"));
    assert_eq!(read.id, "j-1");
    assert_eq!(read.keep_until.timestamp(), noon().timestamp() + 180);
    for missing in ["sub", "sid"] {
        let mut login = logout();
        login.idp.claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(code(&login).await, "ok", "{missing}");
    }
    for typ in ["JWT", "application/logout+jwt"] {
        let mut login = logout();
        login.idp.header["typ"] = typ.into();
        assert_eq!(code(&login).await, "ok", "{typ}");
    }
    let mut untyped = logout();
    untyped.idp.header.as_object_mut().unwrap().remove("typ");
    assert_eq!(code(&untyped).await, "ok");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_logout_token_ends_nothing() {
    type Change = fn(&mut Login);
    let cases: [(&str, Change, &str); 15] = [
        (
            "an ID token",
            |l| {
                l.idp.claims = Login::new().idp.claims;
                l.idp.header["typ"] = "JWT".into();
            },
            "token_invalid",
        ),
        (
            "an access token",
            |l| l.idp.header["typ"] = "at+jwt".into(),
            "token_invalid",
        ),
        (
            "a nonce",
            |l| l.idp.claims["nonce"] = Value::Null,
            "token_invalid",
        ),
        (
            "another event",
            |l| {
                l.idp.claims["events"] = json!({"https://schemas.openid.net/event/other": {}});
            },
            "token_invalid",
        ),
        (
            "an event that is none",
            |l| l.idp.claims["events"] = json!({EVENT: true}),
            "token_invalid",
        ),
        (
            "events as a list",
            |l| l.idp.claims["events"] = json!([EVENT]),
            "token_invalid",
        ),
        (
            "nobody",
            |l| {
                let claims = l.idp.claims.as_object_mut().unwrap();
                claims.remove("sub");
                claims["sid"] = "".into();
            },
            "token_invalid",
        ),
        (
            "no jti",
            |l| l.idp.claims["jti"] = Value::Null,
            "token_invalid",
        ),
        (
            "no iat",
            |l| l.idp.claims["iat"] = Value::Null,
            "token_invalid",
        ),
        (
            "no exp",
            |l| l.idp.claims["exp"] = Value::Null,
            "token_invalid",
        ),
        (
            "an old one",
            |l| l.idp.claims["exp"] = (noon().timestamp() - 60).into(),
            "assertion_expired",
        ),
        (
            "another issuer",
            |l| l.idp.claims["iss"] = "https://evil.example".into(),
            "issuer_mismatch",
        ),
        (
            "another client",
            |l| l.idp.claims["aud"] = "other".into(),
            "audience_mismatch",
        ),
        (
            "a stranger's key",
            |l| l.idp.signer = Signer::p256(),
            "signature_invalid",
        ),
        (
            "no signature",
            |l| {
                l.idp.header["alg"] = "none".into();
                l.idp.signer = Signer::Nobody;
            },
            "signature_algorithm_forbidden",
        ),
    ];
    for (what, change, expected) in cases {
        let mut login = logout();
        change(&mut login);
        assert_eq!(code(&login).await, expected, "{what}");
    }
}

#[tokio::test]
async fn what_is_no_logout_token_by_its_looks_asks_the_provider_nothing() {
    let login = logout();
    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let connector = login.connector();
        let read = connector.read_logout_token(token, login.now, &login.idp);
        assert!(read.await.is_err());
    }
    assert_eq!(login.idp.asked(METADATA), 0);
}

async fn ending(login: &Login, id_token: Option<&str>) -> Option<Begin> {
    let ending = EndSession {
        id_token,
        post_logout_redirect_uri: "https://tenon.example/oidc/conn_1/logged_out",
        state: "st-1",
        now: noon(),
    };
    let connector = login.connector();
    connector.end_session(&ending, &login.idp).await.unwrap()
}

#[tokio::test]
async fn the_browser_is_sent_to_end_the_provider_s_session_where_the_connection_says_so() {
    let mut login = Login::new();
    login.settings.logout_at_idp = true;
    assert_eq!(ending(&login, None).await, None, "the provider has no way");
    let endpoint = "https://idp.example/logout?tenant=acme";
    login.idp.metadata["end_session_endpoint"] = endpoint.into();
    let Some(Begin::Redirect { url }) = ending(&login, Some("h.e.y")).await else {
        panic!("no redirect");
    };
    let expected = "https://idp.example/logout?tenant=acme&client_id=tenon\
        &post_logout_redirect_uri=https%3A%2F%2Ftenon.example%2Foidc%2Fconn_1%2Flogged_out\
        &state=st-1&id_token_hint=h.e.y";
    assert_eq!(url, expected);
    let long = "x".repeat(5000);
    let Some(Begin::PostForm { url, fields }) = ending(&login, Some(&long)).await else {
        panic!("no form");
    };
    assert_eq!((url.as_str(), fields.len()), (endpoint, 4));

    // ECDSA draws a number: only what was signed is the same each time.
    let signed = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
    let kept = login.run().await.outcome.unwrap().id_token;
    let sent = login.idp.id_token();
    assert_eq!(kept.as_deref().map(signed), Some(signed(&sent)));

    login.settings.logout_at_idp = false;
    assert_eq!(ending(&login, None).await, None);
    assert_eq!(login.run().await.outcome.unwrap().id_token, None);
}
