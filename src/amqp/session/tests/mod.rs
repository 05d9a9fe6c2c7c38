//! The session against a client whose frames another codec writes and reads.

mod channels;
mod consuming;
mod faults;
mod laws;
mod opening;
mod publishing;
mod requests;
mod timing;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::*;
use crate::amqp::BasicProperties;
use crate::amqp::codec::{MethodId, TableLimits};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::{Reply, ReplyCode};

fn offer() -> Offer {
    Offer {
        channels_max: 8,
        frame_bytes_max: 8_192,
        heartbeat_s: 60,
        body_bytes_max: 1_000_000,
        read_over_bytes_max: 2_000_000,
        properties_bytes_max: 2_000,
        assembly_bytes_max: 1_500_000,
        message_ms_max: 120_000,
        tables: TableLimits {
            depth_max: 4,
            bytes_max: 4_000,
        },
        mechanisms: "EXTERNAL",
        product: "Carnet".into(),
        version: "1".into(),
        platform: "test".into(),
    }
}

fn encoded(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(Vec::new().into()).unwrap().write
}

fn method(channel: u16, class: AMQPClass) -> Vec<u8> {
    encoded(&AMQPFrame::Method(channel, class))
}

fn on_connection(method_: connection::AMQPMethod) -> Vec<u8> {
    method(0, AMQPClass::Connection(method_))
}

fn on_channel(number: u16, method_: channel::AMQPMethod) -> Vec<u8> {
    method(number, AMQPClass::Channel(method_))
}

fn basic(number: u16, method_: basic::AMQPMethod) -> Vec<u8> {
    method(number, AMQPClass::Basic(method_))
}

/// A frame that no codec would write.
fn raw(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(channel.to_be_bytes());
    octets.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend(payload);
    octets.push(0xCE);
    octets
}

fn channel_open(number: u16) -> Vec<u8> {
    on_channel(number, channel::AMQPMethod::Open(channel::Open {}))
}

fn channel_close(number: u16) -> Vec<u8> {
    on_channel(
        number,
        channel::AMQPMethod::Close(channel::Close::default()),
    )
}

fn channel_close_ok(number: u16) -> Vec<u8> {
    on_channel(number, channel::AMQPMethod::CloseOk(channel::CloseOk {}))
}

fn publish_method(number: u16) -> Vec<u8> {
    let publish = basic::Publish {
        exchange: "carnet".into(),
        routing_key: "postal.item".into(),
        mandatory: true,
        immediate: false,
    };
    basic(number, basic::AMQPMethod::Publish(publish))
}

fn header(number: u16, body_size: u64, properties: &BasicProperties) -> Vec<u8> {
    let properties = properties.clone();
    encoded(&AMQPFrame::Header(
        number,
        AMQPContentHeader {
            class_id: 60,
            body_size,
            properties,
        },
    ))
}

fn body(number: u16, octets: &[u8]) -> Vec<u8> {
    encoded(&AMQPFrame::Body(number, octets.to_vec()))
}

fn publish(number: u16, octets: &[u8]) -> Vec<u8> {
    let size = u64::try_from(octets.len()).unwrap();
    let mut frames = publish_method(number);
    frames.extend(header(number, size, &BasicProperties::default()));
    if size > 0 {
        frames.extend(body(number, octets));
    }
    frames
}

fn confirm_select(number: u16) -> Vec<u8> {
    use amq_protocol::protocol::confirm::{AMQPMethod, Select};
    method(
        number,
        AMQPClass::Confirm(AMQPMethod::Select(Select { nowait: false })),
    )
}

fn consume(number: u16, tag: &str, no_ack: bool) -> Vec<u8> {
    let consume = basic::Consume {
        queue: "inbox".into(),
        consumer_tag: tag.into(),
        no_ack,
        ..basic::Consume::default()
    };
    basic(number, basic::AMQPMethod::Consume(consume))
}

fn start_ok(capabilities: &[&str]) -> Vec<u8> {
    let mut table = FieldTable::default();
    for name in capabilities {
        table.insert((*name).into(), AMQPValue::Boolean(true));
    }
    let mut client_properties = FieldTable::default();
    client_properties.insert("capabilities".into(), AMQPValue::FieldTable(table));
    on_connection(connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties,
        mechanism: "EXTERNAL".into(),
        response: "".into(),
        locale: "en_US".into(),
    }))
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let tune_ok = connection::TuneOk {
        channel_max,
        frame_max,
        heartbeat,
    };
    on_connection(connection::AMQPMethod::TuneOk(tune_ok))
}

fn open(vhost: &str) -> Vec<u8> {
    let open = connection::Open {
        virtual_host: vhost.into(),
    };
    on_connection(connection::AMQPMethod::Open(open))
}

fn connection_close() -> Vec<u8> {
    let close = connection::Close {
        reply_code: 200,
        reply_text: "bye".into(),
        class_id: 0,
        method_id: 0,
    };
    on_connection(connection::AMQPMethod::Close(close))
}

fn connection_close_ok() -> Vec<u8> {
    on_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

const ALL: &[&str] = &[
    "consumer_cancel_notify",
    "connection.blocked",
    "authentication_failure_close",
];

fn id(number: u16) -> ChannelId {
    ChannelId::new(number)
}

fn sending(delivery: u64) -> Sending<u64> {
    Sending {
        delivery,
        redelivered: false,
    }
}

fn message(octets: &[u8]) -> Message<'_> {
    Message {
        exchange: "inbox",
        routing_key: "postal.item.post",
        properties: &[0, 0],
        body: octets,
    }
}

