//! A chain as a peer presented it, and what holds of it: signatures, dates, uses, lengths.
//!
//! webpki verifies; what it takes no notice of (the path length and the end of a listed issuer, key
//! usage, RSA sizes of the peer's own key) is held here, on each path that it finds, so that another
//! path may still be found. What does not hold is told by its own name, and whose certificate it is.

use std::cell::RefCell;
use std::cmp::Reverse;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, VerifiedPath};

use super::certificate::CertificateSummary;
use super::flaw::{Line, flaw_of, malformed};
use super::refusal::{IdentityRefusal, RefusalKind, quoted};
use super::registry::Agency;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// Certificates that a peer sends behind its own, at most. A path has six; of many with names that
/// lead round among themselves a stranger could have so many paths tried that his handshake holds up
/// all others on its core.
const ABOVE_MAX: usize = 8;

/// A chain as a peer presented it.
pub(super) struct Presented<'c> {
    leaf: EndEntityCert<'c>,
    own: &'c CertificateSummary,
    /// What it sent behind its own certificate, those that are good for longest first.
    above: Vec<CertificateDer<'c>>,
    summaries: Vec<CertificateSummary>,
}

/// A path from the peer's certificate to an issuer that an agency lists.
pub(super) struct Path {
    /// SHA-256 of the listed issuer's certificate.
    pub(super) issuer: Digest,
    /// The peer's own certificate is not among them: those between, then the listed issuer.
    pub(super) above: Vec<CertificateSummary>,
}

/// Why there is no path to an agency's issuers.
pub(super) enum NoPath {
    /// Other issuers than these stand above.
    Elsewhere,
    /// There is one, and it does not hold.
    Flawed(IdentityRefusal),
}

/// What a path is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The issuer, whatever the certificate is for and whatever today's date: an expired certificate of
    /// a foreign issuer is first of all foreign.
    Issuer,
    /// To let a client in.
    Client,
}

impl ExtendedKeyUsageValidator for Asked {
    fn validate(&self, uses: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match self {
            Self::Issuer => Ok(()),
            Self::Client => KeyUsage::client_auth().validate(uses),
        }
    }
}

