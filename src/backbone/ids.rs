//! Used ids that are no longer in memory: a file for each sealed segment, and the search in them.
//!
//! The sender's task looks, [`Ids::glance`], before it hands a message over; as long as memory holds
//! all ids of the window that costs one look at a number. Where it must be searched for on the disk,
//! [`Ids::look`], a thread does that for it. The thread of snapshots keeps the
//! files, [`Ids::keep`]: it makes one when a segment is sealed and takes one away once all its ids
//! are past their window. Where memory does not reach back to the end of the files, the journal
//! between is read into memory once: the tail.
//!
//! Nothing here is the truth: what is missing or damaged is made again from the journal.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::mailbox::lock;
use super::runs::{RunError, Runs, Segment};
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::{ArcSwap, Mutex};
use crate::broker::dedup::{Known, KnownIds, Looked};
use crate::broker::limits::SEARCH_AHEAD_BYTES;
use crate::broker::record::{Exchange, Record};
use crate::broker::run::{Run, find};
use crate::journal::snapshot::Files;
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, ReadError, Reader};
use crate::message::id::KeyedDigest;

/// The ids that sealed segments used, as far as they are within the window.
pub struct Ids<V: Vfs> {
    files: Runs<V>,
    reader: Reader<V>,
    /// Oldest first, each beginning where the one before it ends. Changed under the tail's lock
    /// alone, so that tail and runs never leave a gap.
    runs: ArcSwap<Vec<SegmentRun>>,
    tail: Mutex<Tail>,
    /// How far back memory reaches, and what is past the window: said by the committer thread.
    reach: AtomicU64,
    past: AtomicU64,
    /// Held by the one thread that makes files.
    making: Mutex<()>,
    /// Held by the one thread that reads the tail on.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct SegmentRun {
    segment: Segment,
    run: Arc<Run>,
}

/// Ids between the end of the runs and `up_to`, read from the journal.
#[derive(Default)]
struct Tail {
    up_to: Lsn,
    ids: BTreeMap<KeyedDigest, Lsn>,
}

impl<V: Vfs> Ids<V> {
    /// Reads the files that `known` has need of, and makes those that are missing or damaged; all of
    /// them where `afresh`.
    pub fn open(
        files: Files<V>,
        reader: Reader<V>,
        known: &KnownIds,
        afresh: bool,
    ) -> io::Result<Self> {
        let ids = Self {
            files: Runs::new(files, reader.clone()),
            reader,
            runs: ArcSwap::default(),
            tail: Mutex::default(),
            reach: AtomicU64::new(known.reach().0),
            past: AtomicU64::new(known.past().0),
            making: Mutex::default(),
            reading: Mutex::default(),
        };
        if afresh {
            ids.files.forget()?;
        }
        if let Err(error) = ids.keep() {
            // On a full disk, say: the journal itself is searched instead.
            tracing::warn!(%error, "repeats of old messages are searched for in the journal");
        }
        Ok(ids)
    }

    /// Says what memory holds now. The committer thread does, after each step.
    pub fn note(&self, known: &KnownIds) {
        let (reach, past) = (known.reach().0, known.past().0);
        if self.reach.load(Ordering::Relaxed) != reach {
            self.reach.store(reach, Ordering::Release);
        }
        if self.past.load(Ordering::Relaxed) != past {
            self.past.store(past, Ordering::Release);
        }
    }

    fn past(&self) -> Lsn {
        Lsn(self.past.load(Ordering::Acquire))
    }

    /// What can be said without the disk of an id that memory may no longer hold: that it was not used,
    /// and how far that is certain. Nothing where files or the journal must be read.
    pub fn glance(&self, key: KeyedDigest) -> Option<Looked> {
        let reach = Lsn(self.reach.load(Ordering::Acquire));
        if reach == Lsn::START {
            return Some(Looked::default());
        }
        // Under its lock runs and tail leave no gap.
        let tail = lock(&self.tail);
        let runs = self.runs.load_full();
        let (is_used, read_to) = (tail.ids.contains_key(&key), tail.up_to);
        drop(tail);
        let near = near(&runs, reach);
        let before = match runs.get(near) {
            Some(run) => run.segment.first,
            None => read_to.max(end_of(&runs)),
        };
        let mut searched = runs.iter().take(near);
        let is_unused = !is_used && searched.all(|run| run.run.block_of(key).is_none());
        (is_unused && before >= reach).then_some(Looked::Before(before, None))
    }

