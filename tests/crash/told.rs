//! What clients were told, over all lives of the broker, and what must follow from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Without any progress for so long, a wait is given up.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct Told {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Names of messages that were handed over.
    pub(crate) published: BTreeSet<String>,
    pub(crate) confirmed: BTreeSet<String>,
    /// Names by the recipient's own numbers.
    pub(crate) delivered: BTreeMap<u64, String>,
    /// Names by the sender's own numbers.
    pub(crate) receipts: BTreeMap<u64, String>,
    pub(crate) redelivered: usize,
    pub(crate) reconnected: usize,
    /// No further messages: finish what is under way.
    pub(crate) finishing: bool,
    pub(crate) faults: Vec<String>,
}

impl Told {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }

    /// Waits until it is so. Panics when clients stand still.
    pub(crate) fn wait_until(&self, what: &str, so: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        while !so(&state) {
            let (after, waited) = self.moved.wait_timeout(state, PATIENCE).unwrap();
            state = after;
            let numbers = (
                state.confirmed.len(),
                state.delivered.len(),
                state.receipts.len(),
            );
            assert!(
                !waited.timed_out(),
                "{what}: never; confirmed, delivered, receipts: {numbers:?}; {:?}",
                state.faults
            );
        }
    }
}

impl State {
    /// A message arrived. The same number is the same message, and says that it comes again.
    pub(crate) fn arrived(&mut self, number: u64, name: &str, redelivered: bool) {
        self.redelivered += usize::from(redelivered);
        note(
            &mut self.delivered,
            &mut self.faults,
            (number, name, redelivered),
        );
    }

    /// A receipt arrived.
    pub(crate) fn receipt(&mut self, number: u64, name: &str, redelivered: bool) {
        note(
            &mut self.receipts,
            &mut self.faults,
            (number, name, redelivered),
        );
    }

    /// Whether all that was sent is confirmed and has arrived, with its receipt.
    pub(crate) fn all_is_there(&self) -> bool {
        let sent = self.published.len();
        let ways = [
            self.confirmed.len(),
            self.delivered.len(),
            self.receipts.len(),
        ];
        self.finishing && ways.iter().all(|count| *count >= sent)
    }

    /// What must be so at the end.
    pub(crate) fn is_whole(&self) {
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
        for (what, seen) in [("inbox", &self.delivered), ("receipts", &self.receipts)] {
            let numbers: Vec<u64> = seen.keys().copied().collect();
            let expected: Vec<u64> = (1..).take(numbers.len()).collect();
            assert!(numbers == expected, "{what}: numbers have gaps");
            let names: BTreeSet<&String> = seen.values().collect();
            assert_eq!(
                names.len(),
                seen.len(),
                "{what}: a message was logged twice"
            );
            for name in &self.confirmed {
                assert!(
                    names.contains(name),
                    "{what}: {name} was confirmed and is missing"
                );
            }
            for name in names {
                assert!(self.published.contains(name), "{what}: nobody sent {name}");
            }
        }
    }
}

fn note(
    seen: &mut BTreeMap<u64, String>,
    faults: &mut Vec<String>,
    (number, name, redelivered): (u64, &str, bool),
) {
    match seen.insert(number, name.to_owned()) {
        Some(before) if before != name => {
            faults.push(format!(
                "{number} was {before}, then {name}: delivered, not logged"
            ));
        }
        Some(_) if !redelivered => faults.push(format!("{number} came again, unsaid")),
        _ => {}
    }
}
