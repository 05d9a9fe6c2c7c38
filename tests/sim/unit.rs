//! A log of one unit on a simulated disk, and what its clients publish to queues of its own.

use bytes::Bytes;
use carnet::agency::registry::InboxMode;
use carnet::backbone::start::{Options, recover};
use carnet::broker::command::{Command, Private, Unroutable};
use carnet::broker::committer::Committer;
use carnet::broker::exchange::Returnable;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::broker::payload::PrivateHead;
use carnet::broker::queue::{Backlog, Entry, Volume};
use carnet::broker::record::{Genesis, Record, Terms, UnitEntry};
use carnet::message::bundle::Bundle;
use carnet::message::id::{Digest, ExchangeId, Mask, UnitId};
use carnet::message::time::Timestamp;
use carnet::policy::words::Onward;
use carnet_disk::SimVfs;

use crate::recovered::data;
use crate::ring::ring;

/// Begins the log.
pub(crate) fn begun(
    disk: &SimVfs,
    options: &Options,
    unit: &UnitId,
    at: Timestamp,
) -> Committer<SimVfs> {
    let mut committer = recover(disk, data(), options).unwrap().committer;
    let genesis = Genesis {
        at,
        bundle: Bundle::default(),
        digest: Digest::of(b""),
        development: false,
        units: vec![UnitEntry {
            id: unit.clone(),
            inbox: InboxMode::All,
            listed: true,
            delivery_limit: None,
        }],
        key_check: options.key_check,
    };
    committer.begin(&Record::Genesis(genesis)).unwrap();
    committer
}

/// The command of a publish to a queue by name.
pub(crate) fn private(queue: &str, origin: Origin, body: &[u8]) -> Command {
    published(queue, origin, body).into()
}

/// A publish to a queue by name: mandatory where its publisher wants a confirm.
pub(crate) fn published(queue: &str, origin: Origin, body: &[u8]) -> Private {
    let head = PrivateHead {
        exchange: "",
        routing_key: queue,
        raw_properties: &[],
    };
    let wire = Returnable {
        exchange: "".into(),
        routing_key: queue.into(),
        raw_properties: Bytes::new(),
        body: Bytes::new(),
    };
    Private {
        read_over: None,
        quota: Volume::ANY,
        unroutable: Unroutable::of(origin.confirm.is_some()),
        copies: Vec::new(),
        marked: false,
        origin,
        wire,
        frame: head.seal(
            &ring().sealing(ExchangeId([0; 16]), Timestamp::default()),
            body,
        ),
        ttl: None,
    }
}

/// Where a publish without a confirm comes from.
pub(crate) fn unconfirmed(connection: ConnectionId, serial: u64) -> Origin {
    Origin {
        connection,
        channel: 1,
        serial,
        confirm: None,
    }
}

/// Live entries of a queue that is short enough to have none on disk, in order.
pub(crate) fn in_head(backlog: &Backlog) -> impl Iterator<Item = &Entry> {
    let mut last = None;
    std::iter::from_fn(move || {
        let entry = backlog.next_after(last)?;
        last = Some(entry.lsn);
        Some(entry)
    })
}

/// Live entries of a queue of any length whose pages are in memory, as consumers would come to them.
pub(crate) fn all_of(backlog: &Backlog) -> impl Iterator<Item = Entry> {
    let mut backlog = backlog.clone();
    std::iter::from_fn(move || {
        let entry = *backlog.next_after(None)?;
        backlog.settle(entry.lsn)?;
        Some(entry)
    })
}

/// What is left of a release that is withdrawn.
pub(crate) fn nothing() -> Terms {
    Terms {
        mask: Mask::NONE,
        retain_days: 1,
        onward: Onward::NoOnward,
        policies: Vec::new(),
        rulebook: Digest([0; 32]),
    }
}
