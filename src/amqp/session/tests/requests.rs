use amq_protocol::protocol::{exchange, queue};

use super::*;

fn exchange_(method_: exchange::AMQPMethod) -> Vec<u8> {
    method(1, AMQPClass::Exchange(method_))
}

fn queue_(method_: queue::AMQPMethod) -> Vec<u8> {
    method(1, AMQPClass::Queue(method_))
}

fn bind(name: &str, key: &str) -> Vec<u8> {
    let bind = queue::Bind {
        queue: name.into(),
        exchange: "inbox".into(),
        routing_key: key.into(),
        ..queue::Bind::default()
    };
    queue_(queue::AMQPMethod::Bind(bind))
}

fn qos() -> Vec<u8> {
    basic(
        1,
        basic::AMQPMethod::Qos(basic::Qos {
            prefetch_count: 5,
            global: false,
        }),
    )
}

#[test]
fn each_request_gets_the_answer_of_its_own() {
    let mut peer = Peer::open();
    let requests = [
        (
            exchange_(exchange::AMQPMethod::Declare(exchange::Declare::default())),
            "1 DeclareOk",
        ),
        (
            exchange_(exchange::AMQPMethod::Delete(exchange::Delete::default())),
            "1 DeleteOk",
        ),
        (
            exchange_(exchange::AMQPMethod::Bind(exchange::Bind::default())),
            "1 BindOk",
        ),
        (
            exchange_(exchange::AMQPMethod::Unbind(exchange::Unbind::default())),
            "1 UnbindOk",
        ),
        (bind("q", "k"), "1 BindOk"),
        (
            queue_(queue::AMQPMethod::Unbind(queue::Unbind {
                queue: "q".into(),
                ..queue::Unbind::default()
            })),
            "1 UnbindOk",
        ),
    ];
    for (request, answer) in requests {
        assert!(matches!(peer.ask(request), Event::Request { .. }));
        peer.done(1);
        assert_eq!(peer.said(), [answer]);
    }
    peer.ask(declare(1, "q", false));
    peer.declared("q", 3, 1);
    let purge = queue::Purge {
        queue: "q".into(),
        nowait: false,
    };
    peer.ask(queue_(queue::AMQPMethod::Purge(purge)));
    peer.session.answer(id(1), Answer::Count(3));
    let delete = queue::Delete {
        queue: "q".into(),
        ..queue::Delete::default()
    };
    peer.ask(queue_(queue::AMQPMethod::Delete(delete)));
    peer.session.answer(id(1), Answer::Count(2));
    assert_eq!(
        peer.said(),
        [
            "1 DeclareOk { queue: ShortString(\"q\"), message_count: 3, consumer_count: 1 }",
            "1 PurgeOk { message_count: 3 }",
            "1 DeleteOk { message_count: 2 }",
        ]
    );
}

#[test]
fn unbind_ok_of_an_exchange_is_method_51() {
    let mut peer = Peer::open();
    peer.ask(exchange_(exchange::AMQPMethod::Unbind(
        exchange::Unbind::default(),
    )));
    peer.done(1);
    assert_eq!(*peer.session.output(), raw(1, 1, &[0, 40, 0, 51]));
}

#[test]
fn fields_reach_the_broker_as_they_were_sent() {
    let mut peer = Peer::open();
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(5));
    let sent = queue::Declare {
        queue: "q".into(),
        passive: true,
        durable: false,
        exclusive: true,
        auto_delete: false,
        nowait: true,
        arguments,
    };
    let Event::Request {
        request: Request::QueueDeclare(got),
        ..
    } = peer.ask(queue_(queue::AMQPMethod::Declare(sent.clone())))
    else {
        panic!("no declare")
    };
    assert_eq!(got, sent);
}

#[test]
fn no_wait_is_no_answer_and_errors_still_close() {
    let mut peer = Peer::open();
    peer.send([declare(1, "a", true), declare(1, "b", true)].concat());
    peer.declared("a", 0, 0);
    assert!(peer.said().is_empty());
    peer.session.answer(
        id(1),
        Answer::Refused(Reply::new(ReplyCode::ResourceLocked, "exclusive elsewhere")),
    );
    assert_eq!(peer.closed_with(1), (405, 50, 10));
    assert!(matches!(peer.events()[..], [Event::ChannelGone { .. }]));
}

#[test]
fn a_refusal_of_a_connections_code_closes_the_connection() {
    let mut peer = Peer::open();
    peer.send(get(1, "q"));
    peer.session.answer(
        id(1),
        Answer::Refused(Reply::new(ReplyCode::InternalError, "ours")),
    );
    assert_eq!(peer.closed_with(0), (541, 60, 70));
}

