//! A queue's entries: a bounded head in memory, pages that may lie on disk, a tail.
//!
//! ```text
//! oldest                                                            newest
//! | head: <= 4,096 + one page | page | page | ... | page | tail: < 4,096 |
//!   the only ones that can       in memory until       becomes a page
//!   be out to a consumer         written, then on disk when full
//! ```
//! Entries lie in the order of their addresses. Settling one that has not reached the head (which
//! happens in replay only: there pages come back later than they did live) is remembered and done
//! when its page does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::limits::{QUEUE_HEAD_ENTRIES, QUEUE_PAGE_ENTRIES};
use crate::agency::registry::AgencyLimits;
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// A message in a queue: where its record is, until when it is wanted, how often it came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The record that placed it: unique within the queue.
    pub lsn: Lsn,
    /// When it expires, in milliseconds since 1970; `i64::MAX` for never.
    pub(super) deadline_ms: i64,
    /// Times it came back (requeued, or its connection ended).
    pub returns: u32,
    /// Bits as a page has them: the four lowest by name, above them the octets of its message.
    pub(super) flags: u32,
}

/// How much queues hold, what is out from them included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Messages; one in two queues counts twice.
    pub messages: u64,
    /// Octets of the frames of what their agency published for itself; a release has none.
    pub octets: u64,
}

impl Volume {
    /// More than there can be.
    pub const ANY: Self = Self {
        messages: u64::MAX,
        octets: u64::MAX,
    };

    /// What queues of an agency's own may hold at most.
    pub fn most(limits: &AgencyLimits) -> Self {
        Self {
            messages: limits.private_messages.into(),
            octets: u64::from(limits.private_mib) << 20,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(more.messages),
            octets: self.octets.saturating_add(more.octets),
        }
    }

    /// What is left of it without these.
    #[must_use]
    pub fn without(self, less: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(less.messages),
            octets: self.octets.saturating_sub(less.octets),
        }
    }

    /// Whether it is no more than `most`, in either.
    pub fn is_within(self, most: Self) -> bool {
        self.messages <= most.messages && self.octets <= most.octets
    }
}

const _: () = assert!(size_of::<Entry>() == 24);

impl Entry {
    const SETTLED: u32 = 1;
    const REDELIVERED: u32 = 2;
    const PRIVATE: u32 = 4;
    const MARKED: u32 = 8;
    /// Above all these: no message has 2^28 octets.
    const OCTETS: u32 = 4;

    /// A fresh entry.
    pub fn new(lsn: Lsn, deadline: Option<Timestamp>) -> Self {
        let deadline_ms = deadline.map_or(i64::MAX, Timestamp::as_millis);
        Self {
            lsn,
            deadline_ms,
            returns: 0,
            flags: 0,
        }
    }

    /// This entry, as one of a message of so many octets.
    #[must_use]
    pub fn of(mut self, octets: u32) -> Self {
        self.flags |= octets.min(u32::MAX >> Self::OCTETS) << Self::OCTETS;
        self
    }

    /// Octets of its message.
    pub fn octets(&self) -> u32 {
        self.flags >> Self::OCTETS
    }

    /// This entry, as one of a message that its own agency published for itself.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.flags |= Self::PRIVATE;
        self
    }

    /// This entry, as one of a message with headers that look like the broker's own.
    #[must_use]
    pub fn marked(mut self) -> Self {
        self.flags |= Self::MARKED;
        self
    }

    /// This entry, wanted no longer than until `deadline`.
    #[must_use]
    pub fn until(mut self, deadline: Timestamp) -> Self {
        self.deadline_ms = self.deadline_ms.min(deadline.as_millis());
        self
    }

    /// Whether its own agency published it for itself.
    pub fn is_private(&self) -> bool {
        self.flags & Self::PRIVATE != 0
    }

    /// Whether its own agency gave it headers that look like the broker's.
    pub fn is_marked(&self) -> bool {
        self.flags & Self::MARKED != 0
    }

    /// When it expires; none for never.
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.deadline_ms != i64::MAX).then(|| Timestamp::from_millis(self.deadline_ms))
    }

    /// Whether its time is up: only a consumer that waits for it gets it in this very millisecond. So
    /// one with no time to live is delivered in the step that brings it, or never.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.deadline_ms <= now.as_millis()
    }

    /// Whether its last millisecond is over: no consumer gets it.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.deadline_ms < now.as_millis()
    }

    /// Whether it was surely sent before, whatever the queue's lease says.
    pub fn is_redelivered(&self) -> bool {
        self.returns > 0 || self.flags & Self::REDELIVERED != 0
    }

    fn is_settled(&self) -> bool {
        self.flags & Self::SETTLED != 0
    }
}

