//! What breaks the protocol, and what it is told: one row a fault.

use super::*;

struct Fault {
    what: &'static str,
    octets: Vec<u8>,
    /// Channel of the close, code, class, method.
    told: (u16, u16, u16, u16),
}

fn fault(what: &'static str, octets: Vec<u8>, told: (u16, u16, u16, u16)) -> Fault {
    Fault { what, octets, told }
}

fn arguments(class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat()
}

fn nested(levels: usize) -> Vec<u8> {
    let mut table = vec![0, 0, 0, 0];
    for _ in 0..levels {
        let mut outer = u32::try_from(table.len() + 2)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        outer.extend([0, b'F']);
        outer.extend(&table);
        table = outer;
    }
    table
}

fn declare_with(table: &[u8]) -> Vec<u8> {
    raw(
        1,
        1,
        &arguments(50, 10, &[&[0, 0, 1, b'q', 0][..], table].concat()),
    )
}

fn frame_faults() -> Vec<Fault> {
    let mut too_large = raw(3, 1, b"");
    too_large[3..7].copy_from_slice(&8_185_u32.to_be_bytes());
    let mut absurd = raw(1, 0, b"");
    absurd[3..7].copy_from_slice(&0xFFFF_FFF0_u32.to_be_bytes());
    let mut wrong_end = channel_open(2);
    *wrong_end.last_mut().unwrap() = 0xCF;
    vec![
        fault("frame above frame-max", too_large, (0, 501, 0, 0)),
        fault(
            "frame of four gigabytes",
            absurd[..7].to_vec(),
            (0, 501, 0, 0),
        ),
        fault("wrong end octet", wrong_end, (0, 501, 0, 0)),
        fault("unknown frame type", raw(4, 1, b"x"), (0, 501, 0, 0)),
        fault(
            "method frame too short for an id",
            raw(1, 1, &[0, 60, 0]),
            (0, 501, 0, 0),
        ),
        fault("heartbeat off channel 0", raw(8, 1, b""), (0, 505, 0, 0)),
        fault("heartbeat with payload", raw(8, 0, b"x"), (0, 501, 0, 0)),
        fault("header on channel 0", raw(2, 0, &[0; 14]), (0, 505, 0, 0)),
        fault("body on channel 0", raw(3, 0, b"x"), (0, 505, 0, 0)),
    ]
}

fn channel_faults() -> Vec<Fault> {
    vec![
        fault("method on channel 0", confirm_select(0), (0, 504, 85, 10)),
        fault("publish on channel 0", publish_method(0), (0, 504, 60, 40)),
        fault(
            "method on a channel never opened",
            confirm_select(3),
            (0, 504, 85, 10),
        ),
        fault(
            "body on a channel never opened",
            body(3, b"x"),
            (0, 504, 0, 0),
        ),
        fault(
            "header on a channel never opened",
            raw(2, 3, &[0; 14]),
            (0, 504, 0, 0),
        ),
        fault("channel opened twice", channel_open(1), (0, 504, 20, 10)),
        fault(
            "connection method on a channel",
            raw(1, 1, &arguments(10, 51, b"")),
            (0, 503, 10, 51),
        ),
        fault(
            "close-ok that nobody waits for",
            channel_close_ok(1),
            (0, 503, 20, 41),
        ),
        fault(
            "connection close-ok unasked",
            connection_close_ok(),
            (0, 503, 10, 51),
        ),
        fault("second open", open("/"), (0, 503, 10, 40)),
    ]
}

