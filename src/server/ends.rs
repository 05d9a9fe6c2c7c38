//! Ends of certificates, told while there is time: those of systems and officers, as far as they have
//! connected, and of the issuers that agencies list.
//!
//! The broker sees a certificate when its bearer connects, and never before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use crate::agency::certificate::CertificateSummary;
use crate::agency::registry::{OfficerPeer, Peer, Registry};
use crate::backbone::embedded::Embedded;
use crate::broker::governance::{Deed, NotDone};
use crate::broker::record::{Expiring, shortened};
use crate::message::id::{AgencyId, Digest, OfficerName, SystemId};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// How often it is looked.
const LOOK: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);
/// Days before its end at which a certificate is told.
const STAGES: [u32; 3] = [60, 30, 7];

/// When a certificate begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    begins: Timestamp,
    ends: Timestamp,
}

impl Life {
    fn of(certificate: &CertificateSummary) -> Self {
        Self {
            begins: certificate.not_before,
            ends: certificate.not_after,
        }
    }

    /// The fewest days before its end that it has come to; 0 once it has ended. None while it is good
    /// for longer, and for one whose whole life is short: that is renewed by a machine.
    fn stage(self, now: Timestamp) -> Option<u32> {
        if now > self.ends {
            return Some(0);
        }
        let lasts = self.ends.since(self.begins);
        let stages = STAGES.into_iter().rev();
        let mut stages = stages.filter(|days| lasts > 2 * DAY * *days);
        stages.find(|days| now.plus(DAY * *days) >= self.ends)
    }
}

/// A certificate that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InUse {
    agency: AgencyId,
    /// Whose it is: a system, an officer, or an issuer's file with its subject.
    whose: String,
    is_hidden: bool,
    life: Life,
}

impl InUse {
    /// What is to be told of it; nothing while it is good for longer.
    fn ending(&self, now: Timestamp) -> Option<Ending> {
        let stage = self.life.stage(now)?;
        let of = self.clone();
        Some(Ending { of, stage })
    }
}

/// A certificate that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    of: InUse,
    stage: u32,
}

impl Ending {
    /// As its agency is told of it.
    fn notice(&self) -> Expiring {
        Expiring {
            at: Timestamp::default(),
            agency: self.of.agency.clone(),
            whose: shortened(&self.of.whose).to_owned(),
            ends: self.of.life.ends,
            days: self.stage,
        }
    }

    /// Whether it is a system's of a unit that is not listed.
    pub(crate) const fn is_hidden(&self) -> bool {
        self.of.is_hidden
    }

    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let InUse { whose, life, .. } = &self.of;
        match self.stage {
            0 => format!("the certificate of {whose} ended at {}", life.ends),
            days => format!(
                "the certificate of {whose} ends at {}, within {days} days",
                life.ends
            ),
        }
    }
}

/// The certificates by which systems and officers have connected, and those of issuers.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    bearers: BTreeMap<Bearer, Life>,
    /// Certificates of issuers in the rulebook of this digest: reading them takes its time.
    issuers: (Option<Digest>, Vec<InUse>),
}

/// A bearer of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bearer {
    System(SystemId),
    Officer(AgencyId, OfficerName),
}

impl Bearer {
    const fn agency(&self) -> &AgencyId {
        match self {
            Self::System(id) => &id.agency,
            Self::Officer(agency, _) => agency,
        }
    }

    /// Whether his unit is not listed; none where the registry does not have him any more.
    fn is_hidden(&self, registry: &Registry) -> Option<bool> {
        match self {
            Self::System(id) => {
                let agency = registry.agency(id.agency.as_str())?;
                let system = agency.systems.get(&id.system)?;
                let unit = agency.units.get(&system.unit)?;
                Some(!unit.listed)
            }
            Self::Officer(agency, officer) => {
                let body = registry.body_of(agency)?;
                body.officers.get(officer).map(|_| false)
            }
        }
    }
}

impl fmt::Display for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(id) => write!(f, "{id}"),
            Self::Officer(agency, officer) => write!(f, "officer {agency}/{officer}"),
        }
    }
}

