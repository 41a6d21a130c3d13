//! The `tenon` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use gateway::app;
use gateway::clock::{SystemClock, SystemEntropy};
use gateway::config::Config;

/// Enterprise SSO and SCIM for your application, through one OIDC client, one REST API and one webhook stream.
#[derive(Parser)]
#[command(name = "tenon", version)]
struct Cli {
    /// Settings file; `tenon.toml` when present. TENON_… variables win over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    Serve,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tenon: {failure}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(cli: Cli) -> Result<(), Failure> {
    let config = Config::load(cli.config.as_deref(), |name| std::env::var(name).ok())?;
    match cli.command {
        Command::Serve => serve(config).await,
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    gateway::telemetry::start_log(&config, Arc::new(SystemClock))?;
    let running = app::start(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    println!("tenon ready on http://{}", running.address);
    let drain = running.app.drain.clone();
    tokio::spawn(async move {
        if gateway::http::drain::termination().await.is_ok() {
            drain.begin();
        }
    });
    running.ended().await?;
    Ok(())
}
