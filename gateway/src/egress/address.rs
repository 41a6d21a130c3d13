//! Which addresses are on the public internet: everything that IANA's special-purpose registries (RFC 6890)
//! don't reserve.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::policy::BlockReason;

/// Why nobody is sent to this address unless the operator allows it; `None` for public ones.
pub(super) fn forbidden(address: IpAddr) -> Option<BlockReason> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<BlockReason> {
    let reason = match address.octets() {
        // "This network": Linux connects 0.0.0.0 to itself.
        [0, ..] => BlockReason::Reserved,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => BlockReason::Private,
        // Carrier-grade NAT (RFC 6598); some clouds keep their metadata service in it.
        [100, 64..=127, ..] => BlockReason::Shared,
        [127, ..] => BlockReason::Loopback,
        // The metadata service of most clouds is 169.254.169.254.
        [169, 254, ..] => BlockReason::LinkLocal,
        // IETF protocol assignments (RFC 6890), among them 192.0.0.192, Oracle's metadata service.
        [192, 0, 0, _] => BlockReason::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => BlockReason::Documentation,
        // Relay anycast of 6to4, deprecated (RFC 7526).
        [192, 88, 99, _] => BlockReason::Transition,
        [198, 18..=19, ..] => BlockReason::Benchmarking,
        // A public address by number, but Azure's platform service by meaning.
        [168, 63, 129, 16] => BlockReason::Metadata,
        [224..=239, ..] => BlockReason::Multicast,
        [240..=255, ..] => BlockReason::Reserved,
        _ => return None,
    };
    Some(reason)
}

fn forbidden_v6(address: Ipv6Addr) -> Option<BlockReason> {
    let reason = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => BlockReason::Loopback,
        [0, 0, 0, 0, 0, 0, 0, 0] => BlockReason::Reserved,
        // IPv4 inside IPv6: mapped, compatible (RFC 4291 2.5.5), translated (RFC 2765), NAT64 (RFC 6052, 8215).
        // Each reaches an IPv4 address past the table above.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => BlockReason::Transition,
        [0x64, 0xff9b, ..] => BlockReason::Transition,
        [0x2002, ..] => BlockReason::Transition,
        [0x2001, 0, ..] => BlockReason::Transition,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => BlockReason::Documentation,
        // The rest of the IETF's own block: benchmarking, ORCHID, anycast (RFC 2928).
        [0x2001, 0x2, 0, ..] => BlockReason::Benchmarking,
        [0x2001, 0..=0x1ff, ..] => BlockReason::Reserved,
        [0xfc00..=0xfdff, ..] => BlockReason::Private,
        [0xfe80..=0xfebf, ..] => BlockReason::LinkLocal,
        // Site-local, deprecated (RFC 3879) but still routed by some.
        [0xfec0..=0xfeff, ..] => BlockReason::Private,
        [0xff00..=0xffff, ..] => BlockReason::Multicast,
        // Global unicast is 2000::/3; nothing else is assigned to anybody (RFC 4291 2.4).
        [0x2000..=0x3fff, ..] => return None,
        _ => BlockReason::Reserved,
    };
    Some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            assert_eq!(forbidden(address.parse().unwrap()), None, "{address}");
        }
    }
}
