use std::collections::HashMap;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};

use super::*;
use crate::sandbox::idp::testing::practice_idp;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-";

fn authorize(idp: &PracticeIdp, fault: Option<Fault>) -> TokenRequest {
    idp.trust("http://localhost");
    idp.register_client(OidcClient {
        client_id: "globex".into(),
        client_secret: "s3cret".into(),
    });
    let request = AuthorizeRequest {
        client_id: "globex".into(),
        redirect_uri: "http://localhost/oidc/conn_1/callback".into(),
        state: "the state".into(),
        nonce: Some("n-1".into()),
        scope: "openid email profile".into(),
        code_challenge: Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))),
        acr_values: String::new(),
    };
    let to = idp.authorize(&request, &idp.people()[4], fault).unwrap();
    let query: HashMap<String, String> = url::Url::parse(&to)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    assert_eq!(query["state"], "the state");
    assert_eq!(query["iss"], idp.oidc_issuer());
    TokenRequest {
        grant_type: "authorization_code".into(),
        code: query.get("code").cloned().unwrap_or_default(),
        redirect_uri: request.redirect_uri,
        code_verifier: Some(VERIFIER.into()),
        client_id: "globex".into(),
        client_secret: "s3cret".into(),
    }
}

fn verified(idp: &PracticeIdp, id_token: &Value) -> jsonwebtoken::errors::Result<Value> {
    let jwks: JwkSet = serde_json::from_value(idp.oidc_jwks()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["globex"]);
    validation.set_issuer(&[idp.oidc_issuer()]);
    let key = DecodingKey::from_jwk(&jwks.keys[0])?;
    jsonwebtoken::decode::<Value>(id_token.as_str().unwrap(), &key, &validation)
        .map(|token| token.claims)
}

#[test]
fn a_code_turns_into_verifiable_tokens_exactly_once() {
    let idp = practice_idp();
    let request = authorize(&idp, None);
    let tokens = idp.token(&request).unwrap();
    let claims = verified(&idp, &tokens["id_token"]).unwrap();
    assert_eq!(claims["sub"], "globex-2001");
    assert_eq!(claims["email"], "gina@globex.example");
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims.get("groups"), None, "the scope was not asked for");
    let userinfo = idp
        .userinfo(tokens["access_token"].as_str().unwrap())
        .unwrap();
    assert_eq!(userinfo["name"], "Gina Holt");
    assert_eq!(idp.token(&request), Err(TokenError("invalid_grant")));
    assert_eq!(idp.userinfo("another token"), None);
}

#[test]
fn the_code_needs_its_verifier_its_redirect_uri_and_the_clients_secret() {
    let idp = practice_idp();
    type Spoil = fn(&mut TokenRequest);
    let wrong: [(Spoil, &str); 4] = [
        (
            |request| request.code_verifier = Some("another".into()),
            "invalid_grant",
        ),
        (|request| request.code_verifier = None, "invalid_grant"),
        (|request| request.redirect_uri.push('x'), "invalid_grant"),
        (|request| request.client_secret.push('x'), "invalid_client"),
    ];
    for (spoil, error) in wrong {
        let mut request = authorize(&idp, None);
        spoil(&mut request);
        assert_eq!(idp.token(&request), Err(TokenError(error)));
    }
}

#[test]
fn each_fault_spoils_the_id_token_in_its_own_way() {
    let idp = practice_idp();
    let token = |fault| idp.token(&authorize(&idp, Some(fault))).unwrap()["id_token"].clone();
    for fault in [
        Fault::WrongAudience,
        Fault::WrongIssuer,
        Fault::WrongKey,
        Fault::Altered,
        Fault::Unsigned,
        Fault::Expired,
    ] {
        assert!(verified(&idp, &token(fault)).is_err(), "{fault:?}");
    }
    assert_ne!(
        verified(&idp, &token(Fault::WrongNonce)).unwrap()["nonce"],
        "n-1"
    );
    assert_eq!(
        verified(&idp, &token(Fault::NoEmail)).unwrap().get("email"),
        None
    );
    assert_eq!(authorize(&idp, Some(Fault::Refused)).code, "");
    let refused = idp.token(&authorize(&idp, Some(Fault::BadSecret)));
    assert_eq!(refused, Err(TokenError("invalid_client")));
}

#[test]
fn nobody_is_sent_to_a_stranger() {
    let idp = practice_idp();
    idp.trust("http://localhost");
    idp.register_client(OidcClient {
        client_id: "globex".into(),
        client_secret: "s".into(),
    });
    for redirect_uri in [
        "https://evil.example/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
    ] {
        let request = AuthorizeRequest {
            client_id: "globex".into(),
            redirect_uri: redirect_uri.into(),
            ..Default::default()
        };
        assert!(
            idp.authorize(&request, &idp.people()[4], None).is_err(),
            "{redirect_uri}"
        );
    }
}
