//! Records of queues, field by field in the order in which they stand on disk.

use super::form::{Form, form};
use super::take::{Malformed, Take};
use crate::broker::record::{
    Argument, Binding, Cause, Moved, Placed, QueueId, QueueProperties, Settled,
};
use crate::journal::Lsn;
use crate::message::id::{SystemId, UnitId};
use crate::message::time::Timestamp;

form!(Placed {
    at: Timestamp,
    unit: UnitId,
    queues: Vec<QueueId>,
    source: Option<Lsn>,
    private: bool,
    marked: bool,
    from: Option<Moved>,
    deadline: Option<Timestamp>,
    octets: u32,
});

form!(Moved {
    queue: QueueId,
    entry: Lsn,
    cause: Cause,
    by: Option<SystemId>,
});

/// By system, then by how and queue.
impl<'a> Form<'a> for Settled {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.by_system().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::of(Form::take(from)?))
    }
}

form!(QueueProperties {
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    arguments: Vec<(String, Argument)>,
});

form!(Binding {
    exchange: String,
    key: String,
});
