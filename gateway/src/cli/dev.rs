//! `tenon dev`: the gateway and the sandbox in one process, on SQLite, seeded, without a network.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::app;
use crate::clock::{Entropy, SystemClock, SystemEntropy};
use crate::config::Config;
use crate::sandbox::{self, state};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the sandbox listens
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    sandbox: SocketAddr,
    /// Where the database and the sandbox's state are kept
    #[arg(long, default_value = ".tenon-dev", value_name = "FOLDER")]
    data: PathBuf,
}

/// What the sandbox needs from the gateway, unless the environment says otherwise: its own database, a way to
/// reach its loopback addresses, and an API key.
fn defaults(options: &Options) -> Result<HashMap<&'static str, String>, Failure> {
    std::fs::create_dir_all(&options.data)?;
    let key = api_key(&options.data.join("api-key.json"))?;
    Ok(HashMap::from([
        (
            "TENON_DATABASE_URL",
            format!("sqlite://{}", options.data.join("tenon.db").display()),
        ),
        ("TENON_EGRESS_ALLOW", "127.0.0.0/8,::1/128".to_owned()),
        ("TENON_BOOTSTRAP_API_KEY", key),
        ("TENON_LOG", "warn".to_owned()),
    ]))
}

/// The same key at each start, so that a command copied from the banner works tomorrow too.
fn api_key(file: &Path) -> Result<String, Failure> {
    let kept: String = state::read_or_default(file);
    if !kept.is_empty() {
        return Ok(kept);
    }
    let key = format!("dev_{}", (&SystemEntropy as &dyn Entropy).token());
    state::write_private(file, &key)?;
    Ok(key)
}

pub(super) async fn run(file: Option<&Path>, options: Options) -> Result<(), Failure> {
    let defaults = defaults(&options)?;
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .or_else(|| defaults.get(name).cloned())
    };
    let config = Config::load(file, variable)?;
    let api_key = variable("TENON_BOOTSTRAP_API_KEY").unwrap_or_default();
    crate::telemetry::start_log(&config, Arc::new(SystemClock))?;
    let running = app::start(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    let gateway: url::Url = running.app.public_url.as_str().parse()?;
    say(format_args!("tenon ready on http://{}", running.address));
    let sandbox = sandbox::start(options.sandbox, gateway, api_key.clone(), &options.data).await?;
    say(format_args!("{}", sandbox.banner(&api_key)));
    super::serve::drain_at_termination(&running);
    running.ended().await?;
    sandbox.stop().await?;
    Ok(())
}

/// A line on standard output. Whoever started this may have stopped reading: that ends nothing.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
