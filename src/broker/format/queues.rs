//! Records of queues, field by field in the order in which they stand on disk.

use super::form::form;
use crate::broker::record::{Argument, Binding, Cause, Placed, QueueId, QueueProperties, Settled};
use crate::journal::Lsn;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

form!(Placed {
    at: Timestamp,
    unit: UnitId,
    queues: Vec<QueueId>,
    source: Option<Lsn>,
    private: bool,
    marked: bool,
    from: Option<(QueueId, Lsn, Cause)>,
    deadline: Option<Timestamp>,
});

form!(Settled {
    gone: Vec<(QueueId, Lsn)>,
    dropped: Vec<(QueueId, Lsn)>,
    returned: Vec<(QueueId, Lsn)>,
    interrupted: Vec<(QueueId, Lsn)>,
});

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
