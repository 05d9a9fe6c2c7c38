//! Issuers' certificates: read from PEM, judged once when the registry is parsed.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::CertificateSummary;
use crate::message::bundle::Fault;

/// The DER certificates of an issuers' file, each with what it says.
///
/// `place` names the entry that lists the file, `path` the file.
pub(super) fn read(
    place: &str,
    path: &str,
    pem: Option<&[u8]>,
) -> Result<Vec<(Vec<u8>, CertificateSummary)>, Fault> {
    let Some(pem) = pem else {
        let cure = "put the issuer's certificate there as PEM, without its key";
        return Err(Fault::new(place, format!("{path} is missing"), cure));
    };
    if holds_private_key(pem) {
        return Err(private_key_fault(path));
    }
    let fault = |says: &str, cure: &str| Fault::new(path, says, cure);
    let mut issuers = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let der =
            certificate.map_err(|_| fault("is not PEM", "export the certificate again, as PEM"))?;
        let summary = CertificateSummary::read(&der)
            .filter(|_| webpki::anchor_from_trusted_cert(&der).is_ok())
            .ok_or_else(|| fault("holds a malformed certificate", "export it again, as PEM"))?;
        if !summary.is_issuer {
            let says = format!(
                "holds {}, which may not issue certificates",
                summary.subject
            );
            return Err(fault(
                &says,
                "put the certificate of the authority that issues there",
            ));
        }
        issuers.push((der.to_vec(), summary));
    }
    if issuers.is_empty() {
        return Err(fault(
            "holds no certificate",
            "export the issuer's certificate, as PEM",
        ));
    }
    Ok(issuers)
}

/// Whether any part of a file looks like a private key, in whatever encryption.
pub(super) fn holds_private_key(content: &[u8]) -> bool {
    memchr::memmem::find(content, b"PRIVATE KEY-----").is_some()
}

pub(super) fn private_key_fault(path: &str) -> Fault {
    let cure = "take it out, and replace that key: what stood in this folder may be in the log";
    Fault::new(path, "holds a private key", cure)
}
