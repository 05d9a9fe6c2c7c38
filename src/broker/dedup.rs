//! Ids that were used: what makes a repeat a repeat.
//!
//! The key is the unit's and `message_id`'s keyed digest; the content's digest tells a repeat from
//! another message under the same id. Time is the journal's, so replay forgets what live forgot.
//!
//! The newest ids are in memory, [`KnownIds`]. Older ones lie in files, a [`run`](super::run) for each sealed
//! segment of the journal, which the sender's task searches before it hands a message over; what it
//! found goes with the message, as [`Looked`]. The core reads no file: it compares how far was
//! searched with how far memory reaches, and sends the message back where a part between was looked at
//! by neither. Nothing here does IO.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::limits::KNOWN_IDS;
use super::record::{Exchange, Outcome};
use crate::journal::Lsn;
use crate::message::id::{KeyedDigest, UnitId};
use crate::message::time::Timestamp;
use crate::policy::standing::Reads;

/// What is known of a used id.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The content's digest.
    pub content: KeyedDigest,
    /// The newest record of it.
    pub lsn: Lsn,
    /// The record whose answer a repeat gets.
    pub first: Lsn,
    /// Until when a repeat is recognised.
    pub until: Timestamp,
    /// Where it was refused for all whom its sender may know of: when what that rests on has
    /// changed, a repeat is ruled anew.
    pub refused: Option<Box<Refused>>,
}

/// What is known of a message that was refused for all whom its sender may know of.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// What the ruling rested on.
    pub reads: Reads,
    /// What its sender saw of the ruling.
    pub answer: Option<KeyedDigest>,
    /// Units that its sender may not know of and that have got it, sorted.
    pub had: Vec<UnitId>,
}

impl Known {
    /// What to remember of an exchange.
    pub fn of(exchange: &Exchange, lsn: Lsn) -> Self {
        let released = |known: bool| {
            let recipients = exchange.recipients.iter();
            recipients.filter(move |recipient| {
                recipient.known == known && matches!(recipient.outcome, Outcome::Released(_))
            })
        };
        let refused = released(true).next().is_none().then(|| {
            let unknown = released(false).map(|recipient| recipient.unit.clone());
            let mut had: Vec<UnitId> = exchange.had.iter().cloned().chain(unknown).collect();
            had.sort();
            let (reads, answer) = (exchange.reads.clone(), exchange.answer);
            Box::new(Refused { reads, answer, had })
        });
        let again = exchange.again;
        let until = || exchange.at.plus(exchange.window);
        Self {
            content: exchange.content,
            lsn,
            first: again.map_or(lsn, |again| again.first),
            until: again.map_or_else(until, |again| again.until),
            refused,
        }
    }

    /// Whether a repeat at `now` is one.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

/// How far the sender's task looked for an earlier use of an id, beside memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// At every use before this address; the newest that there is.
    Before(Lsn, Option<Box<Known>>),
    /// Neither files nor journal could be read.
    Failed,
}

/// No search beside memory: right as long as memory holds all ids of the window.
impl Default for Looked {
    fn default() -> Self {
        Self::Before(Lsn::START, None)
    }
}

/// What memory and files together say of an id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Use<'k> {
    /// The id was not used within the window.
    None,
    /// The id was used, by this exchange.
    Before(&'k Known),
    /// Between what was searched and what is in memory lie ids that neither covers.
    Unsearched,
    /// Between what was searched and what is in memory lie ids that neither covers, and the files of
    /// used ids cannot be read.
    Unreadable,
}

/// The ids of the window that are in memory. A stored ledger keeps of them only what says which are
/// past their window: the ids themselves are in files, or in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownIds {
    by_key: BTreeMap<KeyedDigest, Known>,
    by_age: VecDeque<InMemory>,
    /// Every use from here on is in memory, or past its window; `START` where nothing was forgotten
    /// for want of room.
    reach: Lsn,
    /// Spans of time whose uses may still be recognised, oldest first.
    pub(super) spans: VecDeque<Span>,
    /// Every use up to here is past its window.
    pub(super) past: Lsn,
    /// A bound of this process, not a fact: it is no part of what is stored.
    capacity: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct InMemory {
    key: KeyedDigest,
    lsn: Lsn,
    until: Timestamp,
}

/// Uses within a short time: the last of them, and until when any of them counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) last: Lsn,
    pub(super) until: Timestamp,
}

