use serde_json::json;

use super::fake_idp::{Login, Signer, noon};
use crate::{CheckStatus, SpKeyPair, SpKeys, TokenEndpointAuthMethod};

#[tokio::test]
async fn either_of_two_secrets_signs_in_and_the_one_that_works_is_remembered() {
    let mut login = Login::new();
    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretPost;
    login.settings.other_client_secret = Some("next".into());
    let connector = login.connector();
    login.idp.secret = Some("s:%/ä");
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/token"), 1);
    // The provider's admin switches over.
    login.idp.secret = Some("next");
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/token"), 3);
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(
        login.idp.asked("/token"),
        4,
        "the one that worked is tried first"
    );
    login.idp.secret = Some("a third one");
    assert_eq!(login.code_with(&connector).await, "token_exchange_failed");
}

#[tokio::test]
async fn only_an_unknown_client_is_tried_again() {
    let mut login = Login::new();
    login.settings.other_client_secret = Some("next".into());
    let answer = json!({"error": "invalid_grant"}).to_string();
    login.idp.answers = vec![("/token", 400, answer)];
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "token_exchange_failed");
    assert_eq!(login.idp.asked("/token"), 1);
}

#[test]
fn the_published_keys_are_those_that_sign() {
    let pair = |certificate: &[u8]| SpKeyPair {
        private_key: Signer::rsa().pkcs8(),
        certificate: certificate.to_vec(),
    };
    let keys = SpKeys {
        pairs: vec![pair(b"one"), pair(b"two")],
    };
    let document = crate::oidc::jwks(&keys);
    let published = document["keys"].as_array().unwrap();
    assert_eq!(published.len(), 2);
    for jwk in published {
        assert_eq!(jwk["kty"], "RSA");
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], jwk["x5t#S256"]);
        assert!(jwk["n"].is_string() && jwk["e"] == "AQAB");
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(jwk.get(private).is_none(), "{private}");
        }
    }
    assert_ne!(published[0]["kid"], published[1]["kid"]);
}

#[tokio::test]
async fn a_signed_userinfo_answer_is_verified() {
    let mut login = Login::new();
    login.idp.claims["email"] = json!(null);
    login.idp.userinfo = json!({"sub": "u-1", "email": "ada@acme.example"});
    login.idp.userinfo_type = "application/jwt";
    let person = login.run().await.outcome.unwrap();
    assert_eq!(person.email.as_deref(), Some("ada@acme.example"));

    login.idp.userinfo["aud"] = "another".into();
    let done = login.run().await;
    assert_eq!(
        done.outcome.unwrap().email,
        None,
        "meant for another client"
    );
    let warned = |code: &str| {
        let checks = done.trace.checks.iter();
        checks
            .filter(|check| check.status == CheckStatus::Warning)
            .any(|check| check.code.as_deref() == Some(code))
    };
    assert!(warned("audience_mismatch"));
}

#[tokio::test]
async fn an_authentication_from_before_is_not_a_new_one() {
    let mut login = Login::new();
    login.expected.as_mut().unwrap().authenticated_since = Some(noon());
    let connector = login.connector();
    assert_eq!(
        login.code_with(&connector).await,
        "ok",
        "it need not say when"
    );
    login.idp.claims["auth_time"] = (noon().timestamp() - 30).into();
    assert_eq!(login.code_with(&connector).await, "ok", "clocks differ");
    login.idp.claims["auth_time"] = (noon().timestamp() - 3600).into();
    assert_eq!(login.code_with(&connector).await, "token_invalid");
}

#[test]
fn an_issuer_for_everybody_needs_a_tenant() {
    for (issuer, provider) in [
        ("https://accounts.google.com", Some("google")),
        ("https://accounts.google.com", None),
        ("https://login.microsoftonline.com/common/v2.0", None),
    ] {
        let mut login = Login::new();
        login.settings.issuer = issuer.into();
        login.settings.provider = provider.map(str::to_owned);
        let open = |login: &Login| {
            let sp = super::fake_idp::sp();
            crate::oidc::OidcConnector::open(&login.settings, &sp, &SpKeys::default())
        };
        let problems = open(&login).err().unwrap();
        assert_eq!(problems[0].field, "oidc.tenant");
        login.settings.tenant = Some("acme.example".into());
        assert!(open(&login).is_ok());
    }
}
