//! `tenon migrate`: the schema, without serving.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::store::{OpenError, Store};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only say whether the schema is up to date (exit code 1 when it is not)
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(config: Config, options: Options) -> Result<ExitCode, Failure> {
    let url = config.database_url.expose();
    let opened = Store::open(
        url,
        !options.check,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
    )
    .await;
    match opened {
        Ok(_) => {
            println!("the schema is up to date");
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ OpenError::Behind { .. }) => {
            println!("{error}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}