impl Ends {
    /// A system has connected by this certificate.
    pub(super) fn saw(&self, peer: &Peer, certificate: &CertificateSummary) {
        let id = SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        };
        self.note(Bearer::System(id), certificate);
    }

    /// An officer has connected by this certificate, where it names him.
    pub(super) fn saw_officer(&self, peer: &OfficerPeer, certificate: &CertificateSummary) {
        if let Some(officer) = &peer.officer {
            let bearer = Bearer::Officer(peer.agency.id.clone(), officer.id.clone());
            self.note(bearer, certificate);
        }
    }

    /// Of several certificates of a bearer the one that lasts longest counts.
    fn note(&self, bearer: Bearer, certificate: &CertificateSummary) {
        let life = Life::of(certificate);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.bearers.entry(bearer).or_insert(life);
        if known.ends < life.ends {
            *known = life;
        }
    }

    /// What ends soon, or has ended, of the systems, officers and issuers of `rulebook`.
    pub(crate) fn endings(&self, rulebook: &Rulebook, now: Timestamp) -> Vec<Ending> {
        let (registry, digest) = (rulebook.registry(), Some(rulebook.digest()));
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { bearers, issuers } = &mut *seen;
        bearers.retain(|bearer, _| bearer.is_hidden(registry).is_some());
        if issuers.0 != digest {
            *issuers = (digest, issuers_of(registry));
        }
        let bearers = bearers.iter().filter_map(|(bearer, life)| {
            let of = InUse {
                agency: bearer.agency().clone(),
                whose: bearer.to_string(),
                is_hidden: bearer.is_hidden(registry).unwrap_or(true),
                life: *life,
            };
            of.ending(now)
        });
        let issuers = issuers.1.iter().filter_map(|it| it.ending(now));
        bearers.chain(issuers).collect()
    }
}

/// The certificates of all issuers.
fn issuers_of(registry: &Registry) -> Vec<InUse> {
    let issuers = registry.bodies().flat_map(|agency| {
        let issuers = agency.issuers.iter();
        issuers.map(move |(file, der)| (agency, file, der))
    });
    let read = issuers.filter_map(|(agency, file, der)| {
        let issuer = CertificateSummary::read(der)?;
        Some(InUse {
            agency: agency.id.clone(),
            whose: format!("issuer {} ({}: {file})", issuer.subject, agency.id),
            is_hidden: false,
            life: Life::of(&issuer),
        })
    });
    read.collect()
}

/// Tells each ending once at each stage, its agency too. Goes on for ever.
pub(crate) async fn warn_of_ends(ends: Arc<Ends>, backbone: Arc<Embedded>, clock: Clock) {
    let mut told = Told::default();
    loop {
        let rulebook = Arc::clone(&backbone.view().rulebook);
        for ending in told.news(ends.endings(&rulebook, clock.now())) {
            let cure = "have it renewed, and connect with the new one before then";
            tracing::warn!(cure, "{}", ending.in_words());
            // The board has no units, and what an unlisted one has is not its agency's to be told.
            let agency = rulebook.registry().agency(ending.of.agency.as_str());
            if agency.is_none() || ending.is_hidden() || has_heard(&backbone, &ending).await {
                told.has_told(&ending);
            }
        }
        drop(rulebook);
        tokio::time::sleep(LOOK).await;
    }
}

/// Tells an agency of an ending. False where that is not on record: it is told again.
async fn has_heard(backbone: &Embedded, ending: &Ending) -> bool {
    match backbone.govern(Deed::Tell(ending.notice())).await {
        // The second: before a restart.
        Ok(_) | Err(NotDone::Told) => true,
        Err(why) => {
            tracing::warn!(%why, "an agency was not told of the end of its certificate yet");
            false
        }
    }
}

/// What was told of each certificate last.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, (Timestamp, u32)>);

impl Told {
    /// Those that stand otherwise than was told.
    fn news(&mut self, endings: Vec<Ending>) -> Vec<Ending> {
        let there: BTreeSet<&str> = endings.iter().map(|it| it.of.whose.as_str()).collect();
        self.0.retain(|whose, _| there.contains(whose.as_str()));
        let is_new = |it: &Ending| self.0.get(&it.of.whose) != Some(&Self::stand(it));
        endings.into_iter().filter(is_new).collect()
    }

    /// It was told, and is no news any more.
    fn has_told(&mut self, ending: &Ending) {
        self.0.insert(ending.of.whose.clone(), Self::stand(ending));
    }

    const fn stand(ending: &Ending) -> (Timestamp, u32) {
        (ending.of.life.ends, ending.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lasts: u32) -> Vec<String> {
        let begins = Timestamp::from_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let life = Life {
            begins,
            ends: begins.plus(DAY * lasts),
        };
        let mut told = Told::default();
        let mut days = Vec::new();
        for hour in 0..24 * (lasts + 2) {
            let of = InUse {
                agency: "customs".parse().unwrap(),
                whose: "customs/declarations".to_owned(),
                is_hidden: false,
                life,
            };
            let ending = of.ending(begins.plus(Duration::from_hours(1) * hour));
            let endings = || ending.iter().cloned().collect();
            // What could not be told is news still.
            let news: Vec<Ending> = told.news(endings());
            assert_eq!(told.news(endings()), news);
            for ending in news {
                told.has_told(&ending);
                days.push(format!("{} {}", hour / 24, ending.stage));
            }
        }
        days
    }

    #[test]
    fn an_end_is_told_once_at_60_30_and_7_days_and_when_it_has_come() {
        assert_eq!(told(365), ["305 60", "335 30", "358 7", "365 0"]);
        assert_eq!(told(90), ["60 30", "83 7", "90 0"]);
        // Renewed each week by a machine: it is told where that stands still.
        assert_eq!(told(14), ["14 0"]);
    }
}
