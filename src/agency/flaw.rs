//! What webpki found in a chain, in words: which rule, and whose certificate breaks it.
//!
//! webpki names the rule alone. The certificate is found by following the names upwards: good enough
//! for the text of a refusal, and no connection is let in by it.

use super::certificate::CertificateSummary;
use super::refusal::{IdentityRefusal, RefusalKind, quoted};

/// Certificates that name one another as issuer: the peer's own, those between, the listed issuer.
pub(super) struct Line<'c> {
    own: &'c CertificateSummary,
    above: Vec<&'c CertificateSummary>,
}

impl<'c> Line<'c> {
    /// The peer's own certificate alone.
    pub(super) fn of(own: &'c CertificateSummary) -> Self {
        Self {
            own,
            above: Vec::new(),
        }
    }

    /// From the peer's own to `issuer`, as far as names lead.
    pub(super) fn to(
        issuer: &'c CertificateSummary,
        own: &'c CertificateSummary,
        sent: &'c [CertificateSummary],
    ) -> Self {
        let mut line = Self::of(own);
        let mut last = own;
        // A chain without an end names one of its own again.
        for _ in 0..=sent.len() {
            if last.issuer == issuer.subject {
                line.above.push(issuer);
                break;
            }
            let next = sent.iter().find(|it| it.subject == last.issuer);
            let Some(next) = next else { break };
            line.above.push(next);
            last = next;
        }
        line
    }

    /// The authority whose key is of a kind that verifies nothing here.
    pub(super) fn weak_key(&self) -> Option<&'c CertificateSummary> {
        let mut above = self.above.iter().copied();
        above.find(|authority| !authority.key.is_taken())
    }

    /// The first of which something is so, and how it is called: `it`, or by its subject.
    fn whose(
        &self,
        is_so: impl Fn(&CertificateSummary) -> bool,
    ) -> (&'c CertificateSummary, String) {
        match self.above.iter().find(|authority| is_so(authority)) {
            Some(authority) if !is_so(self.own) => (authority, quoted(&authority.subject)),
            _ => (self.own, "it".to_owned()),
        }
    }
}

/// A refusal for what webpki found in a chain.
pub(super) fn flaw_of(error: &webpki::Error, line: &Line<'_>) -> IdentityRefusal {
    use webpki::Error;
    let (kind, detail) = match error {
        Error::CertExpired { not_after, .. } => {
            let at = not_after.as_secs();
            let (whose, name) = line.whose(|it| it.not_after.as_seconds() == at);
            (
                RefusalKind::Expired,
                format!("ended at {}: {name}", whose.not_after),
            )
        }
        Error::CertNotValidYet { not_before, .. } => {
            let at = not_before.as_secs();
            let (whose, name) = line.whose(|it| it.not_before.as_seconds() == at);
            (
                RefusalKind::NotYetValid,
                format!("begins at {}: {name}", whose.not_before),
            )
        }
        Error::CaUsedAsEndEntity => {
            let detail = "it is an authority's: basic constraints CA:TRUE";
            (RefusalKind::IssuersOwn, detail.to_owned())
        }
        Error::EndEntityUsedAsCa => {
            let (_, name) = line.whose(|it| it.says_authority != Some(true));
            let detail = format!("above it stands one that is no authority: {name}");
            (RefusalKind::MayNotIssue, detail)
        }
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => (
            RefusalKind::WrongUsage,
            "an authority above it may not issue for clients".to_owned(),
        ),
        Error::PathLenConstraintViolated => (
            RefusalKind::PathLength,
            "more authorities stand between than one above allows".to_owned(),
        ),
        Error::NameConstraintViolation => (
            RefusalKind::NameConstraint,
            "an authority above it is not for its name".to_owned(),
        ),
        Error::UnsupportedCriticalExtension => {
            let (whose, name) = line.whose(|it| !it.unknown_critical.is_empty());
            let names: Vec<&str> = whose
                .unknown_critical
                .iter()
                .take(2)
                .map(String::as_str)
                .collect();
            let detail = format!("{name} has a critical {}", names.join(", "));
            (RefusalKind::CriticalExtension, detail)
        }
        Error::UnsupportedSignatureAlgorithmContext(_) => signature(line),
        Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => match line.weak_key() {
            Some(weak) => (
                RefusalKind::KeyKind,
                format!("{} above it: {}", weak.key.name, quoted(&weak.subject)),
            ),
            None => signature(line),
        },
        Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => (
            RefusalKind::BrokenChain,
            "its chain is too long or too tangled to be followed".to_owned(),
        ),
        error => return malformed("a certificate of its chain", error),
    };
    IdentityRefusal::new(kind, detail)
}

fn signature(line: &Line<'_>) -> (RefusalKind, String) {
    let (whose, name) = line.whose(|it| !it.signature.is_taken());
    let detail = format!("{name} is signed with {}", whose.signature.name);
    (RefusalKind::SignatureKind, detail)
}

/// What cannot be read, and how.
pub(super) fn malformed(what: &str, error: &webpki::Error) -> IdentityRefusal {
    use webpki::Error;
    let how = match error {
        Error::UnsupportedCertVersion => "is not of X.509 version 3".to_owned(),
        Error::InvalidCertValidity => "ends before it begins".to_owned(),
        Error::SignatureAlgorithmMismatch => "names two signature algorithms".to_owned(),
        other => format!("cannot be read: {other:?}"),
    };
    IdentityRefusal::new(RefusalKind::Malformed, format!("{what} {how}"))
}
