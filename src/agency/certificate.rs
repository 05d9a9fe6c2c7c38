//! What a certificate says about itself. Nothing here verifies a signature: that is webpki's.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::public_key::{Kind, name_of};
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
    /// Serial number, hexadecimal without colons, as `openssl x509 -serial` has it.
    pub serial: String,
    /// First instant at which it is valid.
    pub not_before: Timestamp,
    /// Last instant at which it is valid.
    pub not_after: Timestamp,
    /// Whether it is an authority's: basic constraints CA:TRUE. None where it has no basic constraints.
    pub says_authority: Option<bool>,
    /// How many authorities may stand below this one, by its basic constraints.
    pub path_length: Option<u32>,
    /// Its key usage, where it has one.
    pub key_usage: Option<KeyUse>,
    /// Whether it may issue certificates: an authority whose key usage allows it.
    pub is_issuer: bool,
    /// Whether it may stand for a TLS client: extended usage names it, key usage allows signing.
    pub is_client: bool,
    /// Whether it may stand for a TLS server.
    pub server: ServerUse,
    /// Names of extensions that are critical and mean nothing here.
    pub unknown_critical: Vec<String>,
    /// The kind of its key.
    pub key: Kind,
    /// How it is signed.
    pub signature: Kind,
    /// SHA-256 of the public key: two certificates with one key are one authority.
    pub public_key: Digest,
    /// SHA-256 of the certificate, by which operators and tokens name it.
    pub fingerprint: Digest,
}

/// What a certificate's key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// To sign, as in a TLS handshake.
    pub signs: bool,
    /// To sign certificates: keyCertSign.
    pub issues: bool,
    /// Whether anything else is allowed beside these, but for signing revocation lists.
    pub more: bool,
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
        // One in an encoding that is no text here is nobody's name.
        let common_names = common_names.filter_map(|name| name.as_str().ok().map(str::to_owned));
        let constraints = certificate.basic_constraints().ok()?;
        let constraints = constraints.map(|constraints| constraints.value);
        let key_usage = key_usage(&certificate).ok()?;
        let validity = certificate.validity();
        Some(Self {
            uris: uris.collect(),
            hosts: hosts.collect(),
            common_names: common_names.collect(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: data_encoding::HEXUPPER.encode(certificate.raw_serial()),
            not_before: instant(validity.not_before.timestamp()),
            not_after: instant(validity.not_after.timestamp()),
            says_authority: constraints.map(|constraints| constraints.ca),
            path_length: constraints.and_then(|constraints| constraints.path_len_constraint),
            key_usage,
            is_issuer: constraints.is_some_and(|constraints| constraints.ca)
                && key_usage.is_none_or(|usage| usage.issues),
            is_client: is_client(&certificate, key_usage)?,
            server: server_use(&certificate)?,
            unknown_critical: unknown_critical(&certificate),
            key: Kind::of_key(certificate.public_key()),
            signature: Kind::of_signature(&certificate),
            public_key: Digest::of(certificate.public_key().raw),
            fingerprint: Digest::of(der),
        })
    }
}

pub(super) fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn key_usage(certificate: &X509Certificate<'_>) -> Result<Option<KeyUse>, X509Error> {
    let usage = certificate.key_usage()?;
    Ok(usage.map(|usage| {
        let usage = usage.value;
        let others = usage.non_repudiation()
            || usage.key_encipherment()
            || usage.data_encipherment()
            || usage.key_agreement();
        KeyUse {
            signs: usage.digital_signature(),
            issues: usage.key_cert_sign(),
            more: others,
        }
    }))
}

/// Critical extensions beside those that a chain is judged by here.
fn unknown_critical(certificate: &X509Certificate<'_>) -> Vec<String> {
    const JUDGED: [&str; 6] = [
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.31",
        "2.5.29.37",
    ];
    let critical = certificate.iter_extensions().filter(|it| it.critical);
    let unknown = critical.filter(|it| !JUDGED.contains(&it.oid.to_id_string().as_str()));
    unknown.map(|it| name_of(&it.oid)).collect()
}

/// `None` where an extension is malformed.
fn is_client(certificate: &X509Certificate<'_>, usage: Option<KeyUse>) -> Option<bool> {
    let extended = certificate.extended_key_usage().ok()?;
    let may_sign = usage.is_none_or(|usage| usage.signs);
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
