//! A revocation list: read, and verified against the issuers that its agency lists.
//!
//! webpki reads it first and refuses what it does not hold to in full: delta lists, indirect ones, those
//! for some reasons alone, unknown critical extensions. Its signature is verified here, once, and not by
//! webpki in each handshake: a list may be long.

use std::collections::BTreeSet;
use std::time::Duration;

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use webpki::BorrowedCertRevocationList;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::instant;
use super::identity::Issued;
use super::public_key::is_signed_by;
use super::refusal::quoted;
use super::registry::Agency;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// Octets of a list, at most: about 400,000 certificates.
pub const CRL_BYTES_MAX: usize = 16 << 20;

/// How far ahead of this machine's clock an issuer's may be.
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// A list that an issuer of its agency has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// The issuer's public key: its SHA-256.
    signer: Digest,
    /// The issuer's subject.
    issuer: String,
    /// SHA-256 of the extension that says which certificates it is about, where it is not about all.
    scope: Option<Digest>,
    /// Its number, big-endian without leading zeros: longer is greater.
    number: Option<Vec<u8>>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// Serial numbers without leading zeros.
    revoked: BTreeSet<Box<[u8]>>,
    der: Vec<u8>,
}

/// Why a list is not taken: that in force stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It cannot be read, or holds what is not held to here.
    #[error("it is no revocation list that can be held to: {0}")]
    Malformed(String),
    /// Its issuer is none of the agency's.
    #[error("it is of {0}, which is no issuer of this agency")]
    ForeignIssuer(String),
    /// An issuer of that name is the agency's, and did not sign it.
    #[error("its signature is not by the key of {0}")]
    Signature(String),
    /// Its issuer may not sign lists.
    #[error("{0} lacks cRLSign")]
    MayNotSign(String),
    /// Its day has not come.
    #[error("it is of {0}, which has not come: compare the clocks")]
    NotYet(Timestamp),
    /// It is older than the one in force.
    #[error("it is of {its}, older than the one of {in_force} that is in force: was it put back?")]
    Older {
        /// Its time.
        its: Timestamp,
        /// The time of the one in force.
        in_force: Timestamp,
    },
}

impl RevocationList {
    /// Reads a list, DER or PEM, that an issuer of `agency` must have signed.
    ///
    /// # Errors
    /// [`NotTaken`]: it says nothing about any certificate then.
    pub fn read(octets: &[u8], agency: &Agency, now: Timestamp) -> Result<Self, NotTaken> {
        let malformed = |says: &str| NotTaken::Malformed(says.to_owned());
        if octets.len() > CRL_BYTES_MAX {
            return Err(malformed("it is longer than 16 MiB"));
        }
        let der = if octets.starts_with(b"-----") {
            let der = CertificateRevocationListDer::from_pem_slice(octets);
            der.map_err(|_| malformed("it is no PEM"))?.to_vec()
        } else {
            octets.to_vec()
        };
        let strict = BorrowedCertRevocationList::from_der(&der);
        let strict = strict.map_err(|error| NotTaken::Malformed(error.to_string()))?;
        let (rest, list) = CertificateRevocationList::from_der(&der)
            .map_err(|_| malformed("it breaks the form of lists"))?;
        if !rest.is_empty() {
            return Err(malformed("octets follow it"));
        }
        let (signer, issuer) = signer(&list, &der, agency)?;
        let this_update = instant(list.last_update().timestamp());
        if this_update > now.plus(CLOCK_SKEW) {
            return Err(NotTaken::NotYet(this_update));
        }
        let scope = webpki::CertRevocationList::from(strict);
        let scope = scope.issuing_distribution_point().map(Digest::of);
        let revoked = list.iter_revoked_certificates();
        let revoked = revoked.map(|it| without_zeros(it.raw_serial()).into());
        Ok(Self {
            signer,
            issuer,
            scope,
            number: list
                .crl_number()
                .map(x509_parser::num_bigint::BigUint::to_bytes_be),
            this_update,
            next_update: list.next_update().map(|at| instant(at.timestamp())),
            revoked: revoked.collect(),
            der: der.clone(),
        })
    }

    /// Whether it withdraws a certificate.
    pub(super) fn revokes(&self, issued: &Issued) -> bool {
        let is_its = match issued.by_key {
            Some(key) => key == self.signer,
            // An authority that is listed itself: who issued it is known by name alone.
            None => issued.by == self.issuer,
        };
        is_its && self.revoked.contains(without_zeros(&issued.serial))
    }

    /// Whether its issuer is one of the agency's.
    pub(super) fn is_of(&self, agency: &Agency) -> bool {
        let mut issuers = agency.issuers.iter();
        issuers.any(|(_, der)| match X509Certificate::from_der(der) {
            Ok((_, issuer)) => Digest::of(issuer.public_key().raw) == self.signer,
            Err(_) => false,
        })
    }

    /// Whether it is about the same certificates as another.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        (self.signer, self.scope) == (other.signer, other.scope)
    }

    /// Whether another about the same certificates was made after it.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        let by_number = self.number.as_ref().zip(other.number.as_ref());
        let by_number =
            by_number.is_some_and(|(its, others)| (its.len(), its) < (others.len(), others));
        by_number || self.this_update < other.this_update
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is due at the latest, where it says so.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The subject of its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How many certificates it withdraws.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether it withdraws none.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Its octets, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The agency's issuer that has signed a list: SHA-256 of its key, and its subject.
fn signer(
    list: &CertificateRevocationList<'_>,
    der: &[u8],
    agency: &Agency,
) -> Result<(Digest, String), NotTaken> {
    let name = list.issuer();
    let mut found = NotTaken::ForeignIssuer(quoted(&name.to_string()));
    for (_, issuer) in &agency.issuers {
        let Ok((_, certificate)) = X509Certificate::from_der(issuer) else {
            continue;
        };
        if certificate.subject().as_raw() != name.as_raw() {
            continue;
        }
        let subject = name.to_string();
        let tbs = list.tbs_cert_list.as_ref();
        if !is_signed_by(
            certificate.public_key(),
            der,
            tbs,
            &list.signature_value.data,
        ) {
            if !matches!(found, NotTaken::MayNotSign(_)) {
                found = NotTaken::Signature(quoted(&subject));
            }
            continue;
        }
        let usage = certificate.key_usage().ok().flatten();
        if usage.is_some_and(|usage| !usage.value.crl_sign()) {
            found = NotTaken::MayNotSign(quoted(&subject));
            continue;
        }
        return Ok((Digest::of(certificate.public_key().raw), subject));
    }
    Err(found)
}

fn without_zeros(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    serial.get(zeros..).unwrap_or_default()
}
