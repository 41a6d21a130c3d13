//! `private_key_jwt`: which assertion proves a client, and that it does so once.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::desk::{Desk, ISSUER, SECRET};
use crate::flows::client_assertion::ASSERTION_TYPE;
use crate::ids::ApplicationId;
use crate::model::ClientAuthMethod;

/// A client's key pair.
pub(super) struct Pair {
    key: EncodingKey,
    jwk: Value,
}

impl Pair {
    pub(super) fn p256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let pkcs8 = pkcs8.unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref());
        let pair = pair.unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        Self {
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
            jwk: json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}),
        }
    }

    fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self {
            key: EncodingKey::from_ed_der(pkcs8.as_ref()),
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
        }
    }

    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = encode(public.modulus().big_endian_without_leading_zero());
        let e = encode(public.exponent().big_endian_without_leading_zero());
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The library's DER is PKCS#1.
        let text = STANDARD.encode(pkcs8.as_ref());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|at| &text[at..text.len().min(at + 64)])
            .collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        Self {
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            jwk: json!({"kty": "RSA", "n": n, "e": e}),
        }
    }

    pub(super) fn sign(&self, alg: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(alg), claims, &self.key).unwrap()
    }

    /// As a P-256 key with this id does.
    pub(super) fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    pub(super) fn public(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = kid.into();
        jwk
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Desk {
    pub(super) async fn client_with_keys(&self, keys: &[&Pair]) -> ApplicationId {
        let keys: Vec<&Value> = keys.iter().map(|pair| &pair.jwk).collect();
        self.application(|stored| {
            stored.application.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            stored.application.jwks = Some(json!({ "keys": keys }));
            stored.secret_hash = None;
        })
        .await
    }

    /// A good assertion's claims.
    pub(super) fn claims(&self, client: ApplicationId) -> Value {
        let now = self.now().0.timestamp();
        json!({
            "iss": client, "sub": client, "aud": ISSUER,
            "jti": self.app.entropy.token(), "iat": now, "exp": now + 60,
        })
    }

    /// Status and error of a request that is refused for its grant once the client is known.
    pub(super) async fn try_assertion(
        &self,
        assertion: &str,
        more: &[(&str, &str)],
    ) -> (u16, String) {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", "unknown"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more);
        let answer = self.post("/oauth/token", None, &form).await;
        let (status, error) = answer.refusal();
        (status, error.to_owned())
    }
}

pub(super) fn proven() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

pub(super) fn unproven() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test]
async fn each_algorithm_of_the_list_proves_a_client() {
    let desk = Desk::open().await;
    let (p256, ed25519, rsa) = (Pair::p256(), Pair::ed25519(), Pair::rsa());
    let client = desk.client_with_keys(&[&p256, &ed25519, &rsa]).await;
    for (pair, alg) in [
        (&p256, Algorithm::ES256),
        (&ed25519, Algorithm::EdDSA),
        (&rsa, Algorithm::RS256),
        (&rsa, Algorithm::PS256),
    ] {
        let assertion = pair.sign(alg, &desk.claims(client));
        assert_eq!(
            desk.try_assertion(&assertion, &[]).await,
            proven(),
            "{alg:?}"
        );
    }
    for alg in [Algorithm::RS384, Algorithm::PS512] {
        let assertion = rsa.sign(alg, &desk.claims(client));
        assert_eq!(
            desk.try_assertion(&assertion, &[]).await,
            unproven(),
            "{alg:?}"
        );
    }
}

