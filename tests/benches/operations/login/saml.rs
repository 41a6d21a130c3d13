//! A sign-in over SAML, SP-initiated.

use std::sync::Arc;

use gateway::sandbox::idp::{AuthnRequest, Fault, SamlAnswer, Sign};
use integration::{Answer, Idp};

use super::application::{App, query};
use crate::load::{Bench, Cost};

#[derive(Clone)]
pub(crate) struct SamlPath {
    app: Arc<App>,
    idp: Arc<Idp>,
    signed: bool,
}

/// What the IdP's page would post.
struct Posting {
    acs_url: String,
    response: String,
    relay_state: String,
    cookie: String,
    email: String,
}

pub(crate) async fn measured(bench: &mut Bench, path: &SamlPath) -> Cost {
    let path = path.clone();
    let logins = bench.scale.logins;
    // Everybody's first sign-in, which makes a user, is another matter.
    let first = path.clone();
    let people = path.idp.practice().people().len();
    bench
        .prepare(people, move |number| {
            let path = first.clone();
            async move { path.sign_in(number).await }
        })
        .await;
    bench
        .cost("SAML login", logins, move |number| {
            let path = path.clone();
            async move { path.sign_in(number).await }
        })
        .await
}

impl SamlPath {
    /// `signed`: whether the connection signs its requests.
    pub(crate) fn new(app: Arc<App>, idp: Arc<Idp>, signed: bool) -> Self {
        Self { app, idp, signed }
    }

    async fn sign_in(&self, number: usize) {
        let posting = self.answered(number, None).await;
        let answer = self.post(&posting).await;
        self.app.end(&answer, &posting.cookie, &posting.email).await;
    }

    /// A fast wrong answer is worth nothing: an altered assertion gives no code, a second use neither.
    pub(crate) async fn refuses_what_it_must(&self) {
        let altered = self.answered(0, Some(Fault::Altered)).await;
        let refused = self.post(&altered).await;
        assert_eq!(refused.header("tenon-error"), "signature_invalid");
        let posting = self.answered(1, None).await;
        self.post(&posting).await;
        let again = self.post(&posting).await;
        assert_eq!(again.header("tenon-error"), "assertion_replayed");
    }

    async fn answered(&self, number: usize, fault: Option<Fault>) -> Posting {
        let practice = self.idp.practice();
        let person = &practice.people()[number % practice.people().len()];
        let sent = self.app.begin(&person.email).await;
        let signed = sent.url.query_pairs().any(|(key, _)| key == "Signature");
        assert_eq!(signed, self.signed, "{}", sent.url);
        let request = AuthnRequest::from_redirect(&query(&sent.url, "SAMLRequest"));
        let request = request.expect("a readable AuthnRequest");
        let response = practice.saml_response(&SamlAnswer {
            person,
            audience: &request.issuer,
            acs_url: &request.acs_url,
            in_response_to: Some(&request.id),
            context_class: None,
            sign: Sign::Assertion,
            encrypt_for: None,
            fault,
        });
        Posting {
            acs_url: request.acs_url,
            response: response.expect("a response"),
            relay_state: query(&sent.url, "RelayState"),
            cookie: sent.cookie,
            email: person.email.clone(),
        }
    }

    /// Across sites, so without the cookie.
    async fn post(&self, posting: &Posting) -> Answer {
        let form = [
            ("SAMLResponse", &*posting.response),
            ("RelayState", &*posting.relay_state),
        ];
        self.app.post(&posting.acs_url, &form).await
    }
}
