//! The committer: the one thread that appends what the core decides, and syncs.
//!
//! [`Committer::step`] is the whole of it: reserve, then take and append each command, write, sync,
//! release. Effects of a step leave it only after the sync of the batch that decided them. A crash
//! before the sync loses nothing that a client was told; a crash after it loses nothing at all. It
//! waits for no lock and reads no file.
//!
//! The disk is full when no whole spare segment stands by, in the midst of a run or from its start
//! on. That is found when room for a step is reserved, before anything is decided. Publishers get a
//! nack and are told; what else comes has the reserve, which is what the active segment has left:
//! see [`Lanes`].

mod elapsed;

use std::time::Duration;

use self::elapsed::Elapsed;
pub use super::core::Step;
use super::core::{Core, Moment, Turn};
use super::effect::Effect;
use super::event::Event;
use super::input::{Input, What};
use super::lanes::{Lanes, Open};
use super::ledger::Ledger;
use super::limits::{
    FULL_SETTLE_WAIT, IDLE_MARK, RESERVE_BYTES, ROOM_RETRY, SETTLE_WAIT, STEP_BURIED, STEP_BYTES,
    STEP_COMMANDS, STOP_BYTES, TICK, TICK_RECORDS,
};
use super::record::{LeafSecret, Record};
use super::weight::ENTRY_BYTES;
use crate::journal::vfs::Vfs;
use crate::journal::{Journal, Poisoned};
use crate::message::time::Timestamp;

/// More than an entry that is out takes in the record of a stop.
const OUT_BYTES: usize = 20;

/// What clients are told.
const DISK_FULL: &str = "the disk is full";

/// Owns the journal and the core. Lives on a thread of its own.
pub struct Committer<V: Vfs> {
    journal: Journal<V>,
    core: Core,
    /// What was handed over and is not taken yet.
    lanes: Lanes,
    /// Since when records wait that did not ask for a sync.
    unsynced_since: Option<Duration>,
    /// When the last batch was written, until an empty one stands behind it.
    written_at: Option<Duration>,
    /// When it was last looked at what time alone has changed.
    ticked: Option<Duration>,
    /// Time that has passed, whatever the clock says.
    elapsed: Elapsed,
    /// While nothing can be stored.
    full: Option<Full>,
    /// Whether it stops once nothing waits any more.
    stops: bool,
    /// For the octets of a step's records.
    buffer: Vec<u8>,
}

/// A disk on which no publish can be stored.
#[derive(Debug, Clone, Copy)]
struct Full {
    /// Bytes that did not fit. Until these fit the disk is full: else it would come and go, with the
    /// size of what is asked for.
    wanted: usize,
    /// When room was last asked for.
    tried: Duration,
}

/// Why the process must end.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A write or sync failed; it is never tried again.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

impl<V: Vfs> Committer<V> {
    /// Takes over a recovered journal and the ledger that its records give. `secret` was drawn for this run.
    pub fn new(journal: Journal<V>, ledger: Ledger, secret: LeafSecret) -> Self {
        Self {
            journal,
            core: Core::new(ledger, secret),
            lanes: Lanes::default(),
            unsynced_since: None,
            written_at: None,
            ticked: None,
            elapsed: Elapsed::default(),
            full: None,
            stops: false,
            buffer: Vec::new(),
        }
    }

    /// The durable state.
    pub fn ledger(&self) -> &Ledger {
        self.core.ledger()
    }

    /// The journal.
    pub fn journal(&self) -> &Journal<V> {
        &self.journal
    }

    /// Whether no publish is taken, for want of room.
    pub fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Whether something waits that a step can take now.
    pub fn has_more(&self) -> bool {
        self.full.is_none() && !(self.lanes.is_empty() && self.core.is_done())
    }

    /// One batch: reserve; take and append each input; write and sync; then, and only then, its
    /// effects. What one step does not take waits for the next.
    pub fn step<I>(&mut self, inputs: I, clock: Timestamp) -> Result<Step, Fatal>
    where
        I: IntoIterator<Item: Into<Input>>,
    {
        self.read_clock(clock);
        self.hand_over(inputs);
        let mut turn = self.turn(clock);
        self.tick(&mut turn);
        let batch = self.reserve(&mut turn);
        turn.buries = self.full.is_none();
        let all = batch.len() < STEP_COMMANDS;
        for input in batch {
            self.take(input, &mut turn);
        }
        self.work(all, &mut turn);
        // Effects of this turn are still in our hands. If this fails nobody was told.
        self.commit(turn.sync)?;
        turn.out.given_back = self.lanes.given_back();
        let (step, buffer) = turn.end();
        self.buffer = buffer;
        Ok(step)
    }

