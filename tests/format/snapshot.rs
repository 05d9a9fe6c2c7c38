//! What the fixtures of a snapshot, a page and a file of ids hold.

use std::collections::BTreeMap;

use carnet::agency::registry::{InboxMode, Party};
use carnet::broker::governance::Draft;
use carnet::broker::ids::EntryAddress;
use carnet::broker::ledger::Ledger;
use carnet::broker::limits::{QUEUE_HEAD_ENTRIES, QUEUE_PAGE_ENTRIES};
use carnet::broker::queue::Entry;
use carnet::broker::record::{
    Binding, CaseChange, CaseStep, Cause, CountedRefusals, EndedBy, Exchange, Genesis, Measure,
    Moved, Narrowed, OrderChange, Outcome, Placed, QueueId, QueueProperties, Recipient, Record,
    Rejected, Released, Settled, Settling, Text, Topology, UnitEntry,
};
use carnet::journal::Lsn;
use carnet::message::id::KeyedDigest;
use carnet::policy::change::Changes;
use carnet::policy::measures::{Level, Permits};
use carnet::policy::standing::CaseId;
use carnet::policy::words::Onward;

use crate::values::{at, genesis, keyed, least, rejected, terms, unit};
use crate::{governed, measured};

/// The standing queues of the units that the genesis has, in their order.
const CUSTOMS_INBOX: QueueId = QueueId(0);
const POST_RECEIPTS: QueueId = QueueId(4);
const POST_DEAD: QueueId = QueueId(5);
/// The first queue that is declared.
const WORK: QueueId = QueueId(9);

/// Applies records, each at an address of its own.
struct Log {
    ledger: Ledger,
    at: u64,
}

impl Log {
    fn apply(&mut self, record: &Record) -> Lsn {
        self.at += 64;
        self.ledger.apply(record, Lsn(self.at));
        Lsn(self.at)
    }

    fn private(&mut self) -> Lsn {
        self.apply(&Record::Placed(Box::new(Placed {
            at: at(3),
            unit: unit("post/main"),
            queues: vec![WORK],
            source: None,
            private: true,
            marked: false,
            from: None,
            deadline: None,
            octets: 700,
        })))
    }

    fn case(&mut self, number: u8, what: CaseStep) {
        let sender = if matches!(what, CaseStep::Join) {
            "post/items"
        } else {
            "customs/cases"
        };
        let change = CaseChange {
            at: at(4),
            sender: sender.parse().unwrap(),
            unit: unit("customs/main"),
            case: case(number),
            what,
            key: Some(keyed(number)),
        };
        self.apply(&Record::Case(change));
    }
}

fn case(number: u8) -> CaseId {
    format!("CASE-{number}").parse().unwrap()
}

fn open() -> CaseStep {
    CaseStep::Open {
        areas: vec!["ipr".to_owned()],
        invites: vec!["post".parse().unwrap()],
    }
}

fn begun() -> Genesis {
    let units = [
        ("customs/main", true),
        ("post/main", true),
        ("police/covert", false),
    ];
    let units = units.map(|(name, listed)| UnitEntry {
        id: unit(name),
        inbox: InboxMode::Unbound,
        listed,
        delivery_limit: listed.then_some(7),
    });
    Genesis {
        units: units.into(),
        ..genesis(&[])
    }
}

/// A message in a case, which opens an order, to customs.
fn exchange() -> Exchange {
    let released = Released {
        number: 1,
        mask: terms().mask,
        policies: terms().policies,
        retain_days: 30,
        onward: Onward::NoOnward,
        queues: vec![CUSTOMS_INBOX],
        withholding: Vec::new(),
    };
    Exchange {
        number: Some(1),
        case: Some(case(1)),
        case_shown: true,
        deadline: Some(at(90_000)),
        order: Some(OrderChange::Opens {
            number: keyed(5),
            subjects: vec![keyed(4), keyed(6)],
            deadline: at(90_000),
        }),
        recipients: vec![Recipient {
            unit: unit("customs/main"),
            known: true,
            outcome: Outcome::Released(released),
        }],
        receipt: Some(POST_RECEIPTS),
        ..least()
    }
}

/// A proposal of each state, and activations with a text that is whole and one that is not.
fn govern(log: &mut Log) {
    let propose = |log: &mut Log, number, draft| {
        let proposed = governed::proposed(number, draft);
        log.apply(&Record::Proposed(Box::new(proposed)))
    };
    let whole = propose(log, 1, governed::full());
    propose(log, 2, governed::full());
    propose(log, 3, governed::full());
    log.apply(&Record::Withdrawn(governed::withdrawn(1)));
    let approved = governed::approved(2, "customs/o-2117", 2);
    log.apply(&Record::Approved(Box::new(approved)));
    let changes = governed::full().changes;
    let activated = governed::activated(Some(2), Text::Since { whole, changes });
    log.apply(&Record::Activated(Box::new(activated)));
    propose(log, 4, governed::full());
    // An agency gets officers and another ends, and that is taken back.
    for (number, returns) in [(5, None), (6, Some(2))] {
        let vet = returns.map(|_| Vec::new());
        let mut changes = Changes::default();
        changes.insert("agencies/coast/agency.toml", Some(Vec::new()));
        changes.insert("agencies/vet/agency.toml", vet.clone());
        changes.insert("agencies/vet/vet-ca.pem", vet);
        let draft = Draft {
            changes,
            returns,
            ..governed::full()
        };
        propose(log, number, draft);
    }
}

