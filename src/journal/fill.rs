//! Space and zeros ahead of the writer: in the active segment, then in the spare that follows it.
//!
//! Writing over zeros that are on the disk needs no metadata to be synced, and cannot fail for want
//! of space. Zeros of a whole segment are too many to wait for, so the two are apart: the spare's
//! space is taken at once, all of it, and is synced with its name; zeros follow at their pace. A
//! file's length says how far they reach, its space lies behind that. Where a file system cannot
//! take space but by writing, the whole spare is zeros before it counts as kept, and a writer that
//! wants it waits for that.
//!
//! A spare that is kept keeps its space until it becomes a segment: one that a crash or a full disk
//! left in part is gone on with. No batch was ever in it; its first sector, where a start died at the
//! wrong moment, may hold a segment's header, and is written over when it becomes one.
//!
//! [`Zeros`] is the writer's side: it orders, and knows how far the disk has them. A [`Hand`] does
//! the work, on a thread of its own or, where every call must have its place, inline.
//!
//! Invariants: zeros are only ever written at or behind what was ordered last, and a batch only
//! below what was reported done: the two never meet. One order at a time is under way.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvError, Sender, TryRecvError};
use std::thread::JoinHandle;

use super::layout::{narrow, wide};
use super::pace::{PIECE, Pace};
use super::segment::SPARE;
use super::vfs::{Access, Vfs, VfsFile, is_full};

/// Bytes of zeros ordered beyond what is needed at once, so that the next batches need not wait.
const LEAD: u64 = 16 * PIECE;

/// A file that zeros go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The active segment.
    Active,
    /// The next one.
    Spare,
}

/// What else writes the journal while zeros are written; decides how often they are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The committer, whose syncs would wait for what is unsynced here: each piece is synced.
    TheWriter,
    /// Nothing else, as at a start: an order is synced once.
    Nobody,
}

/// How far zeros reach, and who writes them. Owned by the journal's writer.
pub(super) struct Zeros<V: Vfs> {
    worker: Worker<V>,
    pace: Pace,
    /// Bytes of a whole segment file.
    whole: u64,
    /// Zeros, or batches, up to here are on the disk.
    active: u64,
    /// Up to here the active segment has space, zeros or not.
    space: u64,
    /// How far zeros reach in the spare; 0 where there is none.
    spare: u64,
    /// Whether a whole segment's space is the spare's, durably.
    kept: bool,
    /// The order that is under way.
    ordered: Option<Task>,
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Zeros(Part),
    Spare,
}

enum Worker<V: Vfs> {
    Inline(Hand<V>, Option<Report>),
    Thread {
        /// `None` once it is to end.
        orders: Option<Sender<Order>>,
        reports: Receiver<Report>,
        thread: Option<JoinHandle<()>>,
    },
}

enum Order {
    Fill(Part, u64, u64, Beside),
    Keep(u64),
    Adopt,
    Seal(PathBuf, u64),
}

/// What became of an order.
struct Report {
    /// How far zeros reach after it.
    reached: u64,
    /// Why it was not carried out.
    ended: io::Result<()>,
}

impl<V: Vfs> Zeros<V> {
    /// Goes on behind `active`, a segment's path and length, where there is one.
    pub(super) fn new(
        vfs: &V,
        folder: &Path,
        whole: u64,
        background: bool,
        active: Option<(&Path, u64)>,
    ) -> io::Result<Self> {
        // A description of its own: a sync that fails is told to each of two, but only once to one.
        let open = |(path, _): (&Path, u64)| vfs.open(path, Access::Write);
        let hand = Hand {
            vfs: vfs.clone(),
            folder: folder.to_owned(),
            active: active.map(open).transpose()?,
            spare: None,
        };
        let worker = if background {
            Worker::spawn(hand)?
        } else {
            Worker::Inline(hand, None)
        };
        let length = active.map_or(0, |(_, length)| length);
        Ok(Self {
            worker,
            pace: Pace::default(),
            whole,
            active: length,
            space: length,
            spare: 0,
            kept: false,
            ordered: None,
        })
    }

    /// Up to where a batch may be written.
    pub(super) fn active(&self) -> u64 {
        self.active
    }

    /// Up to where the active segment has space: where there are no zeros yet, they will find room.
    pub(super) fn space(&self) -> u64 {
        self.space.max(self.active)
    }

    /// Whether a whole spare stands by.
    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// The active segment of an earlier start: takes the space that it may not have yet, if there is
    /// so much.
    pub(super) fn claim(&mut self, file: &V::File) {
        // One that has it is not asked to: some file systems refuse that when they are full.
        let has = file.allocated().is_ok_and(|space| space >= self.whole);
        if has || file.allocate(self.whole).is_ok() {
            self.space = self.whole;
        }
    }

