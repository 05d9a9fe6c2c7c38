//! Why a certificate was turned away, in words for the operator of either side.
//!
//! TLS tells the peer next to nothing, so the server keeps these and `carnet agency show` prints
//! them. Names in them come from the peer's certificate and are written escaped and cut.

use std::fmt;

use super::certificate::CertificateSummary;
use crate::message::id::{AgencyId, SystemId};

/// The reason, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// No certificate was presented.
    NoCertificate,
    /// What was presented is no well-formed certificate.
    Malformed,
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
    /// It is not for a TLS client, or stands above others.
    WrongUsage,
    /// Its names are those of several systems.
    Ambiguous,
    /// The address is outside the networks of the system's entry.
    OutsideNetworks,
    /// Its chain breaks a rule of X.509.
    BrokenChain,
}

impl RefusalKind {
    /// All reasons, for the catalogue of codes.
    pub const ALL: [Self; 11] = [
        Self::NoCertificate,
        Self::Malformed,
        Self::UnknownName,
        Self::UnknownIssuer,
        Self::ForeignIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongUsage,
        Self::Ambiguous,
        Self::OutsideNetworks,
        Self::BrokenChain,
    ];

    /// The stable code in logs and reports; a code that is no longer used is not used again.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCertificate => "identity.no-certificate",
            Self::Malformed => "identity.malformed",
            Self::UnknownName => "identity.unknown-name",
            Self::UnknownIssuer => "identity.unknown-issuer",
            Self::ForeignIssuer => "identity.foreign-issuer",
            Self::Expired => "identity.expired",
            Self::NotYetValid => "identity.not-yet-valid",
            Self::WrongUsage => "identity.wrong-usage",
            Self::Ambiguous => "identity.ambiguous",
            Self::OutsideNetworks => "identity.outside-networks",
            Self::BrokenChain => "identity.broken-chain",
        }
    }

    /// Whether somebody must be told at once: a name was taken, or a key is used from elsewhere.
    pub const fn is_alarm(self) -> bool {
        matches!(self, Self::ForeignIssuer | Self::OutsideNetworks)
    }

    /// What to do about it.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::NoCertificate => "configure the client with its certificate and key",
            Self::Malformed => "issue the client's certificate again",
            Self::UnknownName => {
                "write the certificate's URI into a [[system]] of its agency.toml, or issue one with \
                 the URI that stands there"
            }
            Self::UnknownIssuer => {
                "have it issued by an issuer that the agency lists under [trust], and let the client \
                 send the certificates between them"
            }
            Self::ForeignIssuer => {
                "treat it as an attempt to take another agency's name: ask the issuing agency who \
                 requested this certificate, and have it revoked"
            }
            Self::Expired => "renew what ended, and compare the clocks",
            Self::NotYetValid => "compare the clocks, or wait until it begins",
            Self::WrongUsage => {
                "issue a certificate with extended key usage clientAuth (certs/README.md, profile \
                 system)"
            }
            Self::Ambiguous => "issue one certificate for each system, with its URI alone",
            Self::OutsideNetworks => {
                "if the system has moved, add its network to its entry; if it has not, its key was \
                 copied: revoke the certificate"
            }
            Self::BrokenChain => {
                "have the certificate issued again by the profile in certs/README.md"
            }
        }
    }
}

/// A certificate turned away.
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
    /// What was found, as part of a sentence.
    pub detail: String,
}

impl IdentityRefusal {
    pub(super) fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            claimed: None,
            issued_by: None,
            system: None,
            certificate: None,
            detail: detail.into(),
        }
    }

    /// The stable code in logs and reports.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Whether somebody must be told at once.
    pub const fn is_alarm(&self) -> bool {
        self.kind.is_alarm()
    }
}

/// One line: code, what was found, which certificate, what to do.
impl fmt::Display for IdentityRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)?;
        if let Some(certificate) = &self.certificate {
            write!(
                f,
                " (certificate {}, serial {}, issued by {})",
                quoted(&certificate.subject),
                certificate.serial,
                quoted(&certificate.issuer)
            )?;
        }
        write!(f, "; {}", self.kind.cure())
    }
}

/// A peer's text, safe in a log: quoted, escaped, at most 120 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(120).collect::<String>())
}
