//! The repository's agencies, messages and policies, changed in memory, as one rulebook in force.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use carnet::agency::keys::{KeyCheck, Keys, SharedRing};
use carnet::agency::registry::Peer;
use carnet::backbone::start::genesis_of;
use carnet::broker::admit::View;
use carnet::broker::record::{Genesis, Record};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::Bundle;
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::standing::Standing;

use crate::ring::ring;
use crate::shipped::shipped;

/// One file of the repository's that reads otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) file: &'static str,
    /// What is replaced: it stands there once. Empty: `new` is added at the end.
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
}

pub(crate) const fn replaced(file: &'static str, old: &'static str, new: &'static str) -> Change {
    Change { file, old, new }
}

pub(crate) const fn added(file: &'static str, new: &'static str) -> Change {
    Change { file, old: "", new }
}

/// When each script begins: 08:00 of the story's day, in the hour of Meridia.
pub(crate) fn morning() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-17T07:00:00Z").unwrap()
}

/// What stands in the repository, read once.
pub(crate) fn repository() -> &'static Bundle {
    static READ: OnceLock<Bundle> = OnceLock::new();
    READ.get_or_init(shipped)
}

/// A rulebook, and the keys of its units.
pub(crate) struct Border {
    pub(crate) rulebook: Arc<Rulebook>,
    keys: Arc<Keys>,
}

impl Border {
    /// The repository's with these changes, in their order: read once by each process.
    pub(crate) fn with<'c>(changes: impl Iterator<Item = &'c Change>) -> Arc<Self> {
        static READ: Mutex<Vec<(Vec<Change>, Arc<Border>)>> = Mutex::new(Vec::new());
        let changes: Vec<Change> = changes.copied().collect();
        let mut read = READ.lock().unwrap();
        if let Some((_, border)) = read.iter().find(|(known, _)| *known == changes) {
            return Arc::clone(border);
        }
        let border = Arc::new(Self::read(&changes));
        read.push((changes, Arc::clone(&border)));
        border
    }

    fn read(changes: &[Change]) -> Self {
        let mut bundle = repository().clone();
        for change in changes {
            change.make(&mut bundle);
        }
        let pki = DevelopmentPki::create(&bundle, morning()).unwrap();
        let bundle = development_bundle(&bundle, &pki).unwrap();
        let rulebook = Arc::new(Rulebook::parse(&bundle).unwrap().activated(1));
        let units = rulebook.registry().units().map(|unit| &unit.id);
        let keys = Arc::new(Keys::derive(SharedRing::new(ring()), units));
        Self { rulebook, keys }
    }

    /// The first record, without the rulebook's text, which nobody reads here.
    pub(crate) fn genesis(&self) -> Record {
        let genesis = genesis_of(&self.rulebook, false, KeyCheck([0; 16]), morning());
        Record::Genesis(Genesis {
            bundle: Bundle::default(),
            ..genesis
        })
    }

    pub(crate) fn view(&self, standing: &Arc<Standing>) -> View {
        View {
            governance: Arc::default(),
            rulebook: Arc::clone(&self.rulebook),
            standing: Arc::clone(standing),
            keys: Arc::clone(&self.keys),
            repeat_window: Duration::from_hours(24),
        }
    }

    /// `post/items`, where there is such a system.
    pub(crate) fn peer(&self, system: &str) -> Option<Peer> {
        let (agency, system) = system.split_once('/').unwrap();
        let agency = self.rulebook.registry().agency(agency)?.clone();
        let system = Arc::clone(agency.systems.get(system)?);
        let unit = Arc::clone(&agency.units[&system.unit]);
        Some(Peer {
            agency,
            unit,
            system,
        })
    }
}

impl Change {
    fn make(&self, bundle: &mut Bundle) {
        let Self { file, old, new } = *self;
        let before = match bundle.get(file) {
            Some(_) => bundle.text(file).unwrap().to_owned(),
            None => String::new(),
        };
        if old.is_empty() {
            bundle.insert(file, format!("{before}\n{new}"));
        } else {
            assert_eq!(before.matches(old).count(), 1, "{old} in {file}");
            bundle.insert(file, before.replace(old, new));
        }
    }
}

/// Where the log of a simulated disk lies.
pub(crate) fn data() -> &'static Path {
    Path::new("/data")
}
