//! The client behind the door.

use std::{
    error::Error as _,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use connectors::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use http::{HeaderMap, HeaderValue};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    Blocked, CONNECTOR_TIMEOUT, EgressError, EgressRequest, EgressResponse, Lookup, MaxBody,
    host_limit::HostLimit,
    policy::{Policy, Scheme, Target, localhost_addresses},
};
use crate::{config::Config, telemetry::Metrics};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const IDLE_PER_HOST: usize = 32;

/// Sends requests to addresses that the policy admits. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    policy: Policy,
    lookup: Arc<dyn Lookup>,
    hosts: HostLimit,
    metrics: Metrics,
    // Made at the first use: reading the machine's trust store costs more than the rest of the start.
    https: OnceLock<Result<Client, String>>,
    http: OnceLock<Result<Client, String>>,
}

impl Egress {
    pub fn new(config: &Config, lookup: Arc<dyn Lookup>, metrics: Metrics) -> Self {
        // Other crates bring features for more than one provider, and rustls then refuses to guess. An error
        // means that one is installed, and only tests do so twice.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self(Arc::new(Inner {
            policy: Policy::new(config.egress_allow.clone()),
            lookup,
            hosts: HostLimit::new(),
            metrics,
            https: OnceLock::new(),
            http: OnceLock::new(),
        }))
    }

    /// What can be said of a URL without sending anything: its scheme, its port, a literal address.
    ///
    /// # Errors
    /// When it could never be reached.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        self.0.policy.check(url).map(drop)
    }

    /// Sends one request and reads its answer. Any status is an answer, 3xx too.
    ///
    /// # Errors
    /// See [`EgressError`]. Nothing is retried.
    pub async fn send(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let result = self.try_send(request).await;
        if let Err(EgressError::Blocked(Blocked { host, reason })) = &result {
            self.0.metrics.egress_blocked(reason.as_str());
            tracing::warn!(host, reason = reason.as_str(), "outgoing request refused");
        }
        result
    }

    /// Whether this URL may be asked for, as far as that can be told without asking: for settings that lead to
    /// requests later. Plain http is looked up, because it has to lead into `egress_allow` now, too; a name
    /// under https is checked when it is connected to.
    ///
    /// # Errors
    /// [`Blocked`].
    pub async fn admits(&self, url: &Url) -> Result<(), Blocked> {
        let target = self.0.policy.check(url)?;
        if target.scheme == Scheme::Https || url.domain().is_none() {
            return Ok(());
        }
        let addresses = match localhost_addresses(&target.host) {
            Some(addresses) => addresses,
            None => {
                let lookup = self.0.lookup.addresses(&target.host);
                let found = timeout_at(Instant::now() + CONNECTOR_TIMEOUT, lookup).await;
                found.ok().and_then(Result::ok).unwrap_or_default()
            }
        };
        self.0
            .policy
            .admit(target.scheme, &target.host, addresses)
            .map(drop)
    }

    async fn try_send(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let target = self.0.policy.check(&request.url)?;
        let deadline = Instant::now() + request.timeout;
        let Target { host, port, .. } = &target;
        let busy = || EgressError::Busy { host: host.clone() };
        let entered = timeout_at(deadline, self.0.hosts.enter(&format!("{host}:{port}"))).await;
        let _place = entered.ok().flatten().ok_or_else(busy)?;
        let timeout = request.timeout;
        match timeout_at(deadline, self.exchange(&target, request)).await {
            Ok(result) => result,
            Err(_) => Err(EgressError::Timeout {
                host: target.host,
                timeout,
            }),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        request: EgressRequest,
    ) -> Result<EgressResponse, EgressError> {
        let host = || target.host.clone();
        let client = self.client(target)?;
        let mut response = client
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| failure(target, error))?;
        let (limit, truncate) = match request.max_body {
            MaxBody::Refuse(limit) => (limit, false),
            MaxBody::Truncate(limit) => (limit, true),
        };
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failure(target, error))?
        {
            let room = limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                if truncate {
                    break;
                }
                return Err(EgressError::TooLarge {
                    host: host(),
                    limit,
                });
            }
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        Ok(EgressResponse {
            status,
            headers,
            body,
        })
    }

    fn client(&self, target: &Target) -> Result<&Client, EgressError> {
        let slot = match target.scheme {
            Scheme::Https => &self.0.https,
            Scheme::Http => &self.0.http,
        };
        let made = slot.get_or_init(|| {
            let roots = match target.scheme {
                Scheme::Https => trusted_roots(),
                Scheme::Http => RootCertStore::empty(),
            };
            build(
                target.scheme,
                roots,
                self.0.policy.clone(),
                self.0.lookup.clone(),
            )
            .map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|reason| EgressError::Unreachable {
            host: target.host.clone(),
            reason: reason.clone(),
        })
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Egress")
    }
}

