//! Ends of certificates, told while there is time: those of systems, as far as they have connected, and
//! of the issuers that agencies list.
//!
//! The broker sees a system's certificate when it connects, and never before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use crate::agency::certificate::CertificateSummary;
use crate::agency::registry::{Peer, Registry};
use crate::backbone::embedded::Embedded;
use crate::message::id::SystemId;
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
    /// Whose it is: a system, or an issuer's file with its subject.
    whose: String,
    life: Life,
    stage: u32,
}

impl Ending {
    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let Self { whose, life, stage } = self;
        match stage {
            0 => format!("the certificate of {whose} ended at {}", life.ends),
            days => format!(
                "the certificate of {whose} ends at {}, within {days} days",
                life.ends
            ),
        }
    }
}

/// The certificates by which systems have connected.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<BTreeMap<SystemId, Life>>);

impl Ends {
    /// A system has connected by this certificate. Of several the one that lasts longest counts.
    pub(super) fn saw(&self, peer: &Peer, certificate: &CertificateSummary) {
        let id = SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        };
        let life = Life::of(certificate);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(id).or_insert(life);
        if known.ends < life.ends {
            *known = life;
        }
    }

    /// What ends soon, or has ended, of the systems and issuers of `registry`.
    pub(crate) fn endings(&self, registry: &Registry, now: Timestamp) -> Vec<Ending> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| {
            let agency = registry.agency(id.agency.as_str());
            agency.is_some_and(|agency| agency.systems.contains_key(&id.system))
        });
        let systems = seen.iter().map(|(id, life)| (id.to_string(), *life));
        let issuers = registry.agencies().flat_map(|agency| {
            let read = |der: &Vec<u8>| CertificateSummary::read(der);
            let issuers = agency.issuers.iter();
            let issuers = issuers.filter_map(move |(file, der)| Some((file, read(der)?)));
            issuers.map(move |(file, issuer)| {
                let whose = format!("issuer {} (agencies/{}/{file})", issuer.subject, agency.id);
                (whose, Life::of(&issuer))
            })
        });
        let all = systems.chain(issuers);
        let ending = all.filter_map(|(whose, life)| {
            let stage = life.stage(now)?;
            Some(Ending { whose, life, stage })
        });
        ending.collect()
    }
}

/// Tells each ending once at each stage. Goes on for ever.
pub(crate) async fn warn_of_ends(ends: Arc<Ends>, backbone: Arc<Embedded>, clock: Clock) {
    let mut told = Told::default();
    loop {
        let registry = Arc::clone(&backbone.view().rulebook);
        for ending in told.news(ends.endings(registry.registry(), clock.now())) {
            let cure = "have it renewed, and connect with the new one before then";
            tracing::warn!(cure, "{}", ending.in_words());
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
                whose: "customs/declarations".to_owned(),
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
