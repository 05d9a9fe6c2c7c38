//! Who is connecting: from the certificate chain of a TLS peer to the system it stands for.
//!
//! A name counts only under an issuer that its own agency lists, so an agency's authority can
//! speak for that agency and for no other. [`identify`] does the whole of it, chain included:
//! the TLS layer has only to prove that the peer holds the certificate's key. Read it first.
//! [`identify_officer`] is its sister for the HTTP interface.
//!
//! ```text
//! chain ─► names ─► agencies whose names they are ─► issued by that very agency? ─► one system?
//!       ─► dates, usage, rules of X.509 ─► networks ─► Peer
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::certificate::CertificateSummary;
use super::chain::{NoPath, Path, Presented};
use super::profile::departures;
use super::refusal::{IdentityRefusal, RefusalKind, quoted};
use super::registry::{Agency, Officer, OfficerPeer, Peer, Registry, System};
use crate::message::id::{AgencyId, Digest, SystemId};
use crate::message::time::Timestamp;

/// A system, or an officer, that is let in, and what lets it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted<P = Peer> {
    /// The system or officer.
    pub peer: P,
    /// What it is let in on.
    pub grounds: Grounds,
    /// What its certificate says.
    pub certificate: Box<CertificateSummary>,
    /// Where its chain departs from the profile of `certs/README.md`: advice, in sentences.
    pub departures: Vec<String>,
}

/// What a system is let in on: as long as all of it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// The agency whose issuer that is.
    pub agency: AgencyId,
    /// Its address.
    pub remote: IpAddr,
    /// SHA-256 of the listed issuer's certificate that its own leads to.
    pub issuer: Digest,
    /// The last instant of its chain.
    pub until: Timestamp,
    /// The certificate that ends then: `the certificate`, or an authority by its subject.
    pub ends_with: String,
    /// The certificates of its chain, its own first.
    pub line: Arc<[Issued]>,
}

/// A certificate as revocation lists name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its subject.
    pub subject: String,
    /// Its serial number.
    pub serial: Box<[u8]>,
    /// The subject of its issuer.
    pub by: String,
    /// SHA-256 of its issuer's public key: none of a listed issuer's own, since who issued that is not looked for.
    pub by_key: Option<Digest>,
}

impl Issued {
    fn of(certificate: &CertificateSummary, above: Option<&CertificateSummary>) -> Self {
        // What is no hexadecimal was never a serial number.
        let serial = data_encoding::HEXUPPER.decode(certificate.serial.as_bytes());
        Self {
            subject: certificate.subject.clone(),
            serial: serial.unwrap_or_default().into(),
            by: certificate.issuer.clone(),
            by_key: above.map(|above| above.public_key),
        }
    }
}

impl Grounds {
    fn of(agency: &Agency, own: &CertificateSummary, path: &Path, remote: IpAddr) -> Self {
        let first = path.above.iter().min_by_key(|above| above.not_after);
        let first = first.filter(|above| above.not_after < own.not_after);
        let (until, ends_with) = match first {
            Some(above) => {
                let subject = quoted(&above.subject);
                (
                    above.not_after,
                    format!("authority {subject} above the certificate"),
                )
            }
            None => (own.not_after, "the certificate".to_owned()),
        };
        let line = std::iter::once(own).chain(&path.above);
        let above = path.above.iter().map(Some).chain([None]);
        Self {
            agency: agency.id.clone(),
            remote,
            issuer: path.issuer,
            until,
            ends_with,
            line: (line.zip(above))
                .map(|(certificate, above)| Issued::of(certificate, above))
                .collect(),
        }
    }

    /// The system of `peer` as another registry has it: none where that registry lacks it, or would not
    /// let it in on these grounds.
    pub fn as_of(&self, peer: &Peer, registry: &Registry) -> Option<Peer> {
        let peer = peer.as_of(registry)?;
        let mut issuers = peer.agency.issuers.iter();
        let is_listed = issuers.any(|(_, der)| Digest::of(der) == self.issuer);
        (is_listed && is_within(&peer.system, self.remote)).then_some(peer)
    }
}

