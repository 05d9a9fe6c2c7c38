//! What comes to the core: a client's or an operator's command, or an event of the broker itself;
//! with who pays for it, and what it may become.

use super::command::{Ask, Command, Fence, Settle};
use super::event::Event;
use super::ids::{ConnectionId, DeliveryId};
use super::limits::SETTLED_TOGETHER;
use super::weight::Weight;

/// Something for the core to decide about.
#[derive(Debug)]
pub enum What {
    /// What a client or an operator asks for.
    Command(Command),
    /// What the broker itself tells.
    Event(Event),
}

impl What {
    /// The connection that it attaches.
    pub(super) fn attaches(&self) -> Option<ConnectionId> {
        match self {
            Self::Command(Command::Attach { connection, .. }) => Some(*connection),
            _ => None,
        }
    }
}

/// The payer of a command: the number of a party among those that have connected, or the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payer(pub u32);

impl Payer {
    /// The broker itself, whose events never wait behind commands of others.
    pub const BROKER: Self = Self(0);
}

/// What becomes of a command on a full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A command without a record: it goes on.
    Free,
    /// A message, or a change of the rulebook: it is not taken, and who asked is told so.
    Publishes,
    /// A command that makes room, or lets consumers go on that do: it has all of the reserve.
    Frees,
    /// A command that takes room: it has a part of the reserve, and waits once that is used up.
    Needs,
}

/// A command or an event on its way to the core. Its weight is computed here, once, where it is made.
#[derive(Debug)]
pub struct Input {
    /// The command or event.
    pub what: What,
    /// The party that pays for it, or the broker.
    pub payer: Payer,
    /// The most that it may take, in bytes.
    pub weight: Weight,
    /// The connection whose later requests must not come before it.
    pub(super) of: Option<ConnectionId>,
}

impl Input {
    /// A command of `payer`.
    pub fn new(payer: Payer, command: Command) -> Self {
        Self {
            of: match &command {
                Command::Ask { connection, .. } => Some(*connection),
                _ => None,
            },
            weight: Weight::of(&command),
            what: What::Command(command),
            payer,
        }
    }

    /// A command of a connection of `payer` as one or more inputs: what settles many deliveries comes in
    /// parts, so that none of them takes more of a full disk's reserve than there is, nor more than the
    /// end of the connection.
    pub fn parts(
        payer: Payer,
        connection: ConnectionId,
        command: Command,
    ) -> impl Iterator<Item = Self> {
        let (mut rest, mut whole) = match command {
            Command::Settle { deliveries, how } if deliveries.len() > SETTLED_TOGETHER => {
                (Some((deliveries.into_iter(), how)), None)
            }
            command => (None, Some(command)),
        };
        std::iter::from_fn(move || {
            let part = match &mut rest {
                None => whole.take(),
                Some((deliveries, how)) => {
                    let how = *how;
                    let deliveries: Vec<DeliveryId> = deliveries.take(SETTLED_TOGETHER).collect();
                    (!deliveries.is_empty()).then_some(Command::Settle { deliveries, how })
                }
            };
            part.map(|command| Self {
                of: Some(connection),
                ..Self::new(payer, command)
            })
        })
    }

    /// An event in the midst of the commands of `payer`.
    pub fn event(payer: Payer, event: Event) -> Self {
        Self {
            weight: Weight::of_event(&event),
            what: What::Event(event),
            payer,
            of: None,
        }
    }

    /// What becomes of it on a full disk.
    pub fn lane(&self) -> Lane {
        match &self.what {
            What::Command(command) => match command {
                Command::Attach { .. } => Lane::Free,
                Command::Submit(..)
                | Command::Private(_)
                | Command::Govern(..)
                | Command::Show(..) => Lane::Publishes,
                // Giving back frees nothing, and may go on for ever: what is out comes back at the latest
                // when its connection ends.
                Command::Settle {
                    how: Settle::Requeue,
                    ..
                } => Lane::Needs,
                Command::Narrow { .. } | Command::Settle { .. } => Lane::Frees,
                Command::Ask { ask, .. } => match ask {
                    Ask::DeclareQueue { passive: false, .. } | Ask::Bind { .. } => Lane::Needs,
                    Ask::DeclareQueue { passive: true, .. }
                    | Ask::Prefetch { .. }
                    | Ask::DeclareExchange { .. }
                    | Ask::Consume { .. }
                    | Ask::Fence(Fence::CloseConnection | Fence::Recover | Fence::Refuse) => {
                        Lane::Free
                    }
                    Ask::Purge(_)
                    | Ask::Delete { .. }
                    | Ask::Cancel(_)
                    | Ask::Get { .. }
                    | Ask::Fence(Fence::CloseChannel) => Lane::Frees,
                },
            },
            What::Event(Event::Gone(_) | Event::Ended(_)) => Lane::Frees,
            What::Event(_) => Lane::Free,
        }
    }

    /// The connection whose requests are answered in their order, where it is one of them.
    pub(super) fn asks(&self) -> Option<ConnectionId> {
        match &self.what {
            What::Command(Command::Ask { connection, .. }) => Some(*connection),
            _ => None,
        }
    }

    /// The connection that has ended, where it says so.
    pub(super) fn is_over(&self) -> Option<ConnectionId> {
        match &self.what {
            What::Event(Event::Gone(connection) | Event::Ended(connection)) => Some(*connection),
            _ => None,
        }
    }
}

impl From<Command> for Input {
    fn from(command: Command) -> Self {
        Self::new(Payer::BROKER, command)
    }
}

impl From<Event> for Input {
    fn from(event: Event) -> Self {
        Self::event(Payer::BROKER, event)
    }
}
