//! `oidc-provider` (npm): an OpenID provider.

use serde_json::{Value, json};

use super::node;
use crate::{Api, Page, UserAgent, guarded::Guarded};

pub struct OidcProvider {
    issuer: String,
    _process: Guarded,
}

impl OidcProvider {
    /// Options as in `oidc-provider.cjs`: `{"people": {"alice": {"email": …}}, "thin_tokens": …, …}`.
    pub async fn start(options: Value) -> Self {
        let mut process = Guarded::start(&mut node("oidc-provider.cjs"));
        let issuer = process.listening().await;
        process.send(&options);
        Self {
            issuer,
            _process: process,
        }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Registers a client: its `client_id` and `client_secret`.
    pub async fn register(&self, redirect_uri: &str, authentication: &str) -> Value {
        self.register_with(redirect_uri, authentication, json!({}))
            .await
    }

    /// With more metadata (RFC 7591 section 2).
    pub async fn register_with(
        &self,
        redirect_uri: &str,
        authentication: &str,
        more: Value,
    ) -> Value {
        let mut client = json!({
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": authentication,
        });
        if let (Some(client), Value::Object(more)) = (client.as_object_mut(), more) {
            client.extend(more);
        }
        Api::at(self.issuer.clone(), None)
            .post("/reg", client)
            .await
            .expect(201)
    }

    /// The person signs in on the page that the browser was sent to, and lands wherever that leads.
    pub async fn sign_in(&self, browser: &mut UserAgent, page: &Page, login: &str) -> Page {
        assert!(
            page.url.as_str().starts_with(&self.issuer),
            "{} {}",
            page.url,
            page.body
        );
        browser.submit(page, page.form().fill("login", login)).await
    }
}