    /// Has the spare made whole, meanwhile. Whether it could be is asked for by [`Self::keep`].
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if self.kept || self.ordered.is_some() {
            return Ok(());
        }
        self.worker.give(Order::Keep(self.whole))?;
        self.ordered = Some(Task::Spare);
        Ok(())
    }

    /// Makes sure that a whole spare stands by; waits where it does not yet.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if self.kept {
            return Ok(());
        }
        self.wait_for_paced()?;
        self.prepare()?;
        self.wait()
    }

    /// Makes sure that zeros reach so far; waits where they do not yet.
    pub(super) fn reach(&mut self, part: Part, until: u64) -> io::Result<()> {
        self.reach_beside(part, until, Beside::TheWriter)
    }

    /// Makes sure that zeros reach so far at a start, when nothing else writes yet; waits for it.
    pub(super) fn reach_at_start(&mut self, part: Part, until: u64) -> io::Result<()> {
        self.reach_beside(part, until, Beside::Nobody)
    }

    fn reach_beside(&mut self, part: Part, until: u64, beside: Beside) -> io::Result<()> {
        if self.reached(part) >= until {
            return Ok(());
        }
        self.wait_for_paced()?;
        if self.reached(part) >= until {
            return Ok(());
        }
        self.order(part, (until + LEAD).min(self.whole), beside)?;
        let ended = self.wait();
        if self.reached(part) >= until {
            Ok(())
        } else {
            // Never taken for done, whatever was reported.
            ended.and(Err(io::ErrorKind::StorageFull.into()))
        }
    }

    /// Orders what is due by now, where nothing is under way. A full disk is no fault here: the write
    /// that needs the room meets it again.
    pub(super) fn keep_ahead(&mut self, used: u64) -> io::Result<()> {
        match self.look() {
            Err(error) if !is_full(&error) => return Err(error),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        if self.ordered.is_some() {
            return Ok(());
        }
        let due = self.pace.due(self.active.saturating_sub(used) + self.spare);
        let part = match self.kept {
            _ if self.active < self.whole => Part::Active,
            true => Part::Spare,
            false => return Ok(()),
        };
        let until = (self.reached(part) + due).min(self.whole);
        if until > self.reached(part) {
            self.order(part, until, Beside::TheWriter)?;
        }
        Ok(())
    }

    /// Notes that batches have written over so many bytes of zeros.
    pub(super) fn consumed(&mut self, bytes: usize) {
        self.pace.consumed(wide(bytes));
    }

    /// The spare has become the active segment.
    pub(super) fn adopted(&mut self) -> io::Result<()> {
        self.active = self.spare;
        self.space = self.whole;
        self.spare = 0;
        self.kept = false;
        if self.ordered == Some(Task::Zeros(Part::Spare)) {
            self.ordered = Some(Task::Zeros(Part::Active));
        }
        self.worker.give(Order::Adopt)
    }

    /// A segment that is never written again: gives back what lies behind its named end, and
    /// protects it. Where that fails nothing is wrong, and the next start tries again.
    pub(super) fn seal(&mut self, path: PathBuf, end: u64) -> io::Result<()> {
        self.worker.give(Order::Seal(path, end))
    }

    fn reached(&self, part: Part) -> u64 {
        match part {
            Part::Active => self.active,
            Part::Spare => self.spare,
        }
    }

    fn order(&mut self, part: Part, until: u64, beside: Beside) -> io::Result<()> {
        let from = self.reached(part);
        self.worker.give(Order::Fill(part, from, until, beside))?;
        self.ordered = Some(Task::Zeros(part));
        Ok(())
    }

    /// Waits for what the pace had ordered, and lets a full disk pass.
    fn wait_for_paced(&mut self) -> io::Result<()> {
        match self.wait() {
            Err(error) if !is_full(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let Some(task) = self.ordered.take() else {
            return Ok(());
        };
        let report = match &mut self.worker {
            Worker::Inline(_, report) => report.take().ok_or_else(died),
            Worker::Thread { reports, .. } => reports.recv().map_err(|RecvError| died()),
        };
        self.done(task, report?)
    }

    fn look(&mut self) -> io::Result<()> {
        let Some(task) = self.ordered else {
            return Ok(());
        };
        let report = match &mut self.worker {
            Worker::Inline(_, report) => report.take(),
            Worker::Thread { reports, .. } => match reports.try_recv() {
                Ok(report) => Some(report),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Err(died()),
            },
        };
        let Some(report) = report else {
            return Ok(());
        };
        self.ordered = None;
        self.done(task, report)
    }

    fn done(&mut self, task: Task, report: Report) -> io::Result<()> {
        let Report { reached, ended } = report;
        match task {
            Task::Zeros(Part::Active) => self.active = reached.max(self.active),
            Task::Zeros(Part::Spare) => self.spare = reached.max(self.spare),
            Task::Spare => {
                self.spare = reached;
                self.kept = ended.is_ok();
            }
        }
        ended
    }
}

fn died() -> io::Error {
    io::Error::other("the thread that writes zeros ahead has died")
}

impl<V: Vfs> Worker<V> {
    fn spawn(mut hand: Hand<V>) -> io::Result<Self> {
        let (orders, to_do) = mpsc::channel();
        let (done, reports) = mpsc::channel();
        let run = move || {
            for order in to_do {
                if hand
                    .carry_out(order)
                    .is_some_and(|report| done.send(report).is_err())
                {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("journal-fill".into());
        Ok(Self::Thread {
            thread: Some(thread.spawn(run)?),
            orders: Some(orders),
            reports,
        })
    }

    fn give(&mut self, order: Order) -> io::Result<()> {
        match self {
            Self::Inline(hand, report) => {
                let made = hand.carry_out(order);
                *report = made.or(report.take());
                Ok(())
            }
            Self::Thread { orders, .. } => {
                let sent = orders.as_ref().map(|orders| orders.send(order));
                sent.and_then(Result::ok).ok_or_else(died)
            }
        }
    }
}

impl<V: Vfs> Drop for Worker<V> {
    /// Waits for the order under way: no zeros are written once the journal's lock is given back.
    fn drop(&mut self) {
        if let Self::Thread { orders, thread, .. } = self {
            drop(orders.take());
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the thread that writes zeros ahead has died");
            }
        }
    }
}

/// The worker that writes zeros and shortens sealed segments: on a thread of its own, or inline.
struct Hand<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    active: Option<V::File>,
    spare: Option<V::File>,
}

impl<V: Vfs> Hand<V> {
    fn carry_out(&mut self, order: Order) -> Option<Report> {
        match order {
            Order::Fill(part, from, until, beside) => {
                let mut reached = from;
                let ended = self.fill(part, &mut reached, until, beside);
                return Some(Report { reached, ended });
            }
            Order::Keep(whole) => {
                let mut reached = 0;
                let ended = self.keep(&mut reached, whole);
                return Some(Report { reached, ended });
            }
            Order::Adopt => self.active = self.spare.take(),
            Order::Seal(path, end) => {
                if let Err(error) = shorten(&self.vfs, &path, end) {
                    tracing::warn!(file = %path.display(), %error, "a sealed segment keeps its zeros");
                }
                if let Err(error) = self.vfs.protect(&path) {
                    tracing::warn!(file = %path.display(), %error, "a sealed segment stays writable");
                }
            }
        }
        None
    }

    /// Makes the spare, or goes on with one that was left: its space, then its name, durable.
    fn keep(&mut self, reached: &mut u64, whole: u64) -> io::Result<()> {
        let path = self.folder.join(SPARE);
        let file = match self.vfs.open(&path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.vfs.create(&path)?,
            found => found?,
        };
        let file = self.spare.insert(file);
        if file.size()? > whole {
            // Of larger segments, which were configured once.
            file.truncate(whole)?;
        }
        *reached = file.size()?;
        if file.allocated()? < whole {
            match file.allocate(whole) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.fill(Part::Spare, reached, whole, Beside::TheWriter)?;
                }
                taken => taken?,
            }
        }
        let file = self.spare.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.fdatasync()?;
        self.vfs.fsync_dir(&self.folder)
    }

    fn fill(
        &mut self,
        part: Part,
        reached: &mut u64,
        until: u64,
        beside: Beside,
    ) -> io::Result<()> {
        let file = match part {
            Part::Active => self.active.as_ref(),
            Part::Spare => self.spare.as_ref(),
        };
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let zeros = vec![0; narrow(PIECE)];
        let mut at = *reached;
        while at < until {
            let length = narrow(PIECE.min(until - at));
            file.pwrite(&[zeros.get(..length).unwrap_or_default()], at)?;
            at += wide(length);
            if beside == Beside::TheWriter || at >= until {
                file.fdatasync()?;
                *reached = at;
            }
        }
        Ok(())
    }
}

/// Takes away what lies behind a segment's named end. It need not be durable: the name is.
pub(super) fn shorten<V: Vfs>(vfs: &V, path: &Path, end: u64) -> io::Result<()> {
    let file = vfs.open(path, Access::Write)?;
    if file.size()? > end {
        file.truncate(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
