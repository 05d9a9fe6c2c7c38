//! The index: by which keys the log is searched, apart from the order of its records.
//!
//! ```text
//! sealed segments                                        the one that is written
//! run | run | … | run made just now      tail, in memory       read as it is searched
//! ```
//! A key is a keyed digest: of a sender's `message_id`, of an identifier in a message, of a case, and of
//! the exchange that was narrowed. [`Index::find`] gives addresses of records, which is all that it
//! knows: who asks reads the record and looks whether it has the key. So a run that is damaged, or says what is not so, costs time and
//! tells nothing wrong. A thread of its own makes all of it, [`Index::keep`]: newest first, so that
//! from some segment on all is there. Nothing here is the truth; the journal is.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::{Bound, Range};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use super::runs::RunError;
use super::runs::{Runs, Segment};
use crate::agency::keys::Keys;
use crate::broker::limits::INDEX_OPEN_ENTRIES;
use crate::broker::record::Record;
use crate::broker::run::find_all;
use crate::journal::snapshot::Files;
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, Reader, StoredRecord};
use crate::message::id::KeyedDigest;

/// How often the thread looks for what was written since, and the time between two segments that are
/// made anew: a log that has no index yet takes a processor half of its time.
const LOOK: Duration = Duration::from_secs(1);

/// The keys of a log.
pub struct Index<V: Vfs> {
    runs: Runs<V>,
    keys: Arc<Keys>,
    /// Keys that the tail may have.
    room: usize,
    /// Changed by the one thread that keeps it; a search marks runs that are not what they were.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Oldest first, each beginning where the one before it ends, with the octets of its run.
    runs: VecDeque<(Segment, usize)>,
    /// Segments whose runs are to be made again.
    damaged: BTreeSet<Lsn>,
    /// The newest segment that the journal cannot be read of.
    unread: Option<Lsn>,
    tail: Tail,
}

/// Keys from where the runs end, in memory.
#[derive(Default)]
struct Tail {
    /// Where its segment begins.
    first: Lsn,
    /// Up to where it has read.
    up_to: Lsn,
    entries: BTreeSet<(KeyedDigest, Lsn)>,
}

/// Records that may have a key, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Their addresses.
    pub lsns: BTreeSet<Lsn>,
    /// Whether the records themselves were read for it, and no run.
    pub scanned: bool,
}

/// How part of the journal is searched.
enum Way {
    Run(Segment, usize),
    /// What memory has of it, and from where on the rest is read.
    Tail(BTreeSet<Lsn>, Lsn),
    /// There is nothing of it yet.
    None,
}

