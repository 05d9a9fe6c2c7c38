//! The committer: the one thread that decides, appends, applies and syncs.
//!
//! [`Committer::step`] is the whole of it. Effects of a step leave it only after the sync of the
//! batch that decided them. A crash before the sync loses nothing that anyone was told; a crash
//! after it loses nothing at all. It waits for no lock and reads no file.

mod ask;
mod elapsed;
mod full;
mod publish;
mod repeats;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::elapsed::Elapsed;
use self::full::{DISK_FULL, Full, Promised};
use self::repeats::Counted;
use super::command::Command;
use super::dispatch::{Dispatch, FeedTraits, Left};
use super::effect::{Answer, Effect};
use super::ids::ConnectionId;
use super::ledger::{Change, Ledger};
use super::limits::{FULL_SETTLE_WAIT, IDLE_MARK, SETTLE_WAIT, TICK};
use super::queue::Page;
use super::record::{QueueId, Record, SCHEMA, Settled, Stored};
use crate::agency::registry::Party;
use crate::journal::vfs::Vfs;
use crate::journal::{Frame, Journal, Kind, Lsn, Poisoned};
use crate::message::time::Timestamp;

/// Owns the journal, the ledger and dispatch. Lives on a thread of its own.
pub struct Committer<V: Vfs> {
    journal: Journal<V>,
    ledger: Ledger,
    dispatch: Dispatch,
    /// Channels with publishes on their way back.
    held: BTreeMap<(ConnectionId, u16), publish::Held>,
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
    /// Identical repeats that are not written down yet.
    repeats: Counted,
    scratch: Vec<u8>,
}

/// What a step gives, after its sync.
#[derive(Debug, Default)]
pub struct Step {
    /// For connections, in order.
    pub effects: Vec<(ConnectionId, Effect)>,
    /// Whether rulebook or standing changed: snapshots are to be published.
    pub view_changed: bool,
    /// Messages that this step stored, for deliveries that follow at once.
    pub fresh: Vec<(Lsn, Arc<Stored>)>,
    /// Pages of queues that want to be on disk.
    pub pages: Vec<(QueueId, Page)>,
    /// Pages of queues that nobody needs any more, written in this step perhaps.
    pub done_pages: Vec<(QueueId, Page)>,
    /// Pages of queues that a head will need.
    pub wanted_pages: Vec<(QueueId, Page)>,
}

/// Why the process must end.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A write or sync failed; it is never tried again.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// A step in the making.
#[derive(Default)]
struct Turn {
    out: Step,
    settled: Settled,
    /// Entries that were put into queues.
    enqueued: usize,
    /// Entries that were found dead in their queues.
    buried: usize,
    /// Refusals beyond their agency's limit: told, and to be counted.
    refused: BTreeMap<Party, u64>,
    promised: Promised,
    sync: bool,
    room: bool,
    stop: bool,
}

impl Turn {
    fn tell(&mut self, connection: ConnectionId, effect: Effect) {
        self.out.effects.push((connection, effect));
    }

    fn answer(&mut self, (connection, channel): (ConnectionId, u16), answer: Answer) {
        self.tell(connection, Effect::Answer { channel, answer });
    }
}

impl<V: Vfs> Committer<V> {
    /// Takes over a recovered journal and the ledger that its records give.
    pub fn new(journal: Journal<V>, ledger: Ledger) -> Self {
        let mut dispatch = Dispatch::default();
        for (id, queue) in ledger.queues() {
            dispatch.declared(id, None, FeedTraits::of(&queue.properties));
            // What expires in it, or is wanted from disk, is not known before it was looked at.
            dispatch.look_at(id);
        }
        Self {
            journal,
            ledger,
            dispatch,
            held: BTreeMap::new(),
            unsynced_since: None,
            written_at: None,
            ticked: None,
            elapsed: Elapsed::default(),
            full: None,
            repeats: Counted::default(),
            scratch: Vec::new(),
        }
    }

