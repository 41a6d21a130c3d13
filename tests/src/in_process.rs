//! A gateway inside the test's own process, where time is what the test says.

use std::sync::{Arc, Mutex};

use gateway::{
    app::App,
    clock::{Clock, SystemClock, SystemEntropy},
    config::Config,
    ids::{OrganizationId, WebhookEndpointId},
    model::{
        Cause, DeliveryStatus, EventType, IdentityEvent, Ordering, WebhookEndpointState, Window,
    },
    store::{
        deliveries::{self, StoredDelivery},
        feed,
        webhook_endpoints::{self, StoredEndpoint},
    },
    webhooks,
};
use tempfile::TempDir;

use crate::{Database, NameServer};

/// The machine's clock, moved on by what the test says.
#[derive(Default)]
pub struct MovedClock(Mutex<std::time::Duration>);

impl MovedClock {
    pub fn advance(&self, by: std::time::Duration) {
        *self.0.lock().expect("no panic") += by;
    }
}

impl Clock for MovedClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        SystemClock.now() + *self.0.lock().expect("no panic")
    }
}

/// The parts of a gateway, with nothing listening and no worker running: a test calls what it is about.
pub struct InProcess {
    pub app: App,
    pub clock: Arc<MovedClock>,
    pub database: Arc<Database>,
    name_server: Option<String>,
    _directory: TempDir,
}

impl InProcess {
    pub async fn start() -> Self {
        Self::over(Arc::new(Database::fresh().await), Arc::default(), None).await
    }

    /// One that asks this name server for the proofs of domains.
    pub async fn asking(server: &NameServer) -> Self {
        let server = Some(server.address().to_owned());
        Self::over(Arc::new(Database::fresh().await), Arc::default(), server).await
    }

    /// Another replica on the same database; on SQLite there is none.
    pub async fn replica(&self) -> Self {
        let server = self.name_server.clone();
        Self::over(self.database.clone(), self.clock.clone(), server).await
    }

    async fn over(
        database: Arc<Database>,
        clock: Arc<MovedClock>,
        name_server: Option<String>,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = database.url().to_owned();
        let config = Config::load(None, |name| match name {
            "TENON_DATABASE_URL" => Some(url.clone()),
            "TENON_ENCRYPTION_KEYS" => Some(crate::tenon::ENCRYPTION_KEYS.to_owned()),
            "TENON_DNS_SERVERS" => name_server.clone(),
            "TENON_EGRESS_ALLOW" => Some("127.0.0.0/8,::1/128".to_owned()),
            _ => None,
        })
        .expect("the settings are right");
        let public_url = config.public_url(([127, 0, 0, 1], 8080).into());
        let app = App::open(config, public_url, clock.clone(), Arc::new(SystemEntropy))
            .await
            .expect("the gateway opens");
        Self {
            app,
            clock,
            database,
            name_server,
            _directory: directory,
        }
    }

    /// The id of an organization; its events need no more.
    pub fn organization(&self) -> OrganizationId {
        OrganizationId::generate(&*self.app.clock, &*self.app.entropy)
    }

    /// An endpoint for the events of all organizations, and its secret.
    pub async fn endpoint(&self, url: &str, ordering: Ordering) -> (WebhookEndpointId, String) {
        let app = &self.app;
        feed::sequence(&app.store)
            .await
            .expect("the database answers");
        let now = app.clock.now().into();
        let mut endpoint = StoredEndpoint {
            id: WebhookEndpointId::generate(&*app.clock, &*app.entropy),
            organization_id: None,
            url: url.to_owned(),
            event_types: Vec::new(),
            ordering,
            description: None,
            state: WebhookEndpointState::Enabled,
            disabled_reason: None,
            secret_sealed: String::new(),
            previous_secret: None,
            failing_since: None,
            created_at: now,
            updated_at: now,
        };
        let tx = app.store.begin().await.expect("the database answers");
        let secret = webhooks::target::give_secret(app, &tx, &mut endpoint, None)
            .await
            .expect("a secret");
        webhook_endpoints::insert(&tx, &endpoint)
            .await
            .expect("the database answers");
        tx.commit().await.expect("the database answers");
        (endpoint.id, secret.expose().clone())
    }

    pub async fn find_endpoint(&self, id: WebhookEndpointId) -> StoredEndpoint {
        webhook_endpoints::find(&self.app.store.read(), None, id)
            .await
            .expect("the database answers")
            .expect("the endpoint is there")
    }

    /// Commits one change that records one event about `subject`.
    pub async fn record(&self, organization: OrganizationId, kind: EventType, subject: &str) {
        let tx = self.app.store.begin().await.expect("the database answers");
        let scope = self.app.store.organization_named(organization);
        let event = IdentityEvent::new(kind, "", subject, &subject.to_owned());
        tx.record(&scope, event, &Cause::system("test"));
        tx.commit().await.expect("it commits");
    }

    /// The endpoint's deliveries, newest first.
    pub async fn deliveries(
        &self,
        endpoint: WebhookEndpointId,
        status: Option<DeliveryStatus>,
    ) -> Vec<StoredDelivery> {
        let all = Window {
            limit: 1000,
            before: None,
        };
        deliveries::list(&self.app.store.read(), endpoint, status, all)
            .await
            .expect("the database answers")
            .rows
    }

    /// Delivers what is due at the clock's time.
    pub async fn deliver_due(&self) {
        webhooks::deliver_due(&self.app)
            .await
            .expect("the database answers");
    }
}
