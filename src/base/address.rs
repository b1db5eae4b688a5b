//! Internet addresses and ranges of them.

use std::net::IpAddr;

/// A range of addresses: the first `bits` bits of `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u8,
}

impl Range {
    /// The range of all addresses that begin with the first `bits` bits of `base`.
    pub const fn new(base: IpAddr, bits: u8) -> Self {
        Self { base, bits }
    }

    /// Reads an address, or CIDR (RFC 4632 section 3.1).
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether the address is in the range. Its family counts: see [`unmapped`].
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || base.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || base.to_bits() >> shift == address.to_bits() >> shift
            }
            _ => false,
        }
    }
}

/// The IPv4 address inside an IPv4-mapped one (RFC 4291 section 2.5.5.2), else the address itself.
pub fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}