    /// Looks for the newest use of an id that memory may no longer hold.
    pub fn look(&self, key: KeyedDigest) -> Looked {
        let reach = Lsn(self.reach.load(Ordering::Acquire));
        if reach == Lsn::START {
            return Looked::default();
        }
        match self.search(key, reach) {
            Ok((before, found)) => Looked::Before(before, found.map(Box::new)),
            Err(error) => {
                tracing::error!(%error, "repeats cannot be told: publishes are not taken");
                Looked::Failed
            }
        }
    }

    /// Newest first: of an id that was used twice the last counts.
    fn search(&self, key: KeyedDigest, reach: Lsn) -> Result<(Lsn, Option<Known>), RunError> {
        let wanted = Lsn(reach.0.saturating_add(SEARCH_AHEAD_BYTES));
        let mut runs = self.runs.load_full();
        let mut before = end_of(&runs);
        if before < wanted.min(self.reader.end()) {
            self.read_on()?;
            let tail = lock(&self.tail);
            runs = self.runs.load_full();
            before = tail.up_to;
            let found = tail.ids.get(&key).copied();
            drop(tail);
            if let Some(lsn) = found {
                return Ok((before, self.known(key, lsn)?));
            }
        }
        let near = near(&runs, reach);
        if near < runs.len() {
            // What lies behind is in memory.
            before = runs.get(near).map_or(before, |run| run.segment.first);
        }
        for run in runs.iter().take(near).rev() {
            if let Some(lsn) = self.find(run, key)? {
                return Ok((before, self.known(key, lsn)?));
            }
        }
        Ok((before, None))
    }

    /// Reads what was written since, up to the durable end. The tail is not locked meanwhile: those who
    /// only look at it do not wait for the disk.
    fn read_on(&self) -> Result<(), RunError> {
        let _reading = lock(&self.reading);
        let tail = lock(&self.tail);
        let (runs, read_to) = (self.runs.load_full(), tail.up_to);
        drop(tail);
        let begins = match runs.last() {
            Some(last) => last.segment.end,
            None => self.begins(),
        };
        let end = self.reader.end();
        let mut read = Vec::new();
        each_exchange(&self.reader, read_to.max(begins), end, |lsn, key| {
            read.push((key, lsn));
        })?;
        let mut tail = lock(&self.tail);
        tail.ids.extend(read);
        tail.up_to = tail.up_to.max(end);
        Ok(())
    }

    /// Where the first segment begins that is not past the window.
    fn begins(&self) -> Lsn {
        let (past, segments) = (self.past(), self.reader.segments());
        let within = segments.into_iter().rfind(|first| *first <= past);
        within.unwrap_or_default()
    }

    fn find(&self, run: &SegmentRun, key: KeyedDigest) -> Result<Option<Lsn>, RunError> {
        let Some(part) = run.run.block_of(key) else {
            return Ok(None);
        };
        let segment = run.segment;
        let block = self.files.part(segment, part);
        match block.and_then(|block| Ok(find(&block, key)?)) {
            Ok(found) => Ok(found),
            Err(error) => {
                tracing::warn!(journal.lsn = %segment.first, %error, "a file of ids is made again");
                Ok(self.made_again(segment)?.get(&key).copied())
            }
        }
    }

    /// What is known by an exchange's record.
    fn known(&self, key: KeyedDigest, lsn: Lsn) -> Result<Option<Known>, RunError> {
        let stored = self.reader.record(lsn)?;
        match Record::decode(stored.kind, &stored.body)? {
            Record::Exchange(exchange) if exchange.key == key => {
                Ok(Some(Known::of(&exchange, lsn)))
            }
            _ => Err(ReadError::Damaged(lsn).into()),
        }
    }

