//! The B2B application, signing people in with a client library that it did not write.

use serde_json::Value;

use super::{node, python};
use crate::guarded::Guarded;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `openid-client` (npm).
    OpenidClient,
    /// Authlib (PyPI) in Flask.
    Authlib,
}

/// `GET /login` starts a sign-in, `/callback` ends it with JSON: `{claims, userinfo, refreshed, tokens}`.
pub struct Application {
    url: String,
    process: Guarded,
}

impl Application {
    pub async fn start(library: Library) -> Self {
        let mut process = Guarded::start(&mut match library {
            Library::OpenidClient => node("openid-client.cjs"),
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

    /// Tells it who it is: `{issuer, client_id, client_secret?, algorithm?, authentication?, scope?}`. Once.
    pub fn configure(&mut self, settings: &Value) {
        self.process.send(settings);
    }

    /// Where a sign-in starts; `query` goes to the authorization endpoint.
    pub fn login_url(&self, query: &str) -> String {
        format!("{}/login?{query}", self.url)
    }
}
