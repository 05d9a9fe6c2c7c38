//! The log as far as an officer sees it, read from its end or on from a time: a segment at a time, so
//! that what is recent is found without what is old.
//!
//! Places are times, and how many items of one time were told: nothing that he may not know of moves
//! them. A look tells what is older than itself, so that no item comes into a time that was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::cursor::{Cursor, Way};
use super::entry::{Entry, Part};
use super::query::Query;
use super::sight::{Sight, written_at};
use crate::backbone::error::StartError;
use crate::broker::record::Record;
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, Reader};
use crate::message::time::Timestamp;

/// A log to look into.
pub struct Past<V: Vfs> {
    pub(super) reader: Reader<V>,
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

/// What was found on the way to what is newer.
pub(super) struct Reached {
    pub(super) found: Vec<Found>,
    /// Up to where nothing is left to find, where that is known.
    pub(super) to: Option<Lsn>,
}

/// A walk through a log for one officer.
pub(super) struct Walk<'a, V: Vfs> {
    pub(super) past: &'a Past<V>,
    pub(super) sight: &'a Sight,
    pub(super) query: &'a Query,
    /// Whether looks into the log are told.
    pub(super) looks: bool,
    /// Whether its reader has gone away.
    pub(super) is_gone: &'a dyn Fn() -> bool,
}

impl<V: Vfs> Past<V> {
    /// The log that this reader reads.
    pub fn new(reader: Reader<V>) -> Self {
        Self {
            reader,
            begins: Mutex::default(),
        }
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
    pub(super) fn back(&self, before: Cursor, most: usize) -> Result<Vec<Found>, Untold> {
        let mut found: Vec<Found> = Vec::new();
        let mut skip = usize::try_from(before.told).unwrap_or(usize::MAX);
        let mut end = self.past.reader.end();
        for first in self.past.reader.segments().into_iter().rev() {
            let begins = self.past.begins(first, end)?;
            if begins.is_none_or(|begins| begins <= before.at) {
                let room = most.saturating_sub(found.len()).saturating_add(skip);
                for item in self.newest(first..end, before.at, room)?.into_iter().rev() {
                    if item.at == before.at && skip > 0 {
                        skip -= 1;
                    } else if found.len() < most {
                        found.push(item);
                    }
                }
            }
            let is_before = |since| begins.is_some_and(|begins| begins < since);
            if found.len() >= most || self.query.since.is_some_and(is_before) {
                break;
            }
            end = first;
        }
        Ok(found)
    }

    /// The newest `most` up to a time in part of the log, the oldest first.
    fn newest(
        &self,
        range: std::ops::Range<Lsn>,
        until: Timestamp,
        most: usize,
    ) -> Result<VecDeque<Found>, Untold> {
        let mut found = VecDeque::new();
        self.each(range, |item| {
            if item.at <= until {
                found.push_back(item);
            }
            if found.len() > most {
                found.pop_front();
            }
            true
        })?;
        Ok(found)
    }

    /// The first `most` behind a place and before a time, the oldest first; `from` where all before that
    /// was read, and nothing found.
    pub(super) fn on(
        &self,
        after: Cursor,
        from: Option<Lsn>,
        until: Timestamp,
        most: usize,
    ) -> Result<Reached, Untold> {
        let last = self.past.reader.end();
        let begin = from.map_or_else(|| self.segment_before(after.at, last), Ok)?;
        let mut skip = if from.is_some() { 0 } else { after.told };
        let (mut found, mut is_all) = (Vec::new(), true);
        self.each(begin..last, |item| {
            if item.at == after.at && skip > 0 {
                skip -= 1;
            } else if item.at >= until {
                is_all = false;
            } else if item.at >= after.at {
                found.push(item);
            }
            found.len() < most
        })?;
        let to = is_all.then_some(last);
        Ok(Reached { found, to })
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

    /// Each item of part of the log that is looked for, in order, while `take` wants more.
    fn each(
        &self,
        range: std::ops::Range<Lsn>,
        mut take: impl FnMut(Found) -> bool,
    ) -> Result<(), Untold> {
        for stored in self.past.reader.scan(range.start) {
            let stored = stored?;
            if (self.is_gone)() {
                return Err(Untold::Gone);
            }
            if stored.lsn >= range.end {
                break;
            }
            let entry = Entry::alone(&stored)?;
            let Some(at) = written_at(&entry.record).filter(|at| self.is_in_time(*at)) else {
                continue;
            };
            for part in self.sight.parts(&entry.record) {
                let (lsn, clock) = (entry.lsn, entry.clock);
                let item = Found {
                    lsn,
                    part,
                    at,
                    clock,
                };
                if self.is(part, &entry) && !take(item) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn is_in_time(&self, at: Timestamp) -> bool {
        let Query { since, until, .. } = self.query;
        since.is_none_or(|since| since <= at) && until.is_none_or(|until| at < until)
    }

    fn is(&self, part: Part, entry: &Entry) -> bool {
        let kind = self.query.kind.as_deref();
        let is_look = matches!(entry.record, Record::Accessed(_));
        (self.looks || !is_look)
            && self.query.is(part, entry)
            && kind.is_none_or(|it| self.sight.is_kind(it, part, entry))
    }
}

impl Found {
    /// The place behind the last of these, on a way that was begun at `from`.
    pub(super) fn end(items: &[Self], from: Cursor) -> Option<Cursor> {
        let at = items.last()?.at;
        let of_its_time = items.iter().filter(|item| item.at == at).count();
        let before = if at == from.at { from.told } else { 0 };
        let told = u32::try_from(of_its_time).unwrap_or(u32::MAX);
        let told = told.saturating_add(before);
        Some(Cursor { at, told, ..from })
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
