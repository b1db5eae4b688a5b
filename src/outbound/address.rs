//! Which addresses may be spoken to: our own table of special ranges, and the operator's allow-list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::SetupError;
use crate::base::address::{Range, unmapped};

/// The addresses and ports that the operator vouches for.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowList(Vec<(Range, Option<u16>)>);

impl AllowList {
    /// Reads entries of the forms `IP`, `IP:port`, `CIDR` and `CIDR:port`, IPv6 with a port in
    /// brackets: `[fd00::/8]:8443`.
    pub(super) fn parse(entries: &[String]) -> Result<Self, SetupError> {
        entries
            .iter()
            .map(|entry| parse_entry(entry).ok_or_else(|| SetupError::Allow(entry.clone())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the operator vouches for this address and port.
    pub(super) fn contains(&self, address: IpAddr, port: u16) -> bool {
        let address = unmapped(address);
        self.0
            .iter()
            .any(|(range, only)| only.is_none_or(|only| only == port) && range.contains(address))
    }
}

fn parse_entry(entry: &str) -> Option<(Range, Option<u16>)> {
    let (range, port) = if let Some(rest) = entry.strip_prefix('[') {
        let (range, port) = rest.split_once(']')?;
        (range, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
    } else {
        match entry.split_once(':') {
            // More than one colon: an IPv6 address, which has a port only in brackets.
            Some((range, port)) if !port.contains(':') => (range, Some(port)),
            _ => (entry, None),
        }
    };
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port != 0));
    if port == Some(None) {
        return None;
    }
    Some((Range::parse(range)?, port.flatten()))
}

/// The class of a special address, or `None` for one that is reachable on the whole internet.
///
/// `std` knows less than half of these ranges, so the table is our own: the special-purpose
/// registries of IANA (RFC 6890 and its successors) and multicast.
pub(super) fn special_class(address: IpAddr) -> Option<&'static str> {
    match unmapped(address) {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    /// First address, length of the prefix, class.
    const TABLE: &[([u8; 4], u8, &str)] = &[
        ([0, 0, 0, 0], 8, "unspecified"),
        ([10, 0, 0, 0], 8, "private"),
        ([100, 64, 0, 0], 10, "shared"),
        ([127, 0, 0, 0], 8, "loopback"),
        ([169, 254, 0, 0], 16, "link_local"),
        ([172, 16, 0, 0], 12, "private"),
        ([192, 0, 0, 0], 24, "protocol_assignments"),
        ([192, 0, 2, 0], 24, "documentation"),
        ([192, 31, 196, 0], 24, "as112"),
        ([192, 52, 193, 0], 24, "amt"),
        ([192, 88, 99, 0], 24, "6to4"),
        ([192, 168, 0, 0], 16, "private"),
        ([192, 175, 48, 0], 24, "as112"),
        ([198, 18, 0, 0], 15, "benchmarking"),
        ([198, 51, 100, 0], 24, "documentation"),
        ([203, 0, 113, 0], 24, "documentation"),
        ([224, 0, 0, 0], 4, "multicast"),
        ([240, 0, 0, 0], 4, "reserved"),
    ];
    let found = TABLE.iter().find(|(base, bits, _)| {
        Range::new(IpAddr::from(*base), *bits).contains(IpAddr::V4(address))
    });
    found.map(|(_, _, class)| *class)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    /// First two segments that matter, length of the prefix, class. Only `2000::/3` is handed out
    /// as global unicast; what lies outside of it falls through to "reserved".
    const TABLE: &[([u16; 3], u8, &str)] = &[
        ([0x2001, 0x0000, 0], 23, "protocol_assignments"),
        ([0x2001, 0x0db8, 0], 32, "documentation"),
        ([0x2002, 0, 0], 16, "6to4"),
        ([0x2620, 0x004f, 0x8000], 48, "as112"),
        ([0x3fff, 0, 0], 20, "documentation"),
        ([0x0064, 0xff9b, 0x0001], 48, "nat64_local"),
        ([0x0100, 0, 0], 64, "discard"),
        ([0xfc00, 0, 0], 7, "private"),
        ([0xfe80, 0, 0], 10, "link_local"),
        ([0xfec0, 0, 0], 10, "site_local"),
        ([0xff00, 0, 0], 8, "multicast"),
    ];
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    let segments = address.segments();
    // NAT64 (RFC 6052): the address is that of the IPv4 host behind the translator.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b] = segments;
        return special_v4(Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b)));
    }
    let listed = TABLE.iter().find(|([a, b, c], bits, _)| {
        let base = IpAddr::V6(Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0));
        Range::new(base, *bits).contains(IpAddr::V6(address))
    });
    match listed {
        Some((_, _, class)) => Some(class),
        None if segments[0] & 0xe000 == 0x2000 => None,
        None => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<&'static str> {
        special_class(text.parse().unwrap())
    }

    #[test]
    fn dsc_07_every_special_ipv4_range_is_known_to_its_last_address() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "shared"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link_local"),
            ("169.254.169.254", "169.254.170.2", "link_local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "protocol_assignments"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.31.196.0", "192.31.196.255", "as112"),
            ("192.52.193.0", "192.52.193.255", "amt"),
            ("192.88.99.0", "192.88.99.255", "6to4"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("192.175.48.0", "192.175.48.255", "as112"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.255", "reserved"),
        ] {
            assert_eq!(class(first), Some(expected), "{first}");
            assert_eq!(class(last), Some(expected), "{last}");
        }
        for public in ["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"] {
            assert_eq!(class(public), None, "{public}");
        }
        for public in ["172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "223.1.1.1"] {
            assert_eq!(class(public), None, "{public}");
        }
    }

    #[test]
    fn dsc_08_every_special_ipv6_range_is_known_and_disguised_ipv4_is_seen_through() {
        for (text, expected) in [
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "reserved"),
            ("::127.0.0.1", "reserved"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:a9fe:a9fe", "link_local"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:0:127.0.0.1", "reserved"),
            ("64:ff9b::a9fe:a9fe", "link_local"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b:1::1", "nat64_local"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "reserved"),
            ("2001::1", "protocol_assignments"),
            ("2001:1ff:ffff::", "protocol_assignments"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00::", "6to4"),
            ("2002:808:808::1", "6to4"),
            ("2620:4f:8000::1", "as112"),
            ("3fff:fff::1", "documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "reserved"),
            ("fc00::1", "private"),
            ("fdff::1", "private"),
            ("fe80::1", "link_local"),
            ("febf::1", "link_local"),
            ("fec0::1", "site_local"),
            ("ff02::1", "multicast"),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
        for public in ["2606:4700::1", "2a00:1450::1", "2001:200::1", "64:ff9b::808:808"] {
            assert_eq!(class(public), None, "{public}");
        }
    }

    #[test]
    fn dsc_14_the_allow_list_opens_what_it_names_and_nothing_else() {
        let entries = ["10.0.0.5", "127.0.0.0/8", "10.1.0.0/16:8443", "[fd00::/8]:443", "::1"];
        let list = AllowList::parse(&entries.map(str::to_owned)).unwrap();
        let allows = |address: &str, port| list.contains(address.parse().unwrap(), port);
        assert!(allows("10.0.0.5", 443) && allows("10.0.0.5", 9000));
        assert!(!allows("10.0.0.6", 443));
        assert!(allows("127.9.9.9", 1) && allows("::ffff:127.0.0.1", 1) && allows("::1", 80));
        assert!(allows("10.1.2.3", 8443) && !allows("10.1.2.3", 443));
        assert!(allows("fd12::1", 443) && !allows("fd12::1", 80) && !allows("fe80::1", 443));
    }

    #[test]
    fn a_malformed_entry_is_named() {
        for bad in ["", "10.0.0", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:99999", "[::1", "[::1]x"] {
            let error = AllowList::parse(&[bad.to_owned()]).unwrap_err();
            assert!(matches!(error, SetupError::Allow(entry) if entry == bad), "{bad}");
        }
        for bad in ["localhost", "*", "10.0.0.1:", "::1/129", "fd00::/8:443x"] {
            assert!(AllowList::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
