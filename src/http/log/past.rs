//! The log as far as an officer sees it, read from its end or on from a time: a segment at a time, so
//! that what is recent is found without what is old.
//!
//! Places are times, and how many items of one time were told: nothing that he may not know of moves
//! them. A look tells what is older than itself, so that no item comes into a time that was told.
//! One look reads a piece of the log, and ends where a segment begins: within one its end would tell
//! when others wrote anything at all. So much it does tell: when some segments began.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::cursor::{Cursor, Way};
use super::entry::{Entry, Part};
use super::query::Query;
use super::sight::{Sight, written_at};
use super::sought::Sought;
use crate::agency::keys::SharedRing;
use crate::backbone::error::StartError;
use crate::backbone::index::{Index, RunError};
use crate::backbone::tiles::Tiles;
use crate::broker::record::Record;
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, Reader, StoredRecord};
use crate::message::time::Timestamp;

/// Octets of the log, messages included, behind which a look begins no other segment: a second's work
/// with the default segment of as many, for which others wait who look.
const LOOK_BYTES: u64 = 256 << 20;

/// Segments that a look for an identifier searches by the index, for each that it would read: none is
/// read but for records that may have it. What there is of others' moves no end of a look.
pub(super) const INDEXED: u64 = 64;

/// A log to look into.
pub struct Past<V: Vfs> {
    pub(super) reader: Reader<V>,
    pub(super) ring: Arc<SharedRing>,
    pub(super) index: Arc<Index<V>>,
    pub(super) tiles: Tiles<V>,
    /// Octets behind which a look begins no other segment.
    pub(super) piece: u64,
    /// The log's time at the beginning of segments, as far as that was looked at.
    begins: Mutex<BTreeMap<Lsn, Timestamp>>,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The cursor was given by another look, or by none.
    #[error("the cursor is not one that this look gave")]
    BadCursor,
    /// The log cannot be read.
    #[error("{0}")]
    Unread(String),
    /// The reader has gone away.
    #[error("its reader has gone away")]
    Gone,
}

impl From<RunError> for Untold {
    fn from(error: RunError) -> Self {
        Self::Unread(error.to_string())
    }
}

impl<E: Into<StartError>> From<E> for Untold {
    fn from(error: E) -> Self {
        Self::Unread(error.into().to_string())
    }
}

/// A part of a record that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) lsn: Lsn,
    pub(super) part: Part,
    pub(super) at: Timestamp,
    pub(super) clock: Option<Timestamp>,
}

/// What a walk has found, and where it ended.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    /// Where another goes on, since this one has read as much as one may.
    pub(super) rest: Option<Cursor>,
    /// On the way to what is newer: up to where nothing is left to find, where that is known.
    pub(super) to: Option<Lsn>,
    /// From when on all was looked through, where the index does not reach further back yet.
    pub(super) since: Option<Timestamp>,
}

/// A walk through a log for one officer.
pub(super) struct Walk<'a, V: Vfs> {
    pub(super) past: &'a Past<V>,
    pub(super) sight: &'a Sight,
    pub(super) query: &'a Query,
    /// The identifiers that are looked for, where these are: on the way back alone.
    pub(super) sought: Option<&'a Sought>,
    /// Whether looks into the log are told.
    pub(super) looks: bool,
    /// Whether its reader has gone away.
    pub(super) is_gone: &'a dyn Fn() -> bool,
}

/// The newest of part of the log.
pub(super) struct Newest {
    /// The oldest first.
    pub(super) items: VecDeque<Found>,
    /// Octets that count as read.
    pub(super) octets: u64,
}

impl<V: Vfs> Past<V> {
    /// The log that this reader reads, with the keys of what is sealed in it, its index and the files of its tree.
    pub fn new(
        reader: Reader<V>,
        ring: Arc<SharedRing>,
        index: Arc<Index<V>>,
        tiles: Tiles<V>,
    ) -> Self {
        Self {
            reader,
            ring,
            index,
            tiles,
            piece: LOOK_BYTES,
            begins: Mutex::default(),
        }
    }

    /// A record, opened.
    pub(super) fn entry(&self, stored: &StoredRecord) -> Result<Entry, StartError> {
        Ok(Entry::alone(stored)?.opened(&self.ring.get()))
    }

