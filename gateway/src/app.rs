//! `App`: the shared parts of one gateway, cheap to clone; and its life from start to drain.

mod serve;

pub use serve::{Running, start};

use std::sync::Arc;

use crate::clock::{Clock, Entropy, SystemEntropy};
use crate::config::{Config, PublicUrl};
use crate::egress::{Dns, Egress};
use crate::error::Error;
use crate::flows::client_assertion::FetchedKeys;
use crate::flows::login::ConnectionCache;
use crate::flows::provisioning_log::ProvisioningLog;
use crate::flows::signing_keys::SigningKeys;
use crate::http::drain::Drain;
use crate::http::limits::{FailedDecryptions, MissedHints, RateLimits};
use crate::secrets::KeyRing;
use crate::store::{Store, Vault, feed};
use crate::telemetry::Metrics;
use crate::webhooks::Worker;

/// What every flow and handler works with.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub public_url: PublicUrl,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub store: Store,
    pub vault: Vault,
    pub signing_keys: SigningKeys,
    pub egress: Egress,
    pub dns: Arc<Dns>,
    pub metrics: Metrics,
    pub connections: ConnectionCache,
    pub client_keys: FetchedKeys,
    pub rate_limits: RateLimits,
    pub failed_decryptions: FailedDecryptions,
    pub missed_hints: MissedHints,
    pub drain: Drain,
    pub webhooks: Worker,
    pub provisioning_log: ProvisioningLog,
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
    #[error("{address} can't be listened on: {source}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
}

impl App {
    /// Opens the database and the keys.
    pub async fn open(
        config: Config,
        public_url: PublicUrl,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        // At its first random byte aws-lc spends some 20 ms on entropy of its own: beside the database's opening.
        tokio::task::spawn_blocking(|| SystemEntropy.fill(&mut [0]));
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
        let tx = store.begin().await.map_err(Error::from)?;
        feed::ensure(&tx, &*entropy).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        let unusable = |error: prometheus::Error| Error::Internal(error.to_string());
        let metrics = Metrics::new().map_err(unusable)?;
        metrics.watch(store.counters()).map_err(unusable)?;
        let dns = Arc::new(
            Dns::new(&config.dns_servers).map_err(|error| Error::Internal(error.to_string()))?,
        );
        let egress = Egress::new(&config, dns.clone(), metrics.clone());
        let rate_limits = RateLimits::new(config.rate_limits, metrics.clone());
        let failed_decryptions = FailedDecryptions::of_senders(config.rate_limits);
        let missed_hints = MissedHints::of_networks(config.rate_limits);
        let webhooks = Worker::new(&store);
        let provisioning_log = ProvisioningLog::new(metrics.clone());
        Ok(Self {
            config: Arc::new(config),
            public_url,
            clock,
            entropy,
            signing_keys: SigningKeys::new(store.clone(), vault.clone()),
            store,
            vault,
            egress,
            dns,
            metrics,
            connections: ConnectionCache::default(),
            client_keys: FetchedKeys::default(),
            rate_limits,
            failed_decryptions,
            missed_hints,
            drain: Drain::default(),
            webhooks,
            provisioning_log,
        })
    }
}
