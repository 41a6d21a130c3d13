//! How single values are read.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::{LogFormat, problem::Refused};
use crate::secrets::Secret;

/// Shorter keys could be guessed; 128 random bits need 22 characters.
const MIN_API_KEY: usize = 8;

pub(super) fn listen(value: &str) -> Result<SocketAddr, Refused> {
    let numeric = match value.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => value.to_owned(),
    };
    numeric.parse().map_err(|_| {
        Refused::new(
            "is not an address with a port",
            "write 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:80",
        )
    })
}

pub(super) fn switch(value: &str) -> Result<bool, Refused> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(Refused::new(
            "is neither on nor off",
            "write on, off, true or false",
        )),
    }
}

pub(super) fn api_key(value: &str) -> Result<Secret<String>, Refused> {
    let usable = value.len() >= MIN_API_KEY && value.bytes().all(|byte| byte.is_ascii_graphic());
    if usable {
        Ok(Secret::new(value.to_owned()))
    } else {
        Err(Refused::new(
            "cannot travel in an Authorization header, or could be guessed",
            format!("{MIN_API_KEY} or more visible ASCII characters, better 32 random ones"),
        ))
    }
}

/// A CIDR, or one address, which is a network of one.
pub(super) fn network(value: &str) -> Result<IpNet, Refused> {
    let wrong = "is not a network";
    let (address, prefix) = match value.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (value, None),
    };
    let address: IpAddr = address.parse().map_err(|_| {
        Refused::new(
            wrong,
            "write an address and a prefix length, 10.0.0.0/8 or fd00::/8",
        )
    })?;
    let (family, longest) = if address.is_ipv4() {
        ("IPv4", 32)
    } else {
        ("IPv6", 128)
    };
    let prefix = prefix.map_or(Ok(longest), str::parse::<u8>).ok();
    prefix
        .and_then(|prefix| IpNet::new(address, prefix).ok())
        .map(|network| network.trunc())
        .ok_or_else(|| Refused::new(wrong, format!("an {family} prefix is 0 to {longest}")))
}

/// An address, with port 53 unless it says another.
pub(super) fn dns_server(value: &str) -> Result<SocketAddr, Refused> {
    if let Ok(address) = value.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, 53));
    }
    value.parse().map_err(|_| {
        Refused::new(
            "is not the address of a name server",
            "write 9.9.9.9 or 127.0.0.1:5353",
        )
    })
}

pub(super) fn log(value: &str) -> Result<String, Refused> {
    match EnvFilter::try_new(value) {
        Ok(_) => Ok(value.to_owned()),
        Err(_) => Err(Refused::new(
            "is not a log filter",
            "write error, warn, info, debug or trace, or info,gateway::webhooks=debug",
        )),
    }
}

pub(super) fn log_format(value: &str) -> Result<LogFormat, Refused> {
    match value {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refused::new("is not a log format", "write pretty or json")),
    }
}
