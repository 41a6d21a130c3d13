//! The practice identity provider of `tenon dev`, on loopback, for one test: the one IdP that can fail on demand.

use std::sync::Arc;

use gateway::{
    clock::SystemEntropy,
    sandbox::{
        idp::{Fault, IdpKeys, OidcClient, PracticeIdp, routes},
        people::Person,
    },
};
use poem::{
    Route, Server,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{Gateway, Page, UserAgent};

const CLIENT_ID: &str = "tenon";
const CLIENT_SECRET: &str = "throw-away-client-secret";

pub struct Idp {
    practice: Arc<PracticeIdp>,
    task: JoinHandle<()>,
}

impl Idp {
    /// Knows these people and no others.
    pub async fn start(tenon: &impl Gateway, emails: &[&str]) -> Self {
        let people = emails
            .iter()
            .map(|email| Person::with_email(email))
            .collect();
        Self::start_with(tenon, people).await
    }

    pub async fn start_with(tenon: &impl Gateway, people: Vec<Person>) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a free port");
        let address = acceptor.local_addr().remove(0);
        let address = *address.as_socket_addr().expect("a socket address");
        let practice = Arc::new(PracticeIdp::new(
            &format!("http://{address}/idp"),
            IdpKeys::generate().expect("keys"),
            people,
            tenon.clock(),
            Arc::new(SystemEntropy),
        ));
        practice.trust(&tenon.url());
        practice.register_client(OidcClient {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
        });
        let app = Route::new().nest("/idp", routes(practice.clone()));
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(app).await;
        });
        Self { practice, task }
    }

    /// For what the pages don't offer.
    pub fn practice(&self) -> &PracticeIdp {
        &self.practice
    }

    /// An active connection to it, with settings beside the metadata.
    pub async fn saml_connection(
        &self,
        tenon: &impl Gateway,
        organization: &Value,
        settings: Value,
    ) -> Value {
        let mut saml = json!({"metadata_xml": self.practice.saml_metadata()});
        merge(&mut saml, settings);
        let connection =
            json!({"name": "Practice", "type": "saml", "saml": saml, "activate": true});
        tenon.api().connection(organization, connection).await
    }

    pub async fn oidc_connection(
        &self,
        tenon: &impl Gateway,
        organization: &Value,
        settings: Value,
    ) -> Value {
        let mut oidc = json!({
            "issuer": self.practice.oidc_issuer(),
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        });
        merge(&mut oidc, settings);
        let connection =
            json!({"name": "Practice", "type": "oidc", "oidc": oidc, "activate": true});
        tenon.api().connection(organization, connection).await
    }

    /// This person is picked on the page that the browser was sent to. Over SAML what comes back is the page
    /// that posts the response, over OIDC the end of the sign-in.
    pub async fn sign_in(
        &self,
        browser: &mut UserAgent,
        page: &Page,
        email: &str,
        fault: Option<Fault>,
    ) -> Page {
        let person = self
            .practice
            .people()
            .iter()
            .find(|person| person.email == email);
        let person = person.unwrap_or_else(|| panic!("{email} is unknown"));
        let form = page.form().fill("person", &person.id);
        let form = form.fill("fault", fault.map(Fault::name).unwrap_or_default());
        browser.submit(page, form).await
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn merge(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        panic!("settings are an object");
    };
    into.extend(from);
}
