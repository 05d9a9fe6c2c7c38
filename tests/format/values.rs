//! What the fixtures hold: records of every kind, with their options absent and present and with
//! every word of each vocabulary.

use std::time::Duration;

use carnet::agency::keys::{KeyCheck, RetentionClass, SealedPart};
use carnet::agency::registry::{InboxMode, Party};
use carnet::broker::ids::EntryAddress;
use carnet::broker::record::{
    Again, Argument, Binding, CaseChange, CaseStep, Cause, Confidential, CountedRefusals, Exchange,
    FaultTold, Genesis, Identifier, LastNumbers, LeafSecret, Lost, Moved, Narrowed, OrderChange,
    Outcome, Placed, QueueId, QueueProperties, Recipient, Record, Rejected, Released, Repeats,
    Settled, Settling, Terms, Told, Topology, UnitEntry,
};
use carnet::broker::register::OrderKey;
use carnet::journal::Lsn;
use carnet::message::bundle::Bundle;
use carnet::message::id::{Category, Digest, ExchangeId, KeyedDigest, Mask, UnitId};
use carnet::message::spans::Shown;
use carnet::message::time::Timestamp;
use carnet::policy::standing::{CaseId, Reads, StandingKey};
use carnet::policy::words::{Onward, PolicyId};

use crate::frames::{KEPT, sealing};
use crate::ring::ring;
use crate::{governed, measured};

/// A record with the name of its fixture.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) record: Record,
}

pub(crate) fn sample(name: impl Into<String>, record: Record) -> Sample {
    let name = name.into();
    Sample { name, record }
}

/// All samples of records.
pub(crate) fn records() -> Vec<Sample> {
    let mut all = vec![
        sample("genesis-least", Record::Genesis(genesis(&[]))),
        sample(
            "genesis",
            Record::Genesis(genesis(&[
                InboxMode::All,
                InboxMode::Unbound,
                InboxMode::Off,
            ])),
        ),
        sample("exchange-least", exchanged(least())),
        sample("exchange", exchanged(full())),
        sample("rejected-least", Record::Rejected(Box::new(rejected()))),
        sample("rejected", Record::Rejected(Box::new(rejected_in_full()))),
        sample("recovered", Record::Recovered),
        sample("repeats", Record::Repeats(repeats())),
        sample("refusals-noted", Record::RefusalsNoted(counted(agency()))),
        sample(
            "refusals-counted",
            Record::RefusalsCounted(counted(unlisted())),
        ),
        sample("lost-least", Record::Lost(lost(None, Vec::new()))),
        sample("lost", Record::Lost(lost(Some(90), vec![numbers()]))),
        sample("narrowed", Record::Narrowed(narrowed())),
        sample("settled", Record::Settled(settled())),
        sample(
            "lease",
            Record::Lease {
                queue: QueueId(3),
                up_to: Lsn(1 << 40),
            },
        ),
        sample("stopped-least", Record::Stopped { out: Vec::new() }),
        sample(
            "stopped",
            Record::Stopped {
                out: vec![(QueueId(1), Lsn(2)), (QueueId(3), Lsn(4))],
            },
        ),
        sample(
            "order-ended",
            Record::OrderEnded {
                at: at(5),
                order: order(),
            },
        ),
    ];
    all.extend(governed::records());
    all.extend(measured::records());
    all.extend(orders());
    all.extend(placed());
    all.extend(cases());
    all.extend(topologies());
    all
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_773_000_000_000 + ms)
}

pub(crate) fn unit(name: &str) -> UnitId {
    name.parse().unwrap()
}

fn case() -> CaseId {
    "CASE-2026-0317".parse().unwrap()
}

fn policies(names: &[&str]) -> Vec<PolicyId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn digest(fill: u8) -> Digest {
    Digest([fill; 32])
}

pub(crate) fn keyed(fill: u8) -> KeyedDigest {
    KeyedDigest([fill; 16])
}

fn agency() -> Party {
    Party::Agency("customs".parse().unwrap())
}

fn unlisted() -> Party {
    Party::Unit(unit("police/covert"))
}

