//! Ends of certificates, told while there is time: those of systems and officers, as far as they have
//! connected, and of the issuers that agencies list.
//!
//! The broker sees a certificate when its bearer connects, and never before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use crate::agency::certificate::CertificateSummary;
use crate::agency::registry::{OfficerPeer, Peer, Registry};
use crate::backbone::embedded::Embedded;
use crate::broker::governance::{Deed, NotDone};
use crate::broker::record::{Expiring, shortened};
use crate::message::id::{AgencyId, OfficerName, SystemId};
use crate::message::time::Timestamp;

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

/// A certificate that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    agency: AgencyId,
    /// Whose it is: a system, an officer, or an issuer's file with its subject.
    whose: String,
    is_hidden: bool,
    life: Life,
    stage: u32,
}

impl Ending {
    /// As its agency is told of it.
    fn notice(&self) -> Expiring {
        Expiring {
            at: Timestamp::default(),
            agency: self.agency.clone(),
            whose: shortened(&self.whose).to_owned(),
            ends: self.life.ends,
            days: self.stage,
        }
    }

    /// Whether it is a system's of a unit that is not listed.
    pub(crate) const fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let Self {
            whose, life, stage, ..
        } = self;
        match stage {
            0 => format!("the certificate of {whose} ended at {}", life.ends),
            days => format!(
                "the certificate of {whose} ends at {}, within {days} days",
                life.ends
            ),
        }
    }
}

/// The certificates by which systems and officers have connected.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<BTreeMap<Bearer, Life>>);

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
        let known = seen.entry(bearer).or_insert(life);
        if known.ends < life.ends {
            *known = life;
        }
    }

    /// What ends soon, or has ended, of the systems, officers and issuers of `registry`.
    pub(crate) fn endings(&self, registry: &Registry, now: Timestamp) -> Vec<Ending> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|bearer, _| bearer.is_hidden(registry).is_some());
        let bearers = seen.iter().map(|(bearer, life)| {
            let is_hidden = bearer.is_hidden(registry).unwrap_or(true);
            (
                bearer.agency().clone(),
                bearer.to_string(),
                is_hidden,
                *life,
            )
        });
        let issuers = registry.bodies().flat_map(|agency| {
            let read = |der: &Vec<u8>| CertificateSummary::read(der);
            let issuers = agency.issuers.iter();
            let issuers = issuers.filter_map(move |(file, der)| Some((file, read(der)?)));
            issuers.map(move |(file, issuer)| {
                let whose = format!("issuer {} ({}: {file})", issuer.subject, agency.id);
                (agency.id.clone(), whose, false, Life::of(&issuer))
            })
        });
        let all = bearers.chain(issuers);
        let ending = all.filter_map(|(agency, whose, is_hidden, life)| {
            Some(Ending {
                agency,
                whose,
                is_hidden,
                life,
                stage: life.stage(now)?,
            })
        });
        ending.collect()
    }
}

/// Tells each ending once at each stage, its agency too. Goes on for ever.
pub(crate) async fn warn_of_ends(ends: Arc<Ends>, backbone: Arc<Embedded>, clock: Clock) {
    let mut told = Told::default();
    loop {
        let registry = Arc::clone(&backbone.view().rulebook);
        for ending in told.news(ends.endings(registry.registry(), clock.now())) {
            let cure = "have it renewed, and connect with the new one before then";
            tracing::warn!(cure, "{}", ending.in_words());
            // The board has no units, and what an unlisted one has is not its agency's to be told.
            let is_told = registry.registry().agency(ending.agency.as_str()).is_some();
            if is_told && !ending.is_hidden {
                match backbone.govern(Deed::Tell(ending.notice())).await {
                    // It was told before a restart.
                    Ok(_) | Err(NotDone::Told) => {}
                    Err(why) => tracing::warn!(%why, "its agency was not told"),
                }
            }
        }
        drop(registry);
        tokio::time::sleep(LOOK).await;
    }
}

/// What was told of each certificate last.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, (Timestamp, u32)>);

impl Told {
    /// Those that stand otherwise than was told.
    fn news(&mut self, endings: Vec<Ending>) -> Vec<Ending> {
        let stand = |it: &Ending| (it.life.ends, it.stage);
        let now = endings.iter().map(|it| (it.whose.clone(), stand(it)));
        let before = std::mem::replace(&mut self.0, now.collect());
        let is_new = |it: &Ending| before.get(&it.whose) != Some(&stand(it));
        endings.into_iter().filter(is_new).collect()
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
            let stage = life.stage(begins.plus(Duration::from_hours(1) * hour));
            let endings = stage.map(|stage| Ending {
                agency: "customs".parse().unwrap(),
                whose: "customs/declarations".to_owned(),
                is_hidden: false,
                life,
                stage,
            });
            for ending in told.news(endings.into_iter().collect()) {
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
