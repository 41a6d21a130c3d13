//! The practice identity provider: a whole SAML IdP and OpenID provider for people who do not exist, with
//! switches for what typically goes wrong. `tenon dev` shows it in the browser, the tests ask it directly.

mod fault;
mod keys;
mod oidc;
mod request;
mod routes;
mod saml;
mod xml;

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;

use crate::{
    clock::{Clock, Entropy},
    sandbox::people::Person,
};

pub use fault::Fault;
pub use keys::{IdpKeys, SigningKey};
pub use oidc::{AuthorizeRequest, OidcClient, TokenError, TokenRequest};
pub use request::{AuthnRequest, encryption_certificate};
pub use routes::routes;
pub use saml::{SamlAnswer, Sign};

/// Shared by its pages and by whoever asks it directly; all methods take `&self`.
pub struct PracticeIdp {
    /// `http://127.0.0.1:8081/idp`, without a slash at the end.
    base_url: String,
    keys: IdpKeys,
    people: Vec<Person>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    services: Vec<String>,
    last_saml_response: Option<String>,
    tile: Option<Tile>,
    session: IdpSession,
    clients: Vec<OidcClient>,
    codes: HashMap<String, oidc::Grant>,
    last_code: Option<String>,
    tokens: HashMap<String, oidc::Grant>,
    hides_documents: bool,
}

/// What the switches say, for answers that a person makes in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Behaviour {
    pub fault: Option<Fault>,
    pub sign: Sign,
    pub encrypt: bool,
}

/// The person's session at the IdP, which a request for another sign-in does not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdpSession {
    /// How long ago the person signed in; not at all long by default.
    pub age: TimeDelta,
    /// How long after an answer it ends, where the IdP says so.
    pub lasts: Option<TimeDelta>,
}

/// A service that people can open from the IdP's own page: the SP of an unsolicited response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub audience: String,
    pub acs_url: String,
}

/// Why the practice IdP has no answer.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    #[error("the practice identity provider's key is not usable")]
    Key,
    #[error("the key of the practice identity provider cannot be kept: {0}")]
    File(#[from] std::io::Error),
    #[error("the request has no valid {0}")]
    Request(&'static str),
    #[error("{0} is no service that this identity provider knows")]
    UnknownService(String),
    #[error("the service's metadata has no certificate to encrypt for")]
    Certificate,
}

impl PracticeIdp {
    /// `base_url` is where [`routes()`] are mounted.
    pub fn new(
        base_url: &str,
        keys: IdpKeys,
        people: Vec<Person>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            keys,
            people,
            clock,
            entropy,
            state: Mutex::default(),
        }
    }

    pub fn people(&self) -> &[Person] {
        &self.people
    }

    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    /// PEM of the certificate that signs.
    pub fn certificate_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        let encoded = self.keys.signing.certificate_base64();
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    pub fn behaviour(&self) -> Behaviour {
        self.state().behaviour
    }

    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    /// What answers say about when the person signed in, from now on.
    pub fn set_session(&self, session: IdpSession) {
        self.state().session = session;
    }

    /// Answers go to this origin and to no other: a practice IdP is no open door either.
    pub fn trust(&self, service_origin: &str) {
        let origin = format!("{}/", service_origin.trim_end_matches('/'));
        let mut state = self.state();
        if !state.services.contains(&origin) {
            state.services.push(origin);
        }
    }

    /// Whether metadata and keys are not to be had, as in an outage of a part of the provider.
    pub fn hide_documents(&self, hidden: bool) {
        self.state().hides_documents = hidden;
    }

    pub fn hides_documents(&self) -> bool {
        self.state().hides_documents
    }

    pub fn set_tile(&self, tile: Tile) {
        self.state().tile = Some(tile);
    }

    fn check_service(&self, url: &str) -> Result<(), IdpError> {
        let known = self
            .state()
            .services
            .iter()
            .any(|origin| url.starts_with(origin));
        if known {
            Ok(())
        } else {
            Err(IdpError::UnknownService(url.to_owned()))
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 128 random bits.
    fn random_hex(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod connector_tests;

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::{
        clock::{SystemClock, SystemEntropy},
        sandbox::people,
    };

    pub(in crate::sandbox) fn practice_idp() -> PracticeIdp {
        PracticeIdp::new(
            "http://127.0.0.1:8081/idp/",
            IdpKeys::generate().unwrap(),
            people::seeded(),
            Arc::new(SystemClock),
            Arc::new(SystemEntropy),
        )
    }
}
