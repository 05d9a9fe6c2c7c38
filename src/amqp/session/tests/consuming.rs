use super::*;

fn consuming_peer() -> Peer {
    let mut peer = Peer::open();
    peer.send(consume(1, "c", false));
    peer.done(1);
    peer.said();
    peer
}

fn deliver(peer: &mut Peer, delivery: u64) -> Result<Sent, Gone> {
    peer.session
        .deliver(id(1), ConsumerNumber(1), sending(delivery), &message(b"m"))
}

fn settled(event: Event<u64>) -> (Vec<u64>, Settlement) {
    match event {
        Event::Settle {
            deliveries, how, ..
        } => (deliveries, how),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_consumer_gets_deliveries_after_its_consume_ok_and_not_before() {
    let mut peer = Peer::open();
    peer.send(consume(1, "c", false));
    assert_eq!(deliver(&mut peer, 1), Err(Gone));
    peer.done(1);
    assert_eq!(deliver(&mut peer, 1), Ok(Sent::Unsettled));
    assert_eq!(
        peer.said(),
        [
            "1 ConsumeOk { consumer_tag: ShortString(\"c\") }",
            "1 Deliver { consumer_tag: ShortString(\"c\"), delivery_tag: 1, redelivered: false, \
             exchange: ShortString(\"inbox\"), routing_key: ShortString(\"postal.item.post\") }",
            "1 header of 1",
            "1 body m",
        ]
    );
}

#[test]
fn acks_name_the_deliveries_that_they_settle() {
    let mut peer = consuming_peer();
    for delivery in 11..=16 {
        deliver(&mut peer, delivery).unwrap();
    }
    assert_eq!(
        settled(peer.ask(ack(1, 2, false))),
        (vec![12], Settlement::Ack)
    );
    assert_eq!(
        settled(peer.ask(ack(1, 3, true))),
        (vec![11, 13], Settlement::Ack)
    );
    let nack = basic::Nack {
        delivery_tag: 4,
        multiple: true,
        requeue: true,
    };
    let nack = basic(1, basic::AMQPMethod::Nack(nack));
    assert_eq!(settled(peer.ask(nack)), (vec![14], Settlement::Requeue));
    let reject = basic::Reject {
        delivery_tag: 5,
        requeue: false,
    };
    let reject = basic(1, basic::AMQPMethod::Reject(reject));
    assert_eq!(settled(peer.ask(reject)), (vec![15], Settlement::Reject));
    assert_eq!(
        settled(peer.ask(ack(1, 0, true))),
        (vec![16], Settlement::Ack)
    );
    assert_eq!(peer.send(ack(1, 0, true)), []);
}

#[test]
fn a_tag_of_another_channel_is_unknown() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    peer.send(channel_open(2));
    let event = peer.ask(ack(2, 1, true));
    assert!(is_fault(&event, ReplyCode::PreconditionFailed));
    assert_eq!(settled(peer.ask(ack(1, 1, false))).0, [1]);
}

#[test]
fn deliveries_without_ack_take_tags_and_leave_nothing_behind() {
    let mut peer = Peer::open();
    peer.send([consume(1, "c", true), consume(1, "acked", false)].concat());
    peer.done(1);
    peer.done(1);
    assert_eq!(deliver(&mut peer, 1), Ok(Sent::Settled));
    peer.session
        .deliver(id(1), ConsumerNumber(2), sending(2), &message(b"m"))
        .unwrap();
    assert_eq!(settled(peer.ask(ack(1, 2, true))).0, [2]);
    assert!(is_fault(
        &peer.ask(ack(1, 1, false)),
        ReplyCode::PreconditionFailed
    ));
}

#[test]
fn after_cancel_ok_nothing_is_delivered_and_what_was_stays_ackable() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    let cancel = basic::Cancel {
        consumer_tag: "c".into(),
        nowait: false,
    };
    let cancel = basic(1, basic::AMQPMethod::Cancel(cancel));
    assert!(matches!(
        peer.ask(&cancel),
        Event::Request {
            request: Request::Cancel(_),
            ..
        }
    ));
    // Still on its way.
    deliver(&mut peer, 2).unwrap();
    peer.said();
    peer.done(1);
    assert_eq!(
        peer.said(),
        ["1 CancelOk { consumer_tag: ShortString(\"c\") }"]
    );
    assert_eq!(deliver(&mut peer, 3), Err(Gone));
    assert_eq!(settled(peer.ask(ack(1, 2, true))).0, [1, 2]);
    // A tag that there is not is cancelled all the same, and never asks the broker.
    assert_eq!(peer.send(cancel), []);
    assert_eq!(
        peer.said(),
        ["1 CancelOk { consumer_tag: ShortString(\"c\") }"]
    );
}

