//! `tenon doctor`: what a person would check first, each line with its fix.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::app::App;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Config, Database};
use crate::store::Store;

/// One thing looked at.
struct Finding {
    what: &'static str,
    /// What was seen, or what is wrong and how to mend it.
    result: Result<String, String>,
}

pub(super) async fn run(config: Config) -> Result<ExitCode, Failure> {
    let mut findings = vec![public_url(&config), encryption_keys(&config)];
    let (database, app) = database(config).await;
    findings.push(database);
    if let Some(app) = app {
        findings.push(clock(&app).await);
        findings.push(names(&app).await);
    }
    for finding in &findings {
        match &finding.result {
            Ok(seen) => println!("✓ {:<16} {seen}", finding.what),
            Err(fix) => println!("✕ {:<16} {fix}", finding.what),
        }
    }
    let healthy = findings.iter().all(|finding| finding.result.is_ok());
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn public_url(config: &Config) -> Finding {
    let result = match &config.public_url {
        Some(url) if url.is_secure() => Ok(url.to_string()),
        Some(url) => Ok(format!("{url} (loopback: for development only)")),
        None => Ok(format!(
            "http://localhost:{} by default; set TENON_PUBLIC_URL before the first customer: it is part of every entity ID",
            config.listen.port()
        )),
    };
    Finding {
        what: "public URL",
        result,
    }
}

fn encryption_keys(config: &Config) -> Finding {
    let result = match (
        config.encryption_keys.as_slice(),
        config.database_url.kind(),
    ) {
        ([], Database::Sqlite) => {
            Ok("kept in a file beside the database; back it up apart from it".to_owned())
        }
        (keys, _) => {
            let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
            Ok(format!(
                "{} encrypts, {} can decrypt",
                ids.first().unwrap_or(&"none"),
                ids.len()
            ))
        }
    };
    Finding {
        what: "encryption keys",
        result,
    }
}

async fn database(config: Config) -> (Finding, Option<App>) {
    let what = "database";
    let url = config.database_url.expose().to_owned();
    let clock = Arc::new(SystemClock);
    let entropy = Arc::new(SystemEntropy);
    if let Err(error) = Store::open(&url, false, clock.clone(), entropy.clone()).await {
        return (
            Finding {
                what,
                result: Err(error.to_string()),
            },
            None,
        );
    }
    let public_url = config.public_url(config.listen);
    match App::open(config, public_url, clock, entropy).await {
        Ok(app) => (
            Finding {
                what,
                result: Ok("answers, schema up to date, keys open".to_owned()),
            },
            Some(app),
        ),
        Err(error) => (
            Finding {
                what,
                result: Err(error.to_string()),
            },
            None,
        ),
    }
}

/// Tokens and SAML allow 60 s between clocks.
async fn clock(app: &App) -> Finding {
    let result = match app.store.clock_skew().await {
        Ok(skew) if skew.num_seconds().abs() <= 5 => Ok(format!(
            "{} ms apart from the database's",
            skew.num_milliseconds()
        )),
        Ok(skew) => Err(format!(
            "this machine and the database differ by {} s; synchronise both with NTP",
            skew.num_seconds()
        )),
        Err(error) => Err(error.to_string()),
    };
    Finding {
        what: "clock",
        result,
    }
}

async fn names(app: &App) -> Finding {
    let asked = tokio::time::timeout(Duration::from_secs(5), app.dns.txt("example.com")).await;
    let result = match asked {
        Ok(Ok(_)) => Ok("DNS answers".to_owned()),
        Ok(Err(error)) => Err(format!(
            "{error}; domain proofs and IdP metadata need DNS: set TENON_DNS_SERVERS"
        )),
        Err(_) => Err("DNS did not answer in 5 s; set TENON_DNS_SERVERS".to_owned()),
    };
    Finding {
        what: "names",
        result,
    }
}
