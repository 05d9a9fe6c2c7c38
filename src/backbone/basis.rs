//! What views are made of that all connections share.

use std::sync::Arc;
use std::time::Duration;

use super::ring::RingKeeper;
use crate::agency::keys::Keys;
use crate::broker::admit::View;
use crate::broker::committer::Committer;
use crate::journal::vfs::{DiskVfs, Vfs};
use crate::policy::rulebook::Rulebook;

/// What a view is made of, beside rulebook and ledger.
pub struct Basis {
    /// Keys of units and digests come from its ring, and what is confidential is sealed by it.
    pub keeper: RingKeeper<DiskVfs>,
    /// How long a repeat is recognised.
    pub repeat_window: Duration,
}

impl Basis {
    /// The keys of all units: dear, and the same until another rulebook names others.
    pub(super) fn keys(&self, rulebook: &Rulebook) -> Arc<Keys> {
        let units = rulebook.registry().units().map(|unit| &unit.id);
        Arc::new(Keys::derive(Arc::clone(self.keeper.ring()), units))
    }

    pub(super) fn view<V: Vfs>(
        &self,
        committer: &Committer<V>,
        rulebook: Arc<Rulebook>,
        keys: Arc<Keys>,
    ) -> View {
        let standing = Arc::clone(committer.ledger().register().standing());
        View {
            rulebook,
            standing,
            governance: Arc::clone(committer.ledger().governance()),
            keys,
            repeat_window: self.repeat_window,
        }
    }
}
