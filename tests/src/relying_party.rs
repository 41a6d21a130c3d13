//! The application, by hand: for requests that no client library would send.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Api, Gateway, Page, text};

/// RFC 7636, appendix B, as is [`RelyingParty::CODE_VERIFIER`].
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct RelyingParty {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
}

impl RelyingParty {
    /// Nothing listens there: a browser that is sent to it has arrived.
    pub const REDIRECT_URI: &str = "https://app.example/callback";
    /// What [`Self::authorize_url`] has the challenge of.
    pub const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    /// A confidential client.
    pub async fn register(tenon: &impl Gateway) -> Self {
        Self::register_with(
            tenon,
            json!({"name": "App", "redirect_uris": [Self::REDIRECT_URI]}),
        )
        .await
    }

    pub async fn register_with(tenon: &impl Gateway, application: Value) -> Self {
        let application = tenon.api().application(application).await;
        Self {
            issuer: tenon.url(),
            client_id: text(&application["client_id"]),
            client_secret: application["client_secret"].as_str().map(str::to_owned),
        }
    }

    /// Where a sign-in starts, with more parameters: `login_hint=…`.
    pub fn authorize_url(&self, more: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", Self::REDIRECT_URI)
            .append_pair("scope", "openid profile email groups roles offline_access")
            .append_pair("state", "the-state")
            .append_pair("nonce", "the-nonce")
            .append_pair("code_challenge", CODE_CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .finish();
        format!("{}/oauth/authorize?{query}&{more}", self.issuer)
    }

    /// The code of a browser that came back with one (RFC 6749 4.1.2, RFC 9207).
    #[track_caller]
    pub fn code(&self, page: &Page) -> String {
        assert!(
            page.url.as_str().starts_with(Self::REDIRECT_URI),
            "{} {}",
            page.url,
            page.body
        );
        assert_eq!(
            page.query("state").as_deref(),
            Some("the-state"),
            "{}",
            page.url
        );
        assert_eq!(
            page.query("iss").as_deref(),
            Some(&*self.issuer),
            "{}",
            page.url
        );
        page.query("code")
            .unwrap_or_else(|| panic!("no code in {}", page.url))
    }

    pub async fn redeem(&self, page: &Page) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", &self.code(page)),
            ("redirect_uri", Self::REDIRECT_URI),
            ("code_verifier", Self::CODE_VERIFIER),
        ])
        .await
    }

    pub async fn refresh(&self, tokens: &Value) -> Answer {
        let token = text(&tokens["refresh_token"]);
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)])
            .await
    }

    /// The token endpoint, as this client (`client_secret_basic`).
    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.call("/oauth/token", form).await
    }

    /// Any endpoint at which clients authenticate.
    pub async fn call(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut request = Api::at(self.issuer.clone(), None).request(Method::POST, path);
        let mut form = form.to_vec();
        match &self.client_secret {
            Some(secret) => request = request.basic_auth(&self.client_id, Some(secret)),
            None => form.push(("client_id", &self.client_id)),
        }
        Api::answer(request.form(&form)).await
    }

    pub async fn userinfo(&self, tokens: &Value) -> Answer {
        let token = text(&tokens["access_token"]);
        Api::at(self.issuer.clone(), Some(&token))
            .get("/oauth/userinfo")
            .await
    }
}

/// The claims of a token, taken on trust: the peers' libraries are there to check signatures.
#[track_caller]
pub fn claims(token: &Value) -> Value {
    let token = text(token);
    let payload = token
        .split('.')
        .nth(1)
        .unwrap_or_else(|| panic!("{token} is no JWT"));
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}
