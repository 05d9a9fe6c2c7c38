//! Who is connecting: from the certificate chain of a TLS peer to the system it stands for.
//!
//! A name counts only under an issuer that its own agency lists, so an agency's authority can
//! speak for that agency and for nobody else. [`identify`] does the whole of it, chain included:
//! the TLS layer has only to prove that the peer holds the certificate's key. Read it first.
//!
//! ```text
//! chain ─► names ─► agencies whose names they are ─► issued by that very agency? ─► one system?
//!       ─► dates, usage, rules of X.509 ─► networks ─► Peer
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::chain::{Presented, broken, is_issuers_matter};
use super::refusal::{IdentityRefusal, RefusalKind, quoted};
use super::registry::{Agency, Peer, Registry, System};
use crate::message::id::{AgencyId, SystemId};
use crate::message::time::Timestamp;

/// The system that `chain` (the peer's own certificate first) stands for, connecting from `remote`.
///
/// # Errors
/// An [`IdentityRefusal`] that says what was found and what to do.
pub fn identify(
    chain: &[CertificateDer<'_>],
    registry: &Registry,
    now: Timestamp,
    remote: IpAddr,
) -> Result<Peer, IdentityRefusal> {
    let presented = Presented::read(chain)?;
    let found = presented.find(registry).and_then(|(agency, system)| {
        let verified = presented.verify(&agency, now);
        let peer = verified.and_then(|()| admit(&agency, &system, remote));
        peer.map_err(|mut refusal| {
            let system = system.name.clone();
            refusal.system = Some(SystemId {
                agency: agency.id.clone(),
                system,
            });
            refusal.issued_by = Some(agency.id.clone());
            refusal
        })
    });
    found.map_err(|mut refusal| {
        refusal.certificate = Some(Box::new(presented.summary));
        refusal
    })
}

/// The issuers of all agencies, DER, each once: whose clients a TLS server asks for.
pub fn trust_anchors(registry: &Registry) -> Vec<CertificateDer<'static>> {
    let issuers = registry.agencies().flat_map(|agency| &agency.issuers);
    let each_once: BTreeSet<&[u8]> = issuers.map(|(_, der)| der.as_slice()).collect();
    each_once
        .into_iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect()
}

