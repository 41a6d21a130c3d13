//! A provider in memory and one login at it. Tests change what they like before they run it.

use std::sync::Mutex;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, signature::RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::oidc::OidcConnector;
use crate::{
    Callback, Completion, Expected, HttpClient, HttpFailure, HttpRequest, HttpResponse,
    OidcSettings, SpEndpoints, SpKeys,
};

pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const METADATA: &str = "/.well-known/openid-configuration";

/// Public on purpose, all of it: a test is a change of one of these.
pub(super) struct FakeIdp {
    pub(super) metadata: Value,
    pub(super) keys: Vec<Value>,
    pub(super) signer: Signer,
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) userinfo: Value,
    /// Paths that answer with this status and body instead.
    pub(super) answers: Vec<(&'static str, u16, String)>,
    /// The one secret, by `client_secret_post`, that is taken, and the refusal of any other.
    pub(super) takes_secret: Option<(&'static str, u16, &'static str)>,
    /// Paths that don't answer.
    pub(super) down: Vec<&'static str>,
    pub(super) cache_control: &'static str,
    pub(super) requests: Mutex<Vec<HttpRequest>>,
}

/// One login: the provider, the connection, and what comes back.
pub(super) struct Login {
    pub(super) idp: FakeIdp,
    pub(super) settings: OidcSettings,
    pub(super) sp_keys: SpKeys,
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) iss: Option<String>,
    pub(super) error: Option<(&'static str, &'static str)>,
    pub(super) expected: Option<Expected>,
    pub(super) now: DateTime<Utc>,
}

pub(super) enum Signer {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    Hmac(Vec<u8>),
    Nobody,
}

pub(super) fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn sp() -> SpEndpoints {
    let redirect_uri = "https://tenon.example/oidc/conn_1/callback".to_owned();
    SpEndpoints {
        entity_id: String::new(),
        acs_url: String::new(),
        slo_url: String::new(),
        metadata_url: String::new(),
        redirect_uri,
    }
}

impl Login {
    pub(super) fn new() -> Self {
        let signer = Signer::p256();
        let idp = FakeIdp {
            metadata: json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://idp.example/authorize",
                "token_endpoint": "https://idp.example/token",
                "userinfo_endpoint": "https://idp.example/userinfo",
                "jwks_uri": "https://idp.example/jwks",
            }),
            keys: vec![signer.jwk("k1")],
            header: json!({"alg": "ES256", "kid": "k1", "typ": "JWT"}),
            signer,
            claims: json!({
                "iss": ISSUER,
                "sub": "u-1",
                "aud": "tenon",
                "exp": noon().timestamp() + 300,
                "iat": noon().timestamp() - 1,
                "nonce": "n-1",
                "email": "ada@acme.example",
                "name": "Ada Byron",
            }),
            userinfo: json!({"sub": "u-1"}),
            answers: Vec::new(),
            takes_secret: None,
            down: Vec::new(),
            cache_control: "max-age=3600",
            requests: Mutex::default(),
        };
        Self {
            idp,
            settings: OidcSettings {
                issuer: ISSUER.into(),
                client_id: "tenon".into(),
                client_secret: Some("s:%/ä".into()),
                ..OidcSettings::default()
            },
            sp_keys: SpKeys::default(),
            code: Some("c-1".into()),
            state: Some("s-1".into()),
            iss: None,
            error: None,
            expected: Some(Expected {
                request_id: String::new(),
                state: "s-1".into(),
                nonce: "n-1".into(),
                code_verifier: "v-1".into(),
                max_age: None,
            }),
            now: noon(),
        }
    }

    pub(super) fn connector(&self) -> OidcConnector {
        OidcConnector::open(&self.settings, &sp(), &self.sp_keys)
            .unwrap_or_else(|p| panic!("{p:?}"))
    }

    pub(super) async fn run(&self) -> Completion {
        self.run_with(&self.connector()).await
    }

    pub(super) async fn run_with(&self, connector: &OidcConnector) -> Completion {
        let callback = Callback::OidcRedirect {
            code: self.code.clone(),
            state: self.state.clone(),
            iss: self.iss.clone(),
            error: self.error.map(|(error, _)| error.to_owned()),
            error_description: self.error.map(|(_, description)| description.to_owned()),
        };
        connector
            .complete(callback, self.expected.as_ref(), self.now, &self.idp)
            .await
    }

    /// The code of the failure, or `ok`.
    pub(super) async fn code_with(&self, connector: &OidcConnector) -> &'static str {
        self.run_with(connector)
            .await
            .outcome
            .map_or_else(|error| error.code(), |_| "ok")
    }

    pub(super) fn later(&mut self, by: TimeDelta) {
        self.now += by;
        self.idp.claims["iat"] = (self.now.timestamp()).into();
        self.idp.claims["exp"] = (self.now.timestamp() + 300).into();
    }
}

