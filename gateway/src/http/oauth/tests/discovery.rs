//! The documents, and what a browser may read across origins.

use poem::http::{Method, header};
use serde_json::json;

use super::desk::{Desk, ISSUER, request};

#[tokio::test]
async fn both_documents_tell_what_there_is() {
    let desk = Desk::open().await;
    let document = desk.get("/.well-known/openid-configuration").await.ok();
    assert_eq!(
        desk.get("/.well-known/oauth-authorization-server")
            .await
            .ok(),
        document
    );
    insta::assert_json_snapshot!(document, { ".claims_supported" => "[claims]" }, @r#"
    {
      "issuer": "http://localhost:8080",
      "authorization_endpoint": "http://localhost:8080/oauth/authorize",
      "token_endpoint": "http://localhost:8080/oauth/token",
      "userinfo_endpoint": "http://localhost:8080/oauth/userinfo",
      "jwks_uri": "http://localhost:8080/oauth/jwks",
      "pushed_authorization_request_endpoint": "http://localhost:8080/oauth/par",
      "require_pushed_authorization_requests": false,
      "revocation_endpoint": "http://localhost:8080/oauth/revoke",
      "introspection_endpoint": "http://localhost:8080/oauth/introspect",
      "end_session_endpoint": "http://localhost:8080/oauth/logout",
      "backchannel_logout_supported": true,
      "backchannel_logout_session_supported": true,
      "scopes_supported": [
        "openid",
        "profile",
        "email",
        "groups",
        "roles",
        "offline_access"
      ],
      "response_types_supported": [
        "code"
      ],
      "response_modes_supported": [
        "query",
        "form_post"
      ],
      "grant_types_supported": [
        "authorization_code",
        "refresh_token"
      ],
      "subject_types_supported": [
        "public"
      ],
      "id_token_signing_alg_values_supported": [
        "RS256",
        "ES256",
        "EdDSA"
      ],
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "revocation_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "introspection_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
      ],
      "token_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519"
      ],
      "revocation_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519"
      ],
      "introspection_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "authorization_response_iss_parameter_supported": true,
      "claim_types_supported": [
        "normal"
      ],
      "claims_supported": "[claims]",
      "claims_parameter_supported": false,
      "request_parameter_supported": false,
      "request_uri_parameter_supported": false
    }
    "#);
}

#[tokio::test]
async fn every_claim_that_comes_is_announced() {
    let desk = Desk::open().await;
    let document = desk.get("/.well-known/openid-configuration").await.ok();
    let announced = document["claims_supported"].as_array().unwrap();
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let userinfo = desk
        .userinfo(tokens["access_token"].as_str().unwrap())
        .await
        .ok();
    let id_token = super::desk::payload(&tokens["id_token"]);
    for claims in [userinfo, id_token] {
        for claim in claims.as_object().unwrap().keys() {
            assert!(announced.contains(&json!(claim)), "{claim}");
        }
    }
}

#[tokio::test]
async fn the_keys_are_public_and_may_be_kept_for_a_while() {
    let desk = Desk::open().await;
    let answer = desk.get("/oauth/jwks").await;
    assert_eq!(answer.header(header::CACHE_CONTROL), "public, max-age=300");
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    let keys = answer.ok();
    let algorithms: Vec<&str> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["alg"].as_str().unwrap())
        .collect();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        assert!(algorithms.contains(&algorithm), "{algorithms:?}");
    }
}

#[tokio::test]
async fn scripts_of_any_origin_may_call_without_credentials() {
    let desk = Desk::open().await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/oauth/jwks",
        "/oauth/token",
        "/oauth/par",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/userinfo",
    ] {
        let preflight = request(Method::OPTIONS, path, None)
            .header(header::ORIGIN, "https://app.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .finish();
        let answer = desk.send(preflight).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert_eq!(
            answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS),
            "Authorization, Content-Type"
        );
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "");
    }
    let refused = desk.get("/oauth/userinfo").await;
    assert_eq!(refused.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    assert!(
        refused
            .header(header::ACCESS_CONTROL_EXPOSE_HEADERS)
            .contains("WWW-Authenticate")
    );
    assert!(!ISSUER.ends_with('/'));
}