    /// Makes files for sealed segments within the window, and takes away those that are past it.
    /// What was made before an error stays.
    pub fn keep(&self) -> Result<(), RunError> {
        let _making = lock(&self.making);
        let past = self.past();
        let old = self.runs.load_full();
        let mut runs: Vec<SegmentRun> = old
            .iter()
            .filter(|r| r.segment.end > past)
            .cloned()
            .collect();
        let mut failed = None;
        for segment in self.files.sealed(end_of(&runs).max(past)) {
            match self.run_of(segment) {
                Ok(run) => runs.push(SegmentRun { segment, run }),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let firsts = |runs: &[SegmentRun]| runs.first().map(|run| run.segment);
        if old.is_empty() || firsts(&old) != firsts(&runs) || runs.len() != old.len() {
            self.publish(runs.clone());
            let is_kept = |first| runs.iter().any(|run| run.segment.first == first);
            self.files.sweep(is_kept)?;
        }
        failed.map_or(Ok(()), Err)
    }

    fn publish(&self, runs: Vec<SegmentRun>) {
        let mut tail = lock(&self.tail);
        let end = end_of(&runs);
        tail.ids.retain(|_, lsn| *lsn >= end);
        self.runs.store(Arc::new(runs));
    }

    /// By its file, which is made where it is missing or damaged.
    fn run_of(&self, segment: Segment) -> Result<Arc<Run>, RunError> {
        if let Some(bytes) = self.files.whole(segment)?
            && let Ok(run) = Run::parse(&bytes)
        {
            return Ok(Arc::new(run));
        }
        Ok(Arc::new(self.write(segment, &self.of_segment(segment)?)?))
    }

    /// What the journal says.
    fn of_segment(&self, segment: Segment) -> Result<BTreeMap<KeyedDigest, Lsn>, RunError> {
        let mut ids = BTreeMap::new();
        let Segment { first, end } = segment;
        each_exchange(&self.reader, first, end, |lsn, key| {
            ids.insert(key, lsn);
        })?;
        Ok(ids)
    }

    fn write(&self, segment: Segment, ids: &BTreeMap<KeyedDigest, Lsn>) -> Result<Run, RunError> {
        let entries = ids.iter().map(|(key, lsn)| (*key, *lsn));
        Ok(self.files.write(segment, entries)?.0)
    }

    /// Rot was found while searching. The search has its answer even where nothing can be written.
    fn made_again(&self, segment: Segment) -> Result<BTreeMap<KeyedDigest, Lsn>, RunError> {
        let _making = lock(&self.making);
        let ids = self.of_segment(segment)?;
        match self.write(segment, &ids) {
            Ok(run) => {
                let mut runs = self.runs.load_full().to_vec();
                if let Some(old) = runs.iter_mut().find(|old| old.segment == segment) {
                    old.run = Arc::new(run);
                }
                self.publish(runs);
            }
            Err(error) => tracing::warn!(%error, "a file of ids stays damaged"),
        }
        Ok(ids)
    }
}

fn end_of(runs: &[SegmentRun]) -> Lsn {
    runs.last().map_or(Lsn::START, |run| run.segment.end)
}

/// How many of the runs must be searched: what lies behind them is in memory, and still is when a
/// message that waits for the committer has its turn.
fn near(runs: &[SegmentRun], reach: Lsn) -> usize {
    let wanted = Lsn(reach.0.saturating_add(SEARCH_AHEAD_BYTES));
    runs.partition_point(|run| run.segment.first < wanted)
}

/// Tells of the id of each exchange from `from`, where a batch begins, up to `until`.
fn each_exchange<V: Vfs>(
    reader: &Reader<V>,
    from: Lsn,
    until: Lsn,
    mut tell: impl FnMut(Lsn, KeyedDigest),
) -> Result<(), RunError> {
    for stored in reader.scan(from) {
        let stored = stored?;
        if stored.lsn >= until {
            break;
        }
        if stored.kind.kind == Record::EXCHANGE {
            tell(
                stored.lsn,
                Exchange::key_in(stored.kind.schema, &stored.body)?,
            );
        }
    }
    Ok(())
}