fn identifier(kind: &str, digest: KeyedDigest, shown: Shown) -> Identifier {
    Identifier {
        kind: kind.to_owned(),
        digest,
        category: Category::Reference,
        shown,
    }
}

fn order() -> OrderKey {
    OrderKey {
        number: keyed(1),
        owner: unlisted(),
    }
}

fn mask() -> Mask {
    Mask::of(Category::Goods).union(Mask::REFERENCE_TOKEN)
}

pub(crate) fn genesis(modes: &[InboxMode]) -> Genesis {
    let mut bundle = Bundle::default();
    bundle.insert("agencies/post/agency.toml", "name = \"Post\"\n");
    bundle.insert("policies/post.cedar", "");
    let entries = modes.iter().zip(1..);
    let units = entries.map(|(inbox, number)| UnitEntry {
        id: unit(&format!("post/unit-{number}")),
        inbox: *inbox,
        listed: number % 2 == 0,
        delivery_limit: (number % 2 == 0).then_some(number),
    });
    Genesis {
        at: at(0),
        bundle,
        digest: digest(7),
        development: modes.is_empty(),
        units: units.collect(),
        key_check: KeyCheck([8; 16]),
    }
}

fn exchanged(exchange: Exchange) -> Record {
    Record::Exchange(Box::new(exchange))
}

/// An exchange with all its options absent.
pub(crate) fn least() -> Exchange {
    Exchange {
        id: ExchangeId([1; 16]),
        secret: LeafSecret::new([2; 32]),
        at: at(1),
        sender: "post/items".parse().unwrap(),
        unit: unit("post/main"),
        message_type: "postal.item".parse().unwrap(),
        holds: Mask::ALL,
        number: None,
        rulebook: digest(3),
        reads: Reads::default(),
        case: None,
        case_shown: false,
        facts: digest(4),
        frame: digest(5),
        confidential: digest(6),
        body_bytes: 0,
        key: keyed(1),
        content: keyed(2),
        answer: None,
        again: None,
        had: Vec::new(),
        window: Duration::from_hours(24),
        keys: Vec::new(),
        deadline: None,
        order: None,
        recipients: Vec::new(),
        receipt: None,
        sealed: Confidential::default().seal(&sealing(&ring()), KEPT.facts),
        errors: Vec::new(),
    }
}

/// An exchange with all its options present.
pub(crate) fn full() -> Exchange {
    let onwards = [
        Onward::Free,
        Onward::SamePurpose,
        Onward::AskOriginator,
        Onward::NoOnward,
    ];
    let released = onwards
        .into_iter()
        .zip(1..)
        .map(|(onward, number)| Recipient {
            unit: unit(&format!("customs/unit-{number}")),
            known: number % 2 == 0,
            outcome: Outcome::Released(Released {
                number,
                mask: mask(),
                policies: policies(&["customs-receives", "customs-sees"]),
                retain_days: 730,
                onward,
                queues: vec![QueueId(4), QueueId(number)],
                withholding: policies(&["post-keeps"]),
            }),
        });
    let refused = Recipient {
        unit: unit("police/main"),
        known: true,
        outcome: Outcome::Refused {
            policies: policies(&["post-forbids"]),
        },
    };
    Exchange {
        number: Some(42),
        reads: Reads {
            rulebook_epoch: 3,
            keys: vec![
                (StandingKey::Case(case()), 5),
                (StandingKey::Measures("post".parse().unwrap()), 0),
                (StandingKey::Bans(case(), agency()), 6),
                (StandingKey::Orders(keyed(9)), u64::MAX),
                (StandingKey::NewestCase, 7),
            ],
            valid_until: Some(at(-1)),
        },
        case: Some(case()),
        case_shown: true,
        body_bytes: 1_024,
        answer: Some(keyed(3)),
        again: Some(Again {
            first: Lsn(512),
            until: at(86_400_000),
        }),
        had: vec![unit("environment/main")],
        window: Duration::from_mins(10),
        keys: vec![
            identifier("s10", keyed(4), Shown::Quoted),
            identifier("control-order", keyed(5), Shown::Clear),
        ],
        deadline: Some(at(60_000)),
        order: Some(OrderChange::Opens {
            number: keyed(5),
            subjects: vec![keyed(4)],
            deadline: at(90_000),
        }),
        recipients: released.chain([refused]).collect(),
        receipt: Some(QueueId(2)),
        sealed: confidential(Onward::SamePurpose).seal(&sealing(&ring()), KEPT.facts),
        errors: policies(&["post-broken"]),
        ..least()
    }
}

