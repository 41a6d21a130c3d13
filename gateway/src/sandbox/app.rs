//! The sample application: what a B2B application has to do to use Tenon. Signs people in, shows who they
//! are, receives webhooks.

mod client;
mod routes;
mod webhooks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::clock::{Clock, Entropy};

use client::{OidcClient, Pending, SignedIn};
pub(super) use routes::routes;
use webhooks::Receiver;

use super::seed::Seeded;

/// The application's own state: who is signed in with which cookie.
pub(super) struct SampleApp {
    oidc: OidcClient,
    receiver: Receiver,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    browsers: Mutex<Browsers>,
}

#[derive(Default)]
struct Browsers {
    /// By the cookie's value. A sign-in that was started and not finished.
    pending: HashMap<String, Pending>,
    signed_in: HashMap<String, SignedIn>,
}

/// More than this many unfinished or finished sign-ins are not kept: it is one developer's machine.
const MAX_BROWSERS: usize = 1000;

impl SampleApp {
    pub(super) fn new(
        http: reqwest::Client,
        gateway_url: &str,
        sandbox_url: &str,
        seeded: &Seeded,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            oidc: OidcClient {
                http,
                issuer: gateway_url.to_owned(),
                client_id: seeded.client_id.clone(),
                client_secret: seeded.client_secret.clone(),
                redirect_uri: format!("{sandbox_url}/app/callback"),
            },
            receiver: Receiver::new(seeded.webhook_secret.clone()),
            clock,
            entropy,
            browsers: Mutex::default(),
        }
    }

    fn browsers(&self) -> MutexGuard<'_, Browsers> {
        let mut browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        if browsers.pending.len() > MAX_BROWSERS {
            browsers.pending.clear();
        }
        if browsers.signed_in.len() > MAX_BROWSERS {
            browsers.signed_in.clear();
        }
        browsers
    }
}
