//! The sample application's OpenID Connect client: authorization code with PKCE (OIDC Core 3.1, RFC 7636,
//! RFC 9207), written out so that an integrator can read what a client library does for them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// How the application is known to its OpenID provider, Tenon.
#[derive(Clone)]
pub(super) struct OidcClient {
    pub(super) http: reqwest::Client,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) redirect_uri: String,
}

/// The members of the discovery document that are used (OIDC Discovery 3).
#[derive(Debug, Deserialize)]
pub(super) struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    pub(super) end_session_endpoint: Option<String>,
}

/// What has to be remembered from the request to the callback, bound to the browser.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) code_verifier: String,
}

/// Which identity provider is wanted (CONTRACT section 4); the first that is present wins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RoutingHint {
    pub(super) connection_id: Option<String>,
    pub(super) organization_id: Option<String>,
    pub(super) login_hint: Option<String>,
}

/// A verified sign-in.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) id_token: String,
    pub(super) claims: Value,
    pub(super) userinfo: Value,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    #[error("{url} did not answer: {source}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} answered {status}: {body}")]
    Refused {
        url: String,
        status: u16,
        body: String,
    },
    #[error("the discovery document is for {0}, not for this issuer")]
    AnotherIssuer(String),
    #[error("the id token is not valid: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("no key of the JWK Set has the token's kid")]
    NoKey,
    #[error("the id token answers another request (nonce)")]
    Nonce,
    #[error("userinfo is about somebody else (sub)")]
    Subject,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

impl OidcClient {
    pub(super) async fn discover(&self) -> Result<Provider, SignInError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let provider: Provider = answer(&url, self.http.get(&url)).await?;
        if provider.issuer == self.issuer {
            Ok(provider)
        } else {
            Err(SignInError::AnotherIssuer(provider.issuer))
        }
    }

    /// Where to send the browser.
    pub(super) fn authorization_url(
        &self,
        provider: &Provider,
        pending: &Pending,
        hint: &RoutingHint,
    ) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, pending.code_verifier.as_bytes()));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", "openid profile email groups roles")
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        for (name, value) in [
            ("connection_id", &hint.connection_id),
            ("organization_id", &hint.organization_id),
            ("login_hint", &hint.login_hint),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        format!("{}?{}", provider.authorization_endpoint, query.finish())
    }

    /// Redeems the code and checks what came for it.
    pub(super) async fn redeem(
        &self,
        provider: &Provider,
        code: &str,
        pending: &Pending,
    ) -> Result<SignedIn, SignInError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &pending.code_verifier),
        ];
        let url = &provider.token_endpoint;
        let request = self
            .http
            .post(url)
            .basic_auth(&self.client_id, Some(&self.client_secret))
            .form(&form);
        let tokens: Tokens = answer(url, request).await?;
        let claims = self
            .verify(provider, &tokens.id_token, &pending.nonce)
            .await?;

        let url = &provider.userinfo_endpoint;
        let userinfo: Value =
            answer(url, self.http.get(url).bearer_auth(&tokens.access_token)).await?;
        if userinfo["sub"] != claims["sub"] {
            return Err(SignInError::Subject);
        }
        Ok(SignedIn {
            id_token: tokens.id_token,
            claims,
            userinfo,
        })
    }

    /// OIDC Core 3.1.3.7: signature by the issuer's keys, issuer, audience, expiry, nonce.
    async fn verify(
        &self,
        provider: &Provider,
        id_token: &str,
        nonce: &str,
    ) -> Result<Value, SignInError> {
        let url = &provider.jwks_uri;
        let jwks: JwkSet = answer(url, self.http.get(url)).await?;
        let header = jsonwebtoken::decode_header(id_token)?;
        let jwk = header
            .kid
            .as_deref()
            .and_then(|kid| jwks.find(kid))
            .ok_or(SignInError::NoKey)?;

        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token =
            jsonwebtoken::decode::<Value>(id_token, &DecodingKey::from_jwk(jwk)?, &validation)?;
        if token.claims["nonce"] == nonce {
            Ok(token.claims)
        } else {
            Err(SignInError::Nonce)
        }
    }
}

/// Sends a request and reads JSON.
async fn answer<T: DeserializeOwned>(
    url: &str,
    request: reqwest::RequestBuilder,
) -> Result<T, SignInError> {
    let unreachable = |source| SignInError::Unreachable {
        url: url.to_owned(),
        source,
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(unreachable);
    }
    let body = response.text().await.map_err(unreachable)?;
    Err(SignInError::Refused {
        url: url.to_owned(),
        status: status.as_u16(),
        body,
    })
}
