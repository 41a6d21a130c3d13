//! A sign-in over OIDC; the gateway redeems the code at the practice IdP's token endpoint.

use std::sync::Arc;

use gateway::sandbox::idp::AuthorizeRequest;
use integration::Idp;

use super::application::{App, query};
use crate::load::{Bench, Cost};

pub(crate) struct OidcPath {
    app: Arc<App>,
    idp: Arc<Idp>,
}

pub(crate) async fn measured(bench: &mut Bench, path: &Arc<OidcPath>) -> Cost {
    let logins = bench.scale.logins;
    let first = Arc::clone(path);
    let path = Arc::clone(path);
    let people = path.idp.practice().people().len();
    bench
        .prepare(people, move |number| {
            let path = Arc::clone(&first);
            async move { path.sign_in(number).await }
        })
        .await;
    bench
        .cost("OIDC login", logins, move |number| {
            let path = Arc::clone(&path);
            async move { path.sign_in(number).await }
        })
        .await
}

impl OidcPath {
    pub(crate) fn new(app: Arc<App>, idp: Arc<Idp>) -> Self {
        Self { app, idp }
    }

    async fn sign_in(&self, number: usize) {
        let practice = self.idp.practice();
        let person = &practice.people()[number % practice.people().len()];
        let sent = self.app.begin(&person.email).await;
        let request = AuthorizeRequest {
            client_id: query(&sent.url, "client_id"),
            redirect_uri: query(&sent.url, "redirect_uri"),
            state: query(&sent.url, "state"),
            nonce: Some(query(&sent.url, "nonce")),
            scope: query(&sent.url, "scope"),
            code_challenge: Some(query(&sent.url, "code_challenge")),
            acr_values: String::new(),
        };
        let callback = practice.authorize(&request, person, None);
        let callback = callback.expect("the practice IdP signs in");
        let answer = self.app.get(&callback, Some(&sent.cookie)).await;
        self.app.end(&answer, &sent.cookie, &person.email).await;
    }
}
