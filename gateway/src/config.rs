//! Settings: `tenon.toml`, then `TENON_…` variables, which win. A wrong value stops the start with one
//! message that lists every problem.

mod database_url;
mod keys;
mod layers;
mod problem;
mod public_url;
mod values;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use ipnet::IpNet;

pub use database_url::{Database, DatabaseUrl};
pub use keys::{KeysError, load_or_create_keys};
pub use problem::{ConfigError, Problem};
pub use public_url::PublicUrl;

use crate::secrets::{EncryptionKey, Secret};
use layers::Layers;

/// Where settings are read from when no `--config` is given; it may be missing.
pub const DEFAULT_FILE: &str = "tenon.toml";

/// Every setting, checked (CONTRACT section 2).
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 picks a free one.
    pub listen: SocketAddr,
    /// `None` means `http://localhost:` and the port, which is known once the socket is bound: ask
    /// [`Config::public_url`].
    pub public_url: Option<PublicUrl>,
    pub database_url: DatabaseUrl,
    /// Migrate at start.
    pub auto_migrate: bool,
    /// The first encrypts, all decrypt. Empty: made and kept beside the SQLite file, see
    /// [`load_or_create_keys`].
    pub encryption_keys: Vec<EncryptionKey>,
    /// Accepted by the management API from the first start on.
    pub bootstrap_api_key: Option<Secret<String>>,
    /// Private or loopback networks that outgoing requests may reach, also over plain http.
    pub egress_allow: Vec<IpNet>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limits: bool,
    /// Directives for the log filter, `info` or `info,gateway::webhooks=debug`.
    pub log: String,
    /// `None`: pretty on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// Name servers for the TXT proof of a domain; empty means the system's.
    pub dns_servers: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

impl Config {
    /// Reads `path` (or `tenon.toml` if it exists and no path is given), then the variables.
    ///
    /// # Errors
    /// All problems at once. A secret's value is never part of them.
    pub fn load(
        path: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::read(Layers::open(path, &env)?)
    }

    fn read(mut layers: Layers<'_>) -> Result<Self, ConfigError> {
        let listen = layers.one("listen", values::listen);
        let public_url = layers.one("public_url", PublicUrl::parse);
        let database_url =
            layers.one_shown("database_url", database_url::shown, DatabaseUrl::parse);
        let auto_migrate = layers.one("auto_migrate", values::switch);
        let encryption_keys = layers.list_shown("encryption_keys", |_| None, keys::parse);
        let bootstrap_api_key = layers.one_shown("bootstrap_api_key", |_| None, values::api_key);
        let egress_allow = layers.list("egress_allow", values::network);
        let trusted_proxies = layers.list("trusted_proxies", values::network);
        let rate_limits = layers.one("rate_limits", values::switch);
        let log = layers.one("log", values::log);
        let log_format = layers.one("log_format", values::log_format);
        let dns_servers = layers.list("dns_servers", values::dns_server);

        let database_url = database_url.unwrap_or_default();
        if let Some(twice) = keys::repeated_id(&encryption_keys) {
            layers.report(
                "encryption_keys",
                format!("the id {twice:?} stands twice"),
                keys::ACCEPTED,
            );
        }
        if encryption_keys.is_empty() && database_url.kind() == Database::Postgres {
            layers.report(
                "encryption_keys",
                "is required on PostgreSQL",
                keys::ACCEPTED,
            );
        }
        layers.finish()?;
        Ok(Self {
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            public_url,
            database_url,
            auto_migrate: auto_migrate.unwrap_or(true),
            encryption_keys,
            bootstrap_api_key,
            egress_allow,
            trusted_proxies,
            rate_limits: rate_limits.unwrap_or(true),
            log: log.unwrap_or_else(|| "info".to_owned()),
            log_format,
            dns_servers,
        })
    }

    /// The URL that browsers, IdPs and directories use, once the socket is bound to `local`.
    pub fn public_url(&self, local: SocketAddr) -> PublicUrl {
        match &self.public_url {
            Some(url) => url.clone(),
            None => PublicUrl::localhost(local.port()),
        }
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[cfg(test)]
mod tests;
