//! A gateway that is met from outside, as the real one is, and whose time is what the test says.

use std::sync::Arc;

use gateway::{
    app::{self, Running},
    clock::{Clock, SystemClock, SystemEntropy},
    config::Config,
};

use crate::{API_KEY, Api, Database, MovedClock, Tenon};

/// What a test needs of a gateway to let others meet it.
pub trait Gateway {
    /// What browsers, IdPs and directories use, and the issuer of its tokens.
    fn url(&self) -> String;
    /// The management API, with all rights.
    fn api(&self) -> Api {
        Api::new(self.url(), API_KEY)
    }
    /// By which its identity providers go.
    fn clock(&self) -> Arc<dyn Clock>;
}

impl Gateway for Tenon {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }
}

/// It listens inside the test's own process, and ends with the test.
pub struct Served {
    pub clock: Arc<MovedClock>,
    running: Running,
    _database: Database,
}

impl Served {
    pub async fn start() -> Self {
        let database = Database::fresh().await;
        let url = database.url().to_owned();
        let config = Config::load(None, |name| match name {
            "TENON_LISTEN" => Some("127.0.0.1:0".to_owned()),
            "TENON_DATABASE_URL" => Some(url.clone()),
            "TENON_ENCRYPTION_KEYS" => Some(crate::tenon::ENCRYPTION_KEYS.to_owned()),
            "TENON_BOOTSTRAP_API_KEY" => Some(API_KEY.to_owned()),
            "TENON_EGRESS_ALLOW" => Some("127.0.0.0/8,::1/128".to_owned()),
            "TENON_RATE_LIMITS" => Some("off".to_owned()),
            _ => None,
        })
        .expect("the settings are right");
        let clock = Arc::new(MovedClock::default());
        let running = app::start(config, clock.clone(), Arc::new(SystemEntropy))
            .await
            .expect("the gateway starts");
        Self {
            clock,
            running,
            _database: database,
        }
    }
}

impl Gateway for Served {
    fn url(&self) -> String {
        format!("http://localhost:{}", self.running.address.port())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}
