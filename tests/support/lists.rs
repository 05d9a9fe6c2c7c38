//! Revocation lists, as an authority publishes them.

use carnet::cli::certs::issue::Issued;
use carnet::message::time::Timestamp;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

/// A list: its number, when it was made, and when the next one is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edition {
    pub(crate) number: u64,
    pub(crate) made: Timestamp,
    pub(crate) next: Timestamp,
}

impl Edition {
    /// The list of an authority, DER, that withdraws these certificates, PEM.
    pub(crate) fn withdraws(self, authority: &Issued, certificates: &[&str]) -> Vec<u8> {
        let date = |at: Timestamp| {
            let seconds = at.as_millis().div_euclid(1000);
            OffsetDateTime::from_unix_timestamp(seconds).expect("a date")
        };
        let revoked = certificates.iter().map(|pem| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial(pem)),
            revocation_time: date(self.made),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date(self.made),
            next_update: date(self.next),
            crl_number: SerialNumber::from(self.number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let key = PrivateKeyDer::from_pem_slice(authority.key.as_bytes()).expect("a key");
        let key = KeyPair::try_from(&key).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&authority.certificate, key).expect("an issuer");
        list.signed_by(&issuer).expect("a list").der().to_vec()
    }
}

/// The serial number of a certificate.
fn serial(pem: &str) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let read = carnet::agency::certificate::CertificateSummary::read(&der).expect("one that reads");
    let serial = data_encoding::HEXUPPER.decode(read.serial.as_bytes());
    serial.expect("hexadecimal")
}