/// A full page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its number within the queue, never used again.
    pub number: u64,
    pub(super) count: u64,
    /// Its first entry. With its last one it names the page: every replay gives a queue the same
    /// entries between two addresses.
    pub first: Lsn,
    /// Its last entry.
    pub last: Lsn,
    /// `None` while the entries are on disk alone.
    pub(super) entries: Option<Arc<[Entry]>>,
}

/// The entries of one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    pub(super) head: VecDeque<Entry>,
    /// Entries of the head that are settled and lie behind one that is not: at most half of it.
    pub(super) settled_in_head: usize,
    pub(super) pages: VecDeque<Page>,
    pub(super) tail: Vec<Entry>,
    pub(super) settled_ahead: BTreeSet<Lsn>,
    pub(super) next_page: u64,
    pub(super) live: u64,
    /// Of those that are in it still, and of those in a page on disk that are settled already.
    pub(super) octets: u64,
}

impl Backlog {
    /// How many entries wait or are out.
    pub fn len(&self) -> u64 {
        self.live
    }

    /// How much there is.
    pub fn volume(&self) -> Volume {
        Volume {
            messages: self.live,
            octets: self.octets,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Entries of the head that are not settled.
    fn live_in_head(&self) -> usize {
        self.head.len().saturating_sub(self.settled_in_head)
    }

    /// Adds the newest entry. Returns the page that it completed, to be written to disk.
    pub fn push(&mut self, entry: Entry) -> Option<Page> {
        self.live += 1;
        self.octets += u64::from(entry.octets());
        let behind = self.pages.is_empty() && self.tail.is_empty();
        if behind && self.live_in_head() < QUEUE_HEAD_ENTRIES {
            self.head.push_back(entry);
            return None;
        }
        self.tail.push(entry);
        if self.tail.len() < QUEUE_PAGE_ENTRIES {
            return None;
        }
        let entries: Arc<[Entry]> = std::mem::take(&mut self.tail).into();
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let page = Page {
            number: self.next_page,
            count,
            first: entries.first().map_or(entry.lsn, |first| first.lsn),
            last: entry.lsn,
            entries: Some(entries),
        };
        self.next_page += 1;
        self.pages.push_back(page.clone());
        Some(page)
    }

    /// The first entry of the head that is not settled and lies after `after`.
    pub fn next_after(&self, after: Option<Lsn>) -> Option<&Entry> {
        let start = after.map_or(0, |lsn| self.head.partition_point(|entry| entry.lsn <= lsn));
        self.head.range(start..).find(|entry| !entry.is_settled())
    }

    /// An entry of the head.
    pub fn get(&self, lsn: Lsn) -> Option<&Entry> {
        let entry = self.head.get(self.place(lsn)?)?;
        (!entry.is_settled()).then_some(entry)
    }

    /// Whether an entry that was put into this queue is in it still, in the head or behind it: in
    /// replay the head comes to it later than it did live.
    pub fn holds(&self, lsn: Lsn) -> bool {
        if let Some(place) = self.place(lsn) {
            return self
                .head
                .get(place)
                .is_some_and(|entry| !entry.is_settled());
        }
        let waits = self.tail.binary_search_by_key(&lsn, |entry| entry.lsn);
        let page = self.pages.partition_point(|page| page.last < lsn);
        let paged = self.pages.get(page).is_some_and(|page| page.first <= lsn);
        waits.is_ok() || (paged && !self.settled_ahead.contains(&lsn))
    }

    fn place(&self, lsn: Lsn) -> Option<usize> {
        self.head.binary_search_by_key(&lsn, |entry| entry.lsn).ok()
    }

    /// Takes an entry away: `None` when it is not there (any more). Returns the pages that the head
    /// took in for it, which are not needed on disk any more.
    pub fn settle(&mut self, lsn: Lsn) -> Option<Vec<Page>> {
        if let Some(place) = self.place(lsn) {
            let entry = self.head.get_mut(place);
            let entry = entry.filter(|entry| !entry.is_settled())?;
            entry.flags |= Entry::SETTLED;
            self.octets = self.octets.saturating_sub(entry.octets().into());
            self.live -= 1;
            self.settled_in_head += 1;
            self.drop_settled();
            return Some(self.refill());
        }
        if let Ok(place) = self.tail.binary_search_by_key(&lsn, |entry| entry.lsn) {
            let entry = self.tail.remove(place);
            self.octets = self.octets.saturating_sub(entry.octets().into());
            self.live -= 1;
            return Some(Vec::new());
        }
        let page = self.pages.partition_point(|page| page.last < lsn);
        let paged = self.pages.get(page).is_some_and(|page| page.first <= lsn);
        let ahead = paged && self.settled_ahead.insert(lsn);
        self.live -= u64::from(ahead);
        ahead.then(Vec::new)
    }

    /// Lets go of settled entries: those in front at once, those behind one that is still out when
    /// they are more than half of the head. One message that is never settled would else fill the head
    /// with settled ones, and nothing more would be taken in.
    fn drop_settled(&mut self) {
        while self.head.front().is_some_and(Entry::is_settled) {
            self.head.pop_front();
            self.settled_in_head -= 1;
        }
        if self.settled_in_head > self.head.len() / 2 {
            self.head.retain(|entry| !entry.is_settled());
            self.settled_in_head = 0;
        }
    }

    /// Notes that an entry came back.
    pub fn returned(&mut self, lsn: Lsn) {
        if let Some(entry) = self.place(lsn).and_then(|place| self.head.get_mut(place)) {
            entry.returns = entry.returns.saturating_add(1);
        }
    }

    /// Notes that an entry was out when the broker stopped cleanly.
    pub fn was_sent(&mut self, lsn: Lsn) {
        if let Some(entry) = self.place(lsn).and_then(|place| self.head.get_mut(place)) {
            entry.flags |= Entry::REDELIVERED;
        }
    }

    /// Takes everything away but `out`, in order, which only the head can hold. Returns the pages
    /// that went.
    pub fn purge(&mut self, out: &[Lsn]) -> Vec<Page> {
        let before = std::mem::take(self);
        self.next_page = before.next_page;
        self.head = before.head;
        let is_out = |entry: &Entry| out.binary_search(&entry.lsn).is_ok();
        self.head
            .retain(|entry| !entry.is_settled() && is_out(entry));
        self.live = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        self.octets = self.head.iter().map(|it| u64::from(it.octets())).sum();
        before.pages.iter().map(Page::without_entries).collect()
    }

    /// The page that the head will need next and that is on disk alone, once half the head is used.
    pub fn wanted_page(&self) -> Option<&Page> {
        let page = self.pages.front().filter(|page| page.entries.is_none())?;
        (self.live_in_head() <= QUEUE_HEAD_ENTRIES / 2).then_some(page)
    }

    /// Lets go of a page's entries: they are on disk. The next page stays, it is wanted soon.
    pub fn page_written(&mut self, number: u64) {
        let later = self.pages.iter_mut().skip(1);
        if let Some(page) = later.into_iter().find(|page| page.number == number) {
            page.entries = None;
        }
    }

    /// Takes a page's entries back from disk. Returns the pages that the head took in.
    pub fn page_loaded(&mut self, number: u64, entries: Arc<[Entry]>) -> Vec<Page> {
        let Some(page) = self.pages.front_mut().filter(|page| page.number == number) else {
            return Vec::new();
        };
        page.entries = Some(entries);
        self.refill()
    }

    /// Pages that are wanted on disk: those a snapshot may name.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter()
    }

    /// Fills the head from the pages behind it. Returns the pages that it took in.
    fn refill(&mut self) -> Vec<Page> {
        let mut taken = Vec::new();
        while self.live_in_head() <= QUEUE_HEAD_ENTRIES / 2 {
            let Some(page) = self.pages.front() else {
                self.head.extend(self.tail.drain(..));
                break;
            };
            let Some(entries) = page.entries.clone() else {
                break;
            };
            taken.push(page.without_entries());
            self.pages.pop_front();
            for entry in entries.iter() {
                if self.settled_ahead.remove(&entry.lsn) {
                    self.octets = self.octets.saturating_sub(entry.octets().into());
                } else {
                    self.head.push_back(*entry);
                }
            }
        }
        taken
    }
}

impl Page {
    /// This page with its entries on disk alone.
    #[must_use]
    pub fn without_entries(&self) -> Self {
        Self {
            entries: None,
            ..self.clone()
        }
    }