    /// The durable state.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The journal.
    pub fn journal(&self) -> &Journal<V> {
        &self.journal
    }

    /// One batch: decide, append, apply; match; sync; then, and only then, its effects.
    pub fn step(&mut self, commands: Vec<Command>, now: Timestamp) -> Result<Step, Fatal> {
        self.read_clock(now);
        // Journal time never steps back, whatever the clock does.
        let now = now.max(self.ledger.time());
        let mut turn = Turn::default();
        let commands = self.make_room(commands, now, &mut turn)?;
        if let Some(poisoned) = self.journal.poisoned() {
            return Err(poisoned.clone().into());
        }
        if let Some(commands) = commands {
            self.work(commands, now, &mut turn)?;
        }
        self.write_stopped(&mut turn)?;
        // Effects of this turn are still in our hands. If this fails nobody was told.
        self.commit(turn.sync)?;
        Ok(turn.out)
    }

    /// Says what the clock says, before something is written by it.
    pub fn read_clock(&mut self, clock: Timestamp) {
        self.journal.read_clock(clock.as_millis());
        self.elapsed.read(clock);
    }

    /// Syncs where a record asked for it or one has waited long enough. Where nothing was written
    /// for a while, puts an empty batch behind the last one.
    fn commit(&mut self, asked: bool) -> Result<(), Poisoned> {
        let settle_wait = if self.full.is_some() {
            FULL_SETTLE_WAIT
        } else {
            SETTLE_WAIT
        };
        let (now, is_past) = (self.elapsed.run(), |since, wait| {
            self.elapsed.is_past(since, wait)
        });
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

    /// Takes the commands, and does what follows from them and from the time.
    fn work(
        &mut self,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        if self.can_send() {
            // Where there is no room for that it stays due.
            self.write_counted(self.ledger.refusals().due(now), turn)?;
        }
        // However many commands there are: an order that is over binds none of them.
        if self.ticked.is_none() || self.elapsed.is_past(self.ticked, TICK) {
            self.tick(now, turn)?;
        }
        let mut commands = commands.into_iter();
        while let Some(command) = commands.next() {
            if !self.has_room_for(&command) {
                self.park(std::iter::once(command).chain(commands), now, turn)?;
                break;
            }
            self.take(command, now, turn)?;
        }
        self.write_settled(turn)?;
        self.match_credit(now, turn)?;
        self.write_noted(now, turn)?;
        self.write_repeats(now, turn)
    }

    /// Writes the record with which a log, or a run, begins. On a full disk the record of a run makes
    /// no write of its own: it is in force from here on, and goes with the next batch, or by itself
    /// once a settle would. Where the process dies before that, the next start says the same.
    pub fn begin(&mut self, record: &Record) -> Result<(), Fatal> {
        let mut turn = Turn::default();
        let bytes = match record {
            Record::Genesis(genesis) => {
                let files = genesis.bundle.files();
                files.map(|(path, text)| path.len() + text.len() + 16).sum()
            }
            _ => 0,
        };
        let room = self.journal.reserve(RECORD_SLACK_BYTES + bytes, 0);
        if room.is_err() && bytes > 0 {
            return Err(Poisoned("the disk is full".to_owned()).into());
        }
        self.record(record, None, &mut turn)?;
        let is_full = room.is_err() && self.journal.poisoned().is_none();
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

    fn take(&mut self, command: Command, now: Timestamp, turn: &mut Turn) -> Result<(), Fatal> {
        match command {
            Command::Attach {
                connection,
                unit,
                system,
                releases,
            } => {
                self.dispatch.attach(connection, unit, system, releases);
                if self.full.is_some() {
                    turn.tell(connection, Effect::Blocked(Some(DISK_FULL)));
                }
            }
            Command::Submit(origin, submission) => self.submit(origin, *submission, now, turn)?,
            Command::Private(private) => self.place(*private, now, turn)?,
            Command::Ask {
                connection,
                channel,
                ask,
            } => {
                self.ask((connection, channel), ask, now, turn)?;
            }
            Command::Settle { deliveries, how } => self.settle(deliveries, how, now, turn)?,
            Command::Narrow {
                to,
                delivery,
                narrowed,
            } => self.narrow(to, delivery, narrowed, turn)?,
            Command::Gone(connection) => {
                let left = self.gone(connection);
                self.left(left, now, turn)?;
            }
            Command::Ended(connection) => {
                let left = self.gone(connection);
                let interrupted = true;
                let left = Left {
                    interrupted,
                    ..left
                };
                self.left(left, now, turn)?;
            }
            Command::Left(left) => self.left(left, now, turn)?,
            Command::PageLoaded(queue, page, entries) => {
                let done = self.ledger.page_loaded(queue, page, entries);
                let done = done.into_iter().map(|page| (queue, page));
                turn.out.done_pages.extend(done);
                self.dispatch.look_at(queue);
            }
            Command::PageWritten(queue, page) => self.ledger.page_written(queue, page),
            Command::Activate(genesis) => {
                self.record(&Record::Activated(*genesis), None, turn)?;
            }
            Command::Tick => self.tick(now, turn)?,
            Command::Stop => turn.stop = true,
        }
        Ok(())
    }

    /// A connection is there no more. Gives what it left.
    fn gone(&mut self, connection: ConnectionId) -> Left {
        let channels = (connection, 0)..=(connection, u16::MAX);
        self.held.extract_if(channels, |_, _| true).for_each(drop);
        self.dispatch.gone(connection)
    }

    /// Appends a fact and applies it. The only way to either.
    fn record(
        &mut self,
        record: &Record,
        frame: Option<&Frame>,
        turn: &mut Turn,
    ) -> Result<Lsn, Fatal> {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        let bytes = self.scratch.len() + frame.map_or(0, Frame::len) + STORED_BYTES;
        if self.journal.left() < bytes {
            // More came of a command than its weight tells. What may be much more has asked for room
            // before; where there is none the commit says so.
            _ = self.journal.reserve(bytes, 0);
            if let Some(poisoned) = self.journal.poisoned() {
                return Err(poisoned.clone().into());
            }
        }
        let (kind, schema) = (record.kind(), SCHEMA);
        let kind = Kind { kind, schema };
        let lsn = self.journal.push(kind, &self.scratch, frame);
        let changes = self.ledger.apply(record, lsn);
        for consumer in self.dispatch.changed(&changes) {
            let effect = Effect::Cancelled {
                channel: consumer.channel,
                number: consumer.number,
            };
            turn.tell(consumer.connection, effect);
        }
        for change in changes {
            match change {
                Change::Standing | Change::Rulebook => turn.out.view_changed = true,
                Change::Page(queue, page) => turn.out.pages.push((queue, page)),
                Change::PageDone(queue, page) => turn.out.done_pages.push((queue, page)),
                Change::Enqueued(_) => turn.enqueued += 1,
                _ => {}
            }
        }
        turn.sync |= !matches!(record, Record::Settled(_) | Record::Repeats(_));
        Ok(lsn)
    }

    /// Appends and applies a fact that holds a message.
    fn store(&mut self, record: Record, frame: &Frame, turn: &mut Turn) -> Result<(), Fatal> {
        let lsn = self.record(&record, Some(frame), turn)?;
        turn.out.fresh.push((
            lsn,
            Arc::new(Stored {
                record,
                frame: frame.octets().clone(),
            }),
        ));
        Ok(())
    }
}

/// More than the journal takes for a record beside its body and its frame.
const STORED_BYTES: usize = 512;

/// Room kept in each step for what it does by itself: leases, expiries, settles.
const RECORD_SLACK_BYTES: usize = 512 << 10;
