//! A part of the log by the keys of the index: the records that may have an identifier, newest first, each
//! read and looked at before it is told.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::entry::{Entry, Part};
use super::past::{Found, INDEXED, Newest, Past, Untold, Walk};
use super::sight::written_at;
use super::sought::{Left, Sought};
use crate::broker::record::Record;
use crate::journal::Lsn;
use crate::journal::vfs::Vfs;
use crate::message::id::Mask;
use crate::message::time::Timestamp;

impl<V: Vfs> Walk<'_, V> {
    /// The newest `most` up to a time that have an identifier, in a segment; none where the index does not
    /// know of it yet. A run that names a record which has none of them is not what the log says: it is
    /// made again, and the records are read.
    pub(super) fn keyed(
        &self,
        range: Range<Lsn>,
        until: Timestamp,
        most: usize,
        sought: &Sought,
    ) -> Result<Option<Newest>, Untold> {
        let wanted = sought.wanted();
        for _ in 0..2 {
            let Some(hits) = self.past.index.find(range.clone(), &wanted)? else {
                return Ok(None);
            };
            let named = sought.named().filter(|lsn| range.contains(lsn));
            let lsns = hits.lsns.into_iter().chain(named).collect();
            let items = self.of_hits(&lsns, until, most, sought);
            let octets = range.end.bytes_since(range.start);
            match items {
                Ok(Some(items)) => {
                    let octets = if hits.scanned {
                        octets
                    } else {
                        octets / INDEXED
                    };
                    let octets = octets.max(1);
                    return Ok(Some(Newest { items, octets }));
                }
                Err(Untold::Gone) => return Err(Untold::Gone),
                Err(error) if hits.scanned => return Err(error),
                Ok(None) | Err(_) => self.past.index.doubt(range.start),
            }
        }
        Err(Untold::Unread(
            "the index does not agree with the log".to_owned(),
        ))
    }

    /// Items of these records; none where one of them has no identifier that is looked for.
    fn of_hits(
        &self,
        lsns: &BTreeSet<Lsn>,
        until: Timestamp,
        most: usize,
        sought: &Sought,
    ) -> Result<Option<VecDeque<Found>>, Untold> {
        let mut items = VecDeque::new();
        for &lsn in lsns.iter().rev() {
            if (self.is_gone)() {
                return Err(Untold::Gone);
            }
            let entry = self.past.entry(&self.past.reader.record(lsn)?)?;
            if !sought.is_named_by(lsn, &entry.record) {
                return Ok(None);
            }
            let at = written_at(&entry.record);
            let Some(at) = at.filter(|at| *at <= until && self.is_in_time(*at)) else {
                continue;
            };
            for part in self.sight.parts(&entry.record).into_iter().rev() {
                if items.len() < most
                    && self.is(part, &entry)
                    && self.is_found(part, &entry, sought)?
                {
                    let clock = None;
                    items.push_front(Found {
                        lsn,
                        part,
                        at,
                        clock,
                    });
                }
            }
            if items.len() >= most {
                break;
            }
        }
        Ok(Some(items))
    }

    fn is_found(&self, part: Part, entry: &Entry, sought: &Sought) -> Result<bool, Untold> {
        let is = |left: &Left| sought.is(part, entry.lsn, &entry.record, left);
        // What was narrowed before its delivery is found by what was left of it: no more, but by a token
        // where it was a value before.
        let is_before = is(&Left::new());
        if matches!(part, Part::Received(_)) && (is_before || sought.has_tokens()) {
            return Ok(is(&self.past.left(entry.lsn)?));
        }
        Ok(is_before)
    }
}

impl<V: Vfs> Past<V> {
    /// What was left of an exchange to units to which it was narrowed.
    pub(super) fn left(&self, exchange: Lsn) -> Result<Left, Untold> {
        let wanted = BTreeSet::from([self.index.of_narrowed(exchange)]);
        let (segments, end) = (self.reader.segments(), self.reader.end());
        let ends = segments.iter().skip(1).copied().chain([end]);
        let mut left = Left::new();
        for (first, end) in segments.iter().copied().zip(ends) {
            if end <= exchange {
                continue;
            }
            // What is newer than a segment that the index knows of, it knows of too.
            let hits = self.index.find(first..end, &wanted)?.unwrap_or_default();
            for lsn in hits.lsns {
                let entry = Entry::alone(&self.reader.record(lsn)?)?;
                if let Record::Narrowed(narrowed) = entry.record
                    && narrowed.exchange == exchange
                {
                    let mask = left.entry(narrowed.unit).or_insert(Mask::ALL);
                    *mask = mask.both(narrowed.left.mask);
                }
            }
        }
        Ok(left)
    }
}