/// Exchanges that end orders, under each handling that is left, and one with a sealed part.
fn orders() -> Vec<Sample> {
    let withdraws = Exchange {
        order: Some(OrderChange::Withdraws { number: keyed(5) }),
        sealed: confidential(Onward::AskOriginator).seal(&sealing(&ring()), KEPT.facts),
        ..least()
    };
    let reports = Exchange {
        order: Some(OrderChange::Reports { number: keyed(5) }),
        sealed: confidential(Onward::NoOnward).seal(&sealing(&ring()), KEPT.facts),
        ..least()
    };
    let sealed = Exchange {
        sealed: SealedPart::of(RetentionClass::days_of(1), 77, vec![1, 2, 3], [9; 16]).unwrap(),
        ..least()
    };
    vec![
        sample("exchange-withdraws", exchanged(withdraws)),
        sample("exchange-reports", exchanged(reports)),
        sample("exchange-sealed", exchanged(sealed)),
    ]
}

pub(crate) fn confidential(handling: Onward) -> Confidential<'static> {
    Confidential {
        message_id: "item-1",
        justification: Some("Überprüfung"),
        to: vec!["customs/main"],
        warnings: vec![("header case", "case")],
        told: vec![Told {
            unit: "police/main",
            policy: Some("post-forbids"),
            reason: "not permitted",
            basis: Some("Art. 5"),
        }],
        purpose: Some("customs-control"),
        handling,
        correlation_id: Some("other-1"),
        faults: vec![FaultTold {
            place: "/ID",
            rule: "schema",
            text: "is missing",
        }],
        faults_untold: 3,
    }
}

pub(crate) fn rejected() -> Rejected {
    Rejected {
        id: ExchangeId([3; 16]),
        at: at(2),
        sender: "post/items".parse().unwrap(),
        unit: unit("post/main"),
        message_type: String::new(),
        code: 312,
        place: String::new(),
        rule: "message-type".to_owned(),
        body: keyed(6),
        number: 7,
        receipt: None,
        sealed: SealedPart::default(),
        said: None,
        case: None,
    }
}

fn rejected_in_full() -> Rejected {
    Rejected {
        message_type: "case.open".to_owned(),
        code: 403,
        place: "/CaseID".to_owned(),
        said: Some("this case is not open to this agency".to_owned()),
        rule: "case".to_owned(),
        receipt: Some(QueueId(1)),
        sealed: confidential(Onward::Free).seal(&sealing(&ring()), KEPT.facts),
        case: Some(case()),
        ..rejected()
    }
}

fn placed() -> Vec<Sample> {
    let private = Placed {
        at: at(3),
        unit: unit("post/main"),
        queues: vec![QueueId(9)],
        source: None,
        private: true,
        marked: true,
        from: None,
        deadline: Some(at(4)),
        octets: 700,
    };
    let moved = |cause, by: Option<&str>| Placed {
        queues: vec![QueueId(3), QueueId(9)],
        source: Some(Lsn(4_096)),
        private: false,
        marked: false,
        from: Some(Moved {
            queue: QueueId(5),
            entry: Lsn(8_192),
            cause,
            by: by.map(|name| name.parse().unwrap()),
        }),
        deadline: None,
        ..private.clone()
    };
    let all = [
        ("placed", private.clone()),
        (
            "placed-rejected",
            moved(Cause::Rejected, Some("post/items")),
        ),
        ("placed-expired", moved(Cause::Expired, None)),
        ("placed-delivery-limit", moved(Cause::DeliveryLimit, None)),
        ("placed-max-length", moved(Cause::MaxLength, None)),
    ];
    let all = all.into_iter();
    all.map(|(name, placed)| sample(name, Record::Placed(Box::new(placed))))
        .collect()
}

