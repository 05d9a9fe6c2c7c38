//! Why a certificate was refused, in words for the operator of either side.
//!
//! TLS tells the peer one word, so the server keeps these and `carnet agency refused` prints them.
//! Names in them come from the peer's certificate and are written escaped and cut.

use std::fmt;

use super::certificate::CertificateSummary;
use crate::message::id::{AgencyId, SystemId};

/// The longest line in which a refusal is told, in characters.
pub const LINE_MAX: usize = 200;
/// A serial number has 20 octets at most; a longer one breaks the standard, and is cut.
const SERIAL_MAX: usize = 40;

/// The reason, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// No certificate was presented.
    NoCertificate,
    /// What was presented is no well-formed certificate.
    Malformed,
    /// It has a critical extension that means nothing here.
    CriticalExtension,
    /// A key of its chain is of a kind or size that is not taken.
    KeyKind,
    /// A signature of its chain is of a kind that is not taken.
    SignatureKind,
    /// The peer does not hold the certificate's key.
    NotItsKey,
    /// None of its names is a system's.
    UnknownName,
    /// None of the issuers that agencies list issued it.
    UnknownIssuer,
    /// It bears a name of one agency and was issued by another's issuer: an alarm.
    ForeignIssuer,
    /// It has ended, or a certificate above it has.
    Expired,
    /// It has not begun, or a certificate above it has not.
    NotYetValid,
    /// Its uses leave out that of a TLS client.
    WrongUsage,
    /// It is an issuer's own.
    IssuersOwn,
    /// A certificate above it may not issue certificates.
    MayNotIssue,
    /// More authorities stand between it and its issuer than one of them allows.
    PathLength,
    /// An authority above it may not issue for its name.
    NameConstraint,
    /// Its names are those of several systems.
    Ambiguous,
    /// The address is outside the networks of the system's entry.
    OutsideNetworks,
    /// Its issuer has withdrawn it, or one above it has been: an alarm.
    Revoked,
    /// The lists that would say whether it is withdrawn are too old.
    StaleLists,
    /// Its chain breaks another rule of X.509.
    BrokenChain,
}

impl RefusalKind {
    /// The stable code in logs and reports; a code that is no longer used is not used again.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCertificate => "identity.no-certificate",
            Self::Malformed => "identity.malformed",
            Self::CriticalExtension => "identity.critical-extension",
            Self::KeyKind => "identity.key-kind",
            Self::SignatureKind => "identity.signature-kind",
            Self::NotItsKey => "identity.not-its-key",
            Self::UnknownName => "identity.unknown-name",
            Self::UnknownIssuer => "identity.unknown-issuer",
            Self::ForeignIssuer => "identity.foreign-issuer",
            Self::Expired => "identity.expired",
            Self::NotYetValid => "identity.not-yet-valid",
            Self::WrongUsage => "identity.wrong-usage",
            Self::IssuersOwn => "identity.issuer-as-client",
            Self::MayNotIssue => "identity.may-not-issue",
            Self::PathLength => "identity.path-length",
            Self::NameConstraint => "identity.name-constraint",
            Self::Ambiguous => "identity.ambiguous",
            Self::OutsideNetworks => "identity.outside-networks",
            Self::Revoked => "identity.revoked",
            Self::StaleLists => "identity.stale-revocation-list",
            Self::BrokenChain => "identity.broken-chain",
        }
    }

    /// Whether it is an alarm, for the operator at once: a name was taken, a key is used from
    /// elsewhere, or one that was withdrawn.
    pub const fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::ForeignIssuer | Self::OutsideNetworks | Self::Revoked
        )
    }

    /// What to do about it, in few words: `certs/README.md` has more.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::NoCertificate => "set its certificate and key, P-256 or RSA",
            Self::Malformed => "issue it again, as X.509 version 3",
            Self::CriticalExtension => "issue it without, or not as critical",
            Self::KeyKind => "use P-256, P-384, or RSA from 2048 bits",
            Self::SignatureKind => "issue it again, signed with SHA-256",
            Self::NotItsKey => "set the key that it was requested with",
            Self::UnknownName => "issue it with the URI of its entry, or enter its",
            Self::UnknownIssuer => "list its issuer, or send those between",
            Self::ForeignIssuer => "ask that agency who requested it; revoke it",
            Self::Expired => "renew what ended; compare the clocks",
            Self::NotYetValid => "compare the clocks, or wait",
            Self::WrongUsage => "issue it for clientAuth and digitalSignature",
            Self::IssuersOwn => "issue the system one of its own, CA:FALSE",
            Self::MayNotIssue => "issue that authority CA:TRUE, keyCertSign",
            Self::PathLength => "issue from higher up, or raise that pathlen",
            Self::NameConstraint => "issue from an authority that may name it",
            Self::Ambiguous => "issue one for each system",
            Self::OutsideNetworks => "moved: enter its network; else revoke it",
            Self::Revoked => "ask its agency why; give it a new one",
            Self::StaleLists => "have its agency's lists published again",
            Self::BrokenChain => "issue it again by certs/README.md",
        }
    }
}

