//! What may be asked for, and which of its addresses may be connected to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use url::{Host, Url};

use super::address::forbidden;

/// Ports that no web server has but that other services could be spoken to on (Fetch standard, section
/// "Port blocking").
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Why a request was refused before a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockReason {
    Scheme,
    /// http to something that `egress_allow` doesn't name.
    PlainHttp,
    Host,
    Credentials,
    Port,
    Loopback,
    Private,
    LinkLocal,
    Shared,
    Multicast,
    Reserved,
    Documentation,
    Benchmarking,
    /// IPv4 wrapped in IPv6, or a tunnel: mapped, NAT64, 6to4, Teredo.
    Transition,
    /// A cloud's platform service.
    Metadata,
}

impl BlockReason {
    /// The label of `egress_blocked_total`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::PlainHttp => "plain_http",
            Self::Host => "host",
            Self::Credentials => "credentials",
            Self::Port => "port",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::Shared => "shared",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Transition => "transition",
            Self::Metadata => "metadata",
        }
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scheme => "only https is spoken",
            Self::PlainHttp => "plain http goes to networks of TENON_EGRESS_ALLOW only",
            Self::Host => "no host with an address",
            Self::Credentials => "a URL with a user name is not followed",
            Self::Port => "the port belongs to another protocol",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "a shared address (carrier-grade NAT)",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Transition => "an IPv4 address inside an IPv6 one",
            Self::Metadata => "a cloud's platform service",
        })
    }
}

/// A refused request. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} may not be reached: {reason}")]
pub struct Blocked {
    pub host: String,
    pub reason: BlockReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    /// Into `egress_allow` only.
    Http,
}

/// A URL that may be asked for, as far as that can be told without DNS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Policy {
    allow: Vec<IpNet>,
}

impl Policy {
    pub(super) fn new(allow: Vec<IpNet>) -> Self {
        Self { allow }
    }

    /// Everything that can be said before a lookup. A literal address never reaches the resolver, so it is
    /// checked here.
    pub(super) fn check(&self, url: &Url) -> Result<Target, Blocked> {
        let host = url.host().ok_or(BlockReason::Host);
        let shown = url.host_str().unwrap_or_default().to_owned();
        let blocked = |reason| Blocked {
            host: shown.clone(),
            reason,
        };
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" if self.allow.is_empty() => return Err(blocked(BlockReason::PlainHttp)),
            "http" => Scheme::Http,
            _ => return Err(blocked(BlockReason::Scheme)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(blocked(BlockReason::Credentials));
        }
        let port = url
            .port_or_known_default()
            .filter(|port| !BAD_PORTS.contains(port));
        let port = port.ok_or(blocked(BlockReason::Port))?;
        match host.map_err(blocked)? {
            Host::Ipv4(address) => self.admit_one(scheme, address.into()).map_err(blocked)?,
            Host::Ipv6(address) => self.admit_one(scheme, address.into()).map_err(blocked)?,
            Host::Domain(_) => {}
        }
        Ok(Target {
            scheme,
            host: shown,
            port,
        })
    }

    /// Those of a name's addresses that may be connected to; at least one.
    pub(super) fn admit(
        &self,
        scheme: Scheme,
        host: &str,
        addresses: Vec<IpAddr>,
    ) -> Result<Vec<IpAddr>, Blocked> {
        let mut refused = BlockReason::Host;
        let mut admitted = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.admit_one(scheme, address) {
                Ok(()) => admitted.push(address),
                Err(reason) => refused = reason,
            }
        }
        if admitted.is_empty() {
            return Err(Blocked {
                host: host.to_owned(),
                reason: refused,
            });
        }
        Ok(admitted)
    }

    fn admit_one(&self, scheme: Scheme, address: IpAddr) -> Result<(), BlockReason> {
        if self.allow.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        match (forbidden(address), scheme) {
            (Some(reason), _) => Err(reason),
            (None, Scheme::Http) => Err(BlockReason::PlainHttp),
            (None, Scheme::Https) => Ok(()),
        }
    }
}