/// A measure of each stage but one that its permits have left, and a certificate that was told.
fn measure(log: &mut Log) {
    let suspend = || Measure::Suspend(Permits::All);
    let level = || Measure::Level(Level::Degraded);
    let measures = [
        level(),
        suspend(),
        level(),
        suspend(),
        Measure::Lift(4),
        suspend(),
    ];
    for (number, measure) in (1..).zip(measures) {
        log.apply(&measured::declared(number, measure));
    }
    for number in [1, 3, 5, 2] {
        log.apply(&measured::confirmed(number));
    }
    log.apply(&measured::declared(7, level()));
    log.apply(&measured::declared(8, suspend()));
    log.apply(&measured::ended(8, EndedBy::Time));
    log.apply(&measured::expiring());
}

/// A ledger with something of everything, and with a page of a queue on disk.
pub(crate) fn ledger() -> Ledger {
    let mut log = Log {
        ledger: Ledger::default(),
        at: 0,
    };
    log.apply(&Record::Genesis(begun()));
    for number in [1, 2] {
        log.case(number, open());
        log.case(number, CaseStep::Join);
    }
    log.case(2, CaseStep::Close);
    govern(&mut log);
    measure(&mut log);
    log.apply(&Record::Checkpoint(Box::new(governed::checkpoint())));
    let exchange = log.apply(&Record::Exchange(Box::new(exchange())));
    log.apply(&Record::Narrowed(Narrowed {
        at: at(5),
        exchange,
        unit: unit("customs/main"),
        queues: vec![CUSTOMS_INBOX],
        left: terms(),
    }));
    log.apply(&Record::Rejected(Box::new(Rejected {
        number: 2,
        receipt: Some(POST_RECEIPTS),
        ..rejected()
    })));
    log.apply(&Record::RefusalsNoted(CountedRefusals {
        party: Party::Unit(unit("police/covert")),
        from: at(6),
        to: at(7),
        count: 3,
    }));
    log.apply(&Record::Topology(Topology::Declared {
        queue: WORK,
        unit: unit("post/main"),
        name: "work".to_owned(),
        properties: QueueProperties::default(),
    }));
    let binding = Binding {
        exchange: "inbox".to_owned(),
        key: "postal.#".to_owned(),
    };
    let queue = WORK;
    log.apply(&Record::Topology(Topology::Bound { queue, binding }));
    with_a_page(log)
}

/// A queue with one entry in its head, a page on disk, and a few behind it; one that died.
fn with_a_page(mut log: Log) -> Ledger {
    let count = QUEUE_HEAD_ENTRIES + QUEUE_PAGE_ENTRIES + 2;
    let mut entries: Vec<Lsn> = (0..count).map(|_| log.private()).collect();
    let up_to = Lsn(log.at);
    log.apply(&Record::Lease { queue: WORK, up_to });
    log.apply(&Record::Recovered);
    let last = entries.pop().unwrap();
    log.apply(&Record::Placed(Box::new(Placed {
        at: at(8),
        unit: unit("post/main"),
        queues: vec![POST_DEAD],
        source: Some(last),
        private: true,
        marked: true,
        from: Some(Moved {
            queue: WORK,
            entry: last,
            cause: Cause::Rejected,
            by: None,
        }),
        deadline: None,
        octets: 700,
    })));
    log.ledger = Ledger::of_snapshot(&log.ledger.to_snapshot()).unwrap();
    let at_work = |entry| EntryAddress { queue: WORK, entry };
    let mut settled = Settled::default();
    for entry in &entries[1..QUEUE_HEAD_ENTRIES] {
        settled.add(None, Settling::Acked, at_work(*entry));
    }
    let last = at_work(entries[QUEUE_HEAD_ENTRIES + 1]);
    settled.add(None, Settling::Acked, last);
    settled.add(None, Settling::Requeued, at_work(entries[0]));
    log.apply(&Record::Settled(settled));
    log.ledger
}

/// The entries of a page.
pub(crate) fn page() -> Vec<Entry> {
    vec![
        Entry::new(Lsn(64), None),
        Entry::new(Lsn(128), Some(at(0))).of(700).private(),
        Entry::new(Lsn(1 << 40), Some(at(1))).private().marked(),
    ]
}

/// The ids of a segment: two blocks of them.
pub(crate) fn ids() -> BTreeMap<KeyedDigest, Lsn> {
    let ids = (0..200_u8).zip(1..);
    ids.map(|(fill, nth)| (keyed(fill), Lsn(nth * 64)))
        .collect()
}
