//! Frames and contents that break the protocol: each ends what it must, with the code of the
//! specification and the method that failed, and nobody else notices.

use carnet::broker::limits::LINGER;
use carnet::server::clock::Clock;

use crate::broker::{Broker, example};
use crate::client::{Client, Closed, Message, Told};
use crate::octets::{Octets, Properties, Reader, frame, header, method};

const BIT_63: u64 = 1 << 63;

struct Fault {
    what: &'static str,
    octets: Vec<u8>,
    /// Code and the method that failed.
    told: (u16, (u16, u16)),
    /// What the text says of it.
    says: &'static str,
}

fn fault(
    what: &'static str,
    octets: Vec<u8>,
    told: (u16, (u16, u16)),
    says: &'static str,
) -> Fault {
    Fault {
        what,
        octets,
        told,
        says,
    }
}

fn item() -> Message {
    Message::of_type(
        "postal.item",
        "wire-1",
        &example("postal.item/valid/ornaments"),
    )
}

fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(Octets::new().text(b"").0, |inner, _| {
        Octets::new()
            .text(&Octets::new().name("").octet(b'F').raw(&inner).0)
            .0
    })
}

fn broken_frames() -> Vec<Fault> {
    let mut too_large = frame(1, 1, b"");
    too_large[3..7].copy_from_slice(&131_065_u32.to_be_bytes());
    let mut wrong_end = method(1, (85, 10), Octets::new().octet(0));
    *wrong_end.last_mut().unwrap() = 0xCF;
    let select = |channel| method(channel, (85, 10), Octets::new().octet(0));
    let deep = Octets::new()
        .short(0)
        .name("q")
        .octet(2)
        .raw(&nested(1_000));
    vec![
        fault("too large", too_large, (501, (0, 0)), "131065"),
        fault(
            "four gigabytes",
            b"\x01\0\x01\xff\xff\xff\xf0".to_vec(),
            (501, (0, 0)),
            "frame",
        ),
        fault("wrong end octet", wrong_end, (501, (0, 0)), "end"),
        fault(
            "unknown frame type",
            frame(9, 1, b""),
            (501, (0, 0)),
            "type",
        ),
        fault(
            "channel method on channel 0",
            select(0),
            (504, (85, 10)),
            "channel",
        ),
        fault(
            "content on channel 0",
            frame(2, 0, &[0; 14]),
            (505, (0, 0)),
            "channel 0",
        ),
        fault(
            "on a channel that is not open",
            select(7),
            (504, (85, 10)),
            "channel 7",
        ),
        fault(
            "unknown class",
            method(1, (77, 10), Octets::new()),
            (503, (77, 10)),
            "77",
        ),
        fault(
            "unknown method",
            method(1, (60, 99), Octets::new()),
            (503, (60, 99)),
            "99",
        ),
        fault(
            "table 1,000 deep",
            method(1, (50, 10), deep),
            (502, (50, 10)),
            "deep",
        ),
        fault(
            "transactions",
            method(1, (90, 10), Octets::new()),
            (540, (90, 10)),
            "",
        ),
    ]
}

fn broken_contents() -> Vec<Fault> {
    let none = Properties::default();
    let after = |next: Vec<u8>| [item().method(1), next].concat();
    let body = |octets: &[u8]| frame(3, 1, octets);
    let weight = Octets::new().short(60).short(1).longlong(1).short(0).0;
    let more = [header(1, 2, &none), body(b"abc")].concat();
    let twice = [header(1, 2, &none), header(1, 2, &none)].concat();
    let amid = [
        header(1, 2, &none),
        method(1, (85, 10), Octets::new().octet(0)),
    ]
    .concat();
    vec![
        fault(
            "a body without its header",
            after(body(b"x")),
            (505, (0, 0)),
            "header",
        ),
        fault(
            "a publish amid a publish",
            after(item().method(1)),
            (505, (0, 0)),
            "amid",
        ),
        fault(
            "a header without a publish",
            header(1, 1, &none),
            (505, (0, 0)),
            "",
        ),
        fault(
            "a body that nothing announced",
            body(b"x"),
            (505, (0, 0)),
            "",
        ),
        fault("a header twice", after(twice), (505, (0, 0)), ""),
        fault("a method amid the body", after(amid), (505, (0, 0)), ""),
        fault(
            "more body than announced",
            after(more),
            (501, (60, 40)),
            "body",
        ),
        fault(
            "a weight",
            after(frame(2, 1, &weight)),
            (505, (0, 0)),
            "weight",
        ),
    ]
}

