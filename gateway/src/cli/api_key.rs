//! `tenon api-key create`: the first credential of the management API.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use crate::app::App;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::flows::api_keys::{self, NewApiKey};
use crate::ids::OrganizationId;
use crate::model::{Act, ActorKind, ApiScope, Cause};
use crate::store::global::Owned as _;

#[derive(Debug, Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make a key and print it, this once
    Create(Options),
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What the key is for, shown in lists
    #[arg(long)]
    name: String,
    /// What it may do [default: both]
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Reaches this organization alone
    #[arg(long, value_name = "ORG_ID")]
    organization: Option<OrganizationId>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    Read,
    Write,
}

pub(super) async fn run(config: Config, command: ApiKeyCommand) -> Result<(), Failure> {
    let ApiKeyCommand::Create(options) = command;
    let public_url = config.public_url(config.listen);
    let clock = Arc::new(SystemClock);
    let app = App::open(config, public_url, clock, Arc::new(SystemEntropy)).await?;
    let scopes = match options.scopes.as_slice() {
        [] => vec![ApiScope::Read, ApiScope::Write],
        chosen => chosen
            .iter()
            .map(|scope| match scope {
                Scope::Read => ApiScope::Read,
                Scope::Write => ApiScope::Write,
            })
            .collect(),
    };
    let tx = app.store.begin().await?;
    if let Some(id) = options.organization
        && id.owner(&tx).await?.is_none()
    {
        return Err(format!("there is no organization {id}").into());
    }
    let new = NewApiKey {
        name: options.name,
        scopes,
        organization_id: options.organization,
        expires_at: None,
    };
    let (key, text) = api_keys::create(&app, &tx, new).await?;
    let cause = Cause::new(ActorKind::Operator, "command_line", "api-key create");
    let act = Act::new("api_key.created", key.id, &cause);
    tx.audit(act.inside(key.organization_id).made(&key));
    tx.commit().await?;
    eprintln!(
        "{} was made; this is the only time that it is shown:",
        key.id
    );
    println!("{text}");
    Ok(())
}