    fn hand_over(&mut self, inputs: impl IntoIterator<Item: Into<Input>>) {
        for input in inputs {
            let input = input.into();
            match input.what {
                What::Event(Event::Stop) => self.stops = true,
                What::Event(Event::Tick) => self.ticked = None,
                _ => self.lanes.push(input),
            }
        }
    }

    /// Says what the clock says, before something is written by it.
    pub fn read_clock(&mut self, clock: Timestamp) {
        self.journal.read_clock(clock.as_millis());
        self.elapsed.read(clock);
    }

    fn turn(&mut self, clock: Timestamp) -> Turn {
        let moment = Moment {
            // Journal time never steps back, whatever the clock does.
            now: clock.max(self.core.ledger().time()),
            run: self.elapsed.run(),
        };
        let buffer = std::mem::take(&mut self.buffer);
        Turn::new(self.journal.next_record(), moment, buffer)
    }

    /// Gives what this step takes, with room for it in the journal; tells publishers where there is none
    /// any more, or again.
    fn reserve(&mut self, turn: &mut Turn) -> Vec<Input> {
        if let Some(full) = self.full
            && self.elapsed.is_past(Some(full.tried), ROOM_RETRY)
        {
            // No more than a segment can hold: room again would else never be enough.
            let wanted = (full.wanted + self.kept()).min(self.journal.most());
            let again = self.has_room(wanted, turn);
            let tried = self.elapsed.run();
            self.full = (!again).then_some(Full { tried, ..full });
            if again {
                self.tell_all(None, turn);
            }
        }
        let batch = self.lanes.take(self.open());
        if self.full.is_some() {
            return batch;
        }
        let wanted = batch.iter().map(|input| input.weight.bytes()).sum();
        if self.has_room(self.kept() + wanted, turn) || !self.journal.can_hold(wanted) {
            return batch;
        }
        let tried = self.elapsed.run();
        self.full = Some(Full { wanted, tried });
        self.tell_all(Some(DISK_FULL), turn);
        self.lanes.give_back(batch);
        self.lanes.take(self.open())
    }

    /// What a step may take as things stand.
    fn open(&self) -> Open {
        if self.full.is_none() {
            return Open::All(STEP_BYTES.min(self.journal.most().saturating_sub(self.kept())));
        }
        let left = self.journal.left();
        Open::Reserve {
            frees: left.saturating_sub(STOP_BYTES),
            needs: left.saturating_sub(self.kept()),
        }
    }

    /// Bytes that stay free behind each step for what must go on once the disk is full.
    fn kept(&self) -> usize {
        RESERVE_BYTES.min(self.journal.most() / 2)
    }

    /// Whether the journal has room for so much more. It may go on in another segment.
    fn has_room(&mut self, bytes: usize, turn: &mut Turn) -> bool {
        let room = self.journal.reserve(bytes, 0).is_ok();
        turn.next = self.journal.next_record();
        room
    }

    /// How many records of the core's own, of so many that are wanted, have room in what each step leaves
    /// free. Half of that stays: the next step reserves as much again.
    fn most(&self, wanted: usize) -> usize {
        let kept = if self.full.is_some() {
            STOP_BYTES
        } else {
            self.kept() / 2
        };
        wanted.min(self.journal.left().saturating_sub(kept) / ENTRY_BYTES)
    }

    fn tell_all(&self, reason: Option<&'static str>, turn: &mut Turn) {
        for connection in self.core.dispatch().connections() {
            turn.out.effects.push((connection, Effect::Blocked(reason)));
        }
    }

    /// Decides about one input, and appends what it becomes.
    fn take(&mut self, input: Input, turn: &mut Turn) {
        let weight = input.weight.bytes() + self.core.queues_bytes(&input.what);
        let is_full = self.full.is_some();
        // What came before may have taken more than it weighs.
        let wanted = weight.saturating_add(self.kept());
        let room = !is_full && (self.journal.left() >= wanted || self.has_room(wanted, turn));
        match input.what {
            What::Command(command) if command.is_refused_when_full() && !room => {
                self.core.not_stored(command, turn);
            }
            what => {
                let attached = what.attaches().filter(|_| is_full);
                self.core.take(what, turn);
                let blocked = attached.map(|it| (it, Effect::Blocked(Some(DISK_FULL))));
                turn.out.effects.extend(blocked);
            }
        }
        self.append(turn);
    }

