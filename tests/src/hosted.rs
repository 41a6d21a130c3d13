//! A gateway that listens inside the test's own process, so that time is what the test says.

use std::sync::Arc;

use gateway::{
    app::{Running, start},
    clock::SystemEntropy,
    config::Config,
};

use crate::{API_KEY, Database, Gateway, MovedClock};

pub struct Hosted {
    pub clock: Arc<MovedClock>,
    running: Running,
    _database: Database,
}

impl Hosted {
    pub async fn start() -> Self {
        let database = Database::fresh().await;
        let config = Config::load(None, |name| {
            let value = match name {
                "TENON_LISTEN" => "127.0.0.1:0",
                "TENON_DATABASE_URL" => database.url(),
                "TENON_ENCRYPTION_KEYS" => crate::tenon::ENCRYPTION_KEYS,
                "TENON_BOOTSTRAP_API_KEY" => API_KEY,
                "TENON_EGRESS_ALLOW" => "127.0.0.0/8,::1/128",
                "TENON_RATE_LIMITS" => "off",
                _ => return None,
            };
            Some(value.to_owned())
        })
        .expect("the settings are right");
        let clock = Arc::<MovedClock>::default();
        let running = start(config, clock.clone(), Arc::new(SystemEntropy))
            .await
            .expect("the gateway starts");
        Self {
            clock,
            running,
            _database: database,
        }
    }
}

impl Gateway for Hosted {
    fn url(&self) -> String {
        format!("http://localhost:{}", self.running.address.port())
    }
}