    /// The log's time where a segment begins; none where nothing in it says so.
    fn begins(&self, first: Lsn, end: Lsn) -> Result<Option<Timestamp>, Untold> {
        let known = || self.begins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begins) = known().get(&first) {
            return Ok(Some(*begins));
        }
        for stored in self.reader.scan(first) {
            let stored = stored?;
            if stored.lsn >= end {
                break;
            }
            let entry = Entry::alone(&stored)?;
            if let Some(at) = written_at(&entry.record) {
                known().insert(first, at);
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

impl<V: Vfs> Walk<'_, V> {
    /// The newest `most` before a place, the newest first.
    pub(super) fn back(&self, before: Cursor, most: usize) -> Result<Walked, Untold> {
        let mut walked = Walked::default();
        let mut skip = usize::try_from(before.told).unwrap_or(usize::MAX);
        let (mut end, mut read) = (self.past.reader.end(), 0);
        let mut segments = self.past.reader.segments().into_iter().rev().peekable();
        while let Some(first) = segments.next() {
            let begins = self.past.begins(first, end)?;
            if begins.is_none_or(|begins| begins <= before.at) {
                let room = most.saturating_sub(walked.found.len()).saturating_add(skip);
                let Some(Newest { items, octets }) = self.newest(first..end, before.at, room)?
                else {
                    walked.since = Some(self.past.begins(end, Lsn(u64::MAX))?.unwrap_or(before.at));
                    break;
                };
                for item in items.into_iter().rev() {
                    if item.at == before.at && skip > 0 {
                        skip -= 1;
                    } else if walked.found.len() < most {
                        walked.found.push(item);
                    }
                }
                read += octets;
            }
            let is_before = |since| begins.is_some_and(|begins| begins < since);
            if walked.found.len() >= most || self.query.since.is_some_and(is_before) {
                break;
            }
            if let Some(at) = begins.filter(|begins| *begins < before.at)
                && read >= self.past.piece
                && segments.peek().is_some()
            {
                walked.rest = Some(Found::place(&walked.found, at, before));
                break;
            }
            end = first;
        }
        Ok(walked)
    }

    /// The newest `most` up to a time in part of the log, the oldest first; none where an identifier is
    /// looked for that the index does not know of yet.
    fn newest(
        &self,
        range: Range<Lsn>,
        until: Timestamp,
        most: usize,
    ) -> Result<Option<Newest>, Untold> {
        let octets = range.end.bytes_since(range.start);
        if let Some(sought) = self.sought {
            return self.keyed(range, until, most, sought);
        }
        let mut items = VecDeque::new();
        self.each(range, until, |item| {
            items.push_back(item);
            if items.len() > most {
                items.pop_front();
            }
            true
        })?;
        Ok(Some(Newest { items, octets }))
    }

    /// The first `most` behind a place and up to a time, the oldest first; `from` where all before that
    /// was read, and nothing found.
    pub(super) fn on(
        &self,
        after: Cursor,
        from: Option<Lsn>,
        until: Timestamp,
        most: usize,
    ) -> Result<Walked, Untold> {
        let mut walked = Walked::default();
        let last = self.past.reader.end();
        let mut begin = from.map_or_else(|| self.segment_before(after.at, last), Ok)?;
        let mut skip = if from.is_some() { 0 } else { after.told };
        let mut read = 0;
        let segments = self.past.reader.segments().into_iter();
        let behind = begin;
        let ends = segments.filter(|first| behind < *first && *first < last);
        for end in ends.chain([last]) {
            let is_all = self.each(begin..end, until, |item| {
                if item.at == after.at && skip > 0 {
                    skip -= 1;
                } else if item.at >= after.at {
                    walked.found.push(item);
                }
                walked.found.len() < most
            })?;
            if !is_all {
                return Ok(walked);
            }
            read += end.bytes_since(begin);
            if read >= self.past.piece
                && end < last
                && let Some(at) = self.past.begins(end, last)?
                && (after.at < at && at <= until)
            {
                walked.rest = Some(Found::place(&walked.found, at, after));
                return Ok(walked);
            }
            begin = end;
        }
        walked.to = Some(last);
        Ok(walked)
    }

    /// Where a segment begins before which nothing is of this time.
    fn segment_before(&self, at: Timestamp, mut end: Lsn) -> Result<Lsn, Untold> {
        let mut from = Lsn::START;
        for first in self.past.reader.segments().into_iter().rev() {
            from = first;
            let begins = self.past.begins(first, end)?;
            if begins.is_some_and(|begins| begins < at) {
                break;
            }
            end = first;
        }
        Ok(from)
    }

    /// Each item of part of the log that is looked for, in order, up to a time, while `take` wants more;
    /// whether the part came to its end.
    fn each(
        &self,
        range: Range<Lsn>,
        until: Timestamp,
        mut take: impl FnMut(Found) -> bool,
    ) -> Result<bool, Untold> {
        for stored in self.past.reader.scan(range.start) {
            let stored = stored?;
            if (self.is_gone)() {
                return Err(Untold::Gone);
            }
            if stored.lsn >= range.end {
                break;
            }
            let entry = self.past.entry(&stored)?;
            let Some(at) = written_at(&entry.record) else {
                continue;
            };
            if at > until {
                return Ok(false);
            }
            if !self.is_in_time(at) {
                continue;
            }
            for part in self.sight.parts(&entry.record) {
                let (lsn, clock) = (entry.lsn, entry.clock);
                let item = Found {
                    lsn,
                    part,
                    at,
                    clock,
                };
                if self.is(part, &entry) && !take(item) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    pub(super) fn is_in_time(&self, at: Timestamp) -> bool {
        let Query { since, until, .. } = self.query;
        since.is_none_or(|since| since <= at) && until.is_none_or(|until| at < until)
    }

    pub(super) fn is(&self, part: Part, entry: &Entry) -> bool {
        let kind = self.query.kind.as_deref();
        let is_look = matches!(entry.record, Record::Accessed(_));
        (self.looks || !is_look)
            && self.query.is(part, entry)
            && kind.is_none_or(|it| self.sight.is_kind(it, part, &entry.record))
    }
}

impl Found {
    /// The place behind the last of these, on a way that was begun at `from`.
    pub(super) fn end(items: &[Self], from: Cursor) -> Option<Cursor> {
        Some(Self::place(items, items.last()?.at, from))
    }

    /// The place at a time, behind those of these that are of it, on a way that was begun at `from`.
    fn place(items: &[Self], at: Timestamp, from: Cursor) -> Cursor {
        let of_its_time = items.iter().filter(|item| item.at == at).count();
        let before = if at == from.at { from.told } else { 0 };
        let told = u32::try_from(of_its_time).unwrap_or(u32::MAX);
        let told = told.saturating_add(before);
        Cursor { at, told, ..from }
    }
}

impl Cursor {
    /// The place from which the newest before `until` are read back.
    pub(super) fn before(until: Timestamp) -> Self {
        Self {
            way: Way::Back,
            at: Timestamp::from_millis(until.as_millis().saturating_sub(1)),
            told: 0,
        }
    }

    /// The place from which those of `since` and later are read.
    pub(super) fn since(since: Timestamp) -> Self {
        Self {
            way: Way::On,
            at: since,
            told: 0,
        }
    }
}
