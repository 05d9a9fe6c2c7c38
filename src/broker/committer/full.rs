//! A full disk: publishes are not taken, all else goes on in what is left of the segment.
//!
//! It is full when no whole spare segment stands by, in the midst of a run or from its start on. It
//! is found before anything is decided, when room for a step is reserved. Publishers get a nack
//! and are told; what they confirm, settle and ask for goes on. Where not even that has room any
//! more, commands are parked, in their order, until there is: a settle that waits is no worse than
//! a client that is slow, and a record that is begun and has no room would end the process.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Committer, Fatal, RECORD_SLACK_BYTES, Turn};
use crate::broker::command::Command;
use crate::broker::effect::Effect;
use crate::broker::limits::{ROOM_RETRY, STEP_BYTES};
use crate::broker::record::QueueId;
use crate::journal::Lsn;
use crate::journal::vfs::Vfs;
use crate::message::time::Timestamp;

/// What clients are told.
pub(super) const DISK_FULL: &str = "the disk is full";

/// Room that a step needs beside its commands when it takes no publish: leases, expiries.
const QUIET_BYTES: usize = 192 << 10;
/// Room that a stop needs: what was counted, what is out.
const STOP_BYTES: usize = 64 << 10;
/// Room that must be there before what a connection left is written down further.
const LEFT_BYTES: usize = 128 << 10;

/// The state of a committer that cannot store.
pub(super) struct Full {
    /// What did not fit. Until that fits the disk is full: else it would come and go, with the size
    /// of what is asked for.
    bytes: usize,
    /// When room was last asked for.
    tried: Duration,
    /// What cannot even be written down now.
    parked: VecDeque<Command>,
}

/// Room of the journal that is promised to the commands of a turn.
#[derive(Debug, Default)]
pub(super) struct Promised {
    /// Up to where it reaches.
    until: Lsn,
    /// Whether more was asked for, and there is none.
    pub(super) exhausted: bool,
}

impl Promised {
    /// So much was written beside what is promised: that moves on.
    pub(super) fn moves(&mut self, before: Lsn, after: Lsn) {
        let bytes = after.bytes_since(before);
        self.until = Lsn(self.until.0.saturating_add(bytes));
    }
}

impl<V: Vfs> Committer<V> {
    /// Sees to it that the journal has room for what these commands may become, or that nothing
    /// comes of them that has none; tells publishers what changed. Gives what is to be taken now;
    /// nothing where nothing can be.
    pub(super) fn make_room(
        &mut self,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        let (records, frames) = weight(commands.iter());
        match self.full.take() {
            None if self
                .journal
                .reserve(RECORD_SLACK_BYTES + records, frames)
                .is_ok() =>
            {
                turn.room = true;
                self.promise(RECORD_SLACK_BYTES + records + frames, turn);
                Ok(Some(commands))
            }
            // Too much at once, whatever the disk has: these publishes are not taken, and that is all.
            // Room for the others is reserved as they are written down.
            None if !self.journal.can_hold(RECORD_SLACK_BYTES + records + frames) => {
                Ok(Some(commands))
            }
            None => {
                self.full = Some(Full {
                    bytes: publish_weight(&commands),
                    tried: self.elapsed.run(),
                    parked: VecDeque::new(),
                });
                self.tell_all(Some(DISK_FULL), turn);
                self.go_on_quietly(commands, now, turn)
            }
            Some(full) => {
                let due = self.elapsed.is_past(Some(full.tried), ROOM_RETRY);
                // No more than a segment can hold: room again would else never be enough.
                let wanted = (full.bytes + RECORD_SLACK_BYTES).min(self.journal.most());
                if due && self.journal.reserve(wanted, 0).is_ok() {
                    self.tell_all(None, turn);
                    turn.room = true;
                    return self.unpark(full.parked, commands, now, turn);
                }
                let tried = if due { self.elapsed.run() } else { full.tried };
                self.full = Some(Full { tried, ..full });
                self.go_on_quietly(commands, now, turn)
            }
        }
    }

    fn tell_all(&self, reason: Option<&'static str>, turn: &mut Turn) {
        for connection in self.dispatch.connections() {
            turn.tell(connection, Effect::Blocked(reason));
        }
    }

    /// Without room for publishes: the others are taken if they fit, else parked behind those that
    /// are. Publishes get their nack in any case.
    fn go_on_quietly(
        &mut self,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        let (records, _) = weight(commands.iter().filter(|command| !command.is_publish()));
        let parked = self.full.as_ref().map_or(0, |full| full.parked.len());
        if parked == 0 && self.journal.left() >= records + QUIET_BYTES {
            return Ok(Some(commands));
        }
        self.park(commands, now, turn)?;
        Ok(None)
    }

    /// Whether a command may be taken: those before it in this step may have used, on a full disk,
    /// more than they were expected to, or wait themselves.
    pub(super) fn has_room_for(&self, command: &Command) -> bool {
        let Some(full) = &self.full else { return true };
        let fits = || self.journal.left() >= command.weight().0 + STOP_BYTES;
        command.is_publish() || (full.parked.is_empty() && fits())
    }