/// The length of a span, the exactness of what lies past the window: a day has 144 of them.
const SPAN: Duration = Duration::from_mins(10);

impl Default for KnownIds {
    fn default() -> Self {
        Self::holding(KNOWN_IDS)
    }
}

impl KnownIds {
    /// An empty set with room for so many ids; at least one.
    pub fn holding(capacity: usize) -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_age: VecDeque::new(),
            reach: Lsn::START,
            spans: VecDeque::new(),
            past: Lsn::START,
            capacity: capacity.max(1),
        }
    }

    /// Notes that memory holds none of the uses before `reach`, and has room for so many after it.
    pub fn hold_from(&mut self, reach: Lsn, capacity: usize) {
        self.by_age.retain(|used| used.lsn >= reach);
        self.by_key.retain(|_, known| known.lsn >= reach);
        self.reach = reach;
        self.capacity = capacity.max(1);
    }

    /// What is known of an id at `now`, with what the sender's task found.
    pub fn find<'k>(&'k self, key: KeyedDigest, looked: &'k Looked, now: Timestamp) -> Use<'k> {
        if let Some(known) = self.by_key.get(&key).filter(|known| known.counts(now)) {
            return Use::Before(known);
        }
        let reach = self.reach();
        match looked {
            Looked::Before(before, found) if *before >= reach => {
                let found = found.as_deref().filter(|known| known.counts(now));
                found.map_or(Use::None, Use::Before)
            }
            Looked::Before(..) => Use::Unsearched,
            Looked::Failed if reach == Lsn::START => Use::None,
            Looked::Failed => Use::Unreadable,
        }
    }

    /// How far back memory reaches: every use from here on is in it, or past its window. `START`
    /// where it holds all that count.
    pub fn reach(&self) -> Lsn {
        if self.past >= self.reach {
            Lsn::START
        } else {
            self.reach
        }
    }

    /// Every use up to this address is past its window.
    pub fn past(&self) -> Lsn {
        self.past
    }

    /// How many ids are in memory.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no id is in memory.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Remembers an id; forgets those whose window has passed, and the oldest past the bound.
    pub fn insert(&mut self, key: KeyedDigest, known: Known, now: Timestamp) {
        let (lsn, until) = (known.lsn, known.until);
        self.by_age.push_back(InMemory { key, lsn, until });
        self.by_key.insert(key, known);
        while let Some(oldest) = self.by_age.front().copied() {
            let counts = oldest.until > now;
            if counts && self.by_age.len() <= self.capacity {
                break;
            }
            self.by_age.pop_front();
            // A later use of the same id stays.
            let known = self.by_key.get(&oldest.key);
            if known.is_some_and(|known| known.lsn == oldest.lsn) {
                self.by_key.remove(&oldest.key);
            }
            if counts && let Some(next) = self.by_age.front() {
                self.reach = next.lsn;
            }
        }
        self.pass(lsn, until, now);
    }

    /// Notes when a use ceases to count, and what has ceased to.
    fn pass(&mut self, lsn: Lsn, until: Timestamp, now: Timestamp) {
        match self.spans.back_mut() {
            Some(span) if now.since(span.since) < SPAN => {
                span.last = lsn;
                span.until = span.until.max(until);
            }
            _ => self.spans.push_back(Span {
                since: now,
                last: lsn,
                until,
            }),
        }
        while let Some(span) = self.spans.front().filter(|span| span.until <= now) {
            self.past = span.last;
            self.spans.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> KeyedDigest {
        KeyedDigest([number; 16])
    }

    fn known(at: u64, until_ms: i64) -> Known {
        Known {
            content: key(0),
            lsn: Lsn(at),
            first: Lsn(at),
            until: Timestamp::from_millis(until_ms),
            refused: None,
        }
    }

    fn time(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn hours(count: i64) -> i64 {
        count * 3_600_000
    }

    #[test]
    fn what_is_forgotten_for_want_of_room_must_be_searched_and_what_is_past_must_not() {
        let mut ids = KnownIds::holding(2);
        for number in 1..=3_u8 {
            ids.insert(
                key(number),
                known(u64::from(number) * 100, 1_000),
                time(i64::from(number)),
            );
        }
        assert_eq!((ids.len(), ids.reach()), (2, Lsn(200)));
        let nowhere = Looked::default();
        assert_eq!(ids.find(key(1), &nowhere, time(5)), Use::Unsearched);
        assert_eq!(ids.find(key(1), &Looked::Failed, time(5)), Use::Unreadable);
        let (short, far) = (
            Looked::Before(Lsn(199), None),
            Looked::Before(Lsn(200), None),
        );
        assert_eq!(ids.find(key(1), &short, time(5)), Use::Unsearched);
        assert_eq!(ids.find(key(9), &far, time(5)), Use::None);
        let first = known(100, 1_000);
        let found = Looked::Before(Lsn(200), Some(Box::new(first.clone())));
        assert_eq!(ids.find(key(1), &found, time(5)), Use::Before(&first));
        assert_eq!(ids.find(key(1), &found, time(1_000)), Use::None);
        // Memory needs no search for what it holds, and what it holds is newer.
        let newer = known(300, 1_000);
        assert_eq!(ids.find(key(3), &nowhere, time(5)), Use::Before(&newer));
        assert_eq!(ids.find(key(3), &found, time(5)), Use::Before(&newer));
    }

    #[test]
    fn a_window_that_passed_ends_the_search() {
        let mut ids = KnownIds::holding(1);
        ids.insert(key(1), known(100, hours(24)), time(0));
        ids.insert(key(2), known(200, hours(24) + 1), time(1));
        assert_eq!((ids.reach(), ids.past()), (Lsn(200), Lsn::START));
        ids.insert(key(3), known(300, hours(49)), time(hours(25)));
        assert_eq!((ids.reach(), ids.past()), (Lsn::START, Lsn(200)));
        assert_eq!(
            ids.find(key(1), &Looked::Failed, time(hours(25))),
            Use::None
        );
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn a_later_use_of_an_id_outlives_the_earlier_one() {
        let mut ids = KnownIds::holding(2);
        ids.insert(key(1), known(100, 1_000), time(1));
        ids.insert(key(1), known(200, 1_000), time(2));
        ids.insert(key(2), known(300, 1_000), time(3));
        let later = known(200, 1_000);
        let nowhere = Looked::default();
        assert_eq!(ids.find(key(1), &nowhere, time(5)), Use::Before(&later));
        assert_eq!(ids.reach(), Lsn(200));
    }

    #[derive(Debug, Clone)]
    struct Step {
        key: u8,
        minutes: i64,
        /// How many of the newest uses the search before it did not see.
        unseen: usize,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (0..12_u8, 0..20_i64, 0..6_usize);
        let step = step.prop_map(|(key, minutes, unseen)| Step {
            key,
            minutes,
            unseen,
        });
        proptest::collection::vec(step, 1..80)
    }

    const WINDOW: Duration = Duration::from_hours(1);

    proptest! {
        #[test]
        fn memory_and_search_together_miss_no_id_and_invent_none(steps in steps(), room in 1..6_usize) {
            let mut ids = KnownIds::holding(room);
            let mut uses: Vec<(KeyedDigest, Known)> = Vec::new();
            let mut now = time(0);
            for (step, at) in steps.iter().zip(1_u64..) {
                now = now.plus(Duration::from_mins(step.minutes.unsigned_abs()));
                let seen = &uses[..uses.len().saturating_sub(step.unseen)];
                let before = seen.last().map_or(Lsn::START, |(_, known)| Lsn(known.lsn.0 + 1));
                let of_key = |(used, _): &&(KeyedDigest, Known)| *used == key(step.key);
                let found = seen.iter().rfind(of_key).map(|(_, known)| Box::new(known.clone()));
                let looked = Looked::Before(before, found);
                let newest = uses.iter().rfind(of_key).map(|(_, known)| known);
                let newest = newest.filter(|known| known.counts(now));
                match ids.find(key(step.key), &looked, now) {
                    Use::None => prop_assert_eq!(newest, None),
                    Use::Before(known) => prop_assert_eq!(newest, Some(known)),
                    Use::Unsearched => prop_assert!(before < ids.reach()),
                    Use::Unreadable => prop_assert!(false, "it was searched"),
                }
                prop_assert!(ids.len() <= room);
                let passed = uses.iter().filter(|(_, known)| known.lsn <= ids.past());
                prop_assert!(passed.into_iter().all(|(_, known)| !known.counts(now)));
                let until = now.plus(WINDOW);
                let (content, lsn) = (key(0), Lsn(at));
                let known = Known { content, lsn, first: lsn, until, refused: None };
                ids.insert(key(step.key), known.clone(), now);
                uses.push((key(step.key), known));
            }
        }
    }
}