#[test]
fn a_tag_can_be_used_again_as_soon_as_its_cancel_is_sent() {
    let mut peer = consuming_peer();
    let cancel = basic::Cancel {
        consumer_tag: "c".into(),
        nowait: true,
    };
    let events = peer.send(
        [
            basic(1, basic::AMQPMethod::Cancel(cancel)),
            consume(1, "c", true),
        ]
        .concat(),
    );
    assert_eq!(events.len(), 2);
    peer.done(1);
    assert_eq!(deliver(&mut peer, 1), Err(Gone));
    peer.done(1);
    let (second, message) = (ConsumerNumber(2), message(b"m"));
    let sent = peer.session.deliver(id(1), second, sending(1), &message);
    assert_eq!(sent, Ok(Sent::Settled));
}

#[test]
fn the_broker_cancels_with_notice_to_those_who_asked_for_it() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    peer.said();
    peer.session.cancel_consumer(id(1), ConsumerNumber(1));
    peer.session.cancel_consumer(id(1), ConsumerNumber(1));
    assert_eq!(
        peer.said(),
        ["1 Cancel { consumer_tag: ShortString(\"c\"), nowait: true }"]
    );
    assert_eq!(deliver(&mut peer, 2), Err(Gone));
    let cancel_ok = basic::CancelOk {
        consumer_tag: "c".into(),
    };
    assert_eq!(
        peer.send(basic(1, basic::AMQPMethod::CancelOk(cancel_ok))),
        []
    );
    assert_eq!(settled(peer.ask(ack(1, 1, false))).0, [1]);

    let mut peer = Peer::open_with(&[], tune_ok(8, 8_192, 0));
    peer.send(consume(1, "c", false));
    peer.done(1);
    peer.said();
    peer.session.cancel_consumer(id(1), ConsumerNumber(1));
    assert!(peer.said().is_empty());
    assert_eq!(deliver(&mut peer, 1), Err(Gone));
}

#[test]
fn gets_are_answered_in_order_and_share_the_tags() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    peer.said();
    assert_eq!(peer.send(get(1, "inbox").repeat(2)).len(), 2);
    let again = Sending {
        delivery: 2,
        redelivered: true,
    };
    peer.session.got(id(1), again, 9, &message(b"g")).unwrap();
    peer.session.answer(id(1), Answer::Empty);
    assert_eq!(
        peer.said(),
        [
            "1 GetOk { delivery_tag: 2, redelivered: true, exchange: ShortString(\"inbox\"), \
             routing_key: ShortString(\"postal.item.post\"), message_count: 9 }",
            "1 header of 1",
            "1 body g",
            "1 GetEmpty",
        ]
    );
    assert_eq!(settled(peer.ask(ack(1, 0, true))).0, [1, 2]);
}

#[test]
fn recover_hands_back_all_that_is_out() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    deliver(&mut peer, 2).unwrap();
    peer.said();
    let recover = basic(
        1,
        basic::AMQPMethod::Recover(basic::Recover { requeue: true }),
    );
    let Event::Request {
        request: Request::Recover(back),
        ..
    } = peer.ask(recover)
    else {
        panic!("no recover")
    };
    assert_eq!(back, [1, 2]);
    peer.done(1);
    assert_eq!(peer.said(), ["1 RecoverOk"]);
    let quiet = basic::RecoverAsync { requeue: true };
    peer.send(basic(1, basic::AMQPMethod::RecoverAsync(quiet)));
    peer.done(1);
    assert!(peer.said().is_empty());
}

#[test]
fn properties_beyond_the_peers_frame_size_are_sent_in_one_frame_and_the_broker_settles_nothing() {
    let mut peer = consuming_peer();
    let large = vec![0; 9_000];
    let message_ = Message {
        properties: &large,
        ..message(b"m")
    };
    let sent = peer
        .session
        .deliver(id(1), ConsumerNumber(1), sending(1), &message_);
    assert_eq!(sent, Ok(Sent::Unsettled));
    let header = 1 + 2 + 4 + 12 + large.len() + 1;
    assert!(peer.session.output().len() > header);
    peer.session.output().clear();
    assert_eq!(settled(peer.ask(ack(1, 1, false))).0, [1]);
}

#[test]
fn a_channel_that_ends_hands_back_what_was_out() {
    let mut peer = consuming_peer();
    deliver(&mut peer, 1).unwrap();
    let Event::ChannelEnding { left, .. } = peer.ask(channel_close(1)) else {
        panic!("no end")
    };
    assert_eq!(left.unsettled[0], 1);
    assert_eq!(deliver(&mut peer, 2), Err(Gone));
    assert!(peer.session.take_leftovers().is_empty());
}