impl<'c> Presented<'c> {
    pub(super) fn read(
        der: &'c CertificateDer<'c>,
        above: &'c [CertificateDer<'c>],
        own: &'c CertificateSummary,
    ) -> Result<Self, IdentityRefusal> {
        if !own.unknown_critical.is_empty() {
            return Err(flaw_of(
                &webpki::Error::UnsupportedCriticalExtension,
                &Line::of(own),
            ));
        }
        // Nothing can be proven with such a key, so nothing else is told of it either.
        if !own.key.is_taken() {
            let detail = format!("its key is {}", own.key.name);
            return Err(IdentityRefusal::new(RefusalKind::KeyKind, detail));
        }
        if above.len() > ABOVE_MAX {
            let detail = format!("{} certificates above it, {ABOVE_MAX} at most", above.len());
            return Err(IdentityRefusal::new(RefusalKind::BrokenChain, detail));
        }
        let leaf = EndEntityCert::try_from(der).map_err(|error| malformed("it", &error))?;
        let read = |der: &CertificateDer<'_>| CertificateSummary::read(der);
        let mut above: Vec<_> = above.iter().map(|der| (read(der), der.clone())).collect();
        above.sort_by_key(|(summary, _)| Reverse(summary.as_ref().map(|it| it.not_after)));
        let (summaries, above): (Vec<_>, Vec<_>) = above.into_iter().unzip();
        Ok(Self {
            leaf,
            own,
            above,
            summaries: summaries.into_iter().flatten().collect(),
        })
    }

    /// Whether one of the agency's issuers issued the chain, at whatever time of its own.
    pub(super) fn issued_by(&self, agency: &Agency, now: Timestamp) -> Result<(), NoPath> {
        let (from, until) = (self.own.not_before, self.own.not_after);
        // What stands above may be younger than a leaf that was dated back a little, and may end
        // before it.
        let today = now.clamp(from.min(until), until);
        let mut found = self.path(agency, today, Asked::Issuer);
        for at in [from, until] {
            found = found.or_else(|_| self.path(agency, at, Asked::Issuer));
        }
        found.map(drop)
    }

    /// The path to one of the agency's issuers that lets a client in at `now`.
    pub(super) fn verify(&self, agency: &Agency, now: Timestamp) -> Result<Path, IdentityRefusal> {
        let own = self.own;
        let refuse = |kind, detail: String| Err(IdentityRefusal::new(kind, detail));
        if now > own.not_after {
            let detail = format!("it ended at {}", own.not_after);
            return refuse(RefusalKind::Expired, detail);
        }
        if now < own.not_before {
            let detail = format!("it begins at {}", own.not_before);
            return refuse(RefusalKind::NotYetValid, detail);
        }
        if !own.is_client {
            let signs = own.key_usage.is_none_or(|usage| usage.signs);
            let lacks = if signs {
                "clientAuth"
            } else {
                "digitalSignature"
            };
            let detail = format!("it is not for clients: {lacks} is missing");
            return refuse(RefusalKind::WrongUsage, detail);
        }
        self.path(agency, now, Asked::Client)
            .map_err(|no_path| match no_path {
                NoPath::Flawed(refusal) => refusal,
                NoPath::Elsewhere => {
                    let detail = format!("{} does not list its issuer", agency.id);
                    IdentityRefusal::new(RefusalKind::UnknownIssuer, detail)
                }
            })
    }

    /// A path to one of the agency's issuers; of several the one whose issuer is good for longest.
    fn path(&self, agency: &Agency, at: Timestamp, asked: Asked) -> Result<Path, NoPath> {
        let read = |der: &Vec<u8>| Some((CertificateSummary::read(der)?, der.clone()));
        let mut issuers: Vec<_> = agency
            .issuers
            .iter()
            .filter_map(|(_, der)| read(der))
            .collect();
        issuers.sort_by_key(|(summary, _)| Reverse(summary.not_after));
        let mut found = NoPath::Elsewhere;
        for (summary, der) in issuers {
            match self.path_to(&summary, &CertificateDer::from(der), at, asked) {
                Ok(above) => {
                    return Ok(Path {
                        issuer: summary.fingerprint,
                        above: above.into_iter().chain([summary]).collect(),
                    });
                }
                Err(flawed @ NoPath::Flawed(_)) if matches!(found, NoPath::Elsewhere) => {
                    found = flawed;
                }
                Err(_) => {}
            }
        }
        Err(found)
    }

    /// Those between the peer's certificate and `issuer`.
    fn path_to(
        &self,
        issuer: &CertificateSummary,
        der: &CertificateDer<'static>,
        at: Timestamp,
        asked: Asked,
    ) -> Result<Vec<CertificateSummary>, NoPath> {
        let anchor = webpki::anchor_from_trusted_cert(der).map_err(|_| NoPath::Elsewhere)?;
        let held = RefCell::new(None);
        let judge = |path: &VerifiedPath<'_>| {
            let found = holds(
                &between(path),
                issuer,
                (asked == Asked::Client).then_some(at),
            );
            found.map_err(|refusal| {
                *held.borrow_mut() = Some(refusal);
                webpki::Error::PathLenConstraintViolated
            })
        };
        let anchors = [anchor];
        let time = UnixTime::since_unix_epoch(at.since(Timestamp::default()));
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let (leaf, above) = (&self.leaf, &self.above);
        let found =
            leaf.verify_for_usage(algorithms, &anchors, above, time, asked, None, Some(&judge));
        let error = match found {
            Ok(path) => return Ok(between(&path)),
            Err(error) => error,
        };
        if let Some(refusal) = held.take() {
            return Err(NoPath::Flawed(refusal));
        }
        let line = Line::to(issuer, self.own, &self.summaries);
        Err(match error {
            webpki::Error::UnknownIssuer => NoPath::Elsewhere,
            // Of another issuer of that name; or of one whose key is none that verifies.
            webpki::Error::InvalidSignatureForPublicKey if line.weak_key().is_none() => {
                NoPath::Elsewhere
            }
            error => NoPath::Flawed(flaw_of(&error, &line)),
        })
    }
}

fn between(path: &VerifiedPath<'_>) -> Vec<CertificateSummary> {
    let between = path.intermediate_certificates();
    between
        .filter_map(|certificate| CertificateSummary::read(&certificate.der()))
        .collect()
}

/// What webpki takes no notice of, on a path that it verified; dates where it is asked for a time.
fn holds(
    between: &[CertificateSummary],
    issuer: &CertificateSummary,
    at: Option<Timestamp>,
) -> Result<(), IdentityRefusal> {
    let refuse = |kind, detail: String| Err(IdentityRefusal::new(kind, detail));
    if let Some(authority) = between.iter().find(|authority| !authority.is_issuer) {
        let detail = format!("{} lacks keyCertSign", quoted(&authority.subject));
        return refuse(RefusalKind::MayNotIssue, detail);
    }
    // As RFC 5280 counts them: an authority's new certificate under its old key is no further one.
    let count = between.iter().filter(|it| it.subject != it.issuer).count();
    if let Some(allowed) = issuer.path_length
        && count > usize::try_from(allowed).unwrap_or(usize::MAX)
    {
        let subject = quoted(&issuer.subject);
        let detail = format!("pathlen {allowed} of {subject}, {count} between");
        return refuse(RefusalKind::PathLength, detail);
    }
    let Some(at) = at else { return Ok(()) };
    // webpki knows nothing of an issuer's dates, and of the others' no part of a second.
    for authority in between.iter().chain([issuer]) {
        let (from, until) = (authority.not_before, authority.not_after);
        if at > until {
            let detail = format!("ended at {until}: {}", quoted(&authority.subject));
            return refuse(RefusalKind::Expired, detail);
        }
        if at < from {
            let detail = format!("begins at {from}: {}", quoted(&authority.subject));
            return refuse(RefusalKind::NotYetValid, detail);
        }
    }
    Ok(())
}
