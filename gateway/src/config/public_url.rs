//! The one origin that everybody outside uses.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use super::problem::Refused;

/// An origin: https, or http on a loopback host; never a path. Without the trailing slash, so that paths are
/// appended as they are: it is the issuer, and part of every entity ID.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    secure: bool,
}

impl PublicUrl {
    pub(super) fn parse(value: &str) -> Result<Self, Refused> {
        let https = format!("write https://{}", bare_host(value));
        let url = match Url::parse(value) {
            Ok(url) if url.has_host() => url,
            _ => return Err(Refused::new("is not a URL", https)),
        };
        let secure = match url.scheme() {
            "https" => true,
            "http" if is_loopback(&url) => false,
            "http" => {
                return Err(Refused::new(
                    "is http on a host that is not loopback",
                    https,
                ));
            }
            _ => return Err(Refused::new("is neither https nor http", https)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::new("carries a user name", https));
        }
        let origin = url.origin().ascii_serialization();
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            let accepted = format!("only scheme, host and port: write {origin}");
            return Err(Refused::new("is more than an origin", accepted));
        }
        Ok(Self { origin, secure })
    }

    /// The default, for the port that was bound.
    pub fn localhost(port: u16) -> Self {
        Self {
            origin: format!("http://localhost:{port}"),
            secure: false,
        }
    }

    /// `https://sso.app.example`, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The URL of `path`, which starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Whether cookies are `Secure` with the `__Host-` prefix, and HSTS is sent.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.origin)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// The host and port that `value` seems to mean, for the advice.
fn bare_host(value: &str) -> &str {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        "sso.app.example"
    } else {
        host
    }
}
