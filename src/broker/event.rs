//! What the broker itself tells the core.

use std::sync::Arc;

use super::governance::Ticket;
use super::ids::{ConnectionId, QueueId};
use super::queue::Entry;
use crate::message::id::AgencyId;

/// Something that has happened, and that no client asked for.
#[derive(Debug)]
pub enum Event {
    /// A connection has ended.
    Gone(ConnectionId),
    /// The broker has ended a connection of its own accord: what was out comes back, and no delivery is
    /// counted.
    Ended(ConnectionId),
    /// A page of a queue was loaded.
    PageLoaded(QueueId, u64, Arc<[Entry]>),
    /// A page of a queue is on disk.
    PageWritten(QueueId, u64),
    /// An officer asks what is outstanding in the queues of an agency: told with the step.
    Outstanding(Ticket, AgencyId),
    /// Time has passed: look for what expired.
    Tick,
    /// Stop: nothing follows.
    Stop,
}
