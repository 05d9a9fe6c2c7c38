//! The login: by the certificate alone (EXTERNAL), or by a token that is bound to it (PLAIN).
//!
//! The certificate has said which system it is. A token says nothing about that: it can only take from the
//! rights that the system has, and it ends. As in the ecosystem's OAuth 2 convention it comes as the
//! password, and the user name means nothing.

use std::sync::Arc;

use crate::agency::registry::Agency;
use crate::agency::token::{Claims, TokenRefusal};
use crate::message::id::Digest;
use crate::message::time::Timestamp;
use crate::server::jwks::KeySets;

/// What logins are judged by.
pub(super) struct Logins {
    keys: Arc<KeySets>,
    /// SHA-256 of the client's certificate.
    certificate: Digest,
    /// Whether another token has come since it was asked last.
    renewed: bool,
}

impl Logins {
    pub(super) fn new(keys: Arc<KeySets>, certificate: Digest) -> Self {
        Self {
            keys,
            certificate,
            renewed: false,
        }
    }

    /// What a token says, by the provider of the client's agency.
    pub(super) fn verify(
        &self,
        agency: &Agency,
        token: &str,
        now: Timestamp,
    ) -> Result<Claims, TokenRefusal> {
        let vouched = self.keys.verify(agency, token, self.certificate, now)?;
        Ok(vouched.claims)
    }

    /// Another token has come.
    pub(super) fn is_renewed(&mut self) {
        self.renewed = true;
    }

    /// Whether another token has come since this was asked last.
    pub(super) fn take_renewed(&mut self) -> bool {
        std::mem::take(&mut self.renewed)
    }
}

/// The password of a response to PLAIN (RFC 4616): `[authzid] NUL authcid NUL password`.
pub(super) fn password(response: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(response).ok()?;
    let mut parts = text.split('\0');
    let (_, _) = (parts.next()?, parts.next()?);
    let password = parts.next()?;
    parts.next().is_none().then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_behind_two_names() {
        assert_eq!(password(b"\0user\0a.b.c"), Some("a.b.c"));
        assert_eq!(password(b"as\0user\0a.b.c"), Some("a.b.c"));
        assert_eq!(password(b"\0\0"), Some(""));
        for bad in [
            &b""[..],
            b"a.b.c",
            b"user\0a.b.c",
            b"\0user\0a\0b",
            b"\0user\0\xff",
        ] {
            assert_eq!(password(bad), None);
        }
    }
}
