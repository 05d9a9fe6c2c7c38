//! A crash at each call of the threads of pages and snapshots: whatever is on the disk then, a start
//! finds in every queue what was not taken out of it, with snapshots and without, and goes on.

use std::collections::BTreeSet;
use std::error::Error;
use std::ops::Range;

use super::*;
use crate::journal::vfs::{Fault, Pattern};

/// A head, pages on disk and a tail.
const MESSAGES: u64 = 14_000;
const QUEUE: QueueId = QueueId(0);
/// Messages that are acknowledged in one batch.
const TOGETHER: usize = 500;
/// Of the calls, every so many-th is tried; each where `CARNET_TEST_LONG` is set.
const EVERY: usize = 9;

type Ended<T> = Result<T, Box<dyn Error>>;

/// What must be so after a crash.
#[derive(Default)]
struct Told {
    taken: BTreeSet<Lsn>,
    /// What was being taken when the crash came.
    in_doubt: BTreeSet<Lsn>,
    /// The changing calls of the two threads, by their numbers.
    calls: Vec<Range<u64>>,
}

/// A process at work, with both threads in one.
struct Life {
    vfs: SimVfs,
    journal: Journal<SimVfs>,
    ledger: Ledger,
    pages: Pages<SimVfs>,
    snapshots: Snapshots<SimVfs>,
}

impl Life {
    fn begin(vfs: &SimVfs, by_snapshot: bool) -> Ended<Self> {
        let data = Path::new(DATA);
        let config = Config {
            segment_bytes: 256 << 10,
            background: false,
            journal: [7; 16],
            stopped_kind: Record::STOPPED,
        };
        let (journal, _) = Journal::open(vfs.clone(), &data.join("journal"), config)?;
        let reader = journal.reader();
        let pages = Pages::open(vfs.clone(), data, reader.journal())?;
        let snapshots = Snapshots::open(vfs.clone(), data)?;
        let latest = snapshots.latest(|of| Ok(by_snapshot && reader.vouches(of)?))?;
        let (mut ledger, of) = latest.unwrap_or_default();
        replay(&reader, &mut ledger, of.end.lsn..reader.end(), &pages)?;
        pages.adopt(&ledger);
        Ok(Self {
            vfs: vfs.clone(),
            journal,
            ledger,
            pages,
            snapshots,
        })
    }

    /// What the two threads do once a segment is sealed.
    fn keep(&mut self, told: &mut Told) -> Ended<()> {
        let first = self.vfs.calls();
        let kept = self.snapshot_and_write();
        told.calls.push(first..self.vfs.calls());
        kept
    }

    /// The snapshot first, as far as it is a thread of its own: it relies on no page of the other's.
    fn snapshot_and_write(&mut self) -> Ended<()> {
        let reader = self.journal.reader();
        let sealed = reader.sealed_end();
        snapshot(&reader, &self.snapshots, &self.pages, &sealed)?;
        let position = self.journal.position();
        for (queue, page) in self.ledger.held_pages() {
            let name = Pages::<SimVfs>::name(queue, &page);
            self.pages.live().insert(name);
            self.pages.write(queue, &page, &position)?;
            self.ledger.page_written(queue, page.number);
        }
        Ok(())
    }

    fn commit(&mut self, records: &[Record]) -> Ended<Vec<Lsn>> {
        let mut added = Vec::new();
        for record in records {
            self.journal.reserve(64 << 10, 0)?;
            let mut body = Vec::new();
            record.encode(&LeafSecret::new([7; 32]), &mut body);
            let (kind, schema) = (record.kind(), SCHEMA);
            added.push(self.journal.push(Kind { kind, schema }, &body, None));
        }
        self.journal.commit()?;
        Ok(added)
    }

