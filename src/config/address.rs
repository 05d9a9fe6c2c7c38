//! A host and a port, as people write them.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The port of AMQP over TLS, where none is written.
const PORT: u16 = 5671;
/// The port of the pages of health, where none is written.
const HEALTH_PORT: u16 = 8444;
/// The port of the HTTP interface, where none is written.
pub const HTTP_PORT: u16 = 8443;

/// Where a broker listens, or is found: `127.0.0.1:5671`, `[::1]:5671`, `broker.example`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no address: write HOST:PORT, such as broker.example:5671 or [::1]:5671")]
pub struct BadAddress(String);

impl Address {
    /// Reads a host, with `default` where no port is written.
    pub fn with_port(text: &str, default: u16) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_host = if bracketed.is_some() {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.bytes().all(is_known)
        };
        if !is_host {
            return Err(bad());
        }
        let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| bad()))?;
        let host = host.to_owned();
        Ok(Self { host, port })
    }

    /// Reads the address of the pages of health.
    pub(super) fn of_health<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::with_port(&text, HEALTH_PORT).map_err(D::Error::custom)
    }

    /// Reads the address of the HTTP interface.
    pub(super) fn of_http<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::with_port(&text, HTTP_PORT).map_err(D::Error::custom)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::with_port(text, PORT)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_ip_address_are_read_and_written_back() {
        for (text, host, port) in [
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("broker.example:5700", "broker.example", 5700),
            ("[::1]:5671", "::1", 5671),
            ("localhost", "localhost", PORT),
            ("[::]", "::", PORT),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_an_example() {
        for text in [
            "",
            ":5671",
            "host:",
            "host:70000",
            "::1",
            "[::1]5671",
            "amqps://host",
            "a b",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("broker.example:5671"), "{error}");
        }
    }
}
