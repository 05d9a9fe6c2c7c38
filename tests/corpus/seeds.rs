//! What fuzzing begins from: the golden files of formats, example messages, and frames as another
//! codec writes them.

use std::path::Path;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, gen_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};
use carnet::agency::keys::{FramePart, OpenFrame};
use carnet::amqp::BasicProperties;
use carnet::amqp::codec::encode_properties;
use carnet::broker::record::SCHEMA;

use crate::{octets, page, record, segment, session, snapshot};

/// An input of a target.
pub(crate) struct Seed {
    pub(crate) target: &'static str,
    pub(crate) name: String,
    pub(crate) octets: Vec<u8>,
}

fn seed(target: &'static str, name: &str, octets: impl Into<Vec<u8>>) -> Seed {
    Seed {
        target,
        name: name.to_owned(),
        octets: octets.into(),
    }
}

pub(crate) fn all() -> Vec<Seed> {
    let groups = [
        of_disk(),
        bodies(),
        projections(),
        segments(),
        properties(),
        sessions(),
    ];
    groups.into_iter().flatten().collect()
}

fn file(path: &str) -> Vec<u8> {
    octets(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

fn golden(name: &str) -> Vec<u8> {
    file(&format!("tests/format/schema-{SCHEMA}/{name}.bin"))
}

/// A golden file behind the octet that says what it is.
fn marked(mark: u8, name: &str) -> Vec<u8> {
    [&[mark][..], &golden(name)].concat()
}

fn of_disk() -> Vec<Seed> {
    let records = [
        (1, "record-genesis"),
        (2, "record-activated"),
        (3, "record-exchange"),
        (3, "record-exchange-least"),
        (3, "record-exchange-reports"),
        (3, "record-exchange-sealed"),
        (4, "record-rejected"),
        (5, "record-placed"),
        (5, "record-placed-rejected"),
        (6, "record-settled"),
        (7, "record-declared"),
        (8, "record-lease"),
        (9, "record-case-open"),
        (10, "record-narrowed"),
        (12, "record-stopped"),
        (13, "record-order-ended"),
        (14, "record-repeats"),
        (15, "record-refusals-noted"),
        (17, "record-lost"),
        (18, "record-deleted"),
        (20, "record-bound"),
        (2, "record-activated-since"),
        (22, "record-proposed"),
        (23, "record-approved"),
        (28, "record-measure-level"),
        (28, "record-measure-named"),
        (29, "record-measure-confirmed"),
        (30, "record-measure-ended"),
        (31, "record-expiring"),
        (32, "record-revoked"),
        (33, "record-new-key"),
        (24, "record-withdrawn"),
        (25, "record-scheduled"),
    ];
    let records = records.map(|(mark, name)| seed("record", name, marked(mark, name)));
    let cut = golden("record-exchange");
    let bad = [
        seed("record", "cut", [&[3], &cut[..cut.len() / 2]].concat()),
        seed("record", "longer", [&[3], &cut[..], b"x"].concat()),
        seed("record", "of-another-kind", [&[4], &cut[..]].concat()),
        seed("record", "no-frame", vec![record::FRAME_OF_EXCHANGE; 40]),
        seed("snapshot", "ledger", marked(0, "snapshot")),
        seed("snapshot", "file", marked(snapshot::WHOLE_FILE, "beside")),
        seed("snapshot", "no-ledger", marked(0, "beside")),
        seed(
            "snapshot",
            "no-file",
            marked(snapshot::WHOLE_FILE, "snapshot"),
        ),
        seed("snapshot", "cut", &marked(0, "snapshot")[..900]),
        seed(
            "snapshot",
            "cut-file",
            &marked(snapshot::WHOLE_FILE, "beside")[..70],
        ),
        seed("page", "entries", marked(0, "page")),
        seed("page", "no-entries", vec![0; 5]),
        seed("page", "ids", marked(page::IDS, "ids")),
        seed("page", "no-ids", [page::IDS]),
        seed("page", "cut", &marked(0, "page")[..40]),
        seed("page", "cut-ids", &marked(page::IDS, "ids")[..500]),
        seed("page", "a-page-as-ids", marked(page::IDS, "page")),
        seed("page", "ids-as-a-page", marked(0, "ids")),
    ];
    records.into_iter().chain(frames()).chain(bad).collect()
}

/// What is sealed in the frames that were written.
fn frames() -> [Seed; 2] {
    let frames = [
        (
            record::FRAME_OF_EXCHANGE,
            "frame-exchange",
            FramePart::Facts,
        ),
        (
            record::FRAME_OF_PRIVATE,
            "frame-private",
            FramePart::Private,
        ),
    ];
    frames.map(|(mark, name, part)| {
        let (_, frame) = OpenFrame::any(&golden(name), &record::ring()).unwrap();
        let content = frame.content(part).unwrap();
        seed("record", name, [&[mark], &content[..]].concat())
    })
}

fn bodies() -> Vec<Seed> {
    let examples = [
        (
            "response",
            "messages/postal.response/examples/valid/released.json",
        ),
        (
            "order",
            "messages/control.order/examples/valid/cancelled.json",
        ),
        (
            "alert",
            "messages/police.alert/examples/valid/withdrawn.json",
        ),
    ];
    let examples = examples.map(|(name, path)| seed("json", name, file(path)));
    let texts = [
        ("numbers", "[0,-1,0.1,1e300,9007199254740992,-0.0]"),
        ("escapes", r#"["\"\\\/\b\f\n\r\t\u0061\u00e9\ud83d\ude00"]"#),
        (
            "blanks",
            " { \"a\" : [ 1 , 2 ] ,\"b\":{}, \"c\":true,\"d\":null } \n",
        ),
        ("names", r#"{"a/b":1,"~":2,"":3,"\u0041":false}"#),
        ("half-a-character", r#"["\ud800"]"#),
        ("twice", r#"{"a":1,"\u0061":2}"#),
        ("too-exact", "9007199254740993"),
        ("behind", "{} {}"),
        ("unfinished", r#"{"a":[1,{"b":"#),
        ("mark", "\u{feff}{}"),
    ];
    let texts = texts.map(|(name, text)| seed("json", name, text));
    let deep = [63, 64, 65].map(|depth: usize| {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        seed("json", &format!("deep-{depth}"), text)
    });
    examples.into_iter().chain(texts).chain(deep).collect()
}

fn projections() -> Vec<Seed> {
    let texts = [
        r#"{"Note":"n","Ref":"RR1","Plain":"p"}"#,
        r#"{ "Party" : {"Kind":"legal","Name":"\u0041","Secret":true} , "Ref" : "x" }"#,
        r#"{"Party":{"Name":"N"},"Goods":[{"Weight":1.5,"Value":2},{"Codes":["a","b"]},{}]}"#,
        r#"{"Goods":[],"Party":{}}"#,
        r#"{"Party":{"Kind":"natural","Name":"N"},"Note":"","Goods":[{"Codes":[]}]}"#,
        r#"{"Other":1}"#,
        r#"{"Party":{"Kind":"other"}}"#,
        r#"{"Note":1}"#,
        r#"["Note"]"#,
    ];
    let masks: [u16; 3] = [0x8001, 0x2f5a, 0x50a5];
    let each = texts.iter().enumerate().flat_map(|(nth, text)| {
        masks.map(|mask| {
            let octets = [&mask.to_be_bytes(), text.as_bytes()].concat();
            seed("project", &format!("{nth}-{mask:04x}"), octets)
        })
    });
    each.collect()
}

fn segments() -> Vec<Seed> {
    let changes: [(&str, &[u8]); 8] = [
        ("as-written", &[0]),
        ("header", &[0, 0, 0, 1, 9]),
        ("first-batch", &[0, 0, 16, 8, 9]),
        ("before-the-last", &[0, 2, 16, 8, 9]),
        ("last-batch", &[0, 2, 32, 8, 9]),
        ("padding", &[0, 0, 0x1f, 0xff, 1]),
        ("behind-the-end", &[0, 2, 0x4f, 0xff, 1]),
        ("two", &[0, 0, 16, 8, 9, 2, 32, 8, 9]),
    ];
    let whole = marked(segment::WHOLE_FILE, "segment");
    let files = [
        seed("segment", "file", whole.clone()),
        seed("segment", "header-alone", &whole[..4_097]),
        seed("segment", "cut-batch", &whole[..4_700]),
        seed("segment", "empty-file", [segment::WHOLE_FILE]),
    ];
    let changes = changes.map(|(name, octets)| seed("segment", name, octets));
    changes.into_iter().chain(files).collect()
}

fn table(nested: bool) -> FieldTable {
    let mut table = FieldTable::default();
    let values = [
        ("text", AMQPValue::LongString("case".into())),
        ("number", AMQPValue::LongLongInt(-7)),
        ("half", AMQPValue::Double(0.5)),
        ("at", AMQPValue::Timestamp(1_764_500_000)),
        ("none", AMQPValue::Void),
        ("octets", AMQPValue::ByteArray(vec![0, 255].into())),
    ];
    for (name, value) in values {
        table.insert(name.into(), value);
    }
    if nested {
        table.insert("inner".into(), AMQPValue::FieldTable(self::table(false)));
        let list = vec![AMQPValue::Boolean(true), AMQPValue::ShortInt(-2)];
        table.insert("list".into(), AMQPValue::FieldArray(list.into()));
    }
    table
}

fn full() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_headers(table(true))
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60000".into())
        .with_message_id("m-1".into())
        .with_timestamp(1_764_500_000)
        .with_type("t".into())
        .with_user_id("post-items".into())
        .with_app_id("a".into())
        .with_cluster_id("k".into())
        .with_content_encoding("utf-8".into())
}

fn properties() -> Vec<Seed> {
    let written = |properties: &BasicProperties| {
        let mut octets = Vec::new();
        encode_properties(properties, &mut octets);
        octets
    };
    let all = written(&full());
    let short = BasicProperties::default().with_message_id("m-1".into());
    let headers = BasicProperties::default().with_headers(table(false));
    vec![
        seed("frame", "full", all.clone()),
        seed("frame", "none", written(&BasicProperties::default())),
        seed("frame", "id-alone", written(&short)),
        seed("frame", "headers-alone", written(&headers)),
        seed("frame", "cut", &all[..all.len() - 3]),
        seed("frame", "longer", [&all[..], b"x"].concat()),
        seed("frame", "more-flags", [0, 1, 0, 0]),
        seed("frame", "no-such-type", *b"\x20\0\0\0\0\x04\x01aA\0"),
        seed("frame", "too-large", *b"\x20\0\xff\xff\xff\xf0"),
    ]
}

fn encoded(frames: &[AMQPFrame]) -> Vec<u8> {
    let written = |frame| gen_frame(frame)(Vec::new().into()).unwrap().write;
    frames.iter().flat_map(written).collect()
}

fn on(number: u16, class: AMQPClass) -> AMQPFrame {
    AMQPFrame::Method(number, class)
}

fn publish(number: u16, body: &[u8]) -> Vec<AMQPFrame> {
    let publish = basic::Publish {
        exchange: "carnet".into(),
        routing_key: "postal.item".into(),
        mandatory: true,
        immediate: false,
    };
    let header = AMQPContentHeader {
        class_id: 60,
        body_size: u64::try_from(body.len()).unwrap(),
        properties: full(),
    };
    let mut frames = vec![
        on(
            number,
            AMQPClass::Basic(basic::AMQPMethod::Publish(publish)),
        ),
        AMQPFrame::Header(number, header),
    ];
    if !body.is_empty() {
        frames.push(AMQPFrame::Body(number, body.to_vec()));
    }
    frames
}

fn basic_method(method: basic::AMQPMethod) -> AMQPFrame {
    on(1, AMQPClass::Basic(method))
}

fn consume(tag: &str, no_ack: bool) -> AMQPFrame {
    basic_method(basic::AMQPMethod::Consume(basic::Consume {
        queue: "inbox".into(),
        consumer_tag: tag.into(),
        no_ack,
        ..basic::Consume::default()
    }))
}

fn confirming() -> AMQPFrame {
    let select = confirm::Select { nowait: false };
    on(1, AMQPClass::Confirm(confirm::AMQPMethod::Select(select)))
}

fn closing_channel() -> AMQPFrame {
    let close = channel::Close::default();
    on(1, AMQPClass::Channel(channel::AMQPMethod::Close(close)))
}

fn goodbye() -> AMQPFrame {
    let close = connection::Close {
        reply_code: 200,
        reply_text: "bye".into(),
        class_id: 0,
        method_id: 0,
    };
    on(
        0,
        AMQPClass::Connection(connection::AMQPMethod::Close(close)),
    )
}

fn publishing() -> Vec<AMQPFrame> {
    let bodies: [&[u8]; 5] = [b"", b"1", b"22", b"333", b"4444"];
    let published = bodies.into_iter().flat_map(|body| publish(1, body));
    [confirming()]
        .into_iter()
        .chain(published)
        .chain([goodbye()])
        .collect()
}

fn consuming() -> Vec<AMQPFrame> {
    let ack = basic::Ack {
        delivery_tag: 2,
        multiple: true,
    };
    let nack = basic::Nack {
        delivery_tag: 0,
        multiple: true,
        requeue: false,
    };
    let get = basic::Get {
        queue: "inbox".into(),
        no_ack: false,
    };
    let cancel = basic::Cancel {
        consumer_tag: "a".into(),
        nowait: false,
    };
    vec![
        consume("a", false),
        basic_method(basic::AMQPMethod::Ack(ack)),
        basic_method(basic::AMQPMethod::Get(get)),
        consume("", true),
        basic_method(basic::AMQPMethod::Cancel(cancel)),
        basic_method(basic::AMQPMethod::Recover(basic::Recover { requeue: true })),
        basic_method(basic::AMQPMethod::Nack(nack)),
        closing_channel(),
    ]
}

fn declaring() -> Vec<AMQPFrame> {
    let declare = |name: &str| {
        let declare = queue::Declare {
            queue: name.into(),
            arguments: table(false),
            ..queue::Declare::default()
        };
        on(1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)))
    };
    let bind = queue::Bind {
        queue: "work".into(),
        exchange: "inbox".into(),
        routing_key: "#".into(),
        nowait: false,
        arguments: FieldTable::default(),
    };
    let made = exchange::Declare {
        exchange: "own".into(),
        kind: "topic".into(),
        ..exchange::Declare::default()
    };
    vec![
        declare("work"),
        declare(""),
        on(1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind))),
        on(1, AMQPClass::Exchange(exchange::AMQPMethod::Declare(made))),
        declare("refused"),
        declare("ignored"),
    ]
}

fn sessions() -> Vec<Seed> {
    let opened = |name: &str, cut: u8, frames: &[AMQPFrame]| {
        let octets = [&[session::OPENED, cut], &encoded(frames)[..]].concat();
        seed("session", name, octets)
    };
    let raw = |name: &str, octets: &[u8]| seed("session", name, [&[0, 2], octets].concat());
    let unfinished = publish(1, b"unfinished");
    let too_large = [
        publish(1, &[b'x'; 3_000]),
        publish(1, b"next"),
        publish(1, &[b'x'; 5_000]),
    ];
    vec![
        opened("publishing", 6, &publishing()),
        opened("consuming", 0, &consuming()),
        opened("declaring", 30, &declaring()),
        opened("without-a-body", 3, &unfinished[..2]),
        opened("header-first", 3, &unfinished[1..]),
        opened("on-another-channel", 3, &publish(2, b"x")),
        opened("too-large", 200, &too_large.concat()),
        opened(
            "heartbeat",
            0,
            &[AMQPFrame::Heartbeat, goodbye(), closing_channel()],
        ),
        seed(
            "session",
            "frames",
            [session::FRAMES, 3, 0, 1, 5, 0, 60, 0, 20, 1, 5, 1, 0],
        ),
        raw("opening", session::OPENING),
        raw("another-version", b"AMQP\x01\x01\0\x0a"),
        raw("no-amqp", b"GET / HTTP/1.1\r\n\r\n"),
        raw("half-a-header", b"AMQP\0"),
        raw("garbage", &[0xff; 40]),
    ]
}
