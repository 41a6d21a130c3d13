//! `private_key_jwt` (RFC 7523, OIDC Core 9): signed by the client's own key, for us, once.

use std::sync::Arc;

use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::desk::{Answer, Desk, ISSUER, SECRET, basic};
use crate::ids::ApplicationId;
use crate::model::ClientAuthMethod;

/// A client's P-256 key.
pub(super) struct ClientKey {
    pkcs8: Vec<u8>,
    pub(super) jwks: Value,
}

impl ClientKey {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.serialize_der(),
        )
        .unwrap();
        let point = pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        }]});
        Self {
            pkcs8: key.serialize_der(),
            jwks,
        }
    }

    pub(super) fn sign(&self, typ: Option<&str>, claims: &Value) -> String {
        let header = Header {
            typ: typ.map(str::to_owned),
            kid: Some("k1".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let key = EncodingKey::from_ec_der(&self.pkcs8);
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

pub(super) fn claims(desk: &Desk, client: ApplicationId, jti: &str) -> Value {
    let now = desk.now().0.timestamp();
    json!({
        "iss": client, "sub": client, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti,
    })
}

impl Desk {
    async fn with_assertion(&self, assertion: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "unknown"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        self.token_as(None, &form).await
    }

    pub(super) async fn key_client(&self, key: &ClientKey) -> ApplicationId {
        let jwks = key.jwks.clone();
        self.application(|stored| {
            stored.application.jwks = Some(jwks);
            stored.application.token_endpoint_auth_method = Some(ClientAuthMethod::PrivateKeyJwt);
            stored.secret_hash = None;
        })
        .await
    }
}

/// The client is known, and the refresh token is not.
const IN: (u16, &str) = (400, "invalid_grant");
const OUT: (u16, &str) = (401, "invalid_client");

#[tokio::test]
async fn an_assertion_counts_once_and_only_as_it_was_meant() {
    let desk = Desk::open().await;
    let key = ClientKey::new();
    let client = desk.key_client(&key).await;
    let now = desk.now().0.timestamp();
    let right = key.sign(Some("JWT"), &claims(&desk, client, "1"));
    assert_eq!(desk.with_assertion(&right).await.refusal(), IN);
    let again = desk.with_assertion(&right).await;
    assert_eq!(again.refusal(), OUT);
    assert_eq!(
        again.json["error_description"],
        "client_assertion was used before"
    );
    for (at, (name, value, expected)) in [
        ("aud", json!(format!("{ISSUER}/oauth/token")), IN),
        ("aud", json!([ISSUER, format!("{ISSUER}/oauth/token")]), IN),
        ("exp", json!(now + 3600), IN),
        ("aud", json!("https://other.example"), OUT),
        ("aud", json!([ISSUER, "https://other.example"]), OUT),
        ("aud", json!([]), OUT),
        ("aud", json!(null), OUT),
        ("iss", json!(desk.client), OUT),
        ("sub", json!(desk.client), OUT),
        ("exp", json!(now - 61), OUT),
        ("exp", json!(now + 3700), OUT),
        ("exp", json!(null), OUT),
        ("nbf", json!(now + 120), OUT),
        ("iat", json!(now + 120), OUT),
        ("jti", json!(null), OUT),
        ("jti", json!(""), OUT),
    ]
    .into_iter()
    .enumerate()
    {
        let mut changed = claims(&desk, client, &format!("changed-{at}"));
        changed[name] = value;
        let answer = desk.with_assertion(&key.sign(None, &changed)).await;
        assert_eq!(answer.refusal(), expected, "{changed}");
    }
    for typ in ["at+jwt", "logout+jwt", "dpop+jwt"] {
        let other = key.sign(Some(typ), &claims(&desk, client, typ));
        assert_eq!(desk.with_assertion(&other).await.refusal(), OUT, "{typ}");
    }
    let stranger = ClientKey::new().sign(None, &claims(&desk, client, "stranger"));
    assert_eq!(desk.with_assertion(&stranger).await.refusal(), OUT);
}

#[tokio::test]
async fn no_other_algorithm_and_no_other_method_counts() {
    let desk = Desk::open().await;
    let key = ClientKey::new();
    let client = desk.key_client(&key).await;
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!(
        "{}.{}.",
        encode(json!({"alg": "none"})),
        encode(claims(&desk, client, "none"))
    );
    assert_eq!(desk.with_assertion(&unsigned).await.refusal(), OUT);
    // The public key, as text that anybody has, is no HMAC secret.
    let secret = key.jwks["keys"][0]["x"].as_str().unwrap();
    let hmac = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims(&desk, client, "hmac"),
        &EncodingKey::from_secret(secret.as_bytes()),
    );
    assert_eq!(desk.with_assertion(&hmac.unwrap()).await.refusal(), OUT);
    for garbage in ["", "a", "a.b", "a.b.c", &"x".repeat(20_000)] {
        let answer = desk.with_assertion(garbage).await;
        assert_eq!(answer.status, 401, "{garbage}");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let by_secret = basic(&client.to_string(), SECRET);
    let answer = desk.token_as(Some(&by_secret), &form).await;
    assert_eq!(answer.refusal(), OUT);
    let id = client.to_string();
    let nameless = [form[0], form[1], ("client_id", id.as_str())];
    assert_eq!(desk.token_as(None, &nameless).await.refusal(), OUT);
    let right = key.sign(None, &claims(&desk, client, "twice"));
    let two_ways = [
        ("grant_type", "refresh_token"),
        ("client_assertion", right.as_str()),
        ("client_secret", "x"),
    ];
    let answer = desk.token_as(None, &two_ways).await;
    assert_eq!(answer.refusal(), (400, "invalid_request"));
    let untyped = [
        ("grant_type", "refresh_token"),
        ("client_assertion", right.as_str()),
    ];
    let answer = desk.token_as(None, &untyped).await;
    assert_eq!(answer.refusal(), (400, "invalid_request"));
}

#[tokio::test]
async fn of_many_with_one_assertion_one_gets_in() {
    let desk = Arc::new(Desk::open().await);
    let key = ClientKey::new();
    let client = desk.key_client(&key).await;
    let assertion = key.sign(None, &claims(&desk, client, "raced"));
    let attempts = (0..8).map(|_| desk.with_assertion(&assertion));
    let answers = futures_util::future::join_all(attempts).await;
    let won = answers.iter().filter(|answer| answer.refusal() == IN);
    assert_eq!(won.count(), 1);
}
