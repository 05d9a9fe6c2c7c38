//! What the queues of a unit are bound to.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::record::{Binding, QueueId};
use crate::broker::topic::{Index, Key};

/// The bindings of a unit's queues. An index and a count follow from them: these are in no snapshot,
/// and made anew when one is read.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    by_binding: BTreeMap<Binding, BTreeSet<QueueId>>,
    /// Of all queues.
    count: usize,
    /// By exchange.
    indexes: BTreeMap<String, Index>,
}

impl Bindings {
    /// How many there are, of all queues.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Queues that take a message published to an exchange, in order.
    pub(super) fn routed(&self, exchange: &str, key: &str) -> Vec<QueueId> {
        let key = Key::new(key);
        let index = self.indexes.get(exchange);
        let found = index.map_or_else(|| Some(Vec::new()), |index| index.find(&key));
        found.unwrap_or_else(|| {
            let matching = self
                .by_binding
                .iter()
                .filter(|(binding, _)| binding.exchange == exchange && key.matches(&binding.key));
            let queues: BTreeSet<QueueId> =
                matching.flat_map(|(_, queues)| queues).copied().collect();
            queues.into_iter().collect()
        })
    }

    pub(in crate::broker) fn bind(&mut self, binding: &Binding, queue: QueueId) {
        let queues = match self.by_binding.get_mut(binding) {
            Some(queues) => queues,
            None => self.by_binding.entry(binding.clone()).or_default(),
        };
        if !queues.insert(queue) {
            return;
        }
        self.count += 1;
        let index = match self.indexes.get_mut(&binding.exchange) {
            Some(index) => index,
            None => self.indexes.entry(binding.exchange.clone()).or_default(),
        };
        index.insert(&binding.key, queue);
    }

    pub(super) fn unbind(&mut self, binding: &Binding, queue: QueueId) {
        let Some(queues) = self.by_binding.get_mut(binding) else {
            return;
        };
        if !queues.remove(&queue) {
            return;
        }
        if queues.is_empty() {
            self.by_binding.remove(binding);
        }
        self.count -= 1;
        if let Some(index) = self.indexes.get_mut(&binding.exchange) {
            index.remove(&binding.key, queue);
        }
    }
}

impl PartialEq for Bindings {
    fn eq(&self, other: &Self) -> bool {
        self.by_binding == other.by_binding
    }
}

impl Eq for Bindings {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_routes_and_counts_until_it_is_bound_no_more() {
        let bound = |key: &str| Binding {
            exchange: "inbox".to_owned(),
            key: key.to_owned(),
        };
        let mut bindings = Bindings::default();
        for (key, queue) in [("a.*", 1), ("#", 2), ("#.#", 2), ("a.b", 3)] {
            bindings.bind(&bound(key), QueueId(queue));
        }
        bindings.bind(&bound("#"), QueueId(2));
        bindings.unbind(&bound("#.#"), QueueId(2));
        bindings.unbind(&bound("#.#"), QueueId(2));
        assert_eq!(bindings.count(), 3);
        assert_eq!(bindings.routed("inbox", "a.b"), [1, 2, 3].map(QueueId));
        assert_eq!(bindings.routed("inbox", "b"), [QueueId(2)]);
        assert_eq!(bindings.routed("other", "b"), []);
        // A key of more words than are indexed is held against all.
        assert_eq!(bindings.routed("inbox", &["a"; 20].join(".")), [QueueId(2)]);
        bindings.unbind(&bound("a.b"), QueueId(3));
        assert_eq!(bindings.routed("inbox", "a.b"), [1, 2].map(QueueId));
    }
}