fn method_faults() -> Vec<Fault> {
    let bad_utf8 = [0, 0, 1, 0xFF, 0, 0, 0, 0, 0];
    let left_over = [0, 0, 1, b'q', 0, 0, 0, 0, 0, 9];
    vec![
        fault(
            "unknown class",
            raw(1, 1, &arguments(70, 10, b"")),
            (0, 503, 70, 10),
        ),
        fault(
            "unknown class on channel 0",
            raw(1, 0, &arguments(70, 10, b"")),
            (0, 503, 70, 10),
        ),
        fault(
            "unknown method",
            raw(1, 1, &arguments(60, 99, b"")),
            (0, 503, 60, 99),
        ),
        fault(
            "method of the server",
            raw(1, 1, &arguments(60, 60, b"")),
            (0, 503, 60, 60),
        ),
        fault(
            "transaction",
            raw(1, 1, &arguments(90, 10, b"")),
            (0, 540, 90, 10),
        ),
        fault(
            "octets left over",
            raw(1, 1, &arguments(50, 10, &left_over)),
            (0, 501, 50, 10),
        ),
        fault(
            "arguments cut short",
            raw(1, 1, &arguments(50, 10, &[0])),
            (0, 501, 50, 10),
        ),
        fault(
            "name not UTF-8",
            raw(1, 1, &arguments(50, 10, &bad_utf8)),
            (0, 501, 50, 10),
        ),
    ]
}

fn table_faults() -> Vec<Fault> {
    vec![
        fault(
            "unknown field type",
            declare_with(b"\0\0\0\x03\x01a?"),
            (0, 502, 50, 10),
        ),
        fault(
            "field cut short",
            declare_with(b"\0\0\0\x03\x01aI"),
            (0, 501, 50, 10),
        ),
        fault(
            "table larger than its frame",
            declare_with(b"\0\0\x0f\0"),
            (0, 501, 50, 10),
        ),
        fault(
            "table above the limit",
            declare_with(b"\0\0\x0f\xff"),
            (0, 502, 50, 10),
        ),
        fault(
            "table nested a thousand deep",
            declare_with(&nested(600)),
            (0, 502, 50, 10),
        ),
    ]
}

fn refusals() -> Vec<Fault> {
    vec![
        fault(
            "prefetch in octets",
            raw(1, 1, &arguments(60, 10, &[0, 0, 0, 1, 0, 0, 0])),
            (0, 540, 60, 10),
        ),
        fault(
            "flow off",
            raw(1, 1, &arguments(20, 20, &[0])),
            (0, 540, 20, 20),
        ),
        fault(
            "recover without requeue",
            raw(1, 1, &arguments(60, 110, &[0])),
            (0, 540, 60, 110),
        ),
        fault("unknown delivery tag", ack(1, 7, false), (1, 406, 60, 80)),
        fault("delivery tag zero", ack(1, 0, false), (1, 406, 60, 80)),
        fault("empty queue name", get(1, ""), (1, 404, 60, 70)),
        fault(
            "consumer tag in use",
            [consume(1, "c", false), consume(1, "c", false)].concat(),
            (0, 530, 60, 20),
        ),
        fault(
            "a channel above the agreed channel-max",
            channel_open(9),
            (0, 504, 20, 10),
        ),
    ]
}

fn after(next: Vec<u8>) -> Vec<u8> {
    [publish_method(1), next].concat()
}

fn content_header(class: u8, weight: u8, size: u64, rest: &[u8]) -> Vec<u8> {
    let head = [0, class, 0, weight];
    raw(2, 1, &[&head[..], &size.to_be_bytes(), rest].concat())
}

fn content_faults() -> Vec<Fault> {
    let immediate = raw(1, 1, &arguments(60, 40, &[0, 0, 0, 0, 2]));
    let properties = BasicProperties::default();
    vec![
        fault("immediate", immediate, (0, 540, 60, 40)),
        fault("header unasked", header(1, 1, &properties), (0, 505, 0, 0)),
        fault("body unasked", body(1, b"x"), (0, 505, 0, 0)),
        fault(
            "method before the header",
            after(confirm_select(1)),
            (0, 505, 0, 0),
        ),
        fault(
            "close before the header",
            after(channel_close(1)),
            (0, 505, 0, 0),
        ),
        fault(
            "body before the header",
            after(body(1, b"x")),
            (0, 505, 0, 0),
        ),
        fault(
            "method amid the body",
            after([header(1, 9, &properties), ack(1, 1, false)].concat()),
            (0, 505, 0, 0),
        ),
        fault(
            "header twice",
            after(header(1, 9, &properties).repeat(2)),
            (0, 505, 0, 0),
        ),
    ]
}

