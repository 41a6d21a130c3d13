//! Who is at the other end: the peer of the socket, or what proxies that the operator trusts say.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use poem::{
    Addr, FromRequest, Request, RequestBody, Result,
    http::{HeaderMap, HeaderName, header::FORWARDED},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address as far as it can be trusted: for limits, logs and login traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);

impl ClientIp {
    /// Walks from the socket's peer towards the client for as long as each hop is a trusted proxy: what an
    /// untrusted one says about the hop before it may be invented. `Forwarded` is RFC 7239.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        if !is_trusted(&peer) {
            return Self(peer);
        }
        let by_forwarded = nearest_untrusted(peer, forwarded(headers), is_trusted);
        let by_x_forwarded = nearest_untrusted(peer, x_forwarded_for(headers), is_trusted);
        Self(match (by_forwarded, by_x_forwarded) {
            (Some(one), Some(other)) if one == other => one,
            // A proxy appends to one of the two and lets the other through as the client wrote it. Which is
            // which can't be told, so neither counts.
            (Some(_), Some(_)) | (None, None) => peer,
            (Some(one), None) | (None, Some(one)) => one,
        })
    }

    /// Of whoever sent this request, the unit that limits count.
    pub(super) fn network_of(request: &Request) -> IpAddr {
        let known = request.data::<Self>().copied();
        known
            .unwrap_or_else(|| Self(peer_address(request)))
            .network()
    }

    /// The unit that limits count: an IPv4 address, or the /64 that one IPv6 customer has to themselves.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
        }
    }
}

/// Set by the shell; without it, the socket's peer.
impl<'a> FromRequest<'a> for ClientIp {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        let known = request.data::<Self>().copied();
        Ok(known.unwrap_or_else(|| Self(peer_address(request))))
    }
}

/// The socket's peer; in a test without a socket, the unspecified address.
pub(super) fn peer_address(request: &Request) -> IpAddr {
    match &request.remote_addr().0 {
        Addr::SocketAddr(address) => address.ip(),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The first hop, from the right, that is no trusted proxy; the last one understood when all are, or when one
/// is no address (`unknown`, `_hidden`). `None` without a header.
fn nearest_untrusted(
    peer: IpAddr,
    hops: Vec<String>,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Option<IpAddr> {
    if hops.is_empty() {
        return None;
    }
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        match parse_hop(hop) {
            Some(address) => nearest = address,
            None => break,
        }
        if !is_trusted(&nearest) {
            break;
        }
    }
    Some(nearest)
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<String> {
    list(headers, &X_FORWARDED_FOR, ',')
}

/// The `for` of each element; an element without one is a hop that says nothing.
fn forwarded(headers: &HeaderMap) -> Vec<String> {
    let for_of = |element: &String| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        found
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    list(headers, &FORWARDED, ',').iter().map(for_of).collect()
}

fn list(headers: &HeaderMap, name: &HeaderName, separator: char) -> Vec<String> {
    let lines = headers.get_all(name).into_iter();
    // A line that is not text is one hop that says nothing, not a line to skip.
    let texts = lines.map(|line| line.to_str().unwrap_or("?").to_owned());
    texts
        .flat_map(|text| {
            text.split(separator)
                .map(|part| part.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        ClientIp::of(peer.parse().unwrap(), &map, &trusted)
            .0
            .to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        let spoofed = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
        ];
        assert_eq!(client("198.51.100.1", &spoofed), "198.51.100.1");
        assert_eq!(client("::ffff:198.51.100.1", &spoofed), "198.51.100.1");
    }

    #[test]
    fn trusted_proxies_are_walked_from_the_right() {
        for (header, value, expected) in [
            ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
            ("x-forwarded-for", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
            (
                "x-forwarded-for",
                "1.2.3.4, 203.0.113.9, 10.0.0.7",
                "203.0.113.9",
            ),
            ("x-forwarded-for", "203.0.113.9:4711", "203.0.113.9"),
            ("x-forwarded-for", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("x-forwarded-for", "1.2.3.4, nonsense", "10.0.0.1"),
            ("x-forwarded-for", "1.2.3.4, nonsense, 10.0.0.7", "10.0.0.7"),
            ("x-forwarded-for", "", "10.0.0.1"),
            ("forwarded", "for=203.0.113.9;proto=https", "203.0.113.9"),
            (
                "forwarded",
                "for=1.2.3.4, For=\"[2001:db8::9]:4711\";by=x",
                "2001:db8::9",
            ),
            ("forwarded", "for=1.2.3.4, for=unknown", "10.0.0.1"),
            ("forwarded", "for=1.2.3.4, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(
                client("10.0.0.1", &[(header, value)]),
                expected,
                "{header}: {value}"
            );
        }
        let twice = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(client("10.0.0.1", &twice), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn two_headers_count_only_when_they_agree() {
        let agree = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
        ];
        assert_eq!(client("10.0.0.1", &agree), "203.0.113.9");
        let differ = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=1.2.3.4"),
        ];
        assert_eq!(client("10.0.0.1", &differ), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_customer_counts_as_one() {
        let network = |address: &str| ClientIp(address.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }
}