#[tokio::test]
async fn the_audience_is_the_issuer_or_an_endpoint_of_ours() {
    let desk = Desk::open().await;
    let pair = Pair::p256();
    let client = desk.client_with_keys(&[&pair]).await;
    for (aud, answer) in [
        (json!(ISSUER), proven()),
        (json!(format!("{ISSUER}/oauth/token")), proven()),
        (json!(["https://other.example", ISSUER]), proven()),
        (json!(format!("{ISSUER}/")), unproven()),
        (json!(format!("{ISSUER}/oauth/par")), unproven()),
        (json!("https://evil.example"), unproven()),
        (json!([]), unproven()),
        (json!(null), unproven()),
    ] {
        let mut claims = desk.claims(client);
        claims["aud"] = aud.clone();
        let assertion = pair.sign(Algorithm::ES256, &claims);
        assert_eq!(desk.try_assertion(&assertion, &[]).await, answer, "{aud}");
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_and_lives_an_hour_at_most() {
    let desk = Desk::open().await;
    let pair = Pair::p256();
    let client = desk.client_with_keys(&[&pair]).await;
    let assertion = pair.sign(Algorithm::ES256, &desk.claims(client));
    assert_eq!(desk.try_assertion(&assertion, &[]).await, proven());
    assert_eq!(
        desk.try_assertion(&assertion, &[]).await,
        unproven(),
        "again"
    );
    let now = desk.now().0.timestamp();
    for (name, value, answer) in [
        ("exp", json!(now + 3660), proven()),
        ("exp", json!(now + 3661), unproven()),
        ("exp", json!(now), unproven()),
        ("exp", json!(null), unproven()),
        ("exp", json!("tomorrow"), unproven()),
        ("nbf", json!(now + 30), proven()),
        ("nbf", json!(now + 61), unproven()),
        ("iat", json!(now + 61), unproven()),
        ("iat", json!(null), proven()),
        ("jti", json!(null), unproven()),
        ("jti", json!(""), unproven()),
        ("jti", json!("x".repeat(600)), unproven()),
        ("iss", json!("https://evil.example"), unproven()),
        ("sub", json!(desk.client), unproven()),
    ] {
        let mut claims = desk.claims(client);
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
        let assertion = pair.sign(Algorithm::ES256, &claims);
        assert_eq!(
            desk.try_assertion(&assertion, &[]).await,
            answer,
            "{name}={value}"
        );
    }
}

#[tokio::test]
async fn nothing_but_the_clients_own_signature_will_do() {
    let desk = Desk::open().await;
    let (pair, stranger) = (Pair::p256(), Pair::p256());
    let client = desk.client_with_keys(&[&pair]).await;
    let claims = desk.claims(client);
    let id = client.to_string();
    let good = pair.sign(Algorithm::ES256, &claims);
    let part = |text: &str| encode(text.as_bytes());
    let (body, none) = (part(&claims.to_string()), part(r#"{"alg":"none"}"#));
    let hmac = EncodingKey::from_secret(pair.jwk["x"].as_str().unwrap().as_bytes());
    let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &hmac).unwrap();
    let tokens = desk.redeem(&desk.code().await).await.ok();
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let id_token = tokens["id_token"].as_str().unwrap().to_owned();
    for assertion in [
        stranger.sign(Algorithm::ES256, &claims),
        format!("{none}.{body}."),
        hmac,
        access,
        id_token,
        "x".to_owned(),
        "a.b.c".to_owned(),
    ] {
        let named = [("client_id", id.as_str())];
        assert_eq!(
            desk.try_assertion(&assertion, &named).await,
            unproven(),
            "{assertion}"
        );
    }
    let other = desk.client.to_string();
    for more in [
        // The client that is named is not the one that signed.
        vec![("client_id", other.as_str())],
        vec![(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        )],
    ] {
        assert_eq!(
            desk.try_assertion(&good, &more).await,
            unproven(),
            "{more:?}"
        );
    }
    let invalid_request = (400, "invalid_request".to_owned());
    for more in [
        vec![("client_secret", SECRET)],
        vec![("client_assertion_type", "")],
        vec![("client_assertion", "")],
    ] {
        assert_eq!(
            desk.try_assertion(&good, &more).await,
            invalid_request,
            "{more:?}"
        );
    }
    // Nor a secret, nor the bare name.
    for form in [
        vec![
            ("client_id", id.as_str()),
            ("client_secret", SECRET),
            ("grant_type", "refresh_token"),
        ],
        vec![("client_id", id.as_str()), ("grant_type", "refresh_token")],
    ] {
        let answer = desk.post("/oauth/token", None, &form).await;
        assert_eq!(answer.refusal(), (401, "invalid_client"));
    }
    assert_eq!(
        desk.try_assertion(&good, &[]).await,
        proven(),
        "it was not used up"
    );
}

#[tokio::test]
async fn an_assertion_may_have_the_type_of_its_own_and_no_other_tokens() {
    let desk = Desk::open().await;
    let pair = Pair::p256();
    let client = desk.client_with_keys(&[&pair]).await;
    for (typ, expected) in [
        ("client-authentication+jwt", proven()),
        ("JWT", proven()),
        ("at+jwt", unproven()),
        ("logout+jwt", unproven()),
    ] {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        let assertion = jsonwebtoken::encode(&header, &desk.claims(client), &pair.key).unwrap();
        assert_eq!(desk.try_assertion(&assertion, &[]).await, expected, "{typ}");
    }
}
