//! A chain as a peer presented it, and what webpki says of it.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage};

use super::certificate::CertificateSummary;
use super::refusal::{IdentityRefusal, RefusalKind, quoted};
use super::registry::Agency;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// A chain as a peer presented it.
pub(super) struct Presented<'c> {
    leaf: EndEntityCert<'c>,
    above: &'c [CertificateDer<'c>],
    pub(super) summary: CertificateSummary,
}

impl<'c> Presented<'c> {
    pub(super) fn read(chain: &'c [CertificateDer<'c>]) -> Result<Self, IdentityRefusal> {
        let Some((der, above)) = chain.split_first() else {
            let detail = "the client presented no certificate";
            return Err(IdentityRefusal::new(RefusalKind::NoCertificate, detail));
        };
        let malformed = || {
            let detail = "the client's certificate is malformed";
            IdentityRefusal::new(RefusalKind::Malformed, detail)
        };
        let leaf = EndEntityCert::try_from(der).map_err(|_| malformed())?;
        let summary = CertificateSummary::read(der).ok_or_else(malformed)?;
        Ok(Self {
            leaf,
            above,
            summary,
        })
    }

    /// Whether one of the agency's issuers issued the chain, whatever today's date and its usage:
    /// an expired certificate of a foreign issuer is first of all foreign.
    pub(super) fn issued_by(&self, agency: &Agency) -> Result<(), webpki::Error> {
        let first = self.path(agency, self.summary.not_before, AnyUsage);
        // What stands above may be younger than a leaf that was dated back a little.
        let found = first.or_else(|_| self.path(agency, self.summary.not_after, AnyUsage));
        found.map(drop)
    }

    /// Verifies the chain up to the agency's issuers; the digest of the issuer's public key.
    fn path(
        &self,
        agency: &Agency,
        at: Timestamp,
        usage: impl ExtendedKeyUsageValidator,
    ) -> Result<Digest, webpki::Error> {
        let issuers: Vec<CertificateDer<'_>> = agency
            .issuers
            .iter()
            .map(|(_, der)| CertificateDer::from(der.as_slice()))
            .collect();
        let anchors: Vec<TrustAnchor<'_>> = issuers
            .iter()
            .map(webpki::anchor_from_trusted_cert)
            .collect::<Result<_, _>>()?;
        let at = UnixTime::since_unix_epoch(at.since(Timestamp::default()));
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let path = self
            .leaf
            .verify_for_usage(algorithms, &anchors, self.above, at, usage, None, None)?;
        Ok(Digest::of(&webpki::spki_for_anchor(path.anchor())))
    }

    /// Dates and usage of the whole chain at `now`.
    pub(super) fn verify(&self, agency: &Agency, now: Timestamp) -> Result<(), IdentityRefusal> {
        let names = &self.summary;
        let refuse = |kind, detail: String| Err(IdentityRefusal::new(kind, detail));
        if now > names.not_after {
            let detail = format!("the certificate ended at {}", names.not_after);
            return refuse(RefusalKind::Expired, detail);
        }
        if now < names.not_before {
            let detail = format!("the certificate begins at {}", names.not_before);
            return refuse(RefusalKind::NotYetValid, detail);
        }
        if !names.is_client {
            let detail = "the certificate is not for clients".to_owned();
            return refuse(RefusalKind::WrongUsage, detail);
        }
        let anchor = self.path(agency, now, KeyUsage::client_auth());
        let anchor = anchor.map_err(|error| broken(&error))?;
        // webpki takes trust anchors as they are; an issuer that has ended issues for nobody.
        let issuers = agency
            .issuers
            .iter()
            .filter_map(|(_, der)| CertificateSummary::read(der));
        let mut issuers: Vec<_> = issuers
            .filter(|issuer| issuer.public_key == anchor)
            .collect();
        issuers.sort_by_key(|issuer| issuer.not_after);
        let last = issuers.last();
        match last {
            Some(_)
                if issuers
                    .iter()
                    .any(|i| i.not_before <= now && now <= i.not_after) =>
            {
                Ok(())
            }
            Some(last) if now > last.not_after => {
                let detail = format!(
                    "issuer {} ended at {}",
                    quoted(&last.subject),
                    last.not_after
                );
                refuse(RefusalKind::Expired, detail)
            }
            _ => {
                let detail = format!("{}'s issuer has not begun", agency.id);
                refuse(RefusalKind::NotYetValid, detail)
            }
        }
    }
}

/// A refusal for what webpki found in a chain.
pub(super) fn broken(error: &webpki::Error) -> IdentityRefusal {
    let (kind, detail) = match error {
        webpki::Error::CertExpired { .. } => (
            RefusalKind::Expired,
            "a certificate in its chain has ended".to_owned(),
        ),
        webpki::Error::CertNotValidYet { .. } => (
            RefusalKind::NotYetValid,
            "a certificate in its chain has not begun".to_owned(),
        ),
        webpki::Error::CaUsedAsEndEntity => (
            RefusalKind::WrongUsage,
            "the certificate is an issuer's, not a client's".to_owned(),
        ),
        webpki::Error::EmptyEkuExtension | webpki::Error::RequiredEkuNotFoundContext(_) => (
            RefusalKind::WrongUsage,
            "its issuer may not issue for clients".to_owned(),
        ),
        _ => (
            RefusalKind::BrokenChain,
            format!("its chain was not accepted: {error:?}"),
        ),
    };
    IdentityRefusal::new(kind, detail)
}

/// Whether the error says no more than that other issuers than these stand above.
pub(super) fn is_issuers_matter(error: &webpki::Error) -> bool {
    matches!(
        error,
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey
    )
}

/// Takes every extended usage: for the question who issued a certificate, not what for.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
