//! Records of what the broker found of those whom an agency vouches for: a certificate that is withdrawn
//! and was in use, a key that is new at its identity provider.

use std::net::IpAddr;

use crate::agency::certificate::CertificateSummary;
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

/// Octets of a text that is another's, at most.
const TEXT_BYTES: usize = 255;

/// A connection that is closed since a certificate by which it was opened is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// The agency whose issuer that is.
    pub agency: AgencyId,
    /// Whose connection it was: a system or an officer.
    pub whose: String,
    /// SHA-256 of the certificate that was shown.
    pub certificate: Digest,
    /// The serial number of that certificate, in hexadecimal, of up to 255 octets.
    pub serial: String,
    /// The address that it came from.
    pub remote: String,
}

impl Revoked {
    /// The record of it, without its time.
    pub fn of(
        agency: &AgencyId,
        whose: String,
        certificate: &CertificateSummary,
        remote: IpAddr,
    ) -> Self {
        Self {
            at: Timestamp::default(),
            agency: agency.clone(),
            whose,
            certificate: certificate.fingerprint,
            serial: shortened(&certificate.serial).to_owned(),
            remote: remote.to_canonical().to_string(),
        }
    }
}

/// A key that was not known before, of an agency's identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// When it was read.
    pub at: Timestamp,
    /// The agency.
    pub agency: AgencyId,
    /// The issuer as the provider's tokens name it.
    pub issuer: String,
    /// The key's id as the provider names it, of up to 255 octets.
    pub kid: String,
    /// The key's thumbprint: the SHA-256 of RFC 7638.
    pub key: Digest,
}

/// The beginning of a text that another has written, as far as a record takes it.
pub fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES))
        .unwrap_or_default()
}
