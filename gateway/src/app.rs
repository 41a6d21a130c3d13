//! `App`: the shared parts of one gateway, cheap to clone.

use std::sync::Arc;

use crate::clock::{Clock, Entropy};
use crate::config::{Config, PublicUrl};
use crate::error::Error;
use crate::egress::{Dns, Egress};
use crate::secrets::KeyRing;
use crate::store::{Store, Vault};
use crate::telemetry::Metrics;

/// What every flow and handler works with.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub public_url: PublicUrl,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub store: Store,
    pub vault: Vault,
    pub egress: Egress,
    pub dns: Arc<Dns>,
    pub metrics: Metrics,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Keys(#[from] crate::config::KeysError),
    #[error("{0}")]
    Secrets(#[from] crate::secrets::SecretsError),
    #[error("{0}")]
    Database(#[from] crate::store::OpenError),
    #[error("{0}")]
    Service(#[from] Error),
}

impl App {
    /// Opens the database and the keys.
    pub async fn open(
        config: Config,
        public_url: PublicUrl,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        let keys = if config.encryption_keys.is_empty() {
            crate::config::load_or_create_keys(&config.database_url, &*entropy)?
        } else {
            config.encryption_keys.clone()
        };
        let store = Store::open(
            config.database_url.expose(),
            config.auto_migrate,
            Arc::clone(&clock),
            Arc::clone(&entropy),
        )
        .await?;
        let vault = Vault::open(&store, KeyRing::new(&keys)?, Arc::clone(&entropy)).await?;
        let metrics = Metrics::new().map_err(|error| Error::Internal(error.to_string()))?;
        let dns = Arc::new(
            Dns::new(&config.dns_servers).map_err(|error| Error::Internal(error.to_string()))?,
        );
        let egress = Egress::new(&config, dns.clone(), metrics.clone());
        Ok(Self {
            config: Arc::new(config),
            public_url,
            clock,
            entropy,
            store,
            vault,
            egress,
            dns,
            metrics,
        })
    }
}
