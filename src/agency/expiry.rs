//! Certificates that ended, have not begun, or end soon. `now` is an argument: a rulebook is the
//! same text on every day, so dates are judged beside it and never while it is parsed.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::CertificateSummary;
use super::registry::Registry;
use crate::message::bundle::Fault;
use crate::message::time::Timestamp;

/// How long before its end a certificate is named: a month, since agencies renew by paper.
const NOTICE: Duration = Duration::from_hours(30 * 24);

/// How a certificate stands to a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifetime {
    /// It has ended: a connection with it is declined.
    Expired,
    /// It has not begun: a connection with it is declined.
    NotYetValid,
    /// It ends within 30 days.
    EndsSoon,
}

/// A certificate that needs renewal, or a clock that needs setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The file it is in.
    pub place: String,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// How it stands.
    pub lifetime: Lifetime,
    /// When it ends; for [`Lifetime::NotYetValid`] when it begins.
    pub at: Timestamp,
}

impl Expiring {
    /// `None` where the certificate is good today and for the next 30 days.
    fn of(place: &str, certificate: &CertificateSummary, now: Timestamp) -> Option<Self> {
        let (lifetime, at) = if now > certificate.not_after {
            (Lifetime::Expired, certificate.not_after)
        } else if now < certificate.not_before {
            (Lifetime::NotYetValid, certificate.not_before)
        } else if now.plus(NOTICE) > certificate.not_after {
            (Lifetime::EndsSoon, certificate.not_after)
        } else {
            return None;
        };
        Some(Self {
            place: place.to_owned(),
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            lifetime,
            at,
        })
    }

    /// Whether it is good today, and only to be renewed: no connection is declined for it yet.
    pub fn is_warning(&self) -> bool {
        self.lifetime == Lifetime::EndsSoon
    }

    /// As a fault, for a report that lists faults. [`Lifetime::EndsSoon`] is a warning at most.
    pub fn to_fault(&self) -> Fault {
        let (says, cure) = match self.lifetime {
            Lifetime::Expired => ("ended at", "renew the certificate"),
            Lifetime::NotYetValid => ("begins at", "set the clock, or replace the certificate"),
            Lifetime::EndsSoon => ("ends at", "renew the certificate before then"),
        };
        Fault::new(
            &self.place,
            format!("{} {says} {}", self.subject, self.at),
            cure,
        )
    }
}

impl fmt::Display for Expiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_fault().fmt(f)
    }
}

impl Registry {
    /// The issuers that have ended, have not begun, or end within 30 days.
    pub fn expiring(&self, now: Timestamp) -> Vec<Expiring> {
        let issuers = self.bodies().flat_map(|agency| {
            agency
                .issuers
                .iter()
                .map(|(file, der)| (format!("{}/{file}", agency.folder()), der))
        });
        let expiring = issuers
            .filter_map(|(place, der)| Expiring::of(&place, &CertificateSummary::read(der)?, now));
        expiring.collect()
    }
}

/// The certificates of a PEM file, such as `certs/server.pem`, that have ended, have not begun, or end
/// within 30 days.
///
/// # Errors
/// A fault where the file is no PEM or holds no readable certificate.
pub(crate) fn expiring(place: &str, pem: &[u8], now: Timestamp) -> Result<Vec<Expiring>, Fault> {
    let cure = "issue the certificate again, as PEM";
    let mut certificates = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|_| Fault::new(place, "is not PEM", cure))?;
        let certificate = CertificateSummary::read(&der);
        certificates.push(
            certificate.ok_or_else(|| Fault::new(place, "holds a malformed certificate", cure))?,
        );
    }
    if certificates.is_empty() {
        return Err(Fault::new(place, "holds no certificate", cure));
    }
    Ok(certificates
        .iter()
        .filter_map(|read| Expiring::of(place, read, now))
        .collect())
}