    /// Looks at what time alone has changed, before anything is decided: an order that is over binds
    /// nothing, however many commands there are.
    fn tick(&mut self, turn: &mut Turn) {
        if self.ticked.is_none() || self.elapsed.is_past(self.ticked, TICK) {
            self.ticked = Some(self.elapsed.run());
            // On a full disk all this can wait: it has nothing of the reserve.
            let room = self.journal.left().saturating_sub(self.kept()) / ENTRY_BYTES;
            let most = self.most(TICK_RECORDS).min(room);
            self.core.tick(most, turn);
            self.append(turn);
        }
    }

    /// Does what follows from the inputs; stops, where it is to and nothing waits that could be done.
    /// `all`: whether all was taken that could be.
    fn work(&mut self, all: bool, turn: &mut Turn) {
        let stops = self.stops && all && !self.has_more();
        let most = self.most(STEP_BURIED + turn.enqueued());
        self.core.work(most, turn);
        if self.full.is_none() {
            self.core.write_repeats(stops, turn);
        }
        self.append(turn);
        if stops {
            self.stop(turn);
        }
    }

    /// Writes the last records of a clean stop. Without room for these a stop is none: the next start
    /// recovers.
    fn stop(&mut self, turn: &mut Turn) {
        turn.out.stopped = true;
        let counts = self.core.ledger().refusals().open().len();
        let out = self.core.out().len() * OUT_BYTES + (counts + 1) * ENTRY_BYTES;
        if self.has_room(out, turn) || self.journal.left() >= out {
            self.core.stop(turn);
            self.append(turn);
        }
    }

    fn append(&mut self, turn: &mut Turn) {
        let journal = &mut self.journal;
        turn.append(|logged, octets| {
            let at = journal.push(logged.kind, octets, logged.frame.as_ref());
            // INVARIANT: a record is applied at the address that it has.
            assert_eq!(at, logged.at);
        });
    }

    /// Syncs where a record asked for it or one has waited long enough. Where nothing was written
    /// for a while, puts an empty batch behind the last one.
    fn commit(&mut self, asked: bool) -> Result<(), Poisoned> {
        let settle_wait = if self.full.is_some() {
            FULL_SETTLE_WAIT
        } else {
            SETTLE_WAIT
        };
        if let Some(poisoned) = self.journal.poisoned() {
            return Err(poisoned.clone());
        }
        let now = self.elapsed.run();
        let is_past = |since, wait| self.elapsed.is_past(since, wait);
        // What only rides waits on where the last of a full disk is used up.
        if asked || (is_past(self.unsynced_since, settle_wait) && self.journal.fits()) {
            self.journal.commit()?;
            self.unsynced_since = None;
            self.written_at = Some(now);
        } else if !self.journal.is_batch_empty() {
            self.unsynced_since.get_or_insert(now);
        } else if is_past(self.written_at, IDLE_MARK) {
            self.journal.mark_end()?;
            self.written_at = None;
        }
        Ok(())
    }

    /// Writes the record with which a log, or a run, begins. On a full disk the record of a run makes
    /// no write of its own: it is in force from here on, and goes with the next batch, or by itself
    /// once a settle would. Where the process dies before that, the next start says the same.
    pub fn begin(&mut self, record: &Record) -> Result<(), Fatal> {
        let mut turn = self.turn(Timestamp::default());
        let bytes = match record {
            Record::Genesis(genesis) => {
                let files = genesis.bundle.files();
                files.map(|(path, text)| path.len() + text.len() + 16).sum()
            }
            _ => 0,
        };
        let room = self.has_room(self.kept() + bytes, &mut turn);
        if !room && bytes > 0 {
            return Err(Poisoned("the disk is full".to_owned()).into());
        }
        self.core.begin(record, &mut turn);
        self.append(&mut turn);
        let is_full = !room && self.journal.poisoned().is_none();
        if is_full && matches!(record, Record::Recovered) {
            return Ok(());
        }
        self.journal.commit()?;
        self.written_at = Some(self.elapsed.run());
        Ok(())
    }

    /// Ends before anything was served: the next start finds a clean stop.
    pub fn close(mut self) -> Result<(), Fatal> {
        self.begin(&Record::Stopped { out: Vec::new() })
    }
}

#[cfg(test)]
mod tests;