    /// The entries, unless they are on disk alone.
    pub fn entries(&self) -> Option<&Arc<[Entry]>> {
        self.entries.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(count: u64) -> Backlog {
        let mut backlog = Backlog::default();
        for n in 1..=count {
            let octets = u32::try_from(n).unwrap();
            backlog.push(Entry::new(Lsn(n), None).of(octets));
        }
        backlog
    }

    fn drain(backlog: &mut Backlog) -> Vec<u64> {
        let mut seen = Vec::new();
        while let Some(lsn) = backlog.next_after(None).map(|entry| entry.lsn) {
            seen.push(lsn.0);
            assert!(backlog.settle(lsn).is_some());
        }
        seen
    }

    #[test]
    fn a_long_backlog_comes_out_in_order_through_its_pages() {
        let mut backlog = filled(20_000);
        assert!(backlog.pages().count() >= 3);
        assert_eq!(drain(&mut backlog), (1..=20_000).collect::<Vec<_>>());
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_page_on_disk_is_asked_for_when_half_the_head_is_used() {
        let mut backlog = filled(20_000);
        let written: Vec<Page> = backlog.pages().cloned().collect();
        for page in &written {
            backlog.page_written(page.number);
        }
        let mut seen = Vec::new();
        while seen.len() < 20_000 {
            if let Some(number) = backlog.wanted_page().map(|page| page.number) {
                let page = written.iter().find(|page| page.number == number).unwrap();
                backlog.page_loaded(number, page.entries().unwrap().clone());
            }
            let lsn = backlog.next_after(None).unwrap().lsn;
            backlog.settle(lsn);
            seen.push(lsn.0);
        }
        assert_eq!(seen, (1..=20_000).collect::<Vec<_>>());
    }

    #[test]
    fn every_page_is_given_up_once_whichever_way_its_entries_go() {
        let numbers = |pages: Vec<Page>| -> Vec<u64> {
            assert!(pages.iter().all(|page| page.entries().is_none()));
            pages.iter().map(|page| page.number).collect()
        };
        let mut backlog = filled(30_000);
        let written: Vec<Page> = backlog.pages().cloned().collect();
        assert_eq!(written.len(), 6);
        for page in &written[..4] {
            backlog.page_written(page.number);
        }
        let mut given_up = Vec::new();
        for lsn in 1..=14_000 {
            if let Some(number) = backlog.wanted_page().map(|page| page.number) {
                let entries = written[usize::try_from(number).unwrap()].entries().unwrap();
                given_up.extend(numbers(backlog.page_loaded(number, entries.clone())));
            }
            given_up.extend(numbers(backlog.settle(Lsn(lsn)).unwrap()));
        }
        assert_eq!(given_up, [0, 1, 2]);
        assert_eq!(numbers(backlog.purge(&[])), [3, 4, 5]);
        assert_eq!(numbers(backlog.purge(&[])), [0; 0]);
    }

    #[test]
    fn an_entry_settled_before_its_page_is_back_does_not_come_out() {
        let mut backlog = filled(20_000);
        let written: Vec<Page> = backlog.pages().cloned().collect();
        for page in &written {
            backlog.page_written(page.number);
        }
        assert!(backlog.settle(Lsn(9_000)).is_some());
        assert!(backlog.settle(Lsn(9_000)).is_none());
        assert!(backlog.settle(Lsn(30_000)).is_none());
        assert_eq!(backlog.len(), 19_999);
        for lsn in 1..=8_192 {
            assert!(backlog.settle(Lsn(lsn)).is_some());
        }
        let left: u64 = (8_193..=20_000).sum();
        assert_eq!(
            backlog.volume().octets,
            left,
            "one of them is not looked at yet"
        );
        assert_eq!(backlog.wanted_page().map(|page| page.number), Some(1));
        backlog.page_loaded(1, written[1].entries().unwrap().clone());
        assert_eq!(backlog.volume().octets, left - 9_000);
        assert!(backlog.get(Lsn(9_000)).is_none());
        assert!(backlog.get(Lsn(9_001)).is_some());
    }

    #[test]
    fn one_entry_that_nobody_settles_holds_up_none_of_those_behind_it() {
        let mut backlog = filled(40_000);
        let oldest = Lsn(1);
        let mut seen = Vec::new();
        while let Some(lsn) = backlog.next_after(Some(oldest)).map(|entry| entry.lsn) {
            assert!(backlog.settle(lsn).is_some());
            assert!(backlog.head.len() <= 3 * QUEUE_HEAD_ENTRIES);
            seen.push(lsn.0);
        }
        assert_eq!(seen, (2..=40_000).collect::<Vec<_>>());
        assert!(backlog.len() == 1 && backlog.head.len() <= 2);
        assert_eq!(backlog.get(oldest).map(|entry| entry.lsn), Some(oldest));
    }

    #[test]
    fn a_page_on_disk_is_asked_for_though_the_oldest_entry_stays() {
        let mut backlog = filled(20_000);
        let written: Vec<Page> = backlog.pages().cloned().collect();
        for page in &written {
            backlog.page_written(page.number);
        }
        let mut asked = 0;
        for lsn in 2..=16_000 {
            if let Some(number) = backlog.wanted_page().map(|page| page.number) {
                let page = written.iter().find(|page| page.number == number).unwrap();
                backlog.page_loaded(number, page.entries().unwrap().clone());
                asked += 1;
            }
            assert!(backlog.get(Lsn(lsn)).is_some(), "{lsn} is not in the head");
            backlog.settle(Lsn(lsn));
            assert!(backlog.settle(Lsn(lsn)).is_none(), "{lsn} twice");
        }
        assert!(asked >= 2, "{asked}");
        assert_eq!(backlog.len(), 20_000 - 15_999);
    }

    proptest! {
        #[test]
        fn settling_in_any_order_equals_a_plain_set(order in prop::collection::vec(1_u64..9_000, 1..300)) {
            let mut backlog = filled(9_000);
            let mut model: BTreeSet<u64> = (1..=9_000).collect();
            for lsn in order {
                prop_assert_eq!(backlog.settle(Lsn(lsn)).is_some(), model.remove(&lsn));
                prop_assert_eq!(backlog.len(), u64::try_from(model.len()).unwrap());
            }
            let left: Vec<u64> = (1..=9_000).filter(|lsn| backlog.holds(Lsn(*lsn))).collect();
            // Of those in pages that are settled it is known once their page is taken in.
            let ahead = backlog.settled_ahead.iter().map(|lsn| lsn.0).sum::<u64>();
            prop_assert_eq!(backlog.volume().octets, left.iter().sum::<u64>() + ahead);
            prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        }
    }
}
