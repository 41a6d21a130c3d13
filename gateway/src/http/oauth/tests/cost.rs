//! What a sign-in asks of the database (docs/performance.md): a statement more is a decision, not an accident.

use std::sync::Arc;

use connectors::{Begin, Callback, SamlSettings, Settings};
use url::Url;

use super::desk::{CHALLENGE, Desk, ISSUER, REDIRECT_URI};
use crate::clock::SystemEntropy;
use crate::flows::authorize::{AuthorizeRequest, ResponseMode};
use crate::flows::login::{self, Answer, Browser, Finished, OpenConnection};
use crate::ids::ConnectionId;
use crate::model::{Connection, ConnectionState, ConnectionType, EmailDomainPolicy};
use crate::sandbox::idp::{AuthnRequest, IdpKeys, PracticeIdp, SamlAnswer, Sign};
use crate::sandbox::people::Person;
use crate::store::connections;

/// Statements, durable commits and relaxed ones.
type Cost = [u64; 3];

impl Desk {
    /// What has been asked so far, with the memory as true as a running gateway keeps it.
    async fn asked(&self) -> Cost {
        self.app.store.refresh_routing().await.unwrap();
        let counters = self.app.store.counters();
        [
            counters.statements.get(),
            counters.durable_commits.get(),
            counters.relaxed_commits.get(),
        ]
    }

    async fn cost_of<T>(&self, work: impl Future<Output = T>) -> (T, Cost) {
        let before = self.asked().await;
        let done = work.await;
        let counters = self.app.store.counters();
        let cost = [
            counters.statements.get() - before[0],
            counters.durable_commits.get() - before[1],
            counters.relaxed_commits.get() - before[2],
        ];
        (done, cost)
    }

    async fn connection(&self, idp: &PracticeIdp) -> Arc<OpenConnection> {
        let metadata = connectors::saml::parse_idp_metadata(&idp.saml_metadata()).unwrap();
        let metadata = metadata.into_iter().next().unwrap();
        let connection = Connection {
            id: ConnectionId::generate(&*self.app.clock, &*self.app.entropy),
            organization_id: self.scope.organization(),
            name: "Okta".to_owned(),
            kind: ConnectionType::Saml,
            provider: None,
            state: ConnectionState::Active,
            settings: Settings::Saml(SamlSettings {
                idp_entity_id: metadata.entity_id,
                sso_url: metadata.sso_url,
                sso_binding: metadata.sso_binding,
                certificates: metadata.certificates,
                ..SamlSettings::default()
            }),
            metadata_url: None,
            client_secret_sealed: None,
            previous_client_secret_sealed: None,
            email_domain_policy: EmailDomainPolicy::VerifiedOnly,
            jit_provisioning: true,
            default_application_id: None,
            created_at: self.now(),
            updated_at: self.now(),
        };
        let tx = self.app.store.begin().await.unwrap();
        connections::insert(&tx, &self.scope, &connection)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let open = login::open(&self.app, connection.id).await.unwrap();
        open.unwrap()
    }

    fn request(&self) -> AuthorizeRequest {
        AuthorizeRequest {
            client_id: self.client,
            redirect_uri: REDIRECT_URI.to_owned(),
            response_mode: ResponseMode::Query,
            state: Some("the-state".to_owned()),
            nonce: Some("the-nonce".to_owned()),
            scope: vec!["openid".to_owned(), "email".to_owned()],
            code_challenge: Some(CHALLENGE.to_owned()),
            prompt: Vec::new(),
            max_age: None,
            acr_values: Vec::new(),
            login_hint: None,
            domain_hint: None,
            organization_id: None,
            connection_id: None,
            hinted_user: None,
        }
    }

    /// Each step's cost: authorization, ACS, continue step, token.
    async fn sign_in(&self, open: &Arc<OpenConnection>, idp: &PracticeIdp) -> [Cost; 4] {
        let app = &self.app;
        let browser = Browser {
            cookie: Some("the-browser".to_owned()),
            ip: "192.0.2.1".to_owned(),
            user_agent: String::new(),
            request_id: "the-request".to_owned(),
        };
        let begun = login::begin(app, open, self.request(), &browser);
        let (begun, begin) = self.cost_of(begun).await;
        let Begin::Redirect { url } = begun.unwrap().unwrap().begin else {
            panic!("redirect is the default binding");
        };
        let url = Url::parse(&url).unwrap();
        let sent = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.unwrap().1.into_owned()
        };
        let request = AuthnRequest::from_redirect(&sent("SAMLRequest")).unwrap();
        let response = idp.saml_response(&SamlAnswer {
            person: &idp.people()[0],
            audience: &request.issuer,
            acs_url: &request.acs_url,
            in_response_to: Some(&request.id),
            context_class: None,
            sign: Sign::Assertion,
            encrypt_for: None,
            fault: None,
        });
        let callback = Callback::SamlPost {
            saml_response: Some(response.unwrap()),
        };
        let answered = login::complete(app, open, callback, &browser);
        let (answered, acs) = self.cost_of(answered).await;
        let Answer::Continue { handle } = answered.unwrap() else {
            panic!("the response is right");
        };
        let ended = login::finish(app, &handle, &browser, None);
        let (ended, finish) = self.cost_of(ended).await;
        let Finished::Answered { code, .. } = ended.unwrap() else {
            panic!("the browser is the one that began");
        };
        let (tokens, token) = self.cost_of(self.redeem(&code)).await;
        tokens.ok();
        [begin, acs, finish, token]
    }
}

#[tokio::test]
async fn a_saml_sign_in_costs_seventeen_statements_and_two_durable_commits() {
    let desk = Desk::open().await;
    let idp = PracticeIdp::new(
        "http://127.0.0.1:8081/idp/",
        IdpKeys::generate().unwrap(),
        vec![Person::with_email("ada@acme.example")],
        desk.app.clock.clone(),
        Arc::new(SystemEntropy),
    );
    idp.trust(ISSUER);
    let open = desk.connection(&idp).await;
    // The first time it joins the user, and what is kept in memory is read.
    desk.sign_in(&open, &idp).await;
    // On a machine that stands still for a second, memory is asked about again: the best of several counts.
    let mut best = desk.sign_in(&open, &idp).await;
    for _ in 0..3 {
        let again = desk.sign_in(&open, &idp).await;
        best = std::array::from_fn(|step| best[step].min(again[step]));
    }
    let [begin, acs, finish, token] = best;
    assert_eq!(begin, [1, 0, 1], "the pending login");
    assert_eq!(
        acs,
        [4, 0, 1],
        "find, use the ids up, verify, keep the response for a week"
    );
    assert_eq!(
        finish,
        [8, 1, 0],
        "find, the user and what hangs on it, succeed, session, code, two for the events"
    );
    assert_eq!(
        token,
        [4, 1, 0],
        "find, redeem, the user and what hangs on it"
    );
}
