//! Replay of a log: its exchanges are read in order, and ruled again on all processors.

use std::num::NonZeroUsize;
use std::thread;

use bytes::Bytes;

use super::error::StartError;
use super::keeper::decoded;
use crate::broker::record::{Exchange, Record};
use crate::broker::replay::{Basis, Differs, History, Replayed};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, Reader};
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

/// An exchange as it lies in the log, and what its ruling was made from.
#[derive(Debug)]
pub struct Told {
    /// Its number among the evidence.
    pub number: u64,
    /// Its address.
    pub lsn: Lsn,
    /// Its record.
    pub exchange: Box<Exchange>,
    frame: Bytes,
    basis: Option<Basis>,
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Exchanges that were ruled again.
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
        let replayed = Replayed::open(&self.exchange, &self.frame).ok()?;
        Some((replayed, self.basis.as_ref()?))
    }

    /// In what its record differs from a ruling by what was in force; none where that cannot be told.
    pub fn differences(&self) -> Option<Vec<Differs>> {
        let (replayed, basis) = self.replayed()?;
        Some(replayed.differences(&basis.at(self.exchange.at)))
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
        if let Record::Exchange(exchange) = &record {
            if span.until.is_some_and(|until| until <= exchange.at) {
                break;
            }
            if span.since.is_none_or(|since| since <= exchange.at) {
                let frame = stored.frame.as_ref().map(|frame| reader.frame(frame));
                let frame = frame.transpose().map_err(StartError::from)?;
                let frame = frame.unwrap_or_default();
                octets += frame.len();
                together.push(Told {
                    number,
                    lsn: stored.lsn,
                    exchange: exchange.clone(),
                    frame,
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
