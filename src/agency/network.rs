//! Networks in CIDR notation: the fence around a system's address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::message::id::BadName;

/// A network, such as `10.20.0.0/16` or `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
// INVARIANT: canonical (never an IPv4 address mapped into IPv6), all bits behind the prefix 0.
pub struct Network(IpNet);

impl Network {
    /// The network that an address is likely administered in: 24 bits of IPv4, 48 of IPv6, which is what
    /// a site is given. Who has one has 65,536 links of 64 bits.
    pub fn around(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let net = IpNet::new(address, if address.is_ipv4() { 24 } else { 48 });
        Self(net.unwrap_or(address.into()).trunc())
    }

    /// The first address of the network.
    pub fn base(self) -> IpAddr {
        self.0.network()
    }

    /// Whether `address` lies in the network. An IPv4 address that arrives mapped into IPv6, as
    /// sockets that listen on both give it, counts as the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = BadName;

    /// Bits behind the prefix are refused rather than cut off: `10.20.0.1/16` is more often a
    /// mistyped `/32` than a network.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let net = text.parse::<IpNet>().ok();
        let is_canonical = |net: &IpNet| net.addr().to_canonical() == net.addr();
        let net = net.filter(|net| is_canonical(net) && net.trunc() == *net);
        net.map(Self).ok_or_else(|| {
            BadName::new(
                text,
                "a network, such as 10.20.0.0/16: no bits set behind the prefix",
            )
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
