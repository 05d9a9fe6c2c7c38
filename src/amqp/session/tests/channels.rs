use super::*;

#[test]
fn a_publish_followed_at_once_by_close_is_processed_before_the_close_ok() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m"), channel_close(1)].concat());
    let [
        Event::Publish(publish),
        Event::ChannelEnding { fault: None, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    peer.said();
    peer.taken(publish.place);
    peer.done(1);
    assert_eq!(
        peer.said(),
        ["1 Ack { delivery_tag: 1, multiple: false }", "1 CloseOk"]
    );
    peer.send(channel_open(1));
    assert_eq!(peer.said(), ["1 OpenOk"]);
}

#[test]
fn the_same_holds_for_the_connection() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m"), connection_close()].concat());
    let [
        Event::Publish(publish),
        Event::ConnectionEnding { code: 200, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    peer.said();
    assert_eq!(peer.send(confirm_select(1)), []);
    peer.taken(publish.place);
    assert!(!peer.session.is_finished());
    peer.done(0);
    assert_eq!(
        peer.said(),
        ["1 Ack { delivery_tag: 1, multiple: false }", "0 CloseOk"]
    );
    assert_eq!(peer.session.end(), Some(End::ClosedByPeer));
}

#[test]
fn a_fault_waits_until_what_came_before_is_confirmed() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m"), ack(1, 9, false)].concat());
    assert!(is_fault(&events[1], ReplyCode::PreconditionFailed));
    let Event::Publish(publish) = &events[0] else {
        panic!("{events:?}")
    };
    peer.said();
    peer.taken(publish.place);
    peer.done(1);
    let said = peer.said();
    assert_eq!(said[0], "1 Ack { delivery_tag: 1, multiple: false }");
    assert!(said[1].starts_with("1 Close { reply_code: 406"), "{said:?}");
}

#[test]
fn after_our_close_everything_on_the_channel_is_ignored_until_its_answer() {
    let mut peer = Peer::open();
    let reply =
        Reply::new(ReplyCode::NotFound, "no exchange 'x'").caused_by(MethodId::BASIC_PUBLISH);
    peer.session.connection.refuse(id(1), &reply);
    assert!(matches!(peer.events()[..], [Event::ChannelGone { .. }]));
    assert_eq!(peer.closed_with(1), (404, 60, 40));
    // Contents too, even what would be a fault elsewhere.
    let late = [
        publish(1, b"late"),
        body(1, b"x"),
        ack(1, 5, false),
        raw(1, 1, &[0, 60, 0, 99]),
    ];
    assert_eq!(peer.send(late.concat()), []);
    assert_eq!(peer.send(channel_close_ok(1)), []);
    peer.send(channel_open(1));
    assert_eq!(peer.said(), ["1 OpenOk"]);
}

#[test]
fn a_channel_opened_again_before_its_close_ok_is_504() {
    let mut peer = Peer::open();
    peer.session
        .connection
        .refuse(id(1), &Reply::new(ReplyCode::NotFound, "x"));
    peer.events();
    assert!(is_fault(
        &peer.ask(channel_open(1)),
        ReplyCode::ChannelError
    ));
}

#[test]
fn closes_of_a_channel_that_cross_free_it_whether_or_not_ours_is_answered() {
    for answered in [true, false] {
        let mut peer = Peer::open();
        peer.session
            .connection
            .refuse(id(1), &Reply::new(ReplyCode::NotFound, "x"));
        peer.events();
        peer.said();
        assert_eq!(peer.send(channel_close(1)), []);
        assert_eq!(peer.said(), ["1 CloseOk"]);
        if answered {
            assert_eq!(peer.send(channel_close_ok(1)), []);
        }
        peer.send(channel_open(1));
        assert_eq!(peer.said(), ["1 OpenOk"]);
    }
}

#[test]
fn a_peer_that_closes_what_is_failing_gets_its_own_answer_only() {
    let mut peer = Peer::open();
    peer.send(ack(1, 9, false));
    assert_eq!(peer.send(channel_close(1)), []);
    peer.done(1);
    assert_eq!(peer.said(), ["1 CloseOk"]);
}

#[test]
fn every_number_up_to_the_channel_max_is_used_again_and_again_and_none_above_it() {
    let mut peer = Peer::open();
    for number in 2..=8 {
        peer.send(channel_open(number));
    }
    peer.said();
    for round in 0..100 {
        assert!(
            matches!(peer.ask(channel_close(8)), Event::ChannelEnding { .. }),
            "{round}"
        );
        peer.done(8);
        peer.send(channel_open(8));
        assert_eq!(peer.said(), ["8 CloseOk", "8 OpenOk"]);
    }
    for frame in [channel_open(9), confirm_select(9), body(60_000, b"x")] {
        let mut peer = Peer::open();
        assert!(is_fault(&peer.ask(frame), ReplyCode::ChannelError));
    }
}

#[test]
fn as_many_channels_as_there_are_numbers_can_be_open() {
    let mut peer = Peer::with(Offer {
        channels_max: 0,
        ..offer()
    });
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
    peer.session.accept_login();
    peer.send([tune_ok(0, 0, 0), open("/")].concat());
    peer.said();
    let all: Vec<u8> = (1..=u16::MAX).flat_map(channel_open).collect();
    assert_eq!(peer.send(all), []);
    assert_eq!(peer.session.output().len(), 65_535 * 16);
}

#[test]
fn late_answers_to_a_channel_that_is_gone_are_dropped() {
    let mut peer = Peer::open();
    peer.send([declare(1, "q", false), consume(1, "c", false)].concat());
    peer.session
        .connection
        .refuse(id(1), &Reply::new(ReplyCode::NotFound, "x"));
    peer.said();
    peer.declared("q", 0, 0);
    peer.done(1);
    let place = Place {
        channel: id(1),
        serial: 4,
        confirm: Some(PublishTag(4)),
    };
    peer.taken(place);
    let reply = Reply::new(ReplyCode::NoRoute, "x");
    let returned = Outcome::Returned(reply, message(b""));
    peer.session.outcome(place, returned);
    peer.session.write_confirms();
    peer.session.cancel_consumer(id(1), ConsumerNumber(1));
    peer.done(1);
    assert_eq!(
        peer.session
            .deliver(id(1), ConsumerNumber(1), sending(1), &message(b"")),
        Err(Gone)
    );
    assert!(peer.said().is_empty());
}

#[test]
fn our_close_of_the_connection_waits_for_its_answer() {
    let mut peer = Peer::open();
    peer.session
        .close_connection(&Reply::new(ReplyCode::ConnectionForced, "shutting down"));
    assert_eq!(peer.closed_with(0), (320, 0, 0));
    assert_eq!(peer.send(publish(1, b"late")), []);
    peer.send(connection_close_ok());
    assert_eq!(peer.session.end(), Some(End::Closed));
}

#[test]
fn what_was_out_on_a_channel_is_told_even_when_the_connection_ends_at_once() {
    let mut peer = Peer::open();
    peer.send(consume(1, "c", false));
    peer.done(1);
    peer.session
        .deliver(id(1), ConsumerNumber(1), sending(7), &message(b"m"))
        .unwrap();
    peer.session
        .connection
        .refuse(id(1), &Reply::new(ReplyCode::NotFound, "x"));
    peer.session
        .close_connection(&Reply::new(ReplyCode::ConnectionForced, "x"));
    let events = peer.events();
    let [Event::ChannelGone { left }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(left.unsettled[0], 7);
    assert!(peer.session.take_leftovers().is_empty());
}

#[test]
fn an_end_that_is_answered_waits_for_the_outcomes_of_publishes_before_it() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m"), channel_close(1)].concat());
    let [Event::Publish(publish), Event::ChannelEnding { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    peer.said();
    peer.done(1);
    assert!(peer.said().is_empty());
    peer.session.outcome(publish.place, Outcome::Taken);
    assert_eq!(
        peer.said(),
        ["1 Ack { delivery_tag: 1, multiple: false }", "1 CloseOk"]
    );
}

#[test]
fn so_does_the_goodbye_of_the_connection() {
    let mut peer = Peer::open();
    let events = peer.send([publish(1, b"m"), connection_close()].concat());
    let [Event::Publish(publish), Event::ConnectionEnding { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    peer.done(0);
    assert!(peer.said().is_empty() && peer.session.is_peer_closing());
    peer.session.outcome(publish.place, Outcome::Taken);
    assert_eq!(peer.said(), ["0 CloseOk"]);
}

#[test]
fn what_is_withdrawn_closes_its_channel_and_nothing_waits_for_it() {
    let mut peer = Peer::open();
    let events = peer.send([confirm_select(1), publish(1, b"m").repeat(3)].concat());
    let places: Vec<Place> = events
        .into_iter()
        .map(|event| match event {
            Event::Publish(publish) => publish.place,
            other => panic!("{other:?}"),
        })
        .collect();
    peer.said();
    let reply = Reply::new(ReplyCode::PreconditionFailed, "expiration is no number");
    peer.session.withdraw(places[1], &reply);
    assert_eq!(peer.closed_with(1), (406, 0, 0));
    // Its number is used again: what the channel before published is not the new one's.
    peer.send([channel_close_ok(1), channel_open(1), confirm_select(1)].concat());
    let Event::Publish(again) = peer.ask(publish(1, b"again")) else {
        panic!("no publish")
    };
    assert_eq!(again.place.serial, places[1].serial);
    peer.said();
    peer.taken(places[0]);
    assert!(peer.said().is_empty());
    peer.taken(again.place);
    assert_eq!(peer.said(), ["1 Ack { delivery_tag: 1, multiple: false }"]);
}
