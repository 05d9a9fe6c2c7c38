//! The core as a function: [`Core::take`] decides what a command or an event becomes, applies it, and
//! gives records and effects. Pure and total: it knows no disk, no clock and no room.
//!
//! The second command of a step sees what the first one did. Records have their addresses here, so
//! that they are applied before they are appended; effects of a step leave after its sync. Replay is
//! [`Ledger::apply`] over the same records at the same addresses.

mod ask;
mod govern;
mod held;
mod outstanding;
mod repeats;
mod settle;
mod submit;
mod turn;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::held::Held;
use self::repeats::Counted;
pub use self::turn::{Fresh, Logged, Moment, Outstanding, Step, Turn};
use super::command::Command;
use super::dispatch::{Dispatch, FeedTraits, Left};
use super::effect::Effect;
use super::event::Event;
use super::ids::{ChannelKey, ConnectionId};
use super::input::What;
use super::ledger::{Change, Ledger};
use super::record::LeafSecret;
use super::record::{Record, SCHEMA, Stored};
use crate::journal::{Frame, Kind, Lsn, stride};

/// What is durable, and who is connected. Owned by the committer thread.
#[derive(Debug)]
pub struct Core {
    ledger: Ledger,
    dispatch: Dispatch,
    /// Channels with publishes on their way back.
    held: Held,
    /// Identical repeats that are not written down yet.
    repeats: Counted,
    /// Messages and queues that ended connections and channels left, not given back yet.
    left: VecDeque<Left>,
    /// When a rulebook took effect last, by the time that this process has run.
    activated: Option<Duration>,
    /// Secrets of records of evidence follow from it.
    secret: LeafSecret,
}

impl Core {
    /// A core over the ledger that the records of a journal give. No client is connected. `secret` was drawn for
    /// this run.
    pub fn new(ledger: Ledger, secret: LeafSecret) -> Self {
        let mut dispatch = Dispatch::default();
        for (id, queue) in ledger.queues() {
            dispatch.declared(id, None, FeedTraits::of(&queue.properties));
            // What expires in it, or is wanted from disk, is not known before it was looked at.
            dispatch.look_at(id);
        }
        Self {
            ledger,
            dispatch,
            held: Held::default(),
            repeats: Counted::default(),
            left: VecDeque::new(),
            activated: None,
            secret,
        }
    }

    /// The durable state.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The clients that are connected, and the messages that are out to them.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Decides about a command or an event, and applies what it decides.
    pub fn take(&mut self, input: What, turn: &mut Turn) {
        match input {
            What::Command(command) => self.command(command, turn),
            What::Event(event) => self.event(event, turn),
        }
    }

    fn command(&mut self, command: Command, turn: &mut Turn) {
        match command {
            Command::Attach {
                connection,
                unit,
                system,
                releases,
            } => self.dispatch.attach(connection, unit, system, releases),
            Command::Submit(origin, submission) => self.submit(origin, *submission, turn),
            Command::Private(private) => self.place(*private, turn),
            Command::Ask {
                connection,
                channel,
                ask,
            } => {
                let key = ChannelKey::new(connection, channel);
                self.ask(key, ask, turn);
            }
            Command::Settle { deliveries, how } => self.settle(deliveries, how, turn),
            Command::Narrow {
                to,
                delivery,
                narrowed,
            } => self.narrow(to, delivery, narrowed, turn),
            Command::Govern(ticket, deed) => self.govern(ticket, *deed, turn),
            Command::Show(ticket, checkpoint) => self.show(ticket, *checkpoint, turn),
        }
    }

    fn event(&mut self, event: Event, turn: &mut Turn) {
        match event {
            Event::Gone(connection) => self.over(connection, false, turn),
            Event::Ended(connection) => self.over(connection, true, turn),
            Event::PageLoaded(queue, page, entries) => {
                let done = self.ledger.page_loaded(queue, page, entries);
                let done = done.into_iter().map(|page| (queue, page));
                turn.out.done_pages.extend(done);
                self.dispatch.look_at(queue);
            }
            Event::Outstanding(ticket, agency) => {
                let found = self.outstanding(&agency);
                turn.out.outstanding.push((ticket, found));
            }
            Event::PageWritten(queue, page) => self.ledger.page_written(queue, page),
            // The committer says when it is time.
            Event::Tick | Event::Stop => {}
        }
    }

    /// Ends a connection; `interrupted` where the broker has ended it.
    fn over(&mut self, connection: ConnectionId, interrupted: bool, turn: &mut Turn) {
        self.held.gone(connection);
        let left = self.dispatch.gone(connection);
        let left = Left {
            interrupted,
            ..left
        };
        self.leave(left, turn);
    }

    /// Writes a record with which a log, or a run of the broker, begins.
    pub fn begin(&mut self, record: &Record, turn: &mut Turn) {
        self.record(record, None, turn);
    }

    /// Applies a fact, which is to be appended. The only way to either.
    fn record(&mut self, record: &Record, frame: Option<&Frame>, turn: &mut Turn) -> Lsn {
        let (at, begin) = (turn.next, turn.octets.len());
        record.encode(&self.secret.at(at.0), &mut turn.octets);
        let octets = begin..turn.octets.len();
        turn.next = at.plus(stride(octets.len(), frame.is_some()));
        turn.logged.push(Logged {
            at,
            kind: Kind {
                kind: record.kind(),
                schema: SCHEMA,
            },
            frame: frame.cloned(),
            octets,
        });
        let changes = self.ledger.apply(record, at);
        for consumer in self.dispatch.changed(&changes) {
            let effect = Effect::Cancelled {
                channel: consumer.channel,
                number: consumer.number,
            };
            turn.tell(consumer.connection, effect);
        }
        for change in changes {
            match change {
                Change::Standing | Change::Governance => turn.out.view_changed = true,
                Change::Page(queue, page) => turn.out.pages.push((queue, page)),
                Change::PageDone(queue, page) => turn.out.done_pages.push((queue, page)),
                Change::Enqueued(_) => turn.enqueued += 1,
                _ => {}
            }
        }
        turn.sync |= !matches!(record, Record::Settled(_) | Record::Repeats(_));
        at
    }

    /// Applies a fact that holds a message, which is to be appended with it.
    fn store(&mut self, record: Record, frame: &Frame, turn: &mut Turn) {
        let before = turn.octets.len();
        let at = self.record(&record, Some(frame), turn);
        let record_octets = turn.octets.len() - before;
        let frame = frame.octets().clone();
        let stored = Arc::new(Stored { record, frame });
        turn.out.fresh.push(Fresh {
            at,
            stored,
            record_octets,
        });
    }
}