fn settled() -> Settled {
    let mut settled = Settled::default();
    let by_clients = [
        Settling::Acked,
        Settling::Rejected,
        Settling::Requeued,
        Settling::Left,
    ];
    let by_the_broker = [
        Settling::Expired,
        Settling::DeliveryLimit,
        Settling::MaxLength,
        Settling::Interrupted,
    ];
    let address = |queue, entry| EntryAddress {
        queue: QueueId(queue),
        entry: Lsn(entry),
    };
    for (how, entry) in by_clients.into_iter().zip(1..) {
        for system in ["post/items", "post/other"] {
            for entry in [entry, entry + 8] {
                settled.add(Some(system.parse().unwrap()), how, address(1, entry));
            }
        }
    }
    for (how, entry) in by_the_broker.into_iter().zip(1..) {
        settled.add(None, how, address(entry, entry << 33));
    }
    settled
}

fn cases() -> Vec<Sample> {
    let change = |what, key| {
        Record::Case(CaseChange {
            at: at(6),
            sender: "customs/cases".parse().unwrap(),
            unit: unit("customs/main"),
            case: case(),
            what,
            key,
        })
    };
    let open = CaseStep::Open {
        areas: vec!["drugs".to_owned(), "ipr".to_owned()],
        invites: vec!["police".parse().unwrap()],
    };
    vec![
        sample("case-open", change(open, Some(keyed(7)))),
        sample("case-join", change(CaseStep::Join, None)),
        sample("case-close", change(CaseStep::Close, None)),
    ]
}

fn narrowed() -> Narrowed {
    Narrowed {
        at: at(7),
        exchange: Lsn(4_096),
        unit: unit("customs/main"),
        queues: vec![QueueId(1)],
        left: terms(),
    }
}

pub(crate) fn terms() -> Terms {
    Terms {
        mask: mask(),
        retain_days: 30,
        onward: Onward::AskOriginator,
        policies: policies(&["customs-receives"]),
        rulebook: digest(9),
    }
}

fn counted(party: Party) -> CountedRefusals {
    CountedRefusals {
        party,
        from: at(8),
        to: at(9),
        count: 12,
    }
}

fn repeats() -> Repeats {
    Repeats {
        at: at(10),
        since: at(9),
        counts: vec![
            ("customs".parse().unwrap(), 3),
            ("post".parse().unwrap(), 1),
        ],
    }
}

fn lost(evidence_known: Option<u64>, units: Vec<LastNumbers>) -> Lost {
    Lost {
        at: at(11),
        from: Lsn(4_096),
        known: Lsn(8_192),
        evidence: 80,
        evidence_known,
        jump: 100_000,
        units,
    }
}

fn numbers() -> LastNumbers {
    LastNumbers {
        unit: unit("post/main"),
        sent: 5,
        received: 6,
        receipts: QueueId(1),
    }
}

fn topologies() -> Vec<Sample> {
    let argument = |name: &str, value| (name.to_owned(), value);
    let properties = QueueProperties {
        durable: true,
        exclusive: false,
        auto_delete: true,
        arguments: vec![
            argument("x-dead-letter-exchange", Argument::Text(String::new())),
            argument("x-max-length", Argument::Integer(-1)),
            argument("x-odd", Argument::Other("[1, 2]".to_owned())),
            argument("x-single-active-consumer", Argument::Bool(true)),
        ],
    };
    let declared = |properties| Topology::Declared {
        queue: QueueId(9),
        unit: unit("post/main"),
        name: "täglich".to_owned(),
        properties,
    };
    let binding = || Binding {
        exchange: "inbox".to_owned(),
        key: "postal.#".to_owned(),
    };
    let queue = QueueId(9);
    let all = [
        ("declared-least", declared(QueueProperties::default())),
        ("declared", declared(properties)),
        ("deleted", Topology::Deleted(queue)),
        (
            "purged",
            Topology::Purged {
                queue,
                out: vec![Lsn(1), Lsn(2)],
            },
        ),
        (
            "bound",
            Topology::Bound {
                queue,
                binding: binding(),
            },
        ),
        (
            "unbound",
            Topology::Unbound {
                queue,
                binding: binding(),
            },
        ),
    ];
    let all = all.into_iter();
    all.map(|(name, topology)| sample(name, Record::Topology(topology)))
        .collect()
}