/// What the connectors see: five seconds in all.
impl HttpClient for Egress {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in request.headers {
            let value = HeaderValue::try_from(value)
                .map_err(|_| HttpFailure::Unreachable(format!("{name} cannot be sent")))?;
            headers.append(name, value);
        }
        let request = EgressRequest {
            method: request.method,
            url: request.url,
            headers,
            body: request.body,
            timeout: CONNECTOR_TIMEOUT,
            max_body: MaxBody::Refuse(request.max_response_bytes),
        };
        match Self::send(self, request).await {
            Ok(EgressResponse {
                status,
                headers,
                body,
            }) => Ok(HttpResponse {
                status,
                headers,
                body,
            }),
            Err(EgressError::Blocked(Blocked { host, reason })) => Err(HttpFailure::Forbidden {
                host,
                reason: reason.to_string(),
            }),
            Err(EgressError::Timeout { .. }) => Err(HttpFailure::Timeout),
            Err(EgressError::TooLarge { limit, .. }) => Err(HttpFailure::TooLarge { limit }),
            Err(error @ (EgressError::Unreachable { .. } | EgressError::Busy { .. })) => {
                Err(HttpFailure::Unreachable(error.to_string()))
            }
        }
    }
}

/// Hands out admitted addresses only: what the connection goes to is what was checked.
struct CheckedResolver {
    scheme: Scheme,
    policy: Policy,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (scheme, policy, lookup) = (self.scheme, self.policy.clone(), self.lookup.clone());
        Box::pin(async move {
            let host = name.as_str();
            let addresses = match localhost_addresses(host) {
                Some(addresses) => addresses,
                None => lookup.addresses(host).await?,
            };
            let admitted = policy.admit(scheme, host, addresses)?;
            // Port 0 stands for the URL's.
            let sockets = admitted
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

fn build(
    scheme: Scheme,
    roots: RootCertStore,
    policy: Policy,
    lookup: Arc<dyn Lookup>,
) -> Result<Client, SetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(scheme == Scheme::Https)
        .dns_resolver(CheckedResolver {
            scheme,
            policy,
            lookup,
        })
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(KEEP_ALIVE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .user_agent(concat!("Tenon/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// The machine's trust store, or `SSL_CERT_FILE` and `SSL_CERT_DIR`. A machine without one still runs: then
/// no https peer is trusted.
fn trusted_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!(
            "no trusted certificates found; install ca-certificates or set SSL_CERT_FILE"
        );
    }
    roots
}

/// Takes reqwest's error apart: our own refusal may be at its bottom, and its text may hold the URL.
fn failure(target: &Target, error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        if let Some(blocked) = deeper.downcast_ref::<Blocked>() {
            return EgressError::Blocked(blocked.clone());
        }
        let text = deeper.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = deeper.source();
    }
    EgressError::Unreachable {
        host: target.host.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Dns;

    #[tokio::test]
    async fn a_machine_without_trusted_certificates_still_gets_a_client() {
        let lookup = Arc::new(Dns::new(&[]).unwrap());
        build(
            Scheme::Https,
            RootCertStore::empty(),
            Policy::new(Vec::new()),
            lookup,
        )
        .unwrap();
    }
}