#[test]
fn what_the_session_answers_itself_waits_for_its_turn() {
    let mut peer = Peer::open();
    let flow = on_channel(1, channel::AMQPMethod::Flow(channel::Flow { active: true }));
    let cancel = basic::Cancel {
        consumer_tag: "none".into(),
        nowait: false,
    };
    let cancel = basic(1, basic::AMQPMethod::Cancel(cancel));
    let events = peer.send(
        [
            confirm_select(1),
            declare(1, "q", false),
            qos(),
            confirm_select(1),
            get(1, "q"),
            flow,
            cancel,
        ]
        .concat(),
    );
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(peer.said(), ["1 SelectOk"]);
    peer.declared("q", 0, 0);
    let said = peer.said();
    assert!(said[0].starts_with("1 DeclareOk"), "{said:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    peer.done(1);
    assert_eq!(peer.said(), ["1 QosOk", "1 SelectOk"]);
    peer.session.answer(id(1), Answer::Empty);
    assert_eq!(
        peer.said(),
        [
            "1 GetEmpty",
            "1 FlowOk { active: true }",
            "1 CancelOk { consumer_tag: ShortString(\"none\") }"
        ]
    );
}

#[test]
fn what_waits_behind_an_answer_of_the_broker_is_unanswered_as_well() {
    let mut peer = Peer::open();
    assert_eq!(peer.send(confirm_select(1)), []);
    assert_eq!(peer.session.unanswered(), 0);
    peer.ask(declare(1, "q", false));
    assert_eq!(peer.send(confirm_select(1).repeat(9)), []);
    assert_eq!(peer.session.unanswered(), 10);
    peer.declared("q", 0, 0);
    assert_eq!(peer.session.unanswered(), 0);
}

#[test]
fn an_empty_name_is_the_queue_declared_last() {
    let mut peer = Peer::open();
    let events = peer.send(
        [
            declare(1, "first", true),
            declare(1, "last", true),
            bind("", ""),
        ]
        .concat(),
    );
    let Event::Request {
        request: Request::QueueBind(bound),
        ..
    } = &events[2]
    else {
        panic!("{events:?}")
    };
    // The key too, where neither is named.
    assert_eq!(
        (bound.queue.as_str(), bound.routing_key.as_str()),
        ("last", "last")
    );
}

#[test]
fn an_empty_name_waits_for_the_name_that_the_broker_makes_up() {
    let mut peer = Peer::open();
    assert_eq!(
        peer.send([declare(1, "", false), bind("", "k"), get(1, "")].concat())
            .len(),
        1
    );
    assert!(!peer.session.wants_octets());
    assert_eq!(peer.send(declare(1, "", false)), []);
    peer.declared("amq.gen-1", 0, 0);
    let events = peer.events();
    let Event::Request {
        request: Request::QueueBind(bound),
        ..
    } = &events[0]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (bound.queue.as_str(), bound.routing_key.as_str()),
        ("amq.gen-1", "k")
    );
    assert_eq!(events.len(), 3);
    assert!(peer.session.wants_octets());
}

#[test]
fn of_two_made_up_names_an_empty_one_means_the_second() {
    let mut peer = Peer::open();
    peer.send([declare(1, "", true), declare(1, "", true), get(1, "")].concat());
    peer.declared("amq.gen-1", 0, 0);
    assert_eq!(peer.events(), []);
    peer.declared("amq.gen-2", 0, 0);
    let Event::Request {
        request: Request::Get(get),
        ..
    } = &peer.events()[0]
    else {
        panic!("no get")
    };
    assert_eq!(get.queue.as_str(), "amq.gen-2");
}

#[test]
fn a_consumer_tag_that_the_broker_makes_up_is_taken_too() {
    let mut peer = Peer::open();
    peer.send(consume(1, "", false));
    let session = &mut peer.session;
    session.name_consumer(id(1), ConsumerNumber(1), "amq.ctag-1");
    peer.done(1);
    assert_eq!(
        peer.said(),
        ["1 ConsumeOk { consumer_tag: ShortString(\"amq.ctag-1\") }"]
    );
    peer.session
        .deliver(id(1), ConsumerNumber(1), sending(1), &message(b"m"))
        .unwrap();
    assert!(is_fault(
        &peer.ask(consume(1, "amq.ctag-1", false)),
        ReplyCode::NotAllowed
    ));
}

#[test]
fn a_refusal_waits_for_its_turn_and_names_the_request_that_it_refuses() {
    let mut peer = Peer::open();
    let events = peer.send([declare(1, "a", false), get(1, "a"), declare(1, "b", false)].concat());
    let Event::Request { ticket, .. } = &events[1] else {
        panic!("{events:?}")
    };
    let reply = Reply::new(ReplyCode::AccessRefused, "it may not read that");
    peer.session.refuse(*ticket, reply);
    assert!(peer.said().is_empty());
    peer.declared("a", 0, 0);
    assert_eq!(peer.said().len(), 1);
    assert_eq!(peer.session.unanswered(), 2);
    peer.done(1);
    assert_eq!(peer.closed_with(1), (403, 60, 70));
    // What was asked behind it is answered too late, and so is the end of the channel.
    assert!(matches!(peer.events()[..], [Event::ChannelGone { .. }]));
    assert_eq!(peer.session.unanswered(), 2);
    peer.send(channel_close_ok(1));
    peer.send([channel_open(1), get(1, "c")].concat());
    peer.said();
    peer.declared("b", 0, 0);
    peer.done(1);
    assert!(peer.said().is_empty());
    peer.session.answer(id(1), Answer::Empty);
    assert_eq!(peer.said(), ["1 GetEmpty"]);
    assert_eq!(peer.session.unanswered(), 0);
}
