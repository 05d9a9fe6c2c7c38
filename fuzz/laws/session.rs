//! A session: its input means the same however it is cut; what it says is whole frames in their
//! order, nothing behind a goodbye; what it was given to deliver comes back once.

use std::collections::BTreeSet;

use carnet::amqp::codec::TableLimits;
use carnet::amqp::{
    Answer, End, Event, Message, Offer, Outcome, Publish, Reply, ReplyCode, Request, Sending, Sent,
    Session, Ticket,
};

use crate::said;

/// First octets where what follows comes behind an opening; as it is, or made frames of.
pub(crate) const OPENED: u8 = 1;
pub(crate) const FRAMES: u8 = 2;

/// What a client sends until channel 1 is open: channel-max 8, frame-max 8,192, no heartbeats.
pub(crate) const OPENING: &[u8] = b"AMQP\0\0\x09\x01\
    \x01\0\0\0\0\0\x1b\0\x0a\0\x0b\0\0\0\0\x08EXTERNAL\0\0\0\0\x05en_US\xce\
    \x01\0\0\0\0\0\x0c\0\x0a\0\x1f\0\x08\0\0\x20\0\0\0\xce\
    \x01\0\0\0\0\0\x08\0\x0a\0\x28\x01/\0\0\xce\
    \x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce";

fn offer() -> Offer {
    Offer {
        channels_max: 8,
        frame_bytes_max: 8_192,
        heartbeat_s: 60,
        body_bytes_max: 2_000,
        read_over_bytes_max: 4_000,
        properties_bytes_max: 2_000,
        assembly_bytes_max: 6_000,
        message_ms_max: 120_000,
        tables: TableLimits {
            depth_max: 4,
            bytes_max: 4_000,
        },
        mechanisms: "EXTERNAL",
        product: "Carnet".to_owned(),
        version: "1".to_owned(),
        platform: "test".to_owned(),
    }
}

/// Whether the octets, behind the first two, open a connection or go on with an open one.
pub(crate) fn holds(octets: &[u8]) -> bool {
    let Some((&[how, cuts], rest)) = octets.split_first_chunk() else {
        return false;
    };
    let input = match how {
        FRAMES => [OPENING, &framed(rest)].concat(),
        OPENED => [OPENING, rest].concat(),
        _ => rest.to_vec(),
    };
    let whole = played(&input, usize::MAX);
    assert_eq!(
        played(&input, 1 + usize::from(cuts)),
        whole,
        "cut it means something else"
    );
    said::is_in_order(&whole.said);
    whole.log.iter().any(|line| line == "Opened")
}

/// Frames of octets: type, channel, and how many octets of payload follow.
fn framed(mut octets: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let Some((&[kind, channel, length], rest)) = octets.split_first_chunk() {
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let kind = [1, 2, 3, 1, 1, 8, 1, kind][usize::from(kind % 8)];
        let length = u32::try_from(payload.len()).expect("at most 255");
        frames.extend([kind, 0, channel % 4]);
        frames.extend(length.to_be_bytes());
        frames.extend(payload);
        frames.push(0xce);
        octets = rest;
    }
    frames
}

/// What happened, what was said, and how it ended.
#[derive(Debug, PartialEq)]
struct Played {
    log: Vec<String>,
    said: Vec<u8>,
    end: Option<End>,
}

/// Plays `octets`, so many at a time.
fn played(octets: &[u8], at_a_time: usize) -> Played {
    let mut client = Client::new();
    for part in octets.chunks(at_a_time) {
        client.session.receive(part, 0);
        client.play();
    }
    client.ends()
}

/// A broker that answers everything at once, and writes down what happened.
struct Client {
    session: Session<u64>,
    log: Vec<String>,
    /// Deliveries so far.
    sent: u64,
    /// Those that were sent and are not settled.
    out: BTreeSet<u64>,
}

impl Client {
    fn new() -> Self {
        Self {
            session: Session::new(offer(), 0),
            log: Vec::new(),
            sent: 0,
            out: BTreeSet::new(),
        }
    }