/// `localhost` and everything under it is this machine, whatever DNS says (RFC 6761 6.3).
pub(super) fn localhost_addresses(host: &str) -> Option<Vec<IpAddr>> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    (host == "localhost" || host.ends_with(".localhost"))
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str]) -> Policy {
        Policy::new(
            allow
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
        )
    }

    fn reason(policy: &Policy, url: &str) -> Option<&'static str> {
        policy
            .check(&Url::parse(url).unwrap())
            .err()
            .map(|blocked| blocked.reason.as_str())
    }

    /// Literals as an attacker writes them, and why each goes nowhere. The URL standard folds the odd
    /// spellings of IPv4 (decimal, octal, hex, short, full-width) before we look.
    const EGRESS_TABLE: [(&str, &str); 105] = [
        ("0.0.0.0", "reserved"),
        ("0.1.2.3", "reserved"),
        ("0", "reserved"),
        ("10.0.0.0", "private"),
        ("10.0.0.1", "private"),
        ("10.255.255.255", "private"),
        ("012.0.0.1", "private"),
        ("0xa.1", "private"),
        ("167772161", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("192.168.255.255", "private"),
        ("0xc0a80001", "private"),
        ("100.64.0.1", "shared"),
        ("100.100.100.200", "shared"),
        ("100.127.255.255", "shared"),
        ("127.0.0.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("127.1", "loopback"),
        ("127.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0177.0.0.1", "loopback"),
        ("0x7f.0.0.1", "loopback"),
        ("0x7f.1", "loopback"),
        ("0x7f000001", "loopback"),
        ("2130706433", "loopback"),
        ("017700000001", "loopback"),
        ("%31%32%37.0.0.1", "loopback"),
        ("127。0。0。1", "loopback"),
        ("127.0.0.1", "loopback"),
        ("169.254.0.1", "link_local"),
        ("169.254.169.254", "link_local"),
        ("169.254.170.2", "link_local"),
        ("2852039166", "link_local"),
        ("0xa9fea9fe", "link_local"),
        ("0251.0376.0251.0376", "link_local"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.1", "reserved"),
        ("192.0.0.192", "reserved"),
        ("192.0.0.255", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.255", "documentation"),
        ("192.88.99.1", "transition"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("254.255.255.255", "reserved"),
        ("255.255.255.255", "reserved"),
        ("[::]", "reserved"),
        ("[::1]", "loopback"),
        ("[0:0:0:0:0:0:0:1]", "loopback"),
        ("[0000::0001]", "loopback"),
        ("[::0.0.0.1]", "loopback"),
        ("[::2]", "transition"),
        ("[::7f00:1]", "transition"),
        ("[::127.0.0.1]", "transition"),
        ("[::8.8.8.8]", "transition"),
        ("[::ffff:127.0.0.1]", "transition"),
        ("[::ffff:7f00:1]", "transition"),
        ("[::ffff:10.0.0.1]", "transition"),
        ("[::ffff:169.254.169.254]", "transition"),
        ("[::ffff:8.8.8.8]", "transition"),
        ("[::ffff:0:127.0.0.1]", "transition"),
        ("[64:ff9b::127.0.0.1]", "transition"),
        ("[64:ff9b::a9fe:a9fe]", "transition"),
        ("[64:ff9b::8.8.8.8]", "transition"),
        ("[64:ff9b:1::1]", "transition"),
        ("[64:ff9b:1:ffff::10.0.0.1]", "transition"),
        ("[100::1]", "reserved"),
        ("[100:0:0:1::1]", "reserved"),
        ("[1000::1]", "reserved"),
        ("[2001::1]", "transition"),
        ("[2001:0:7f00:1::]", "transition"),
        ("[2001:1::1]", "reserved"),
        ("[2001:2::1]", "benchmarking"),
        ("[2001:3::1]", "reserved"),
        ("[2001:10::1]", "reserved"),
        ("[2001:20::1]", "reserved"),
        ("[2001:1ff::1]", "reserved"),
        ("[2001:db8::1]", "documentation"),
        ("[2001:db8:ffff::1]", "documentation"),
        ("[2002:7f00:1::1]", "transition"),
        ("[2002:a00:1::]", "transition"),
        ("[2002:808:808::1]", "transition"),
        ("[3fff::1]", "documentation"),
        ("[3fff:fff::1]", "documentation"),
        ("[4000::1]", "reserved"),
        ("[5f00::1]", "reserved"),
        ("[8000::1]", "reserved"),
        ("[fc00::1]", "private"),
        ("[fd00::1]", "private"),
        ("[fd00:ec2::254]", "private"),
        ("[fdff:ffff::1]", "private"),
        ("[fe00::1]", "reserved"),
        ("[fe80::1]", "link_local"),
        ("[fe80::a9fe:a9fe]", "link_local"),
        ("[febf::1]", "link_local"),
        ("[fec0::1]", "private"),
        ("[feff::1]", "private"),
        ("[ff02::1]", "multicast"),
        ("[ff0e::1]", "multicast"),
    ];

    #[test]
    fn egress_table() {
        let nothing_allowed = policy(&[]);
        let something_allowed = policy(&["10.99.0.0/16"]);
        for (literal, expected) in EGRESS_TABLE {
            let url = format!("https://{literal}/path");
            assert_eq!(reason(&nothing_allowed, &url), Some(expected), "{literal}");
            assert_eq!(
                reason(&something_allowed, &url),
                Some(expected),
                "{literal}"
            );
            let plain = format!("http://{literal}:8080/");
            assert_eq!(
                reason(&nothing_allowed, &plain),
                Some("plain_http"),
                "{literal}"
            );
            assert_eq!(
                reason(&something_allowed, &plain),
                Some(expected),
                "{literal}"
            );
        }
    }

    #[test]
    fn the_operator_can_allow_a_network_also_over_http() {
        let policy = policy(&["127.0.0.0/8", "fd00::/8"]);
        assert_eq!(reason(&policy, "http://127.0.0.1:8080/"), None);
        assert_eq!(reason(&policy, "https://[fd12::1]/"), None);
        assert_eq!(reason(&policy, "http://[::1]/"), Some("loopback"));
        // The same machine in another spelling is another network.
        assert_eq!(
            reason(&policy, "http://[::ffff:127.0.0.1]/"),
            Some("transition")
        );
        assert_eq!(reason(&policy, "http://8.8.8.8/"), Some("plain_http"));
        assert_eq!(reason(&policy, "https://8.8.8.8/"), None);
    }

    #[test]
    fn other_schemes_users_and_ports_are_refused() {
        let policy = policy(&["127.0.0.0/8"]);
        for (url, expected) in [
            ("ftp://example.com/", "scheme"),
            ("file:///etc/passwd", "scheme"),
            ("gopher://127.0.0.1/", "scheme"),
            ("data:text/plain,a", "scheme"),
            ("https://user@example.com/", "credentials"),
            ("https://:pass@example.com/", "credentials"),
            ("https://example.com:22/", "port"),
            ("https://example.com:0/", "port"),
            ("http://127.0.0.1:6379/", "none"),
            ("http://127.0.0.1:25/", "port"),
            ("http://127.0.0.1:6667/", "port"),
            ("http://127.0.0.1:10080/", "port"),
        ] {
            assert_eq!(reason(&policy, url).unwrap_or("none"), expected, "{url}");
        }
    }

    #[test]
    fn only_admitted_addresses_of_a_name_remain() {
        let policy = policy(&["127.0.0.2/32"]);
        let addresses = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
        let mixed = addresses(&["127.0.0.1", "127.0.0.2", "8.8.8.8", "::1"]);
        let admitted = policy.admit(Scheme::Https, "mixed.example", mixed).unwrap();
        assert_eq!(admitted, addresses(&["127.0.0.2", "8.8.8.8"]));
        let mixed = addresses(&["127.0.0.1", "127.0.0.2", "8.8.8.8"]);
        let admitted = policy.admit(Scheme::Http, "mixed.example", mixed).unwrap();
        assert_eq!(admitted, addresses(&["127.0.0.2"]));
        let refused = policy
            .admit(Scheme::Https, "evil.example", addresses(&["::1"]))
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "evil.example may not be reached: a loopback address"
        );
        assert!(
            policy
                .admit(Scheme::Https, "empty.example", Vec::new())
                .is_err()
        );
    }

    #[test]
    fn localhost_is_this_machine_whatever_dns_says() {
        for name in ["localhost", "LOCALHOST", "localhost.", "app.localhost"] {
            assert!(localhost_addresses(name).is_some(), "{name}");
        }
        for name in ["localhost.example", "notlocalhost", "example.com"] {
            assert!(localhost_addresses(name).is_none(), "{name}");
        }
    }
}
