//! The application, and the browser that it sends away.

use integration::{Answer, Api, RelyingParty, Tenon, text};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::{Method, header};
use serde_json::{Value, json};
use url::Url;

/// One application and its HTTP client, shared by all of its sign-ins.
pub(crate) struct App {
    client: RelyingParty,
    tenon: Api,
    keys: JwkSet,
    algorithm: Algorithm,
}

/// The answer to an authorization request: where the browser goes, with what cookie.
pub(crate) struct Sent {
    pub(crate) url: Url,
    pub(crate) cookie: String,
}

impl App {
    pub(crate) async fn register(tenon: &Tenon, algorithm: &str) -> Self {
        let application = json!({
            "name": format!("{algorithm} app"),
            "redirect_uris": [RelyingParty::REDIRECT_URI],
            "id_token_signing_alg": algorithm,
        });
        let client = RelyingParty::register_with(tenon, application).await;
        let tenon = Api::at(tenon.url(), None);
        let keys = tenon.get("/oauth/jwks").await.expect(200);
        Self {
            client,
            tenon,
            keys: serde_json::from_value(keys).expect("a JWK Set"),
            algorithm: algorithm.parse().expect("an algorithm"),
        }
    }

    /// Opens the application's sign-in, in a browser that was never here.
    pub(crate) async fn begin(&self, email: &str) -> Sent {
        let url = self.client.authorize_url(&format!("login_hint={email}"));
        let answer = self.get(&url, None).await;
        let cookie = answer.header("set-cookie").split(';').next();
        Sent {
            url: self.location(&answer),
            cookie: cookie.expect("a first part").to_owned(),
        }
    }

    /// Follows the answer of the ACS or of the OIDC callback, and redeems the code. The id token is this person's.
    pub(crate) async fn end(&self, answer: &Answer, cookie: &str, email: &str) {
        let next = self.location(answer);
        assert!(next.path().starts_with("/login/continue/"), "{next}");
        let landed = self.location(&self.get(next.as_str(), Some(cookie)).await);
        assert!(
            landed.as_str().starts_with(RelyingParty::REDIRECT_URI),
            "{landed}"
        );
        let code = query(&landed, "code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", RelyingParty::REDIRECT_URI),
            ("code_verifier", RelyingParty::CODE_VERIFIER),
        ];
        let request = self.tenon.request(Method::POST, "/oauth/token");
        let secret = self.client.client_secret.as_deref();
        let request = request.basic_auth(&self.client.client_id, secret);
        let tokens = Api::answer(request.form(&form)).await.expect(200);
        let claims = self.verified(&text(&tokens["id_token"]));
        assert_eq!(claims["email"], email);
        assert_eq!(claims["nonce"], "the-nonce");
    }

    pub(crate) async fn get(&self, url: &str, cookie: Option<&str>) -> Answer {
        let mut request = self.tenon.request(Method::GET, self.path(url));
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        Api::answer(request).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.tenon.request(Method::POST, self.path(url));
        Api::answer(request.form(form)).await
    }

    /// Where a redirect leads.
    fn location(&self, answer: &Answer) -> Url {
        assert_eq!(answer.status.as_u16(), 303, "{}", answer.body);
        let base = Url::parse(self.tenon.base()).expect("a URL");
        base.join(answer.header("location")).expect("a URL")
    }

    fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(self.tenon.base())
            .unwrap_or_else(|| panic!("{url} is not the gateway's"))
    }

    fn verified(&self, token: &str) -> Value {
        let header = jsonwebtoken::decode_header(token).expect("a JWT");
        let key = header.kid.and_then(|kid| self.keys.find(&kid).cloned());
        let key = DecodingKey::from_jwk(&key.expect("a known key")).expect("a key");
        let mut validation = Validation::new(self.algorithm);
        validation.set_audience(&[&self.client.client_id]);
        validation.set_issuer(&[&self.client.issuer]);
        let decoded = jsonwebtoken::decode(token, &key, &validation);
        decoded.expect("a valid id token").claims
    }
}

/// A parameter that must be there.
pub(crate) fn query(url: &Url, name: &str) -> String {
    let value = url.query_pairs().find(|(key, _)| key == name);
    let (_, value) = value.unwrap_or_else(|| panic!("no {name} in {url}"));
    value.into_owned()
}