    fn play(&mut self) {
        while let Some(event) = self.session.next_event() {
            let says = format!("{event:?}");
            self.log.push(says);
            match event {
                Event::Login(_) => self.session.accept_login(),
                Event::Publish(publish) => self.decide(&publish),
                Event::Request { ticket, request } => self.answer(ticket, &request),
                Event::Settle { deliveries, .. } => self.come_back(&deliveries),
                Event::ChannelEnding { left, .. } | Event::ChannelGone { left } => {
                    self.come_back(&left.unsettled);
                    self.session.answer(left.channel, Answer::Done);
                }
                Event::UpdateSecret { .. } => self.session.secret_updated(),
                Event::ConnectionEnding { .. } => {
                    self.session.answer(said::CONNECTION, Answer::Done);
                }
                Event::Opened | Event::Misbehaved(_) => {}
            }
        }
    }

    fn come_back(&mut self, deliveries: &[u64]) {
        for delivery in deliveries {
            assert!(self.out.remove(delivery), "{delivery} was not out");
        }
    }

    fn decide(&mut self, publish: &Publish) {
        let reply = || Reply::new(ReplyCode::AccessRefused, "no");
        let message = Message {
            exchange: &publish.exchange,
            routing_key: &publish.routing_key,
            properties: &publish.raw_properties,
            body: &publish.body,
        };
        let outcome = match publish.body.len() % 5 {
            1 => Outcome::Returned(reply(), message),
            2 => Outcome::NotTaken,
            3 => Outcome::Refused(reply()),
            _ => Outcome::Taken,
        };
        self.session.outcome(publish.place, outcome);
        self.session.write_confirms();
    }

    fn answer(&mut self, ticket: Ticket, request: &Request<u64>) {
        let channel = ticket.channel();
        let answer = match request {
            Request::QueueDeclare(it) => {
                if it.queue.as_str() == "refused" {
                    let reply = Reply::new(ReplyCode::AccessRefused, "no");
                    self.session.refuse(ticket, reply);
                }
                let name = Some(it.queue.as_str()).filter(|name| !name.is_empty());
                Answer::Queue {
                    name: name.unwrap_or("amq.gen-1"),
                    ready: 0,
                    consumers: 0,
                }
            }
            Request::QueuePurge(_) | Request::QueueDelete(_) => Answer::Count(0),
            Request::Get(_) if self.log.len().is_multiple_of(2) => Answer::Empty,
            Request::Get(_) => return self.gives(ticket),
            Request::Consume(number, consume) => {
                if consume.consumer_tag.as_str().is_empty() {
                    self.session.name_consumer(channel, *number, "made up");
                }
                self.session.answer(channel, Answer::Done);
                for _ in 0..3 {
                    let sending = self.sending();
                    let message = message(b"delivered");
                    let sent = self.session.deliver(channel, *number, sending, &message);
                    self.note(sending, sent.ok());
                }
                return;
            }
            Request::Recover(all) => {
                self.come_back(all);
                Answer::Done
            }
            _ => Answer::Done,
        };
        self.session.answer(channel, answer);
    }

    fn gives(&mut self, ticket: Ticket) {
        let sending = self.sending();
        let message = message(b"got");
        let sent = self.session.got(ticket.channel(), sending, 0, &message);
        self.note(sending, sent.ok());
    }

    /// A delivery that was never sent before.
    fn sending(&mut self) -> Sending<u64> {
        self.sent += 1;
        Sending {
            delivery: self.sent,
            redelivered: false,
        }
    }

    fn note(&mut self, sending: Sending<u64>, sent: Option<Sent>) {
        if sent == Some(Sent::Unsettled) {
            self.out.insert(sending.delivery);
        }
    }

    /// What was out comes back; who is finished says and hears nothing more.
    fn ends(mut self) -> Played {
        let said = std::mem::take(self.session.output());
        let end = self.session.end();
        if self.session.is_finished() {
            self.session.receive(OPENING, 0);
            self.session.tick(u64::MAX / 2);
            assert_eq!(self.session.next_event(), None);
            assert_eq!(
                self.session.output().len(),
                0,
                "it says something behind its end"
            );
        }
        for left in self.session.take_leftovers() {
            self.come_back(&left.unsettled);
        }
        assert_eq!(self.out.len(), 0, "deliveries that never came back");
        Played {
            log: self.log,
            said,
            end,
        }
    }
}

fn message(body: &[u8]) -> Message<'_> {
    Message {
        exchange: "inbox",
        routing_key: "postal.item.post",
        properties: &[0, 0],
        body,
    }
}
