use chrono::TimeDelta;
use serde_json::{Value, json};

use super::fake_idp::{ISSUER, Login, noon};
use crate::Begin;
use crate::oidc::{LogoutToken, OidcConnector};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "tenon", "iat": noon().timestamp(), "exp": noon().timestamp() + 120,
        "jti": "j-1", "sub": "u-1", "sid": "session-1", "events": {EVENT: {}},
    })
}

async fn read(login: &Login, token: &str) -> Result<LogoutToken, &'static str> {
    let connector: OidcConnector = login.connector();
    let read = connector.read_logout(token, login.now, &login.idp).await;
    read.map_err(|error| error.code())
}

#[tokio::test]
async fn a_logout_token_says_which_sessions_ended() {
    let login = Login::new();
    for typ in ["logout+jwt", "JWT"] {
        let token = login.idp.token(typ, &claims());
        let told = read(&login, &token).await.unwrap();
        assert_eq!(told.subject.as_deref(), Some("u-1"));
        assert_eq!(told.session_index.as_deref(), Some("session-1"));
        assert_eq!(told.replay_id.0, "logout:j-1");
        assert!(told.replay_id.1 >= noon() + TimeDelta::seconds(120));
    }
}

#[tokio::test]
async fn each_flaw_of_a_logout_token_is_refused() {
    let cases: [(&str, &str, fn(&mut Value)); 14] = [
        ("another issuer", "issuer_mismatch", |c| {
            c["iss"] = "https://evil.example".into()
        }),
        ("another client", "audience_mismatch", |c| {
            c["aud"] = "another".into()
        }),
        ("expired", "assertion_expired", |c| {
            c["exp"] = (noon().timestamp() - 61).into()
        }),
        ("without an end", "token_invalid", |c| {
            c["exp"] = Value::Null
        }),
        ("without iat", "token_invalid", |c| c["iat"] = Value::Null),
        ("from the future", "token_invalid", |c| {
            c["iat"] = (noon().timestamp() + 90).into()
        }),
        ("without events", "token_invalid", |c| {
            c["events"] = Value::Null
        }),
        ("another event", "token_invalid", |c| {
            c["events"] = json!({"other": {}})
        }),
        ("the event is no object", "token_invalid", |c| {
            c["events"] = json!({EVENT: true})
        }),
        ("with a nonce", "token_invalid", |c| {
            c["nonce"] = "n-1".into()
        }),
        ("without jti", "token_invalid", |c| c["jti"] = "".into()),
        ("an endless jti", "token_invalid", |c| {
            c["jti"] = "j".repeat(257).into()
        }),
        ("a sub that is no text", "token_invalid", |c| {
            c["sub"] = 7.into()
        }),
        ("about nobody", "token_invalid", |c| {
            let claims = c.as_object_mut().unwrap();
            claims.remove("sub");
            claims.remove("sid");
        }),
    ];
    let login = Login::new();
    for (what, code, change) in cases {
        let mut claims = claims();
        change(&mut claims);
        let token = login.idp.token("logout+jwt", &claims);
        assert_eq!(read(&login, &token).await.err(), Some(code), "{what}");
    }
}

#[tokio::test]
async fn a_token_of_another_kind_or_hand_is_no_logout_token() {
    let mut login = Login::new();
    let id_token = login.idp.id_token();
    assert_eq!(read(&login, &id_token).await.err(), Some("token_invalid"));
    let access = login.idp.token("at+jwt", &claims());
    assert_eq!(read(&login, &access).await.err(), Some("token_invalid"));
    let mut token = login.idp.token("logout+jwt", &claims());
    token.replace_range(token.rfind('.').unwrap() + 1.., "AAAA");
    assert_eq!(read(&login, &token).await.err(), Some("signature_invalid"));
    login.idp.header["alg"] = "none".into();
    let unsigned = login.idp.token("logout+jwt", &claims());
    let code = Some("signature_algorithm_forbidden");
    assert_eq!(read(&login, &unsigned).await.err(), code);
}

#[tokio::test]
async fn a_logout_token_is_no_id_token() {
    let mut login = Login::new();
    login.idp.header["typ"] = "logout+jwt".into();
    assert_eq!(login.code_with(&login.connector()).await, "token_invalid");
}

#[tokio::test]
async fn the_person_is_signed_out_at_the_provider_where_the_connection_wants_it() {
    let mut login = Login::new();
    login.idp.metadata["end_session_endpoint"] = "https://idp.example/logout?a=b".into();
    let begin = async |login: &Login| {
        let connector = login.connector();
        let hint = Some("id.to.ken");
        connector
            .begin_logout(hint, "s-9", login.now, &login.idp)
            .await
    };
    assert_eq!(begin(&login).await, None);
    let person = login.run().await.outcome.unwrap();
    assert_eq!(person.id_token, None, "kept only where it is needed");

    login.settings.rp_initiated_logout = true;
    let Some(Begin::Redirect { url }) = begin(&login).await else {
        panic!("no redirect");
    };
    assert_eq!(
        url,
        "https://idp.example/logout?a=b&id_token_hint=id.to.ken&client_id=tenon\
         &post_logout_redirect_uri=https%3A%2F%2Ftenon.example%2Foidc%2Fconn_1%2Flogout&state=s-9"
    );
    let person = login.run().await.outcome.unwrap();
    assert_eq!(person.id_token.unwrap().split('.').count(), 3);

    login.idp.metadata["end_session_endpoint"] = Value::Null;
    assert_eq!(begin(&login).await, None, "the provider can't");
}
