//! The end of a process: it is announced once, and everybody who needs to know can wait for it.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Cheap to clone. The server, the webhook workers and open event streams each hold one.
#[derive(Debug, Clone)]
pub struct Drain(Arc<watch::Sender<bool>>);

impl Default for Drain {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Drain {
    /// From now on nothing new is begun.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once [`Drain::begin`] was called. An endless answer (server-sent events) ends then.
    pub async fn begun(&self) {
        // Only fails without a sender, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// Returns at SIGTERM or SIGINT.
///
/// # Errors
/// When the signals can't be listened to.
pub async fn termination() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