impl FakeIdp {
    pub(super) fn asked(&self, path: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|r| r.url.path() == path)
            .count()
    }

    /// The form of the last token request.
    pub(super) fn token_form(&self) -> Vec<(String, String)> {
        let requests = self.requests.lock().unwrap();
        let request = requests
            .iter()
            .rev()
            .find(|r| r.url.path() == "/token")
            .unwrap();
        url::form_urlencoded::parse(&request.body)
            .into_owned()
            .collect()
    }

    pub(super) fn id_token(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&self.header), part(&self.claims));
        let alg = self.header["alg"].as_str().unwrap_or_default();
        let signature = self.signer.sign(alg, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn answer(&self, path: &str) -> (u16, String) {
        if let Some((_, status, body)) = self.answers.iter().find(|(at, ..)| *at == path) {
            return (*status, body.clone());
        }
        let body = match path {
            METADATA => self.metadata.to_string(),
            "/jwks" => json!({"keys": self.keys}).to_string(),
            "/userinfo" => self.userinfo.to_string(),
            "/token" => {
                if let Some((taken, status, error)) = self.takes_secret {
                    let form = self.token_form();
                    let taken = ("client_secret".to_owned(), taken.to_owned());
                    if !form.contains(&taken) {
                        return (status, json!({ "error": error }).to_string());
                    }
                }
                let (id_token, access_token) = (self.id_token(), "at-1");
                json!({"access_token": access_token, "token_type": "Bearer", "id_token": id_token})
                    .to_string()
            }
            _ => return (404, "not found".to_owned()),
        };
        (200, body)
    }
}

impl HttpClient for FakeIdp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let path = request.url.path().to_owned();
        let limit = request.max_response_bytes;
        self.requests.lock().unwrap().push(request);
        if self.down.iter().any(|down| *down == path) {
            return Err(HttpFailure::Timeout);
        }
        let (status, body) = self.answer(&path);
        if body.len() > limit {
            return Err(HttpFailure::TooLarge { limit });
        }
        let mut headers = http::HeaderMap::new();
        headers.insert(
            http::header::CACHE_CONTROL,
            self.cache_control.parse().unwrap(),
        );
        if (300..400).contains(&status) {
            headers.insert(http::header::LOCATION, body.parse().unwrap());
        }
        Ok(HttpResponse {
            status: status.try_into().unwrap(),
            headers,
            body: body.into_bytes(),
        })
    }
}

impl Signer {
    pub(super) fn p256() -> Self {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::P256(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    pub(super) fn p384() -> Self {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        Self::P384(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    pub(super) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |crv: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": crv, "kid": kid, "use": "sig", "x": encode(x), "y": encode(y)})
        };
        match self {
            Self::P256(key) => ec("P-256", key.public_key().as_ref()),
            Self::P384(key) => ec("P-384", key.public_key().as_ref()),
            Self::Ed25519(key) => {
                let x = encode(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
            Self::Rsa(key) => {
                let public = jsonwebtoken::DecodingKey::from_rsa_der(key.public_key().as_ref());
                let jwk = jsonwebtoken::jwk::Jwk::from_decoding_key(&public, None).unwrap();
                let mut jwk = serde_json::to_value(jwk).unwrap();
                jwk["kid"] = kid.into();
                jwk
            }
            Self::Hmac(_) | Self::Nobody => json!({}),
        }
    }

    /// PKCS#8, for a client's own key.
    pub(super) fn pkcs8(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.as_der().unwrap().as_ref().to_vec(),
            _ => panic!("only RSA keys are asked for"),
        }
    }

    fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) | Self::P384(key) => {
                key.sign(&random, message).unwrap().as_ref().into()
            }
            Self::Ed25519(key) => key.sign(message).as_ref().into(),
            Self::Rsa(key) => {
                let encoding: &dyn RsaEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
                .as_ref()
                .into(),
            Self::Nobody => Vec::new(),
        }
    }
}
