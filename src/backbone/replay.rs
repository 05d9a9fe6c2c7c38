//! Replay of a log: its exchanges are read in order, and ruled again on all processors.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;

use super::error::StartError;
use super::keeper::decoded;
use crate::agency::keys::Ring;
use crate::broker::record::{Exchange, Narrowed, Record, Terms};
use crate::broker::replay::{Basis, Differs, History, Replayed};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, ReadError, Reader, StoredRecord};
use crate::message::time::Timestamp;

/// Exchanges that are ruled together, at most.
const TOGETHER: usize = 512;
/// Octets of their frames together, behind which no other is read.
const TOGETHER_BYTES: usize = 8 << 20;

/// The times between which exchanges are replayed. All records before are read for what they change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// An exchange, or the narrowing of a release, as it lies in the log, and what its ruling was made from.
#[derive(Debug)]
pub struct Told {
    /// The record's number among the evidence.
    pub number: u64,
    /// Its address.
    pub lsn: Lsn,
    /// Its time.
    pub at: Timestamp,
    /// The exchange's record.
    pub exchange: Box<Exchange>,
    /// The narrowing of a release of it, where the record is of that, and what was left before.
    pub narrowed: Option<(Narrowed, Option<Terms>)>,
    frame: Bytes,
    ring: Arc<Ring>,
    basis: Option<Basis>,
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Exchanges, and narrowings of releases, that were ruled again.
    pub exchanges: u64,
    /// The octets of the log that were passed.
    pub passed: u64,
    /// The octets of the log.
    pub octets: u64,
}

impl Told {
    /// The exchange with the facts of its message, and what was in force; none where one of them cannot be
    /// read.
    pub fn replayed(&self) -> Option<(Replayed<'_>, &Basis)> {
        let replayed = Replayed::open(&self.exchange, &self.frame, &self.ring).ok()?;
        Some((replayed, self.basis.as_ref()?))
    }

    /// In what its record differs from a ruling by what was in force; none where that cannot be told.
    pub fn differences(&self) -> Option<Vec<Differs>> {
        let (replayed, basis) = self.replayed()?;
        let in_force = basis.at(self.at);
        Some(match &self.narrowed {
            Some((narrowed, before)) => replayed.narrows(narrowed, before.as_ref(), &in_force),
            None => replayed.differences(&in_force),
        })
    }
}

impl Span {
    /// Whether a time is in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

impl Progress {
    fn with(self, exchanges: usize, passed: u64) -> Self {
        Self {
            exchanges: self.exchanges + u64::try_from(exchanges).unwrap_or(u64::MAX),
            passed,
            ..self
        }
    }
}

/// Has `judge` look at each exchange of a time, and gives what it finds to `take`, in the order of the
/// log, piece by piece.
pub fn replay<V: Vfs, T: Send, E: From<StartError>>(
    reader: &Reader<V>,
    ring: &Arc<Ring>,
    span: Span,
    judge: impl Fn(&Told) -> T + Sync,
    mut take: impl FnMut(Vec<(Told, T)>, Progress) -> Result<(), E>,
) -> Result<Progress, E> {
    let (mut history, mut evidence) = (History::default(), 0);
    let mut progress = Progress {
        octets: reader.end().0,
        ..Progress::default()
    };
    let (mut together, mut octets) = (Vec::new(), 0);
    for stored in reader.scan(Lsn::START) {
        let stored = stored.map_err(StartError::from)?;
        let record = decoded(&stored)?;
        let number = evidence;
        evidence += u64::from(record.is_evidence());
        if let Some(at) = ruled_at(&record) {
            if span.until.is_some_and(|until| until <= at) {
                break;
            }
            if span.has(at)
                && let Some((exchange, narrowed, frame)) = exchange_of(reader, &stored, &record)?
            {
                let narrowed = narrowed.map(|it| (it.clone(), history.left_before(it).cloned()));
                octets += frame.len();
                together.push(Told {
                    number,
                    lsn: stored.lsn,
                    at,
                    exchange,
                    narrowed,
                    frame,
                    ring: Arc::clone(ring),
                    basis: history.basis(),
                });
            }
        }
        history.apply(&record, stored.lsn);
        if together.len() >= TOGETHER || octets >= TOGETHER_BYTES {
            let passed = stored.lsn.0;
            progress = progress.with(together.len(), passed);
            take(judged(std::mem::take(&mut together), &judge), progress)?;
            octets = 0;
        }
    }
    progress = progress.with(together.len(), progress.octets);
    take(judged(together, &judge), progress)?;
    Ok(progress)
}

/// When something was ruled; none of a record of anything else.
fn ruled_at(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Exchange(exchange) => Some(exchange.at),
        Record::Narrowed(narrowed) => Some(narrowed.at),
        _ => None,
    }
}

/// The exchange that was ruled on by a record, with its frame; the narrowing, where it is one.
type Found<'a> = (Box<Exchange>, Option<&'a Narrowed>, Bytes);

/// What was ruled on by a record; none of a record of anything else.
fn exchange_of<'a, V: Vfs>(
    reader: &Reader<V>,
    stored: &StoredRecord,
    record: &'a Record,
) -> Result<Option<Found<'a>>, StartError> {
    let frame = |stored: &StoredRecord| -> Result<Bytes, StartError> {
        let frame = stored.frame.as_ref().map(|frame| reader.frame(frame));
        Ok(frame.transpose()?.unwrap_or_default())
    };
    Ok(match record {
        Record::Exchange(exchange) => Some((exchange.clone(), None, frame(stored)?)),
        Record::Narrowed(narrowed) => {
            let stored = reader.record(narrowed.exchange)?;
            match decoded(&stored)? {
                Record::Exchange(exchange) => Some((exchange, Some(narrowed), frame(&stored)?)),
                _ => return Err(ReadError::Damaged(narrowed.exchange).into()),
            }
        }
        _ => None,
    })
}

/// Each with what `judge` finds, on all processors.
fn judged<T: Send>(all: Vec<Told>, judge: &(impl Fn(&Told) -> T + Sync)) -> Vec<(Told, T)> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let part = all.len().div_ceil(threads).max(1);
    let mut all: Vec<(Told, Option<T>)> = all.into_iter().map(|told| (told, None)).collect();
    thread::scope(|scope| {
        for part in all.chunks_mut(part) {
            scope.spawn(move || {
                for (told, found) in part {
                    *found = Some(judge(told));
                }
            });
        }
    });
    let all = all.into_iter();
    all.filter_map(|(told, found)| Some((told, found?)))
        .collect()
}
