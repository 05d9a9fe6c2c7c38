//! What is outstanding: messages that are confirmed to their senders and not settled by who gets them.

use super::{Core, Outstanding};
use crate::broker::ids::EntryId;
use crate::message::id::AgencyId;

impl Core {
    /// What is in the queues of an agency. It looks at what is counted, and at no entry but the first of
    /// each: as many as the agency has queues.
    pub(super) fn outstanding(&self, agency: &AgencyId) -> Vec<Outstanding> {
        let units = self.ledger.units.iter();
        let own = units.filter(|(unit, _)| unit.agency == *agency);
        let queues = own.flat_map(|(_, state)| state.names.values());
        let found = queues.filter_map(|&id| {
            let queue = self.ledger.queue(id).filter(|it| !it.backlog.is_empty())?;
            let out = self.dispatch.in_use(id).out;
            let oldest = queue.backlog.next_after(None);
            Some(Outstanding {
                unit: queue.unit.clone(),
                queue: queue.name.clone(),
                waiting: queue.backlog.len().saturating_sub(out),
                out,
                oldest: oldest.map(|entry| {
                    let overlay = queue.overlays.get(&entry.lsn);
                    let source = overlay.and_then(|overlay| overlay.source);
                    EntryId::new(source.unwrap_or(entry.lsn))
                }),
            })
        });
        found.collect()
    }
}
