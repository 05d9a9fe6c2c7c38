//! What an agency was told of the ends of its certificates, so that it is told of each stage once.

use std::collections::BTreeMap;

use crate::broker::limits::CERTIFICATES_TOLD;
use crate::broker::record::Expiring;
use crate::message::time::Timestamp;

/// By certificate: its end, and the days before it, as its agency was told last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Told {
    pub(in crate::broker) ends: BTreeMap<String, (Timestamp, u32)>,
}

impl Told {
    /// Whether this was told of the certificate last.
    pub(super) fn has(&self, expiring: &Expiring) -> bool {
        self.ends.get(&expiring.whose) == Some(&(expiring.ends, expiring.days))
    }

    pub(super) fn tell(&mut self, expiring: &Expiring) {
        let stands = (expiring.ends, expiring.days);
        self.ends.insert(expiring.whose.clone(), stands);
        if self.ends.len() > CERTIFICATES_TOLD {
            let first = self.ends.iter().min_by_key(|told| told.1.0);
            let first = first.map(|told| told.0.clone());
            first.map(|whose| self.ends.remove(&whose));
        }
    }
}