impl<V: Vfs> Index<V> {
    /// The index of this journal, of which nothing was looked at yet.
    pub fn new(files: Files<V>, reader: Reader<V>, keys: Arc<Keys>) -> Self {
        let first = reader.segments().last().copied().unwrap_or_default();
        let tail = Tail::of(first);
        Self {
            runs: Runs::new(files, reader),
            keys,
            room: INDEX_OPEN_ENTRIES,
            state: Mutex::new(State {
                tail,
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a case.
    pub fn of_case(&self, case: &str) -> KeyedDigest {
        self.keys.of_identifier("case", case)
    }

    /// The key by which is found how the exchange at an address was narrowed.
    pub fn of_narrowed(&self, exchange: Lsn) -> KeyedDigest {
        self.keys.digest("narrowed", &[&exchange.0.to_le_bytes()])
    }

    /// Records that may have one of these keys, in a segment that begins where `part` does; none where
    /// nothing is known of that segment yet.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn find(
        &self,
        part: Range<Lsn>,
        wanted: &BTreeSet<KeyedDigest>,
    ) -> Result<Option<Hits>, RunError> {
        let (mut lsns, rest) = match self.way(part.start, wanted) {
            Way::None => return Ok(None),
            Way::Tail(lsns, rest) => (lsns, rest),
            Way::Run(segment, length) => match self.in_run(segment, length, wanted) {
                Ok(lsns) => {
                    let scanned = false;
                    return Ok(Some(Hits { lsns, scanned }));
                }
                Err(error) => {
                    tracing::warn!(journal.lsn = %segment.first, %error, "a file of the index is made again");
                    self.doubt(segment.first);
                    (BTreeSet::new(), segment.first)
                }
            },
        };
        self.each(rest..part.end, |key, lsn| {
            if wanted.contains(&key) {
                lsns.insert(lsn);
            }
        })?;
        let scanned = rest == part.start;
        Ok(Some(Hits { lsns, scanned }))
    }

    fn way(&self, first: Lsn, wanted: &BTreeSet<KeyedDigest>) -> Way {
        let state = self.state();
        let read_all = || Way::Tail(BTreeSet::new(), first);
        if first == state.tail.first {
            return Way::Tail(state.tail.of_keys(wanted), state.tail.up_to);
        }
        let is_unread = state.unread == Some(first) || state.damaged.contains(&first);
        if first > state.tail.first || is_unread {
            return read_all();
        }
        let place = state
            .runs
            .partition_point(|(segment, _)| segment.first < first);
        let run = state.runs.get(place);
        match run.filter(|(segment, _)| segment.first == first) {
            Some((segment, length)) => Way::Run(*segment, *length),
            None => Way::None,
        }
    }

    fn in_run(
        &self,
        segment: Segment,
        length: usize,
        wanted: &BTreeSet<KeyedDigest>,
    ) -> Result<BTreeSet<Lsn>, RunError> {
        let mut lsns = BTreeSet::new();
        for key in wanted {
            lsns.extend(find_all(length, *key, |part| {
                self.runs.part(segment, part)
            })?);
        }
        Ok(lsns)
    }

    /// Has a segment's run made again: it is not what it was, or said of a record what is not so.
    pub fn doubt(&self, first: Lsn) {
        self.state().damaged.insert(first);
    }

    /// Goes on to what was written since, and makes one run that is missing or damaged; whether there is
    /// another to make.
    ///
    /// # Errors
    /// What was made before one stays.
    pub fn keep(&self) -> Result<bool, RunError> {
        self.read_on()?;
        while let Some(segment) = self.sealed_tail() {
            self.seal(segment)?;
            self.read_on()?;
        }
        if let Some(segment) = self.first_damaged() {
            let length = self.make(segment)?;
            let mut state = self.state();
            let runs = state.runs.iter_mut();
            { runs }
                .filter(|(it, _)| *it == segment)
                .for_each(|(_, of)| *of = length);
            state.damaged.remove(&segment.first);
            return Ok(true);
        }
        self.adopt()
    }

    /// Takes over runs that are there, newest first, and makes the first that is not.
    fn adopt(&self) -> Result<bool, RunError> {
        let begins = {
            let state = self.state();
            if state.unread.is_some() {
                return Ok(false);
            }
            state
                .runs
                .front()
                .map_or(state.tail.first, |(it, _)| it.first)
        };
        let older = self.runs.sealed(Lsn::START).rev();
        for segment in older.skip_while(|segment| segment.first >= begins) {
            let known = self.runs.length(segment)?;
            let length = known.map_or_else(|| self.make(segment), Ok)?;
            self.state().runs.push_front((segment, length));
            if known.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn first_damaged(&self) -> Option<Segment> {
        let state = self.state();
        let mut segments = state.runs.iter().map(|(segment, _)| *segment);
        segments.find(|segment| state.damaged.contains(&segment.first))
    }

    /// Makes a segment's run from the journal.
    fn make(&self, segment: Segment) -> Result<usize, RunError> {
        let mut entries = Vec::new();
        let read = self.each(segment.first..segment.end, |key, lsn| {
            entries.push((key, lsn));
        });
        if let Err(error) = read {
            // Who searches there is told, and so is the operator; it is tried again at the next start.
            tracing::error!(journal.lsn = %segment.first, %error, "the log cannot be indexed from here back");
            self.state().unread = Some(segment.first);
            return Err(error);
        }
        entries.sort_unstable();
        entries.dedup();
        Ok(self.runs.write(segment, entries)?.1)
    }

    /// The tail's segment, once it is sealed.
    fn sealed_tail(&self) -> Option<Segment> {
        let first = self.state().tail.first;
        self.runs
            .sealed(first)
            .find(|segment| segment.first == first)
    }

    /// Makes the run of the segment whose keys the tail has, and begins the tail of the next.
    fn seal(&self, segment: Segment) -> Result<(), RunError> {
        let entries = {
            let state = self.state();
            let is_whole = state.tail.up_to >= segment.end;
            is_whole.then(|| state.tail.entries.clone())
        };
        let length = match entries {
            Some(entries) => self.runs.write(segment, entries)?.1,
            None => self.make(segment)?,
        };
        let mut state = self.state();
        state.runs.push_back((segment, length));
        state.tail = Tail::of(segment.end);
        Ok(())
    }

    /// Reads into the tail what was written since, as far as memory may hold it.
    fn read_on(&self) -> Result<(), RunError> {
        let (first, up_to, room) = {
            let Tail {
                first,
                up_to,
                entries,
            } = &self.state().tail;
            (*first, *up_to, self.room.saturating_sub(entries.len()))
        };
        let end = self.runs.sealed(first).find(|it| it.first == first);
        let end = end.map_or_else(|| self.runs.reader.end(), |it| it.end);
        let mut read = Vec::new();
        self.each(up_to..end, |key, lsn| {
            if read.len() <= room {
                read.push((key, lsn));
            }
        })?;
        if read.len() <= room {
            let tail = &mut self.state().tail;
            tail.entries.extend(read);
            tail.up_to = end;
        }
        Ok(())
    }

    /// Tells of each key in part of the journal, which begins where a batch does.
    fn each(
        &self,
        part: Range<Lsn>,
        mut tell: impl FnMut(KeyedDigest, Lsn),
    ) -> Result<(), RunError> {
        if part.is_empty() {
            return Ok(());
        }
        for stored in self.runs.reader.scan(part.start) {
            let stored = stored?;
            if stored.lsn >= part.end {
                break;
            }
            self.keys_of(&stored, &mut |key| tell(key, stored.lsn))?;
        }
        Ok(())
    }

    /// Tells of each key of a record.
    fn keys_of(
        &self,
        stored: &StoredRecord,
        tell: &mut impl FnMut(KeyedDigest),
    ) -> Result<(), RunError> {
        if !Record::KEYED.contains(&stored.kind.kind) {
            return Ok(());
        }
        match Record::decode(stored.kind, &stored.body)? {
            Record::Exchange(exchange) => {
                tell(exchange.key);
                exchange.keys.iter().for_each(|key| tell(key.digest));
                if let Some(case) = &exchange.case {
                    tell(self.of_case(case.as_str()));
                }
            }
            Record::Case(change) => tell(self.of_case(change.case.as_str())),
            Record::Narrowed(narrowed) => tell(self.of_narrowed(narrowed.exchange)),
            _ => {}
        }
        Ok(())
    }
}

impl Tail {
    /// The tail of the segment that begins here, of which nothing was read.
    fn of(first: Lsn) -> Self {
        Self {
            first,
            up_to: first,
            entries: BTreeSet::new(),
        }
    }

    fn of_keys(&self, wanted: &BTreeSet<KeyedDigest>) -> BTreeSet<Lsn> {
        let of_key = |key: &KeyedDigest| {
            let all = (
                Bound::Included((*key, Lsn::START)),
                Bound::Included((*key, Lsn(u64::MAX))),
            );
            self.entries.range(all).map(|(_, lsn)| *lsn)
        };
        wanted.iter().flat_map(of_key).collect()
    }
}

/// Starts the thread that keeps an index; it ends when `Sender` is dropped.
pub(super) fn start<V: Vfs>(index: Arc<Index<V>>) -> io::Result<Sender<()>> {
    let (sender, stopped) = mpsc::channel::<()>();
    let run = move || {
        // What is tried again each time is said when it begins, and when it has another cause.
        let mut failed = None;
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let error = index.keep().err().map(|error| error.to_string());
            if let Some(error) = error.as_ref().filter(|_| error != failed) {
                tracing::warn!(%error, "searches read the journal where the index has no file");
            }
            failed = error;
        }
    };
    std::thread::Builder::new()
        .name("index".into())
        .spawn(run)?;
    Ok(sender)
}

#[cfg(test)]
pub(crate) mod tests;