/// The refusal of a certificate, for which its client's connection is declined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct IdentityRefusal {
    /// The reason.
    pub kind: RefusalKind,
    /// The agency whose name it bears, where it bears one.
    pub claimed: Option<AgencyId>,
    /// The agency whose issuer issued it, where one did.
    pub issued_by: Option<AgencyId>,
    /// The system it would have been, where that much is known.
    pub system: Option<SystemId>,
    /// What the certificate says about itself, where it could be read.
    pub certificate: Option<Box<CertificateSummary>>,
    /// What was found, as part of a sentence; what matters stands first.
    pub detail: String,
}

impl IdentityRefusal {
    /// A refusal of which no more is known than the reason.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            claimed: None,
            issued_by: None,
            system: None,
            certificate: None,
            detail: detail.into(),
        }
    }

    /// Of a client that sent no certificate. Libraries send none as well where they find no use for
    /// the one they have.
    pub fn none_sent() -> Self {
        let detail = "it sent no certificate: none is set, or its key is of a kind that is not \
                      offered (brainpool, RSA-PSS, DSA)";
        Self::new(RefusalKind::NoCertificate, detail)
    }

    /// The stable code in logs and reports.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Whether it is an alarm, for the operator at once.
    pub const fn is_alarm(&self) -> bool {
        self.kind.is_alarm()
    }
}

/// One line of at most 200 characters: code, what was found, which certificate, what to do.
impl fmt::Display for IdentityRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificate = self.certificate.as_ref();
        let certificate = certificate.map(|it| (it.subject.as_str(), it.serial.as_str()));
        f.write_str(&in_a_line(
            self.code(),
            &self.detail,
            certificate,
            self.kind.cure(),
        ))
    }
}

/// A refusal in one line of at most [`LINE_MAX`] characters. Code, serial number and cure stand there
/// whole; what was found has what it needs as far as that leaves 24 characters to the subject.
pub fn in_a_line(
    code: &str,
    detail: &str,
    certificate: Option<(&str, &str)>,
    cure: &str,
) -> String {
    const SUBJECT: usize = 24;
    let Some((subject, serial)) = certificate else {
        let rest = LINE_MAX.saturating_sub(length(code) + length(cure) + 4);
        return format!("{code}: {}; {cure}", cut(detail, rest));
    };
    let serial = cut(serial, SERIAL_MAX);
    let subject = escaped(subject);
    let around = length(&format!("{code}:  (, serial {serial}); {cure}"));
    let rest = LINE_MAX.saturating_sub(around);
    let detail = cut(detail, rest.saturating_sub(SUBJECT.min(length(&subject))));
    let subject = cut(&subject, rest.saturating_sub(length(&detail)));
    format!("{code}: {detail} ({subject}, serial {serial}); {cure}")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// At most so many characters: what is cut ends in an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(std::iter::once('…')).take(most).collect()
}

/// A peer's text, safe in a log, without quotes.
fn escaped(text: &str) -> String {
    text.chars()
        .take(120)
        .flat_map(char::escape_debug)
        .collect()
}

/// A peer's text, safe in a log: quoted, escaped, at most 120 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(120).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [RefusalKind; 21] = [
        RefusalKind::NoCertificate,
        RefusalKind::Malformed,
        RefusalKind::CriticalExtension,
        RefusalKind::KeyKind,
        RefusalKind::SignatureKind,
        RefusalKind::NotItsKey,
        RefusalKind::UnknownName,
        RefusalKind::UnknownIssuer,
        RefusalKind::ForeignIssuer,
        RefusalKind::Expired,
        RefusalKind::NotYetValid,
        RefusalKind::WrongUsage,
        RefusalKind::IssuersOwn,
        RefusalKind::MayNotIssue,
        RefusalKind::PathLength,
        RefusalKind::NameConstraint,
        RefusalKind::Ambiguous,
        RefusalKind::OutsideNetworks,
        RefusalKind::Revoked,
        RefusalKind::StaleLists,
        RefusalKind::BrokenChain,
    ];

    #[test]
    fn a_line_is_never_longer_and_has_code_subject_serial_and_cure_whatever_they_are() {
        let long = "x".repeat(5_000);
        for kind in ALL {
            for detail in ["short", &long] {
                for subject in ["CN=a", &long, "\u{1b}[2J\u{202e}"] {
                    let serial = "AB".repeat(20);
                    let line =
                        in_a_line(kind.code(), detail, Some((subject, &serial)), kind.cure());
                    assert!(length(&line) <= LINE_MAX, "{}: {line}", length(&line));
                    let named: String = escaped(subject).chars().take(20).collect();
                    for part in [kind.code(), &named, &serial, kind.cure()] {
                        assert!(line.contains(part), "{part} in {line}");
                    }
                    // What was found is not squeezed out.
                    let found: String = detail.chars().take(36).collect();
                    assert!(line.contains(&found), "{line}");
                }
                assert!(length(&in_a_line(kind.code(), detail, None, kind.cure())) <= LINE_MAX);
            }
        }
    }

    #[test]
    fn every_reason_has_a_code_of_its_own_a_cure_and_a_place_in_the_how_to() {
        let codes: BTreeSet<&str> = ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ALL.len());
        let how_to = include_str!("../../certs/README.md");
        for kind in ALL {
            assert!(kind.code().starts_with("identity."));
            assert!(kind.cure().len() > 20, "{kind:?}");
            let named = format!("`{}`", kind.code());
            assert!(how_to.contains(&named), "{named}");
        }
    }
}
