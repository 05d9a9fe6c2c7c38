//! Who is shown what of a record: by whose the record is, never by the queue in which it lies.

use carnet::backbone::load::load;
use carnet::broker::delivery::{Prepared, Shown, prepare};
use carnet::broker::effect::Deliver;
use carnet::broker::ids::DeliveryId;
use carnet::broker::ledger::Overlay;
use carnet::broker::record::{QueueId, Record, Stored};
use carnet::journal::Lsn;
use carnet::message::id::UnitId;

use crate::desk::{Desk, Outcome};
use crate::unit::{private, unconfirmed};

/// What a unit is shown of a record, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Receipt,
    Release,
    Own,
    Nothing,
}

fn records(desk: &Desk) -> Vec<(Lsn, Stored)> {
    let reader = desk.committer.journal().reader();
    let scan = reader.scan(Lsn::START);
    let addresses = scan.map(|record| record.unwrap().lsn);
    addresses
        .map(|at| (at, load(&reader, at).unwrap()))
        .collect()
}

fn sees(desk: &Desk, (at, stored): &(Lsn, Stored), queue: QueueId, unit: &UnitId) -> Sees {
    let delivery = DeliveryId {
        queue,
        entry: *at,
        attempt: 1,
    };
    let deliver = Deliver {
        channel: 1,
        consumer: None,
        delivery,
        redelivered: false,
        returns: 0,
        private: false,
        overlay: Overlay::default(),
        moved_to: None,
        left: 0,
    };
    let shown = prepare(&deliver, stored, unit, &desk.view(), desk.now);
    match shown {
        Err(_) => Sees::Nothing,
        Ok(Prepared::Narrow(..)) => Sees::Release,
        Ok(Prepared::Send(rendered)) => match &rendered.properties {
            Shown::Raw(_) => Sees::Own,
            Shown::Made(_) if rendered.routing_key == "carnet.receipt" => Sees::Receipt,
            Shown::Made(_) => Sees::Release,
        },
    }
}

/// What a unit may see of a record, said once more and plainly.
fn may_see(record: &Record, unit: &UnitId) -> Sees {
    use carnet::broker::record::Outcome::Released;
    match record {
        Record::Exchange(exchange) if exchange.unit == *unit => Sees::Receipt,
        Record::Rejected(rejected) if rejected.unit == *unit => Sees::Receipt,
        Record::Placed(placed) if placed.unit == *unit => Sees::Own,
        Record::Exchange(exchange) => {
            let mut own = exchange.recipients.iter().filter(|it| it.unit == *unit);
            let got = own.any(|it| matches!(it.outcome, Released(_)));
            if got { Sees::Release } else { Sees::Nothing }
        }
        _ => Sees::Nothing,
    }
}

#[test]
fn every_record_shows_every_unit_its_own_part_alone_in_every_queue() {
    let mut desk = Desk::open();
    let post = desk.seat("post", "items");
    let customs = desk.seat("customs", "declarations");
    let police = desk.seat("police", "operations");
    desk.example(post, "postal.item/valid/ornaments", "p-1", &[]);
    desk.example(post, "postal.item/invalid/wrong-check-digit", "p-2", &[]);
    let to = [("to", "nobody/main")];
    let refused = desk.example(customs, "risk.assessment/valid/drugs", "c-1", &to);
    assert!(matches!(refused, Outcome::Returned(_)));
    desk.example(customs, "seizure.report/valid/story-14", "c-2", &[]);
    desk.example(police, "police.alert/valid/story-09", "a-1", &[]);
    let declared = carnet::broker::command::Ask::DeclareQueue {
        name: "work".to_owned(),
        passive: false,
        properties: carnet::broker::record::QueueProperties::default(),
    };
    desk.ask(post, declared);
    let origin = unconfirmed(carnet::broker::ids::ConnectionId(1), 90);
    desk.step(vec![private("work", origin, b"task")]);

    let records = records(&desk);
    let queues: Vec<QueueId> = desk.committer.ledger().queues().map(|(id, _)| id).collect();
    let registry = desk.view().rulebook;
    let units: Vec<UnitId> = registry
        .registry()
        .units()
        .map(|unit| unit.id.clone())
        .collect();
    let mut seen = Vec::new();
    for record in &records {
        for unit in &units {
            let expected = may_see(&record.1.record, unit);
            for queue in &queues {
                let found = sees(&desk, record, *queue, unit);
                assert_eq!(found, expected, "{unit} of {:?} in {queue:?}", record.0);
            }
            seen.push(expected);
        }
    }
    for kind in [Sees::Receipt, Sees::Release, Sees::Own, Sees::Nothing] {
        assert!(seen.contains(&kind), "{kind:?} never came");
    }
}
