//! The command line: `tenon <command>`. Answers go to standard output, everything else to standard error.

mod api_key;
mod dev;
mod doctor;
mod events;
mod keys;
mod migrate;
mod saml;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// Enterprise SSO and SCIM for your application: one OIDC client, one REST API, one webhook stream.
#[derive(Debug, Parser)]
#[command(name = "tenon", version, arg_required_else_help = true)]
struct Cli {
    /// Settings file [default: tenon.toml when present]. TENON_… variables win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve,
    /// Run the gateway with a sandbox beside it: practice IdP, practice directory, sample application
    Dev(dev::Options),
    /// Bring the database schema up to date
    Migrate(migrate::Options),
    /// Print the OpenAPI document of the management API
    Openapi,
    /// Keys of the management API
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// The keys that sign tokens
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check settings, database, keys and names, and say how to mend what is wrong
    Doctor,
    /// Look at a running gateway's events
    #[command(subcommand)]
    Events(events::Command),
    /// Look at SAML responses without signing anybody in
    #[command(subcommand)]
    Saml(saml::SamlCommand),
}

/// Any failure that ends a command: its text is what the person reads.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Parses the command line and runs the command. Exit code 0 is success, 1 a failure, 2 wrong usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(Failure::from(error)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("tenon: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let config = || Config::load(cli.config.as_deref(), |name| std::env::var(name).ok());
    match cli.command {
        Command::Serve => serve::run(config()?).await?,
        Command::Dev(options) => dev::run(cli.config.as_deref(), options).await?,
        Command::Migrate(options) => return migrate::run(config()?, options).await,
        Command::Openapi => println!("{}", crate::http::openapi_document()),
        Command::ApiKey(command) => api_key::run(config()?, command).await?,
        Command::Keys(command) => keys::run(config()?, command).await?,
        Command::Doctor => return doctor::run(config()?).await,
        Command::Events(command) => events::run(command).await?,
        Command::Saml(command) => return saml::run(|| Ok(config()?), command).await,
    }
    Ok(ExitCode::SUCCESS)
}
