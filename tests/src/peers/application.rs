//! The B2B application, signing people in with a client library that it did not write.

use serde_json::Value;

use super::{node, python};
use crate::{Answer, Api, guarded::Guarded};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `openid-client` (npm).
    OpenidClient,
    /// `oauth4webapi` (npm).
    Oauth4webapi,
    /// Authlib (PyPI) in Flask.
    Authlib,
}

/// Its pages and its settings are described in `application.cjs`.
pub struct Application {
    url: String,
    process: Guarded,
}

impl Application {
    pub async fn start(library: Library) -> Self {
        let mut process = Guarded::start(&mut match library {
            Library::OpenidClient => node("openid-client.cjs"),
            Library::Oauth4webapi => node("oauth4webapi.cjs"),
            Library::Authlib => python("authlib_app.py"),
        });
        Self {
            url: process.listening().await,
            process,
        }
    }

    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.url)
    }

    /// Where a sign-out ends.
    pub fn goodbye_uri(&self) -> String {
        format!("{}/goodbye", self.url)
    }

    /// Tells it who it is. Once.
    pub fn configure(&mut self, settings: &Value) {
        self.process.send(settings);
    }

    /// Where a sign-in starts; `query` goes to the authorization endpoint.
    pub fn login_url(&self, query: &str) -> String {
        format!("{}/login?{query}", self.url)
    }

    pub fn logout_url(&self, id_token: &str) -> String {
        format!("{}/logout?id_token={id_token}", self.url)
    }

    /// Lets it `refresh`, `introspect` or `revoke` a token.
    pub async fn call(&self, page: &str, token: &str) -> Answer {
        let api = Api::at(self.url.clone(), None);
        api.get(&format!("/{page}?token={token}")).await
    }
}
