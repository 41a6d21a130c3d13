//! `tenon keys rotate`: other signing keys for the tokens, on demand.

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Failure;
use crate::app::App;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::model::{Act, ActorKind, Cause};
use crate::store::signing_keys;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Show the signing keys and their states
    List,
    /// Publish the next signing keys now: they sign in 24 hours, on every replica
    Rotate(Options),
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// A key has leaked: new keys sign at once, and tokens of the old ones are refused from now on
    #[arg(long)]
    revoke: bool,
}

pub(super) async fn run(config: Config, command: KeysCommand) -> Result<(), Failure> {
    let public_url = config.public_url(config.listen);
    let clock = Arc::new(SystemClock);
    let app = App::open(config, public_url, clock, Arc::new(SystemEntropy)).await?;
    match command {
        KeysCommand::List => {}
        KeysCommand::Rotate(Options { revoke }) => {
            let cause = Cause::new(ActorKind::Operator, "command_line", "keys rotate");
            let action = if revoke {
                "signing_keys.revoked"
            } else {
                "signing_keys.announced"
            };
            let act = Act::new(action, "signing_keys", &cause);
            if revoke {
                app.signing_keys.replace(act).await?;
            } else {
                app.signing_keys.announce(act).await?;
            }
        }
    }
    for key in signing_keys::all(&app.store.read()).await? {
        println!(
            "{:5}  {:7}  since {}  {}",
            key.alg.as_str(),
            key.state.as_str(),
            key.state_since.0.to_rfc3339(),
            key.kid
        );
    }
    Ok(())
}