    /// Whether no publish is taken, for want of room.
    pub fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Notes what was reserved for the commands that come.
    fn promise(&self, bytes: usize, turn: &mut Turn) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        turn.promised.until = Lsn(self.journal.next().0.saturating_add(bytes));
    }

    /// Whether more may be written down than was promised, in room that is nobody's. Not on a full
    /// disk: what is kept there is for what cannot wait.
    pub(super) fn may_reserve(&mut self, bytes: usize, turn: &mut Turn) -> bool {
        let bytes = bytes.saturating_add(self.due(turn));
        let may = self.full.is_none()
            && !turn.promised.exhausted
            && self.journal.reserve(bytes, 0).is_ok();
        turn.promised.exhausted |= !may;
        may
    }

    /// Whether more may be written down than was promised, if need be in what is kept.
    pub(super) fn may_add(&mut self, bytes: usize, turn: &mut Turn) -> bool {
        self.may_reserve(bytes, turn) || self.journal.left() >= bytes + self.due(turn) + STOP_BYTES
    }

    /// What of the promised room is not used yet.
    fn due(&self, turn: &Turn) -> usize {
        let next = self.journal.next();
        usize::try_from(turn.promised.until.bytes_since(next)).unwrap_or(usize::MAX)
    }

    /// Whether there is room for what no command asks for: leases of deliveries, counts.
    pub(super) fn can_send(&self) -> bool {
        self.full.is_none() || self.journal.left() >= STOP_BYTES
    }

    /// What cannot be written down now comes as soon as there is room, and all else behind it.
    pub(super) fn wait_for_room(&mut self, command: Command, turn: &mut Turn) {
        let tried = self.elapsed.run();
        if self.full.is_none() {
            turn.room = false;
            self.tell_all(Some(DISK_FULL), turn);
        }
        let full = self.full.get_or_insert_with(|| Full {
            bytes: LEFT_BYTES,
            tried,
            parked: VecDeque::new(),
        });
        full.parked.push_back(command);
    }

    /// Entries that came back, and of which nothing is written down yet.
    pub(super) fn came_back_unwritten(&self) -> Vec<(QueueId, Lsn)> {
        let parked = self.full.iter().flat_map(|full| &full.parked);
        let left = parked.filter_map(|command| match command {
            Command::Left(left) => Some(left.returned.iter().copied()),
            _ => None,
        });
        left.flatten().collect()
    }

    /// Keeps what has no room for when it has; publishes get their nack.
    pub(super) fn park(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        for command in commands {
            if command.is_publish() || matches!(command, Command::Attach { .. }) {
                // Neither makes a record.
                self.take(command, now, turn)?;
            } else if matches!(command, Command::Stop) {
                turn.stop = true;
            } else if let Some(full) = &mut self.full
                && !matches!(command, Command::Tick)
            {
                full.parked.push_back(command);
            }
        }
        Ok(())
    }

    /// There is room again: what was parked comes first. It is taken in steps of its own, each with
    /// room of its own, all before the next sync.
    fn unpark(
        &mut self,
        mut parked: VecDeque<Command>,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        while !parked.is_empty() {
            let mut part = Vec::new();
            let mut bytes = 0;
            // No more than a segment can hold: a small one would never have the room.
            while bytes < STEP_BYTES
                && let Some(weight) = parked.front().map(|command| command.weight().0)
                && (part.is_empty() || self.journal.can_hold(bytes + weight + RECORD_SLACK_BYTES))
                && let Some(command) = parked.pop_front()
            {
                bytes += weight;
                part.push(command);
            }
            // What is more than a segment holds asks for its room as it is written.
            let wanted = (bytes + RECORD_SLACK_BYTES).min(self.journal.most());
            if self.journal.reserve(wanted, 0).is_err() {
                // Full again, in the midst of it: the rest waits on.
                part.extend(parked);
                turn.room = false;
                self.full = Some(Full {
                    bytes: 0,
                    tried: self.elapsed.run(),
                    parked: part.into(),
                });
                self.tell_all(Some(DISK_FULL), turn);
                return self.go_on_quietly(commands, now, turn);
            }
            self.promise(wanted, turn);
            self.work(part, now, turn)?;
            if let Some(full) = &mut self.full {
                // More came of it than its weight tells, and that waits.
                full.parked.extend(parked);
                return self.go_on_quietly(commands, now, turn);
            }
        }
        let (records, frames) = weight(commands.iter());
        let room = self.journal.reserve(records + RECORD_SLACK_BYTES, frames);
        turn.room = room.is_ok();
        if turn.room {
            self.promise(RECORD_SLACK_BYTES + records + frames, turn);
        }
        Ok(Some(commands))
    }

    /// Whether the last record of a clean stop has room. Without it the next start recovers.
    pub(super) fn can_stop(&mut self, bytes: usize) -> bool {
        (self.full.is_none() && self.journal.reserve(bytes, 0).is_ok())
            || self.journal.left() >= bytes
    }
}

fn weight<'c>(commands: impl Iterator<Item = &'c Command>) -> (usize, usize) {
    commands.fold((0, 0), |(records, frames), command| {
        let (record, frame) = command.weight();
        (records + record, frames + frame)
    })
}

fn publish_weight(commands: &[Command]) -> usize {
    let (records, frames) = weight(commands.iter().filter(|command| command.is_publish()));
    records + frames
}

#[cfg(test)]
mod tests;
