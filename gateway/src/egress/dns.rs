//! Names to addresses for outgoing requests, and TXT records for the proof of a domain.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{RData, RecordType},
};

/// Asks for a name's addresses. The system's resolver outside of tests.
pub trait Lookup: Send + Sync + 'static {
    /// # Errors
    /// When the name has no address, or nobody answers.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Why DNS gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DnsError {
    #[error("the resolver cannot be set up: {reason}")]
    Setup { reason: String },
    #[error("the name servers did not answer for {name}: {reason}")]
    Unavailable { name: String, reason: String },
}

/// What DNS says of the TXT records of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtAnswer {
    /// Each with its strings joined (RFC 7208 3.3).
    pub values: Vec<String>,
    /// Where the name has no TXT record but is an alias: of what.
    pub alias: Option<String>,
    /// False for NXDOMAIN.
    pub name_exists: bool,
}

/// In-process DNS: no thread is held while a hostile name server takes its time.
#[derive(Clone)]
pub struct Dns {
    addresses: TokioResolver,
    /// Without a cache, since "verify" looks now; with `dns_servers` where they are set.
    proofs: TokioResolver,
}

impl Dns {
    /// # Errors
    /// When a resolver can't be set up; a missing `resolv.conf` is no error (a name server on this machine is
    /// asked then, as the C library does).
    pub fn new(dns_servers: &[SocketAddr]) -> Result<Self, DnsError> {
        let (config, mut options) = hickory_resolver::system_conf::read_system_conf()
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "resolv.conf cannot be read; asking 127.0.0.1");
                let local = NameServerConfig::udp_and_tcp(IpAddr::from([127, 0, 0, 1]));
                (
                    ResolverConfig::from_name_servers(vec![local]),
                    ResolverOpts::default(),
                )
            });
        options.timeout = Duration::from_secs(2);
        let mut proof_options = options.clone();
        options.cache_size = 1024;
        options.positive_max_ttl = Some(Duration::from_secs(60));
        options.negative_max_ttl = Some(Duration::from_secs(10));
        proof_options.cache_size = 0;
        let proof_config = if dns_servers.is_empty() {
            config.clone()
        } else {
            ResolverConfig::from_name_servers(
                dns_servers.iter().copied().map(name_server).collect(),
            )
        };
        Ok(Self {
            addresses: resolver(config, options)?,
            proofs: resolver(proof_config, proof_options)?,
        })
    }

    /// The TXT records of `name`, aliases followed.
    ///
    /// # Errors
    /// When no name server gives an answer, which says nothing about the record.
    pub async fn txt(&self, name: &str) -> Result<TxtAnswer, DnsError> {
        // A final dot: the search list of this machine is no part of the customer's domain.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        let lookup = match self.proofs.txt_lookup(absolute.clone()).await {
            Ok(lookup) => lookup,
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => {
                let alias = self.alias(absolute).await;
                return Ok(TxtAnswer {
                    values: Vec::new(),
                    name_exists: !error.is_nx_domain() || alias.is_some(),
                    alias,
                });
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(DnsError::Unavailable {
                    name: name.to_owned(),
                    reason,
                });
            }
        };
        let texts = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(txt) => {
                    Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
                }
                _ => None,
            });
        Ok(TxtAnswer {
            values: texts.collect(),
            alias: None,
            name_exists: true,
        })
    }

    async fn alias(&self, name: String) -> Option<String> {
        let lookup = self.proofs.lookup(name, RecordType::CNAME).await.ok()?;
        lookup
            .answers()
            .iter()
            .find_map(|record| match &record.data {
                RData::CNAME(target) => Some(target.to_string().trim_end_matches('.').to_owned()),
                _ => None,
            })
    }
}

impl Lookup for Dns {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = self
                .addresses
                .lookup_ip(host)
                .await
                .map_err(io::Error::other)?;
            Ok(found.iter().collect())
        })
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Dns")
    }
}

fn resolver(config: ResolverConfig, options: ResolverOpts) -> Result<TokioResolver, DnsError> {
    let provider = TokioRuntimeProvider::default();
    TokioResolver::builder_with_config(config, provider)
        .with_options(options)
        .build()
        .map_err(|error| DnsError::Setup {
            reason: error.to_string(),
        })
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}
