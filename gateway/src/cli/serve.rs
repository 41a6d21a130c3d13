//! `tenon serve`: the gateway until SIGTERM.

use std::sync::Arc;

use super::Failure;
use crate::app::{self, Running};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    crate::telemetry::start_log(&config, Arc::new(SystemClock))?;
    let running = app::start(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    println!("tenon ready on http://{}", running.address);
    drain_at_termination(&running);
    running.ended().await?;
    Ok(())
}

/// SIGTERM or Ctrl-C begins the drain (CONTRACT section 2).
pub(super) fn drain_at_termination(running: &Running) {
    let drain = running.app.drain.clone();
    tokio::spawn(async move {
        if crate::http::drain::termination().await.is_ok() {
            drain.begin();
        }
    });
}