    /// Acknowledges so many messages, at most; reads pages back as the head needs them.
    fn take(&mut self, count: usize, told: &mut Told) -> Ended<()> {
        for _ in 0..count / TOGETHER {
            let backlog = &self.ledger.queue(QUEUE).ok_or("no queue")?.backlog;
            if let Some(page) = backlog.wanted_page().cloned() {
                let entries = self.pages.read(QUEUE, &page)?;
                for page in self.ledger.page_loaded(QUEUE, page.number, entries) {
                    self.pages.done(QUEUE, &page);
                }
            }
            let backlog = &self.ledger.queue(QUEUE).ok_or("no queue")?.backlog;
            let next = |last: &Lsn| backlog.next_after(Some(*last)).map(|entry| entry.lsn);
            let first = backlog.next_after(None).map(|entry| entry.lsn);
            let next: Vec<Lsn> = std::iter::successors(first, next).take(TOGETHER).collect();
            told.in_doubt = next.iter().copied().collect();
            let records: Vec<Record> = next.iter().map(|lsn| gone(QUEUE, *lsn)).collect();
            let added = self.commit(&records)?;
            told.taken.append(&mut told.in_doubt);
            for (record, lsn) in records.iter().zip(added) {
                for change in self.ledger.apply(record, lsn) {
                    if let Change::PageDone(queue, page) = change {
                        self.pages.done(queue, &page);
                    }
                }
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Ended<()> {
        let lease = Record::Lease {
            queue: QueueId(u64::MAX),
            up_to: Lsn::START,
        };
        let before = self.journal.reader().sealed_end();
        while self.journal.reader().sealed_end() == before {
            self.commit(std::slice::from_ref(&lease))?;
        }
        Ok(())
    }
}

/// Fills pages, makes snapshots, uses the pages up, and takes them away with the snapshots.
fn live(vfs: &SimVfs, told: &mut Told) -> Ended<()> {
    let mut life = Life::begin(vfs, true)?;
    life.keep(told)?;
    for count in [5_000, 5_000, 4_000] {
        life.take(count, told)?;
        life.seal()?;
        life.keep(told)?;
    }
    Ok(())
}

/// Starts on what a crash has left, twice, and finds the same messages.
fn check(disk: &SimVfs, all: &[Lsn], told: &Told) {
    let without = disk.crash(Pattern::All, 0);
    let mut life = Life::begin(&without, false).expect("a start without snapshots");
    let of_the_journal = drain(&mut life.ledger, &life.pages);

    let mut life = Life::begin(disk, true).expect("a start");
    life.keep(&mut Told::default()).expect("a disk that works");
    let found = drain(&mut life.ledger, &life.pages);
    assert_eq!(found.len(), of_the_journal.len());
    assert!(found == of_the_journal, "snapshots give another queue");

    let left = |also: &BTreeSet<Lsn>| -> Vec<Lsn> {
        let taken = |lsn: &Lsn| told.taken.contains(lsn) || also.contains(lsn);
        all.iter().copied().filter(|lsn| !taken(lsn)).collect()
    };
    let is_right = found == left(&BTreeSet::new()) || found == left(&told.in_doubt);
    assert!(is_right, "{} messages of {}", found.len(), all.len());
}

#[test]
fn a_crash_at_any_call_of_the_keepers_loses_nothing_and_brings_nothing_back() {
    let base = SimVfs::new(11);
    drop(filled(&base, MESSAGES));
    let fresh = |seed| base.crash(Pattern::All, seed);
    let mut whole = Life::begin(&fresh(0), true).unwrap();
    let all = drain(&mut whole.ledger, &whole.pages);

    let mut told = Told::default();
    live(&fresh(0), &mut told).unwrap();
    let calls: Vec<u64> = told.calls.into_iter().flatten().collect();
    assert!(calls.len() > 40, "{} calls", calls.len());
    let every = match std::env::var_os("CARNET_TEST_LONG") {
        Some(_) => 1,
        None => EVERY,
    };
    for (nth, call) in calls.into_iter().enumerate().step_by(every) {
        let vfs = fresh(call);
        vfs.plan(call, Fault::Crash);
        let mut told = Told::default();
        live(&vfs, &mut told).expect_err("it has crashed");
        let pattern = Pattern::EACH[nth % Pattern::EACH.len()];
        println!("call {call}, {pattern:?}");
        check(&vfs.crash(pattern, call), &all, &told);
    }
}
