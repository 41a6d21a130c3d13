//! A gateway's life: bind, open, serve, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{App, StartError};
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::flows::api_keys::accept_bootstrap_key;
use crate::flows::provisioning_log;
use crate::http::health::Health;
use crate::http::server::{ServerLimits, serve};

/// How often a replica looks for changes that others made to what it keeps in memory: twice in the second
/// after which it would not trust its memory any more.
const CONFIG_POLL: Duration = Duration::from_millis(500);

/// A gateway that accepts connections.
pub struct Running {
    pub app: App,
    pub address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    workers: Vec<JoinHandle<()>>,
}

/// Binds, opens the database and begins to serve.
pub async fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Running, StartError> {
    let failed = |source| StartError::Listen {
        address: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let public_url = config.public_url(address);
    let app = App::open(config, public_url, clock, entropy).await?;
    accept_bootstrap_key(&app).await?;
    let store = app.store.clone();
    let health = Health::new(app.drain.clone(), move || {
        let store = store.clone();
        Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
    });
    let workers = vec![
        tokio::spawn(poll_config(app.clone())),
        tokio::spawn(rewrap_keys(app.clone())),
        tokio::spawn(crate::webhooks::run(app.clone())),
        tokio::spawn(crate::flows::logout::notices::run(app.clone())),
        tokio::spawn(crate::flows::housekeeping::run(app.clone())),
        tokio::spawn(crate::flows::connections::upkeep::run(app.clone())),
        tokio::spawn(crate::flows::domains::recheck::run(app.clone())),
        tokio::spawn(provisioning_log::run(app.clone())),
    ];
    let endpoint = crate::http::routes(&app, &health);
    let drain = app.drain.clone();
    let server = tokio::spawn(serve(
        listener,
        endpoint,
        drain,
        health,
        ServerLimits::default(),
    ));
    Ok(Running {
        app,
        address,
        server,
        workers,
    })
}

impl Running {
    /// Waits until the drain has begun and ended (CONTRACT section 2: at most 25 s).
    pub async fn ended(self) -> std::io::Result<()> {
        let result = self.server.await.map_err(std::io::Error::other)?;
        // Each ends by itself, in less time than the server may take.
        for worker in self.workers {
            worker.await.map_err(std::io::Error::other)?;
        }
        provisioning_log::last_call(&self.app).await;
        result
    }
}

async fn poll_config(app: App) {
    loop {
        tokio::select! {
            () = app.drain.begun() => return,
            () = tokio::time::sleep(CONFIG_POLL) => {}
        }
        if let Err(error) = app.store.refresh_routing().await {
            tracing::warn!(%error, "the changes of other replicas could not be read");
        }
    }
}

/// After a rotation of the key-encryption key: a failure leaves the older key in use, and says so.
async fn rewrap_keys(app: App) {
    match app.vault.rewrap(&app.store).await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "wrapped data keys by the first encryption key"),
        Err(error) => tracing::error!(%error, "data keys could not be wrapped anew"),
    }
}
