//! What a certificate says about itself. Nothing here verifies a signature: that is webpki's.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// A certificate's names, dates and uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// URIs of the subject alternative name.
    pub uris: Vec<String>,
    /// DNS names and addresses of the subject alternative name: whom a server can be.
    pub hosts: Vec<String>,
    /// Common names of the subject; more than one is unusual.
    pub common_names: Vec<String>,
    /// The subject as text.
    pub subject: String,
    /// The issuer as text.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// First instant at which it is valid.
    pub not_before: Timestamp,
    /// Last instant at which it is valid.
    pub not_after: Timestamp,
    /// Whether it may issue certificates.
    pub is_issuer: bool,
    /// Whether it may stand for a TLS client: extended usage names it, key usage allows signing.
    pub is_client: bool,
    /// Whether it may stand for a TLS server.
    pub server: ServerUse,
    /// SHA-256 of the public key: two certificates with one key are one authority.
    pub public_key: Digest,
    /// SHA-256 of the certificate, by which operators and tokens name it.
    pub fingerprint: Digest,
}

/// What a certificate's extended key usage says of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerUse {
    /// It names serverAuth.
    Named,
    /// It names other uses alone.
    Excluded,
    /// There is none: some clients take that, others do not.
    Unsaid,
}

impl CertificateSummary {
    /// Reads a DER certificate; `None` where it is none, has bytes behind it, or has a malformed
    /// extension among those that count here.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.map(|extension| &extension.value.general_names);
        let uris = names.into_iter().flatten().filter_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        let hosts = names.into_iter().flatten().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        });
        let common_names = certificate.subject().iter_common_name();
        let common_names = common_names.map(|name| name.as_str().map(str::to_owned));
        let validity = certificate.validity();
        Some(Self {
            uris: uris.collect(),
            hosts: hosts.collect(),
            common_names: common_names.collect::<Result<_, _>>().ok()?,
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.raw_serial_as_string(),
            not_before: instant(validity.not_before.timestamp()),
            not_after: instant(validity.not_after.timestamp()),
            is_issuer: is_issuer(&certificate)?,
            is_client: is_client(&certificate)?,
            server: server_use(&certificate)?,
            public_key: Digest::of(certificate.public_key().raw),
            fingerprint: Digest::of(der),
        })
    }
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// `None` where an extension is malformed.
fn is_issuer(certificate: &X509Certificate<'_>) -> Option<bool> {
    let constraints = certificate.basic_constraints().ok()?;
    let usage = certificate.key_usage().ok()?;
    let may_sign = usage.is_none_or(|usage| usage.value.key_cert_sign());
    Some(constraints.is_some_and(|constraints| constraints.value.ca) && may_sign)
}

/// `None` where an extension is malformed.
fn is_client(certificate: &X509Certificate<'_>) -> Option<bool> {
    let extended = certificate.extended_key_usage().ok()?;
    let usage = certificate.key_usage().ok()?;
    let may_sign = usage.is_none_or(|usage| usage.value.digital_signature());
    Some(extended.is_some_and(|extended| extended.value.client_auth) && may_sign)
}

/// `None` where an extension is malformed.
fn server_use(certificate: &X509Certificate<'_>) -> Option<ServerUse> {
    let extended = certificate.extended_key_usage().ok()?;
    Some(match extended.map(|extended| extended.value.server_auth) {
        Some(true) => ServerUse::Named,
        Some(false) => ServerUse::Excluded,
        None => ServerUse::Unsaid,
    })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let sixteen = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    four.or(sixteen).ok()
}