/// The last steps: the unit exists, and the address lies within the system's networks.
fn admit(
    agency: &Arc<Agency>,
    system: &Arc<System>,
    remote: IpAddr,
) -> Result<Peer, IdentityRefusal> {
    if !system.networks.is_empty() && !system.networks.iter().any(|n| n.contains(remote)) {
        let networks: Vec<String> = system.networks.iter().map(ToString::to_string).collect();
        let detail = format!(
            "{}/{} connected from {remote}, outside {}",
            agency.id,
            system.name,
            networks.join(", ")
        );
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

impl Presented<'_> {
    /// The one system whose name the certificate bears under its own agency's issuer.
    fn find(&self, registry: &Registry) -> Result<(Arc<Agency>, Arc<System>), IdentityRefusal> {
        let claimed = self.claimed(registry);
        for agency in claimed.values() {
            self.issued_by(agency).map_err(|error| {
                let mut refusal = self.not_issued_by(agency, registry, &error);
                refusal.claimed = Some(agency.id.clone());
                refusal
            })?;
        }
        let mut found = Vec::new();
        for agency in registry.agencies() {
            let named = agency
                .systems
                .values()
                .filter(|system| self.bears(&system.certificate));
            // A common name is nobody's property: elsewhere it may be anything.
            let named: Vec<_> = named.collect();
            if !named.is_empty() && self.issued_by(agency).is_ok() {
                found.extend(named.into_iter().map(|system| (agency, system)));
            }
        }
        match found.as_slice() {
            [(agency, system)] => Ok((Arc::clone(agency), Arc::clone(system))),
            [] => Err(self.unknown(registry)),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(agency, system)| format!("{}/{}", agency.id, system.name))
                    .collect();
                let detail = format!("the certificate stands for {}", names.join(" and "));
                Err(IdentityRefusal::new(RefusalKind::Ambiguous, detail))
            }
        }
    }

    /// Whether the certificate bears the name that a system's entry gives.
    fn bears(&self, name: &str) -> bool {
        let names = &self.summary;
        match name.strip_prefix("CN=") {
            Some(common_name) => names.common_names.iter().any(|n| n == common_name),
            None => names.uris.iter().any(|uri| uri == name),
        }
    }

    /// The agencies whose URIs the certificate bears: entries' or `urn:carnet:<agency>:`.
    fn claimed<'r>(&self, registry: &'r Registry) -> BTreeMap<&'r AgencyId, &'r Arc<Agency>> {
        let claimed = registry.agencies().filter(|agency| {
            let systems = agency
                .systems
                .values()
                .map(|system| system.certificate.as_str());
            let officers = agency
                .officers
                .values()
                .filter_map(|o| o.certificate.as_deref());
            let mut entries = systems
                .chain(officers)
                .filter(|name| !name.starts_with("CN="));
            entries.any(|name| self.bears(name))
                || self.summary.uris.iter().any(|uri| {
                    let rest = uri.strip_prefix("urn:carnet:");
                    let rest = rest.and_then(|rest| rest.strip_prefix(agency.id.as_str()));
                    rest.is_some_and(|rest| rest.starts_with(':'))
                })
        });
        claimed.map(|agency| (&agency.id, agency)).collect()
    }

    /// A name of `agency` that its issuers do not stand for.
    fn not_issued_by(
        &self,
        agency: &Agency,
        registry: &Registry,
        error: &webpki::Error,
    ) -> IdentityRefusal {
        if !is_issuers_matter(error) {
            return broken(error);
        }
        let names: Vec<String> = self.summary.uris.iter().map(|uri| quoted(uri)).collect();
        let names = names.join(", ");
        let mut others = registry.agencies().filter(|other| other.id != agency.id);
        if let Some(issuing) = others.find(|other| self.issued_by(other).is_ok()) {
            let detail = format!(
                "{names} is a name of {}, issued by {}",
                agency.id, issuing.id
            );
            let mut refusal = IdentityRefusal::new(RefusalKind::ForeignIssuer, detail);
            refusal.issued_by = Some(issuing.id.clone());
            return refusal;
        }
        let detail = format!(
            "{names} is a name of {}, which does not list its issuer",
            agency.id
        );
        IdentityRefusal::new(RefusalKind::UnknownIssuer, detail)
    }

    /// No system bears one of the names.
    fn unknown(&self, registry: &Registry) -> IdentityRefusal {
        let names = &self.summary;
        let uris = names.uris.iter().map(|uri| quoted(uri));
        let common_names = names
            .common_names
            .iter()
            .map(|n| quoted(&format!("CN={n}")));
        let shown: Vec<String> = uris.chain(common_names).take(4).collect();
        let shown = if shown.is_empty() {
            "no name".to_owned()
        } else {
            shown.join(", ")
        };
        let mut issuing = None;
        for agency in registry.agencies() {
            match self.issued_by(agency) {
                Ok(()) => issuing = Some(agency),
                Err(error) if !is_issuers_matter(&error) => return broken(&error),
                Err(_) => {}
            }
        }
        let Some(issuing) = issuing else {
            let detail = format!("{shown}: no agency lists its issuer");
            return IdentityRefusal::new(RefusalKind::UnknownIssuer, detail);
        };
        let officers = issuing.officers.values();
        let certificates = officers.filter_map(|officer| officer.certificate.as_ref());
        let is_officer = certificates.into_iter().any(|uri| names.uris.contains(uri));
        let detail = if is_officer {
            format!(
                "{shown} is an officer of {}: officers do not connect as systems",
                issuing.id
            )
        } else {
            format!(
                "{shown}, issued by {}, is the name of no system there",
                issuing.id
            )
        };
        let mut refusal = IdentityRefusal::new(RefusalKind::UnknownName, detail);
        refusal.issued_by = Some(issuing.id.clone());
        refusal
    }
}