fn told(broker: &Broker, octets: &[u8]) -> Closed {
    let mut client = broker.connect("post-items");
    client.wire.send(octets);
    client.wire.closed()
}

fn assert_each(faults: Vec<Fault>) {
    let broker = Broker::start();
    let mut other = broker.connect("post-items").confirming();
    for fault in faults {
        let closed = told(&broker, &fault.octets);
        let is = (closed.channel, closed.code, closed.failed);
        assert_eq!(
            is,
            (0, fault.told.0, fault.told.1),
            "{}: {closed:?}",
            fault.what
        );
        assert!(
            closed.text.contains(fault.says),
            "{}: {closed:?}",
            fault.what
        );
    }
    assert_eq!(other.publish(&item()).returned, None);
}

#[test]
fn a_broken_frame_ends_its_connection_and_no_other() {
    assert_each(broken_frames());
}

#[test]
fn a_content_out_of_order_ends_its_connection_and_no_other() {
    assert_each(broken_contents());
}

#[test]
fn a_frame_after_the_channels_end_is_told_504() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items");
    let close = Octets::new().short(200).name("bye").short(0).short(0);
    client.call(1, (20, 40), close);
    client.wire.send(&item().frames(1));
    let closed = client.wire.closed();
    assert_eq!((closed.code, closed.failed), (504, (60, 40)), "{closed:?}");
}

#[test]
fn a_channel_above_the_agreed_most_is_told_504_with_2047_open() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items");
    let open = |channel| method(channel, (20, 10), Octets::new().name(""));
    let all: Vec<u8> = (2..=2_047).flat_map(open).collect();
    client.wire.send(&all);
    for channel in 2..=2_047 {
        client.wire.expect(channel, (20, 11));
    }
    client.wire.send(&open(65_535));
    let closed = client.wire.closed();
    assert_eq!((closed.code, closed.failed), (504, (20, 10)), "{closed:?}");
    assert!(closed.text.contains("2047"), "{closed:?}");
}

#[test]
fn a_body_announced_as_two_to_the_63_closes_the_channel_on_its_header() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items").confirming();
    let before = broker.memory_bytes();
    client.wire.send(&item().method(1));
    client.wire.send(&header(1, BIT_63, &Properties::default()));
    // What was under way is swallowed, and is no fault of another channel's.
    client.wire.send(&frame(3, 1, &vec![b'x'; 100_000]));
    let closed = client.wire.closed();
    assert_eq!(
        (closed.channel, closed.code, closed.failed),
        (1, 311, (60, 40)),
        "{closed:?}"
    );
    assert!(
        closed.text.starts_with("CONTENT_TOO_LARGE - "),
        "{closed:?}"
    );
    let grown = broker.memory_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for a body that never came");
    client.open_channel(1);
    client.quiet();
}

#[test]
fn a_frame_cut_short_by_the_clients_end_changes_nothing() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations");
    let whole = item().frames(1);
    // At the method, amid the header, amid the body, before the last end octet.
    for cut in [
        5,
        item().method(1).len() + 9,
        whole.len() - 400,
        whole.len() - 1,
    ] {
        let mut client = broker.connect("post-items").confirming();
        client.wire.send(&whole[..cut]);
        drop(client);
    }
    let mut other = broker.connect("post-items").confirming();
    assert_eq!(other.publish(&item()).returned, None);
    let only = customs.wait_for("inbox");
    assert_eq!(only.properties.header("x-carnet-sequence"), "1");
    assert_eq!(customs.get("inbox", true), None);
}

#[test]
fn what_a_close_follows_at_once_is_confirmed_before_it() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items").confirming();
    let close = Octets::new().short(200).name("bye").short(0).short(0);
    let octets = [item().frames(1), method(0, (10, 50), close)].concat();
    client.wire.send(&octets);
    let ack = client.wire.expect(1, (60, 80));
    assert_eq!(Reader(&ack).longlong(), 1);
    client.wire.expect(0, (10, 51));
    // Who said goodbye ends the socket: some libraries take an end of ours for a lost connection.
    let answered = Clock::default();
    assert_eq!(client.wire.told(), Told::End);
    assert!(answered.monotonic() >= LINGER.mul_f32(0.9));
}

#[test]
fn a_client_that_keeps_its_heartbeats_to_itself_is_cut() {
    let broker = Broker::start();
    let identity = broker.identity("post-items");
    let mut silent = crate::client::Wire::connect(&broker, Some(&identity)).unwrap();
    silent.log_in(1);
    // The broker's own heartbeats are read over; then the end.
    assert_eq!(silent.frame(), None);
    let mut other: Client = broker.connect("post-items");
    other.quiet();
}