/// A client and the session it talks to.
struct Peer {
    session: Session<u64>,
    now_ms: u64,
}

impl Peer {
    fn new() -> Self {
        Self::with(offer())
    }

    fn with(offer: Offer) -> Self {
        Self {
            session: Session::new(offer, 0),
            now_ms: 0,
        }
    }

    /// A connection that is open, with channel 1 open, and everything read that was said.
    fn open() -> Self {
        Self::open_with(ALL, tune_ok(8, 8_192, 0))
    }

    fn open_with(capabilities: &[&str], tune_ok: Vec<u8>) -> Self {
        let mut peer = Self::new();
        peer.send(b"AMQP\0\0\x09\x01");
        peer.send(start_ok(capabilities));
        peer.session.accept_login();
        let events = peer.send([tune_ok, open("/"), channel_open(1)].concat());
        assert_eq!(events, [Event::Opened]);
        peer.said();
        peer
    }

    /// Sends octets and returns what they mean.
    fn send(&mut self, octets: impl AsRef<[u8]>) -> Vec<Event<u64>> {
        self.session.receive(octets.as_ref(), self.now_ms);
        self.events()
    }

    fn events(&mut self) -> Vec<Event<u64>> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// Answers what the channel asked first.
    fn done(&mut self, channel: u16) {
        self.session.answer(id(channel), Answer::Done);
    }

    fn declared(&mut self, name: &str, ready: u32, consumers: u32) {
        let answer = Answer::Queue {
            name,
            ready,
            consumers,
        };
        self.session.answer(id(1), answer);
    }

    /// A publish is taken, and that is told.
    fn taken(&mut self, place: Place) {
        self.session.outcome(place, Outcome::Taken);
        self.session.write_confirms();
    }

    /// A publish on channel 1 comes back.
    fn give_back(&mut self, reply: Reply, message: Message<'_>) {
        let place = Place {
            channel: id(1),
            serial: 1,
            confirm: None,
        };
        let returned = Outcome::Returned(reply, message);
        self.session.outcome(place, returned);
    }

    /// Sends what must mean one thing only.
    fn ask(&mut self, octets: impl AsRef<[u8]>) -> Event<u64> {
        let mut events = self.send(octets);
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// What the session has said since, a line a frame.
    fn said(&mut self) -> Vec<String> {
        let octets = std::mem::take(self.session.output());
        let mut rest = octets.as_slice();
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (after, frame) = parse_frame(rest).expect("another codec reads what we write");
            let again = encoded(&frame);
            let ours = &rest[..rest.len() - after.len()];
            assert_eq!(again, ours, "another codec writes it the same: {frame:?}");
            frames.push(shown(&frame));
            rest = after;
        }
        frames
    }

    /// The code, class and method of the close that was just sent, on `channel`.
    fn closed_with(&mut self, channel: u16) -> (u16, u16, u16) {
        let octets = std::mem::take(self.session.output());
        let mut rest = octets.as_slice();
        let mut last = None;
        while !rest.is_empty() {
            let (after, frame) = parse_frame(rest).unwrap();
            rest = after;
            last = Some(frame);
        }
        let (number, code, text, class, method) = match last {
            Some(AMQPFrame::Method(
                number,
                AMQPClass::Connection(connection::AMQPMethod::Close(it)),
            )) => (
                number,
                it.reply_code,
                it.reply_text,
                it.class_id,
                it.method_id,
            ),
            Some(AMQPFrame::Method(number, AMQPClass::Channel(channel::AMQPMethod::Close(it)))) => {
                (
                    number,
                    it.reply_code,
                    it.reply_text,
                    it.class_id,
                    it.method_id,
                )
            }
            other => panic!("no close but {other:?}"),
        };
        assert_eq!(number, channel, "{text}");
        assert!(text.as_str().contains(" - "), "{text}");
        (code, class, method)
    }
}

fn shown(frame: &AMQPFrame) -> String {
    match frame {
        AMQPFrame::Method(channel, class) => {
            // Basic(Ack(Ack { delivery_tag: 1, multiple: false })) and the like.
            let debug = format!("{class:?}");
            let inner = debug
                .splitn(3, '(')
                .nth(2)
                .unwrap()
                .strip_suffix("))")
                .unwrap();
            format!("{channel} {inner}")
        }
        AMQPFrame::Header(channel, header) => format!("{channel} header of {}", header.body_size),
        AMQPFrame::Body(channel, octets) => {
            format!("{channel} body {}", String::from_utf8_lossy(octets))
        }
        AMQPFrame::Heartbeat => "heartbeat".to_owned(),
        other => format!("{other:?}"),
    }
}

fn ack(number: u16, delivery_tag: u64, multiple: bool) -> Vec<u8> {
    basic(
        number,
        basic::AMQPMethod::Ack(basic::Ack {
            delivery_tag,
            multiple,
        }),
    )
}

fn get(number: u16, queue: &str) -> Vec<u8> {
    basic(
        number,
        basic::AMQPMethod::Get(basic::Get {
            queue: queue.into(),
            no_ack: false,
        }),
    )
}

fn declare(number: u16, name: &str, nowait: bool) -> Vec<u8> {
    use amq_protocol::protocol::queue::{AMQPMethod, Declare};
    let declare = Declare {
        queue: name.into(),
        nowait,
        ..Declare::default()
    };
    method(number, AMQPClass::Queue(AMQPMethod::Declare(declare)))
}

fn is_fault(event: &Event<u64>, code: ReplyCode) -> bool {
    match event {
        Event::Misbehaved(reply)
        | Event::ChannelEnding {
            fault: Some(reply), ..
        } => reply.code() == code,
        _ => false,
    }
}
