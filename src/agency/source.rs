//! Where what an agency publishes is read from: its revocation lists, and the keys of its identity
//! provider.

use std::fmt;

use crate::message::strict::Wrong;

/// An address in `agency.toml`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An absolute path on the broker's machine, written `file:///…`.
    File(String),
    /// `http://…`: for what is signed.
    Http(String),
    /// `https://…`.
    Https(String),
}

impl Source {
    /// Of what is signed: a stranger on the way cannot change it.
    pub(super) fn of_signed(text: &str) -> Result<Self, Wrong> {
        Self::parse(text).ok_or_else(|| {
            let says = format!("{text:?} is no address of a list");
            Wrong::new(
                says,
                "write one that begins with http://, https:// or file:///",
            )
        })
    }

    /// Of what is believed because of where it is.
    pub(super) fn of_trusted(text: &str) -> Result<Self, Wrong> {
        let trusted = Self::parse(text).filter(|it| !matches!(it, Self::Http(_)));
        trusted.ok_or_else(|| {
            let says = format!("{text:?} is no https address");
            Wrong::new(
                says,
                "write one that begins with https://, or with file:///",
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        if let Some(path) = text.strip_prefix("file://") {
            let names_a_file = path.starts_with('/') && !path.ends_with('/');
            return names_a_file.then(|| Self::File(path.to_owned()));
        }
        let (scheme, rest) = text.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // What stands before an @ is a password, and would stay in the log.
        if host.is_empty() || host.contains('@') {
            return None;
        }
        match scheme {
            "http" => Some(Self::Http(text.to_owned())),
            "https" => Some(Self::Https(text.to_owned())),
            _ => None,
        }
    }
}

/// As it is written in `agency.toml`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file://{path}"),
            Self::Http(url) | Self::Https(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_an_absolute_path_and_reads_as_it_is_written() {
        for text in [
            "http://pki.example/a.crl",
            "https://pki.example:8443/a.crl?x=1",
            "file:///etc/carnet/a.crl",
        ] {
            assert_eq!(Source::of_signed(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "a.crl",
            "file://a.crl",
            "file:///etc/",
            "ftp://pki.example/a.crl",
            "https://",
            "https:///a",
            "http://user:secret@pki.example/a.crl",
            "http://pki.example/a b",
        ] {
            assert!(Source::of_signed(text).is_err(), "{text}");
        }
        assert!(Source::of_trusted("http://login.example/jwks.json").is_err());
        assert!(Source::of_trusted("https://login.example/jwks.json").is_ok());
    }
}
