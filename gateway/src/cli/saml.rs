//! `tenon saml decode`: the checks of a sign-in on a response that somebody has at hand. Nothing is sent
//! anywhere, and nothing is kept.

mod response;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use connectors::saml::{SamlConnector, parse_idp_metadata, peek_in_response_to};
use connectors::{
    Callback, CheckName, Completion, Connector, ConnectorError, Expected, IdpInitiated,
    SamlSettings, SettingsProblem, SpEndpoints, SpKeyPair, SpKeys,
};

use super::Failure;
use crate::app::App;
use crate::clock::{Clock as _, SystemClock, SystemEntropy};
use crate::config::Config;
use crate::flows::login;
use crate::ids::ConnectionId;
use crate::model::ConnectionState;

#[derive(Debug, Subcommand)]
pub(super) enum SamlCommand {
    /// Check a SAML response as a sign-in would, and show every check
    Decode(Options),
}

/// Exit code 0: it would be accepted; 1: it would be refused, or could not be checked.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// A file with the XML, the value of SAMLResponse, or the form that carries it; standard input without one
    #[arg(value_name = "RESPONSE")]
    response: Option<PathBuf>,
    /// A connection of this gateway: its settings, keys and addresses count
    #[arg(long, value_name = "CONN_ID", required_unless_present = "metadata")]
    connection: Option<ConnectionId>,
    /// The identity provider's metadata, in place of a connection
    #[arg(long, value_name = "FILE", conflicts_with = "connection", requires_all = ["entity_id", "acs_url"])]
    metadata: Option<PathBuf>,
    /// Of metadata with several identity providers, the one that sent the response
    #[arg(long, value_name = "ID", requires = "metadata")]
    idp_entity_id: Option<String>,
    /// The SP entity ID that the response has to be for
    #[arg(long, value_name = "ID", requires = "metadata")]
    entity_id: Option<String>,
    /// The assertion consumer service that the response has to be for
    #[arg(long, value_name = "URL", requires = "metadata")]
    acs_url: Option<String>,
    /// The key that an encrypted assertion opens with: RSA, PKCS#8, PEM
    #[arg(long, value_name = "FILE", requires = "metadata")]
    key: Option<PathBuf>,
    /// Whose words the remedies are in, as in okta or entra
    #[arg(long, value_name = "PROVIDER", requires = "metadata")]
    provider: Option<String>,
    /// The ID of the request that it has to answer [default: the one that it names]
    #[arg(long, value_name = "ID")]
    in_response_to: Option<String>,
    /// How old the sign-in at the identity provider may be, as the application's max_age
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
    /// The moment to check at, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    config: impl FnOnce() -> Result<Config, Failure>,
    command: SamlCommand,
) -> Result<ExitCode, Failure> {
    let SamlCommand::Decode(options) = command;
    let field = response::read(options.response.as_deref())?;
    let now = options.at.unwrap_or_else(|| SystemClock.now());
    let (completion, provider) = match options.connection {
        Some(id) => of_connection(config()?, id, &options, field, now).await?,
        None => (of_metadata(&options, field, now)?, options.provider.clone()),
    };
    if options.json {
        println!("{}", show::json(&completion)?);
    } else {
        print!("{}", show::text(&completion, provider.as_deref()));
    }
    Ok(match completion.outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// By the settings of a connection, whatever its state: drafts are what needs it most. Whose it is comes with it.
async fn of_connection(
    mut config: Config,
    id: ConnectionId,
    options: &Options,
    field: String,
    now: DateTime<Utc>,
) -> Result<(Completion, Option<String>), Failure> {
    // Looking at a response is no reason to change the schema.
    config.auto_migrate = false;
    let public_url = config.public_url(config.listen);
    let clock = Arc::new(SystemClock);
    let app = App::open(config, public_url, clock, Arc::new(SystemEntropy)).await?;
    let open = login::open(&app, id)
        .await?
        .ok_or_else(|| format!("there is no connection {id}"))?;
    let Connector::Saml(connector) = &*open.connector else {
        return Err(format!("{id} is an OIDC connection: it takes no SAML response").into());
    };
    let mut completion = check(connector, options, field, now);
    let trace = &mut completion.trace;
    if open.connection.state == ConnectionState::Active {
        trace.pass_with(CheckName::Connection, &open.connection.name);
    } else {
        let provider = open.connection.provider.as_deref();
        trace.warn(&ConnectorError::ConnectionInactive, provider);
    }
    if let Ok(identity) = &completion.outcome
        && let Err(error) = login::check_email(&app, &open, identity, &mut completion.trace)
    {
        let provider = open.connection.provider.as_deref();
        completion.trace.fail(&error, provider);
        completion.outcome = Err(error);
    }
    Ok((completion, open.connection.provider.clone()))
}

/// By the identity provider's metadata alone, with the default settings.
fn of_metadata(
    options: &Options,
    field: String,
    now: DateTime<Utc>,
) -> Result<Completion, Failure> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let metadata = options.metadata.as_ref().map(read).transpose()?;
    let mut found =
        parse_idp_metadata(&metadata.unwrap_or_default()).map_err(|problem| list(&[problem]))?;
    let ids: Vec<String> = found.iter().map(|idp| idp.entity_id.clone()).collect();
    if let Some(wanted) = &options.idp_entity_id {
        found.retain(|idp| idp.entity_id == *wanted);
    }
    let idp = match (found.pop(), found.is_empty()) {
        (Some(idp), true) => idp,
        _ => {
            let ids = ids.join("\n  ");
            return Err(format!("name one of these with --idp-entity-id:\n  {ids}").into());
        }
    };
    let settings = SamlSettings {
        provider: options.provider.clone(),
        idp_entity_id: idp.entity_id,
        sso_url: idp.sso_url,
        sso_binding: idp.sso_binding,
        slo_url: idp.slo_url,
        certificates: idp.certificates,
        // What nobody asked for can be looked at all the same.
        idp_initiated: IdpInitiated::AllowUnsolicited,
        ..SamlSettings::default()
    };
    let acs_url = options.acs_url.clone().unwrap_or_default();
    let sp = SpEndpoints {
        entity_id: options.entity_id.clone().unwrap_or_default(),
        slo_url: acs_url.clone(),
        metadata_url: acs_url.clone(),
        redirect_uri: acs_url.clone(),
        acs_url,
    };
    let pairs = match options.key.as_ref().map(read).transpose()? {
        Some(pem) => vec![SpKeyPair {
            private_key: der(&pem)?,
            // Only decryption needs it here.
            certificate: Vec::new(),
        }],
        None => Vec::new(),
    };
    let connector =
        SamlConnector::open(&settings, &sp, &SpKeys { pairs }).map_err(|found| list(&found))?;
    Ok(check(&connector, options, field, now))
}

fn check(
    connector: &SamlConnector,
    options: &Options,
    field: String,
    now: DateTime<Utc>,
) -> Completion {
    let request_id = options
        .in_response_to
        .clone()
        .or_else(|| peek_in_response_to(&field));
    let expected = request_id.map(|request_id| Expected {
        request_id,
        state: String::new(),
        nonce: String::new(),
        code_verifier: String::new(),
        max_age: options.max_age,
    });
    let saml_response = Some(field).filter(|field| !field.is_empty());
    connector.complete(Callback::SamlPost { saml_response }, expected.as_ref(), now)
}

fn der(pem: &str) -> Result<Vec<u8>, Failure> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    STANDARD
        .decode(body)
        .map_err(|_| "the key is not in PEM form".into())
}

fn list(problems: &[SettingsProblem]) -> String {
    let lines = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message));
    lines.collect::<Vec<_>>().join("\n")
}
