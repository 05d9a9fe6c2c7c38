//! As many as there may be, and one more: who is refused is told why, and who is there goes on.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::broker::Broker;
use crate::client::{Client, Message, consume, plain};
use crate::octets::{Octets, Table, method};
use crate::strangers::strangers;

/// What the limits page says.
const CONSUMERS: usize = 1_000;
const NETWORK_HANDSHAKES: usize = 250;
const HANDSHAKES_WAITING: usize = 1_000;

/// So many consumers of a queue on a channel, all at once.
fn start_consumers(client: &mut Client, channel: u16, queue: &str, count: usize) {
    let tag = |n: usize| format!("{channel}-{queue}-{n}");
    let all = (0..count).flat_map(|n| method(channel, (60, 20), consume(queue, &tag(n), 0)));
    client.wire.send(&all.collect::<Vec<u8>>());
    for _ in 0..count {
        client.wire.expect(channel, (60, 21));
    }
}

fn one_more(client: &mut Client, channel: u16, queue: &str) -> String {
    let one_more = consume(queue, "one more", 0);
    client.wire.send(&method(channel, (60, 20), one_more));
    let closed = client.wire.closed();
    assert_eq!((closed.channel, closed.code), (channel, 406), "{closed:?}");
    closed.text
}

#[test]
fn a_consumer_too_many_of_a_channel_or_a_queue_is_refused_and_the_connection_goes_on() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items");
    for queue in ["one", "other"] {
        client.declare(queue, 2, &Table::new());
    }
    for channel in 2..=4 {
        client.open_channel(channel);
    }
    start_consumers(&mut client, 1, "one", CONSUMERS - 400);
    start_consumers(&mut client, 1, "other", 400);
    let says = one_more(&mut client, 1, "other");
    assert!(
        says.contains("a channel has at most 1000 consumers"),
        "{says}"
    );
    // Those of the channel went with it.
    start_consumers(&mut client, 2, "one", 500);
    start_consumers(&mut client, 3, "one", CONSUMERS - 500);
    let says = one_more(&mut client, 4, "one");
    assert!(
        says.contains("a queue has at most 1000 consumers"),
        "{says}"
    );
    client.open_channel(4);
    start_consumers(&mut client, 4, "other", 1);
    client.call(2, (60, 30), Octets::new().name("2-one-0").octet(0));
    start_consumers(&mut client, 4, "one", 1);
}

/// Whether the broker has closed it, once it has done something with it.
fn is_closed(stranger: &TcpStream) -> bool {
    stranger.set_nonblocking(false).expect("a socket");
    let read = (&mut &*stranger).read(&mut [0]);
    matches!(read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn strangers_of_a_network_in_all_its_places_are_closed_beyond_and_hold_up_no_other() {
    let broker = Broker::start();
    let elsewhere = [127, 9, 9, 9];
    let waiting = strangers(
        broker.port(),
        elsewhere,
        NETWORK_HANDSHAKES + HANDSHAKES_WAITING,
    );
    // One more of them is too many, and a client of another network is not.
    let more = strangers(broker.port(), elsewhere, 1);
    assert!(is_closed(&more[0]));
    broker.connect("post-items").quiet();
    drop(waiting);
}

#[test]
fn however_many_come_the_log_has_its_files_and_a_low_limit_is_told_at_the_start() {
    let broker = Broker::start_with(|command| {
        let mut limited = Command::new("sh");
        limited.args(["-c", r#"ulimit -n 400 && exec "$0" "$@""#]);
        limited.arg(command.get_program()).args(command.get_args());
        let set = command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        limited.envs(set).current_dir(env!("CARGO_MANIFEST_DIR"));
        limited.env("CARNET__RUNTIMES", "1");
        limited.stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = limited;
    });
    let line = broker.logged("the limit of open files");
    assert!(
        line.contains("136 clients at a time are accepted"),
        "{line}"
    );
    let many = strangers(broker.port(), [127, 9, 9, 9], 400);
    drop(many);
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Table::new());
    let message = Message::to_queue("work", "x");
    assert_eq!(post.publish(&message).returned, None);
}

#[test]
fn a_stop_with_strangers_in_every_place_ends_in_its_bound() {
    let broker = Broker::start_with(|command| {
        command.env("CARNET__DRAIN_S", "2");
    });
    let strangers = strangers(broker.port(), [127, 0, 0, 1], NETWORK_HANDSHAKES);
    // One more, who waits for a place.
    let waiting = plain(&broker).expect("a connection");
    broker.terminate();
    // Their deadline is later than the time that a stop has.
    broker.logged("some connections did not end in time and are cut");
    assert_eq!(broker.ended().code(), Some(0));
    drop((strangers, waiting));
}
