//! Networks in CIDR notation: the fence around a system's address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::message::id::BadName;

/// A network, such as `10.20.0.0/16` or `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    // INVARIANT: canonical (never an IPv4 address mapped into IPv6), all bits behind the prefix 0.
    base: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// The network that an address is likely administered in: 24 bits of IPv4, 64 of IPv6.
    pub fn around(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let prefix_bits = if address.is_ipv4() { 24 } else { 64 };
        let base = masked(address, prefix_bits);
        Self { base, prefix_bits }
    }

    /// The first address of the network.
    pub fn base(self) -> IpAddr {
        self.base
    }

    /// Whether `address` lies in the network. An IPv4 address that arrives mapped into IPv6, as
    /// sockets that listen on both give it, counts as the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && masked(address, self.prefix_bits) == self.base
    }
}

/// The address with all bits behind the prefix set to 0.
fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix_bits))
                .unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix_bits))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = BadName;

    /// Bits behind the prefix are refused rather than cut off: `10.20.0.1/16` is more often a
    /// mistyped `/32` than a network.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let digits_only = prefix.bytes().all(|b| b.is_ascii_digit());
            let prefix_bits: u8 = digits_only.then(|| prefix.parse().ok())??;
            let bits_max = if address.is_ipv4() { 32 } else { 128 };
            let canonical = address.to_canonical() == address;
            (canonical && prefix_bits <= bits_max && masked(address, prefix_bits) == address)
                .then_some(Self {
                    base: address,
                    prefix_bits,
                })
        });
        parts.ok_or_else(|| BadName {
            text: text.chars().take(80).collect(),
            expected: "a network, such as 10.20.0.0/16: no bits set behind the prefix",
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (network, address, inside) in [
            ("10.20.0.0/16", "10.20.255.1", true),
            ("10.20.0.0/16", "10.21.0.1", false),
            ("10.20.0.0/16", "::ffff:10.20.3.4", true),
            ("10.20.0.0/16", "::a14:304", false),
            ("10.20.3.4/32", "10.20.3.4", true),
            ("10.20.3.4/32", "10.20.3.5", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.to_string(), network);
            assert_eq!(
                parsed.contains(address.parse().unwrap()),
                inside,
                "{network} {address}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.20.0.1/16",
            "10.20.0.0",
            "10.20.0.0/33",
            "10.20.0.0/+8",
            "10.20/16",
            "::/129",
            "10.20.0.0/",
            "::ffff:10.0.0.0/104",
            "",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