fn header_faults() -> Vec<Fault> {
    let properties = BasicProperties::default();
    vec![
        fault(
            "header of another class",
            after(content_header(50, 0, 1, &[0, 0])),
            (0, 505, 0, 0),
        ),
        fault(
            "header with a weight",
            after(content_header(60, 1, 1, &[0, 0])),
            (0, 505, 0, 0),
        ),
        fault(
            "header without flags",
            after(content_header(60, 0, 1, &[])),
            (0, 501, 0, 0),
        ),
        fault(
            "header with octets left over",
            after(content_header(60, 0, 1, &[0, 0, 1])),
            (0, 501, 0, 0),
        ),
        fault(
            "continued flags",
            after(content_header(60, 0, 1, &[0, 1])),
            (0, 502, 0, 0),
        ),
        fault(
            "more body than announced",
            after([header(1, 1, &properties), body(1, b"xy")].concat()),
            (0, 501, 60, 40),
        ),
        fault(
            "body announced as 2^63",
            after(content_header(60, 0, 1 << 63, &[0, 0])),
            (1, 311, 60, 40),
        ),
        fault(
            "body one above what is read over",
            after(header(1, 2_000_001, &properties)),
            (1, 311, 60, 40),
        ),
        fault(
            "properties above the limit",
            after(content_header(60, 0, 1, &[0; 2_001])),
            (1, 311, 60, 40),
        ),
    ]
}

#[test]
fn each_fault_is_told_with_its_code_its_scope_and_its_method() {
    let mut faults = frame_faults();
    faults.extend(channel_faults());
    faults.extend(method_faults());
    faults.extend(table_faults());
    faults.extend(refusals());
    faults.extend(content_faults());
    faults.extend(header_faults());
    for Fault {
        what,
        octets,
        told: (channel, code, class, method),
    } in faults
    {
        let mut peer = Peer::open();
        let events = peer.send(octets);
        let last = events.last().unwrap_or_else(|| panic!("{what}: no event"));
        match last {
            Event::Misbehaved(reply) => {
                assert_eq!((0, reply.code().number()), (channel, code), "{what}");
            }
            Event::ChannelEnding {
                left,
                fault: Some(reply),
            } => {
                assert_eq!(
                    (left.channel.get(), reply.code().number()),
                    (channel, code),
                    "{what}"
                );
                assert!(
                    peer.said().is_empty(),
                    "{what}: told before what came earlier is settled"
                );
                peer.done(channel);
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(peer.closed_with(channel), (code, class, method), "{what}");
    }
}

#[test]
fn after_a_fault_of_the_connection_only_its_answer_counts() {
    let mut peer = Peer::open();
    peer.send(raw(8, 0, b"x"));
    peer.said();
    assert_eq!(
        peer.send([publish(1, b"late"), channel_open(2), raw(8, 0, b"x")].concat()),
        []
    );
    // A crossing close is answered, and ours is still to be.
    peer.send(connection_close());
    assert_eq!(peer.said(), ["0 CloseOk"]);
    assert!(!peer.session.is_finished());
    peer.send(connection_close_ok());
    assert_eq!(peer.session.end(), Some(End::Closed));
}

#[test]
fn after_garbage_nothing_more_is_read() {
    let mut peer = Peer::open();
    peer.send([raw(4, 1, b"x"), publish(1, b"late")].concat());
    assert_eq!(peer.session.end(), Some(End::Garbled));
    assert_eq!(peer.send(publish(1, b"later")), []);
}

#[test]
fn a_client_that_vanishes_mid_body_leaves_only_what_was_out() {
    let mut peer = Peer::open();
    peer.send(consume(1, "c", false));
    peer.done(1);
    peer.session
        .deliver(id(1), ConsumerNumber(1), sending(41), &message(b"m"))
        .unwrap();
    assert_eq!(
        peer.send([publish_method(1), header(1, 9, &BasicProperties::default())].concat()),
        []
    );
    let left = peer.session.take_leftovers();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].unsettled[0], 41);
    assert!(peer.session.take_leftovers().is_empty());
}
