use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::amqp::codec::encode_properties;

fn published(event: Event<u64>) -> Publish {
    match event {
        Event::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_publish_is_whole_with_its_last_body_frame_and_not_before() {
    let mut peer = Peer::open();
    let properties = BasicProperties::default().with_message_id("m-1".into());
    assert_eq!(
        peer.send([publish_method(1), header(1, 5, &properties)].concat()),
        []
    );
    // Empty bodies amid a message, other channels and heartbeats between are legal.
    let between = [
        body(1, b""),
        body(1, b"he"),
        raw(8, 0, b""),
        channel_open(2),
        body(1, b"ll"),
    ];
    assert_eq!(peer.send(between.concat()), []);
    let publish = published(peer.ask(body(1, b"o")));
    assert_eq!(publish.body, Bytes::from_static(b"hello"));
    assert_eq!(
        (&*publish.exchange, &*publish.routing_key),
        ("carnet", "postal.item")
    );
    assert!(publish.mandatory);
    assert_eq!(publish.properties, properties);
    assert_eq!(publish.place.confirm, None);
}

/// A header and all but the last octet of a body of 100,000.
fn begun(channel: u16) -> Vec<u8> {
    let properties = BasicProperties::default();
    let mut all = [
        publish_method(channel),
        header(channel, 100_000, &properties),
    ]
    .concat();
    for part in [&[0; 8_000][..]; 12] {
        all.extend(body(channel, part));
    }
    all.extend(body(channel, &[0; 3_999]));
    all
}

fn with_budget(assembly_bytes_max: usize) -> Peer {
    let mut peer = Peer::with(Offer {
        assembly_bytes_max,
        ..offer()
    });
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
    peer.session.accept_login();
    peer.send([tune_ok(8, 8_192, 0), open("/")].concat());
    peer
}

/// A publish with a body of so many octets, in frames of 8,000.
fn sized(octets: usize, properties: &BasicProperties) -> Vec<u8> {
    let announced = u64::try_from(octets).unwrap();
    let mut all = [publish_method(1), header(1, announced, properties)].concat();
    let whole = vec![b'x'; octets];
    for part in whole.chunks(8_000) {
        all.extend(body(1, part));
    }
    all
}

#[test]
fn a_body_above_the_limit_is_read_over_and_its_channel_goes_on() {
    let mut peer = with_budget(1_500_000);
    peer.send([channel_open(1), confirm_select(1)].concat());
    let properties = BasicProperties::default().with_message_id("m-1".into());
    for (tag, octets, read_over) in [
        (1, 1_000_000, None),
        (2, 1_000_001, Some(1_000_001)),
        (3, 2_000_000, Some(2_000_000)),
        (4, 1, None),
    ] {
        let publish = published(peer.ask(sized(octets, &properties)));
        assert_eq!(publish.read_over, read_over, "{octets}");
        let kept = if read_over.is_some() { 0 } else { octets };
        assert_eq!(publish.body.len(), kept, "{octets}");
        assert_eq!(publish.properties, properties);
        assert_eq!(publish.place.confirm.map(PublishTag::get), Some(tag));
    }
}

#[test]
fn messages_under_way_on_all_channels_have_one_budget() {
    let mut peer = with_budget(550_000);
    for channel in 1..=5 {
        peer.send(channel_open(channel));
        assert_eq!(peer.send(begun(channel)), []);
    }
    peer.send(channel_open(6));
    let fault = peer.send(begun(6));
    assert!(is_fault(&fault[0], ReplyCode::NotAllowed), "{fault:?}");
    assert!(peer.said().iter().any(|it| it.contains("550000 octets")));
    // Few octets of properties may decode to many times as much.
    let mut peer = with_budget(550_000);
    let mut fields = FieldTable::default();
    for name in 0..300 {
        fields.insert(name.to_string().into(), AMQPValue::Void);
    }
    let properties = BasicProperties::default().with_headers(fields);
    let fault = (1..=8).find_map(|channel| {
        peer.send(channel_open(channel));
        let begun = [publish_method(channel), header(channel, 1, &properties)];
        peer.send(begun.concat()).pop()
    });
    assert!(is_fault(&fault.unwrap(), ReplyCode::NotAllowed));
}

#[test]
fn what_is_whole_or_whose_channel_has_ended_takes_nothing_of_the_budget() {
    let mut peer = with_budget(350_000);
    for channel in 1..=3 {
        peer.send(channel_open(channel));
    }
    for _ in 0..10 {
        for channel in 1..=3 {
            assert_eq!(peer.send(begun(channel)), []);
        }
        for channel in 1..=2 {
            published(peer.ask(body(channel, &[0])));
        }
        let reply = Reply::new(ReplyCode::NotFound, "nobody takes it");
        peer.session.connection.refuse(ChannelId::new(3), &reply);
        peer.send([channel_close_ok(3), channel_open(3)].concat());
    }
}

#[test]
fn two_channels_publish_at_the_same_time() {
    let mut peer = Peer::open();
    peer.send(channel_open(2));
    let properties = BasicProperties::default();
    let events = peer.send(
        [
            publish_method(1),
            publish_method(2),
            header(2, 2, &properties),
            header(1, 2, &properties),
            body(1, b"a"),
            body(2, b"bb"),
            body(1, b"a"),
        ]
        .concat(),
    );
    let bodies: Vec<_> = events
        .into_iter()
        .map(published)
        .map(|it| (it.place.channel.get(), it.body))
        .collect();
    assert_eq!(bodies, [(2, Bytes::from("bb")), (1, Bytes::from("aa"))]);
}

#[test]
fn an_empty_body_has_no_body_frame_in_either_direction() {
    let mut peer = Peer::open();
    let publish = published(peer.ask(publish(1, b"")));
    assert!(publish.body.is_empty());
    peer.give_back(Reply::new(ReplyCode::NoRoute, "x"), message(b""));
    let said = peer.said();
    assert_eq!((said.len(), said[1].as_str()), (2, "1 header of 0"));
}

#[test]
fn a_body_of_many_frames_arrives_whole_and_goes_out_in_frames_of_the_agreed_size() {
    let mut peer = Peer::open_with(ALL, tune_ok(8, 4_096, 0));
    let octets: Vec<u8> = (0..300_000_u32).map(|it| it.to_be_bytes()[3]).collect();
    let mut frames = publish_method(1);
    frames.extend(header(1, 300_000, &BasicProperties::default()));
    for part in octets.chunks(4_088) {
        frames.extend(body(1, part));
    }
    let publish = published(peer.ask(&frames));
    assert!(publish.body == octets);
    peer.said();
    let message = Message {
        exchange: &publish.exchange,
        routing_key: &publish.routing_key,
        properties: &publish.raw_properties,
        body: &publish.body,
    };
    peer.give_back(Reply::new(ReplyCode::NoRoute, "x"), message);
    let out = std::mem::take(peer.session.output());
    assert!(
        out.ends_with(&frames[publish_method(1).len()..]),
        "content comes back as it went"
    );
}

#[test]
fn confirm_tags_count_publishes_after_the_select_and_every_one_of_them() {
    let mut peer = Peer::open();
    assert_eq!(
        published(peer.ask(publish(1, b"before"))).place.confirm,
        None
    );
    let all = [
        confirm_select(1),
        publish(1, b"a"),
        confirm_select(1),
        publish(1, b"b"),
    ]
    .concat();
    let tags: Vec<_> = peer
        .send(all)
        .into_iter()
        .map(|it| published(it).place.confirm.unwrap().get())
        .collect();
    assert_eq!(tags, [1, 2]);
    assert_eq!(peer.said(), ["1 SelectOk", "1 SelectOk"]);
}

#[test]
fn confirms_cover_each_tag_once_and_say_multiple_only_for_several() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m").repeat(6)].concat());
    let places: Vec<_> = events.into_iter().map(|it| published(it).place).collect();
    peer.said();
    peer.taken(places[0]);
    peer.session.write_confirms();
    for place in &places[1..4] {
        peer.session.outcome(*place, Outcome::Taken);
    }
    peer.session.write_confirms();
    peer.session.outcome(places[4], Outcome::NotTaken);
    peer.taken(places[5]);
    assert_eq!(
        peer.said(),
        [
            "1 Ack { delivery_tag: 1, multiple: false }",
            "1 Ack { delivery_tag: 4, multiple: true }",
            "1 Nack { delivery_tag: 5, multiple: false, requeue: false }",
            "1 Ack { delivery_tag: 6, multiple: false }",
        ]
    );
}

#[test]
fn a_return_carries_the_code_the_key_and_the_whole_message() {
    let mut peer = Peer::open();
    peer.said();
    let reply = Reply::new(ReplyCode::AccessRefused, "no recipient may have it");
    peer.give_back(reply, message(b"hello"));
    assert_eq!(
        peer.said(),
        [
            "1 Return { reply_code: 403, reply_text: ShortString(\"ACCESS_REFUSED - no recipient \
             may have it\"), exchange: ShortString(\"inbox\"), routing_key: \
             ShortString(\"postal.item.post\") }",
            "1 header of 5",
            "1 body hello",
        ]
    );
}

#[test]
fn blocked_is_told_once_and_only_to_those_who_asked() {
    let mut peer = Peer::open();
    peer.session.blocked("the disk is full");
    peer.session.blocked("the disk is full");
    peer.session.unblocked();
    peer.session.unblocked();
    assert_eq!(
        peer.said(),
        [
            "0 Blocked { reason: ShortString(\"the disk is full\") }",
            "0 Unblocked"
        ]
    );
    let mut peer = Peer::open_with(&[], tune_ok(8, 8_192, 0));
    peer.session.blocked("the disk is full");
    peer.session.unblocked();
    assert!(peer.said().is_empty());
}

proptest! {
    #[test]
    fn a_return_repeats_content_octet_by_octet(
        properties in crate::amqp::codec::tests::any_properties(),
        octets in proptest::collection::vec(any::<u8>(), 0..10_000),
    ) {
        let mut peer = Peer::with(Offer { properties_bytes_max: 8_000, tables: TableLimits { depth_max: 8, bytes_max: 65_536 }, ..offer() });
        peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
        peer.session.accept_login();
        peer.send([tune_ok(8, 8_192, 0), open("/"), channel_open(1)].concat());
        peer.said();
        let mut raw_properties = Vec::new();
        encode_properties(&properties, &mut raw_properties);
        prop_assume!(raw_properties.len() <= 8_000);
        let mut content = header(1, u64::try_from(octets.len()).unwrap(), &properties);
        for part in octets.chunks(8_184) {
            content.extend(body(1, part));
        }
        let publish = published(peer.ask([publish_method(1), content.clone()].concat()));
        prop_assert_eq!(&publish.properties, &properties);
        prop_assert_eq!(&publish.raw_properties[..], &raw_properties[..]);
        let message = Message { exchange: "x", routing_key: "k", properties: &publish.raw_properties, body: &publish.body };
        peer.give_back(Reply::new(ReplyCode::NoRoute, "x"), message);
        prop_assert!(peer.session.output().ends_with(&content));
    }
}
