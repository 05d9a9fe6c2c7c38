//! Moves from queue to queue that no client asks for: bounded, however the queues are laid out.

use carnet::agency::registry::Party;
use carnet::broker::command::{Ask, Settle};
use carnet::broker::event::Event;
use carnet::broker::ids::Origin;
use carnet::broker::limits::{DEATHS, UNASKED_MOVES};
use carnet::broker::queue::Volume;
use carnet::broker::record::{Argument, Cause, QueueProperties};

use crate::desk::{Desk, Place};
use crate::unit::private;

/// More than any list of queues that a message is told to have been in.
const QUEUES: usize = 300;

fn declare(desk: &mut Desk, place: Place, name: &str, arguments: &[(&str, Argument)]) {
    let arguments = arguments.iter();
    let mut arguments: Vec<(String, Argument)> = arguments
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    arguments.sort_by(|(a, _), (b, _)| a.cmp(b));
    let properties = QueueProperties {
        durable: true,
        arguments,
        ..QueueProperties::default()
    };
    let (name, passive) = (name.to_owned(), false);
    desk.ask(
        place,
        Ask::DeclareQueue {
            name,
            passive,
            properties,
        },
    );
}

fn expiring_into(queue: &str) -> [(&'static str, Argument); 3] {
    [
        ("x-dead-letter-exchange", Argument::Text(String::new())),
        (
            "x-dead-letter-routing-key",
            Argument::Text(queue.to_owned()),
        ),
        ("x-message-ttl", Argument::Integer(0)),
    ]
}

/// Queues with long names, each of which buries at once in the next.
fn chain(desk: &mut Desk, place: Place, ring: bool) {
    let name = |number: usize| format!("{}-{number}", "q".repeat(200));
    for number in 0..QUEUES {
        let next = if ring {
            (number + 1) % QUEUES
        } else {
            number + 1
        };
        declare(desk, place, &name(number), &expiring_into(&name(next)));
    }
}

fn first() -> String {
    format!("{}-0", "q".repeat(200))
}

fn publish(desk: &mut Desk, place: Place, serial: u64) {
    let origin = Origin {
        connection: carnet::broker::ids::ConnectionId(u64::try_from(place + 1).unwrap()),
        channel: 1,
        serial,
        confirm: Some(serial),
    };
    desk.step(vec![private(&first(), origin, b"x")]);
}

#[test]
fn one_message_in_a_ring_or_a_chain_of_queues_comes_to_rest_and_writes_little() {
    for ring in [true, false] {
        let mut desk = Desk::open();
        let post = desk.seat("post", "items");
        chain(&mut desk, post, ring);
        let before = desk.committer.journal().next();
        publish(&mut desk, post, 1);
        for _ in 0..4 * QUEUES {
            desk.step(vec![Event::Tick]);
        }
        let agency = Party::Agency("post".parse().unwrap());
        assert_eq!(
            desk.committer.ledger().kept_by(&agency),
            Volume::default(),
            "{ring}"
        );
        let written = desk.committer.journal().next().bytes_since(before);
        // Each move is a small record, in a batch of its own, which takes a block.
        let most = u64::try_from((UNASKED_MOVES + 2) * 4_096).unwrap();
        assert!(written <= most, "{ring}: {written} of {most} octets");
    }
}

#[test]
fn what_others_sent_ends_in_dead_with_the_queue_that_it_came_from() {
    let mut desk = Desk::open();
    let post = desk.seat("post", "items");
    let customs = desk.seat("customs", "declarations");
    chain(&mut desk, customs, false);
    let (queue, exchange, key) = (first(), "inbox".to_owned(), "#".to_owned());
    let remove = false;
    desk.ask(
        customs,
        Ask::Bind {
            queue,
            exchange,
            key,
            remove,
        },
    );
    desk.example(post, "postal.item/valid/ornaments", "p-1", &[]);
    for _ in 0..QUEUES {
        desk.step(vec![Event::Tick]);
    }
    let dead = desk.get(customs, "dead").expect("it is not lost");
    let died = &dead.overlay.died;
    assert!(died.deaths.len() <= DEATHS);
    assert_eq!(died.first, Some((first().into(), Cause::Expired)));
    assert_eq!(desk.shown(customs, &dead).routing_key, "postal.item.post");
}

#[test]
fn a_rejection_begins_anew_and_a_client_may_send_a_message_round_for_ever() {
    let mut desk = Desk::open();
    let post = desk.seat("post", "items");
    declare(&mut desk, post, &first(), &expiring_into("work")[..2]);
    declare(&mut desk, post, "work", &expiring_into(&first()));
    publish(&mut desk, post, 1);
    for round in 1..=3 * UNASKED_MOVES {
        let got = desk.get(post, &first()).expect("it comes back");
        desk.settle(&got, Settle::Reject);
        desk.step(vec![Event::Tick]);
        let count = u64::try_from(round).unwrap();
        let back = desk.look(post, &first()).expect("it comes back");
        let deaths = back.overlay.died.deaths.iter();
        let counts: Vec<u64> = deaths.map(|death| death.count).collect();
        assert_eq!(counts, [count, count], "in each of both queues");
    }
}