/// The system that `chain` (the peer's own certificate first) stands for, connecting from `remote`.
///
/// # Errors
/// An [`IdentityRefusal`] that says what was found and what to do.
pub fn identify(
    chain: &[CertificateDer<'_>],
    registry: &Registry,
    now: Timestamp,
    remote: IpAddr,
) -> Result<Admitted, IdentityRefusal> {
    with_bearer(chain, registry, |bearer| {
        bearer.identify(registry, now, remote)
    })
}

/// The officer whom `chain` (his own certificate first) stands for, connecting from `remote`; or, by a
/// certificate that names no one of an agency with an identity provider, a person whom a token is to
/// name.
///
/// # Errors
/// An [`IdentityRefusal`] that says what was found and what to do.
pub fn identify_officer(
    chain: &[CertificateDer<'_>],
    registry: &Registry,
    now: Timestamp,
    remote: IpAddr,
) -> Result<Admitted<OfficerPeer>, IdentityRefusal> {
    with_bearer(chain, registry, |bearer| {
        bearer.identify_officer(registry, now, remote)
    })
}

/// What `identify` says of the bearer of `chain`, with the certificate where it refuses.
fn with_bearer<T>(
    chain: &[CertificateDer<'_>],
    registry: &Registry,
    identify: impl FnOnce(Bearer<'_>) -> Result<T, IdentityRefusal>,
) -> Result<T, IdentityRefusal> {
    let Some((der, above)) = chain.split_first() else {
        return Err(IdentityRefusal::none_sent());
    };
    let Some(own) = CertificateSummary::read(der) else {
        let detail = "the client's certificate is malformed";
        return Err(IdentityRefusal::new(RefusalKind::Malformed, detail));
    };
    let presented = Presented::read(der, above, &own);
    let admitted = presented.and_then(|presented| {
        identify(Bearer {
            own: &own,
            presented,
        })
    });
    admitted.map_err(|mut refusal| {
        if refusal.claimed.is_none() {
            let first = claimed(&own, registry).into_keys().next();
            refusal.claimed = first.cloned();
        }
        refusal.certificate = Some(Box::new(own));
        refusal
    })
}

/// The issuers of all agencies, DER, each once: whose clients a TLS server asks for.
pub fn trust_anchors(registry: &Registry) -> Vec<CertificateDer<'static>> {
    let issuers = registry.bodies().flat_map(|agency| &agency.issuers);
    let each_once: BTreeSet<&[u8]> = issuers.map(|(_, der)| der.as_slice()).collect();
    each_once
        .into_iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect()
}

/// An entry of an agency that a certificate can stand for.
trait Entry: Clone {
    /// What a certificate can stand for beside it.
    type Other: Entry;
    const NOUN: &'static str;
    const WHAT: &'static str;
    /// What is said to one that came by the other's way.
    const NOT_HERE: &'static str;
    /// All of an agency, each by the name that its certificate bears.
    fn all(agency: &Agency) -> impl Iterator<Item = (&str, Self)>;
    fn name(&self) -> &str;
}

impl Entry for Arc<System> {
    type Other = Officer;
    const NOUN: &'static str = "system";
    const WHAT: &'static str = "a system";
    const NOT_HERE: &'static str = "systems do not act as officers";

    fn all(agency: &Agency) -> impl Iterator<Item = (&str, Self)> {
        let systems = agency.systems.values();
        systems.map(|system| (system.certificate.as_str(), Arc::clone(system)))
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Entry for Officer {
    type Other = Arc<System>;
    const NOUN: &'static str = "officer";
    const WHAT: &'static str = "an officer";
    const NOT_HERE: &'static str = "officers do not connect as systems";

    fn all(agency: &Agency) -> impl Iterator<Item = (&str, Self)> {
        let officers = agency.officers.values();
        officers.filter_map(|officer| Some((officer.certificate.as_deref()?, officer.clone())))
    }

    fn name(&self) -> &str {
        self.id.as_str()
    }
}

/// A certificate, for the question whose it is.
struct Bearer<'c> {
    own: &'c CertificateSummary,
    presented: Presented<'c>,
}

/// Whether the system may connect from there.
fn is_within(system: &System, remote: IpAddr) -> bool {
    system.networks.is_empty() || system.networks.iter().any(|n| n.contains(remote))
}

/// The last steps: the unit exists, and the address lies within the system's networks.
fn admit(
    agency: &Arc<Agency>,
    system: &Arc<System>,
    remote: IpAddr,
) -> Result<Peer, IdentityRefusal> {
    if !is_within(system, remote) {
        let networks: Vec<String> = system.networks.iter().map(ToString::to_string).collect();
        let detail = format!("{remote} is outside {}", networks.join(", "));
        return Err(IdentityRefusal::new(RefusalKind::OutsideNetworks, detail));
    }
    let unit = agency.units.get(&system.unit).ok_or_else(|| {
        let detail = format!("{}/{} belongs to no unit", agency.id, system.name);
        IdentityRefusal::new(RefusalKind::UnknownName, detail)
    })?;
    Ok(Peer {
        agency: Arc::clone(agency),
        unit: Arc::clone(unit),
        system: Arc::clone(system),
    })
}

/// Whether a certificate bears the name that an entry gives.
fn bears(own: &CertificateSummary, name: &str) -> bool {
    match name.strip_prefix("CN=") {
        Some(common_name) => own.common_names.iter().any(|n| n == common_name),
        None => own.uris.iter().any(|uri| uri == name),
    }
}

/// The names of certificates that an agency's entries give.
fn names(agency: &Agency) -> impl Iterator<Item = &str> {
    let systems = agency.systems.values();
    let systems = systems.map(|system| system.certificate.as_str());
    let officers = agency.officers.values();
    systems.chain(officers.filter_map(|officer| officer.certificate.as_deref()))
}

/// Whether a certificate bears a name `urn:carnet:<agency>:`, which no other agency can list.
fn is_reserved(own: &CertificateSummary, agency: &AgencyId) -> bool {
    own.uris.iter().any(|uri| {
        let rest = uri.strip_prefix("urn:carnet:");
        let rest = rest.and_then(|rest| rest.strip_prefix(agency.as_str()));
        rest.is_some_and(|rest| rest.starts_with(':'))
    })
}

/// The agencies whose URIs a certificate bears: entries' or `urn:carnet:<agency>:`.
fn claimed<'r>(
    own: &CertificateSummary,
    registry: &'r Registry,
) -> BTreeMap<&'r AgencyId, &'r Arc<Agency>> {
    let claimed = registry.bodies().filter(|agency| {
        names(agency).any(|name| !name.starts_with("CN=") && bears(own, name))
            || is_reserved(own, &agency.id)
    });
    claimed.map(|agency| (&agency.id, agency)).collect()
}

impl Bearer<'_> {
    fn identify(
        &self,
        registry: &Registry,
        now: Timestamp,
        remote: IpAddr,
    ) -> Result<Admitted, IdentityRefusal> {
        let (agency, system) = self.find(registry, now)?;
        let verified = self.presented.verify(&agency, now);
        let admitted = verified.and_then(|path| {
            let peer = admit(&agency, &system, remote)?;
            let grounds = Grounds::of(&agency, self.own, &path, remote);
            let departures = departures(&peer, self.own, &path.above);
            Ok(Admitted {
                peer,
                grounds,
                certificate: Box::new(self.own.clone()),
                departures,
            })
        });
        admitted.map_err(|mut refusal| {
            refusal.system = Some(SystemId {
                agency: agency.id.clone(),
                system: system.name.clone(),
            });
            refusal.issued_by = Some(agency.id.clone());
            refusal
        })
    }

    fn identify_officer(
        &self,
        registry: &Registry,
        now: Timestamp,
        remote: IpAddr,
    ) -> Result<Admitted<OfficerPeer>, IdentityRefusal> {
        let (agency, officer) = match self.find::<Officer>(registry, now) {
            Ok((agency, officer)) => (agency, Some(officer)),
            Err(refusal) => (self.vouched_for(registry, now).ok_or(refusal)?, None),
        };
        let path = self.presented.verify(&agency, now).map_err(|mut refusal| {
            refusal.issued_by = Some(agency.id.clone());
            refusal
        })?;
        Ok(Admitted {
            grounds: Grounds::of(&agency, self.own, &path, remote),
            peer: OfficerPeer { agency, officer },
            certificate: Box::new(self.own.clone()),
            departures: Vec::new(),
        })
    }

    /// The agency with an identity provider that has issued a certificate which names no one else: no
    /// system of its own, and nothing that is reserved for another agency.
    fn vouched_for(&self, registry: &Registry, now: Timestamp) -> Option<Arc<Agency>> {
        let mut issuing = registry.bodies().filter(|agency| {
            agency.identity_provider.is_some() && self.presented.issued_by(agency, now).is_ok()
        });
        let agency = issuing.next().filter(|_| issuing.next().is_none())?;
        let mut systems = agency.systems.values();
        let names_a_system = systems.any(|system| bears(self.own, &system.certificate));
        let mut others = registry.bodies().filter(|other| other.id != agency.id);
        let names_another = others.any(|other| is_reserved(self.own, &other.id));
        (!names_a_system && !names_another).then(|| Arc::clone(agency))
    }

    /// The one system or officer whose name the certificate bears under its own agency's issuer.
    fn find<E: Entry>(
        &self,
        registry: &Registry,
        now: Timestamp,
    ) -> Result<(Arc<Agency>, E), IdentityRefusal> {
        // A name is its issuer's: elsewhere it may be anything.
        let owners = registry.bodies().filter(|agency| {
            names(agency).any(|name| bears(self.own, name))
                && self.presented.issued_by(agency, now).is_ok()
        });
        let owners: Vec<&Arc<Agency>> = owners.collect();
        for agency in claimed(self.own, registry).into_values() {
            let is_owner = owners.iter().any(|owner| owner.id == agency.id);
            // An agency may list whatever URI others have: that keeps out nobody whose own agency stands
            // for him.
            if is_owner || !owners.is_empty() && !is_reserved(self.own, &agency.id) {
                continue;
            }
            self.presented.issued_by(agency, now).map_err(|no_path| {
                let mut refusal = match no_path {
                    NoPath::Flawed(refusal) => refusal,
                    NoPath::Elsewhere => self.not_issued_by(agency, registry, now),
                };
                refusal.claimed = Some(agency.id.clone());
                refusal
            })?;
        }
        let found = owners.into_iter().flat_map(|agency| {
            let named = E::all(agency).filter(|(name, _)| bears(self.own, name));
            named.map(move |(_, entry)| (agency, entry))
        });
        let found: Vec<(&Arc<Agency>, E)> = found.collect();
        match found.as_slice() {
            [(agency, entry)] => Ok((Arc::clone(agency), entry.clone())),
            [] => Err(self.unknown::<E>(registry, now)),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(agency, entry)| format!("{}/{}", agency.id, entry.name()))
                    .collect();
                let detail = format!("it stands for {}", names.join(" and "));
                Err(IdentityRefusal::new(RefusalKind::Ambiguous, detail))
            }
        }
    }

    /// A name of `agency` that its issuers do not stand for.
    fn not_issued_by(
        &self,
        agency: &Agency,
        registry: &Registry,
        now: Timestamp,
    ) -> IdentityRefusal {
        let names: Vec<String> = self.own.uris.iter().map(|uri| quoted(uri)).collect();
        let names = names.join(", ");
        let mut others = registry.bodies().filter(|other| other.id != agency.id);
        if let Some(issuing) = others.find(|other| self.presented.issued_by(other, now).is_ok()) {
            let (id, by) = (&agency.id, &issuing.id);
            let detail = format!("a name of {id}, issued by {by}: {names}");
            let mut refusal = IdentityRefusal::new(RefusalKind::ForeignIssuer, detail);
            refusal.issued_by = Some(issuing.id.clone());
            return refusal;
        }
        let of = &agency.id;
        let detail = if self.own.subject == self.own.issuer {
            format!("it is self-signed, with a name of {of}: {names}")
        } else {
            let issuer = quoted(&self.own.issuer);
            format!("signed by no issuer that {of} lists: {issuer}")
        };
        IdentityRefusal::new(RefusalKind::UnknownIssuer, detail)
    }

    /// No system, or no officer, bears one of the names.
    fn unknown<E: Entry>(&self, registry: &Registry, now: Timestamp) -> IdentityRefusal {
        let own = self.own;
        let uris = own.uris.iter().map(|uri| quoted(uri));
        let common_names = own.common_names.iter();
        let common_names = common_names.map(|name| quoted(&format!("CN={name}")));
        let shown: Vec<String> = uris.chain(common_names).take(4).collect();
        let shown = if shown.is_empty() {
            "it bears no name".to_owned()
        } else {
            shown.join(", ")
        };
        let mut issuing = None;
        for agency in registry.bodies() {
            match self.presented.issued_by(agency, now) {
                Ok(()) => issuing = Some(agency),
                Err(NoPath::Flawed(refusal)) => return refusal,
                Err(NoPath::Elsewhere) => {}
            }
        }
        let Some(issuing) = issuing else {
            let detail = if own.subject == own.issuer {
                "it is self-signed: no agency lists that".to_owned()
            } else {
                format!(
                    "signed by no issuer that an agency lists: {}",
                    quoted(&own.issuer)
                )
            };
            return IdentityRefusal::new(RefusalKind::UnknownIssuer, detail);
        };
        let detail = match E::Other::all(issuing).find(|(name, _)| bears(own, name)) {
            Some(_) => format!(
                "{} of {}: {}",
                E::Other::WHAT,
                issuing.id,
                E::Other::NOT_HERE
            ),
            None => format!("no {} of {}, which issued it: {shown}", E::NOUN, issuing.id),
        };
        let mut refusal = IdentityRefusal::new(RefusalKind::UnknownName, detail);
        refusal.issued_by = Some(issuing.id.clone());
        refusal
    }
}
