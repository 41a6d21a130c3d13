//! What the operator sees: logs on standard error, metrics for Prometheus.

mod log;
mod metrics;

use std::{io::IsTerminal, sync::Arc};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

pub use metrics::Metrics;

use crate::{
    clock::Clock,
    config::{Config, LogFormat},
};
use log::LogLayer;

/// Our own crates; all others only speak up to warn.
const OURS: [&str; 5] = ["gateway", "tenon", "connectors", "scim", "migrations"];

/// Why the log can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter {directives:?} cannot be used: {error}")]
    Filter {
        directives: String,
        error: tracing_subscriber::filter::ParseError,
    },
    #[error("logging is set up already")]
    AlreadySet,
}

/// Starts the log of this process, panics included. Call once, before anything logs.
///
/// # Errors
/// When the filter is wrong, or another subscriber is installed.
pub fn start_log(config: &Config, clock: Arc<dyn Clock>) -> Result<(), TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let default = if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    };
    let format = config.log_format.unwrap_or(default);
    let directives = directives(&config.log);
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| TelemetryError::Filter { directives, error })?;
    let layer = LogLayer::new(format, terminal, clock, std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|_| TelemetryError::AlreadySet)?;
    // Where, but not what: the message of a panic may quote anything.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(location, "panicked");
    }));
    Ok(())
}

/// A bare level is meant for our own code. Libraries at `debug` print statements, headers and bytes off the
/// wire, so they stay at `warn` unless the operator names them.
fn directives(setting: &str) -> String {
    let level = setting.trim().to_ascii_lowercase();
    match level.as_str() {
        "info" | "debug" | "trace" => {
            let ours = OURS.map(|name| format!("{name}={level}"));
            format!("warn,{}", ours.join(","))
        }
        _ => setting.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_for_our_own_crates() {
        assert_eq!(
            directives("debug"),
            "warn,gateway=debug,tenon=debug,connectors=debug,scim=debug,migrations=debug"
        );
        assert_eq!(directives("warn"), "warn");
        assert_eq!(directives("info,sqlx=debug"), "info,sqlx=debug");
        assert!(EnvFilter::try_new(directives("trace")).is_ok());
    }
}
