//! What must hold for any traffic, split anywhere.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What is kept of all channels as running numbers is what they hold.
fn assert_counted(session: &Session<u64>) {
    if let Some(running) = session.connection.open() {
        let (kept, counted) = running.counted();
        assert_eq!(kept, counted);
    }
}

/// Answers everything at once, and writes down what happened.
fn play(session: &mut Session<u64>, log: &mut Vec<String>) {
    while let Some(event) = session.next_event() {
        assert_counted(session);
        log.push(format!("{event:?}"));
        let next = u64::try_from(log.len()).unwrap();
        match event {
            Event::Login(_) => session.accept_login(),
            Event::Publish(publish) => {
                session.outcome(publish.place, Outcome::Taken);
                session.write_confirms();
            }
            Event::Request { ticket, request } => answer(session, ticket, &request, next),
            Event::ChannelEnding { left, .. } | Event::ChannelGone { left } => {
                session.answer(left.channel, Answer::Done);
            }
            Event::UpdateSecret { .. } => session.secret_updated(),
            Event::ConnectionEnding { .. } => session.answer(id(0), Answer::Done),
            _ => {}
        }
    }
}

fn answer(session: &mut Session<u64>, ticket: Ticket, request: &Request<u64>, next: u64) {
    let channel = ticket.channel();
    let answer = match request {
        Request::QueueDeclare(it) if it.queue.as_str() == "refused" => {
            session.refuse(ticket, Reply::new(ReplyCode::AccessRefused, "no"));
            Answer::Done
        }
        Request::QueueDeclare(it) => Answer::Queue {
            name: Some(it.queue.as_str())
                .filter(|name| !name.is_empty())
                .unwrap_or("amq.gen-1"),
            ready: 0,
            consumers: 0,
        },
        Request::QueuePurge(_) | Request::QueueDelete(_) => Answer::Count(0),
        Request::Consume(number, _) => {
            session.answer(channel, Answer::Done);
            for delivery in 0..3 {
                let message = message(b"d");
                session
                    .deliver(channel, *number, sending(delivery), &message)
                    .unwrap();
            }
            return;
        }
        Request::Get(_) if next.is_multiple_of(2) => Answer::Empty,
        Request::Get(_) => {
            session
                .got(channel, sending(next), 0, &message(b"g"))
                .unwrap();
            return;
        }
        _ => Answer::Done,
    };
    session.answer(channel, answer);
}

/// Plays `octets`, cut where `cuts` say, and returns what happened and what was said.
fn played(octets: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>, Option<End>) {
    let mut session = Session::new(offer(), 0);
    let mut log = Vec::new();
    let mut rest = octets;
    for cut in cuts {
        let (part, after) = rest.split_at(cut % 97 % (rest.len() + 1));
        session.receive(part, 0);
        play(&mut session, &mut log);
        rest = after;
    }
    session.receive(rest, 0);
    play(&mut session, &mut log);
    (log, std::mem::take(session.output()), session.end())
}

fn opening() -> Vec<u8> {
    let header = b"AMQP\0\0\x09\x01".to_vec();
    [
        header,
        start_ok(ALL),
        tune_ok(8, 8_192, 0),
        open("/"),
        channel_open(1),
    ]
    .concat()
}

/// Frames that a client may send, in an order that it may not.
fn any_traffic() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![8 => Just(1_u16), 2 => Just(2_u16), 1 => Just(3_u16)];
    let frame = (
        number,
        0..24_usize,
        0..5_u64,
        any::<bool>(),
        vec(any::<u8>(), 0..60),
    )
        .prop_map(|(number, kind, small, flag, octets)| match kind {
            0..=5 => publish(number, &octets),
            6 => confirm_select(number),
            7 => consume(number, ["a", "b", "c"][usize::from(flag)], flag),
            8 | 9 => ack(number, small, flag),
            10 => get(number, if flag { "q" } else { "" }),
            11 => declare(number, ["", "q", "refused"][octets.len() % 3], flag),
            12 => channel_open(number + 1),
            13 => channel_close(number),
            14 => channel_close_ok(number),
            15 => raw(8, 0, b""),
            16 => publish_method(number),
            17 => header(number, small, &BasicProperties::default()),
            18 => body(number, &octets),
            19 => basic(
                number,
                basic::AMQPMethod::Recover(basic::Recover { requeue: true }),
            ),
            20 => basic(
                number,
                basic::AMQPMethod::Cancel(basic::Cancel {
                    consumer_tag: "a".into(),
                    nowait: flag,
                }),
            ),
            21 => basic(
                number,
                basic::AMQPMethod::Nack(basic::Nack {
                    delivery_tag: small,
                    multiple: true,
                    requeue: flag,
                }),
            ),
            22 if small == 0 => connection_close(),
            _ => basic(
                number,
                basic::AMQPMethod::Qos(basic::Qos {
                    prefetch_count: 3,
                    global: flag,
                }),
            ),
        });
    vec(frame, 0..40).prop_map(|frames| frames.concat())
}

/// Well-formed frames with anything in them, methods that exist among it.
fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop_oneof![
        (Just(10_u16), 0..8_u16),
        (Just(20_u16), 0..5_u16),
        (Just(40_u16), 0..6_u16),
        (Just(50_u16), 0..6_u16),
        (Just(60_u16), 0..13_u16),
        (Just(85_u16), 0..2_u16),
        (Just(90_u16), 0..4_u16),
        (any::<u16>(), any::<u16>()),
    ];
    let frame = (
        prop_oneof![6 => Just(1_u8), 2 => Just(2), 2 => Just(3), 1 => Just(8), 1 => any::<u8>()],
        0..3_u16,
        ids,
        vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..40),
    )
        .prop_map(|(kind, channel, (class, tens), arguments)| {
            let ids = [class.to_be_bytes(), tens.wrapping_mul(10).to_be_bytes()].concat();
            raw(kind, channel, &[ids, arguments].concat())
        });
    vec(frame, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn traffic_means_the_same_however_it_is_cut(traffic in any_traffic(), cuts in vec(any::<usize>(), 0..60)) {
        let octets = [opening(), traffic].concat();
        prop_assert_eq!(played(&octets, &cuts), played(&octets, &[]));
    }

    #[test]
    fn any_frames_mean_the_same_however_they_are_cut(frames in any_frames(), cuts in vec(any::<usize>(), 0..60)) {
        let octets = [opening(), frames].concat();
        prop_assert_eq!(played(&octets, &cuts), played(&octets, &[]));
    }

    #[test]
    fn any_octets_are_survived_and_mean_the_same_however_they_are_cut(
        opened in any::<bool>(),
        octets in vec(any::<u8>(), 0..300),
        cuts in vec(any::<usize>(), 0..30),
    ) {
        let octets = if opened { [opening(), octets].concat() } else { octets };
        prop_assert_eq!(played(&octets, &cuts), played(&octets, &[]));
    }

    #[test]
    fn what_is_said_is_always_whole_frames_of_the_agreed_size(traffic in any_traffic()) {
        let (_, said, _) = played(&[opening(), traffic].concat(), &[]);
        let mut rest = said.as_slice();
        while !rest.is_empty() {
            let (after, _) = parse_frame(rest).unwrap();
            prop_assert!(rest.len() - after.len() <= 8_192);
            rest = after;
        }
    }

    #[test]
    fn what_all_channels_hold_is_known_however_late_they_are_answered(
        traffic in any_traffic(),
        lag in 0..12_usize,
    ) {
        let mut session = Session::new(offer(), 0);
        session.receive(&[opening(), traffic].concat(), 0);
        let mut owed: VecDeque<Event<u64>> = VecDeque::new();
        loop {
            let event = session.next_event();
            let (is_over, mut answered) = (event.is_none(), false);
            match event {
                Some(Event::Login(_)) => session.accept_login(),
                event => owed.extend(event),
            }
            while !owed.is_empty() && (is_over || owed.len() > lag) {
                answered = true;
                match owed.pop_front() {
                    Some(Event::Publish(publish)) => session.outcome(publish.place, Outcome::Taken),
                    Some(Event::Request { ticket, request }) => {
                        if let Request::Consume(number, _) = &request {
                            session.answer(ticket.channel(), Answer::Done);
                            session.cancel_consumer(ticket.channel(), *number);
                        } else if let Request::Get(_) = &request {
                            session.answer(ticket.channel(), Answer::Empty);
                        } else {
                            answer(&mut session, ticket, &request, 0);
                        }
                    }
                    Some(Event::ChannelEnding { left, .. } | Event::ChannelGone { left }) => {
                        session.answer(left.channel, Answer::Done);
                    }
                    _ => {}
                }
                assert_counted(&session);
            }
            if is_over && !answered {
                break;
            }
        }
        prop_assert_eq!(session.unanswered(), 0);
    }

    #[test]
    fn every_delivery_is_settled_left_or_out_exactly_once(traffic in any_traffic()) {
        let octets = [opening(), traffic].concat();
        let mut session = Session::new(offer(), 0);
        session.receive(&octets, 0);
        let (mut sent, mut back) = (0_usize, 0_usize);
        while let Some(event) = session.next_event() {
            match event {
                Event::Login(_) => session.accept_login(),
                Event::Settle { deliveries, .. } => back += deliveries.len(),
                Event::ChannelEnding { left, .. } | Event::ChannelGone { left } => {
                    back += left.unsettled.len();
                    session.answer(left.channel, Answer::Done);
                }
                Event::Request { ticket, request } => {
                    match &request {
                        Request::Recover(all) => back += all.len(),
                        Request::Consume(_, it) if !it.no_ack => sent += 3,
                        Request::Get(_) => sent += 1,
                        _ => {}
                    }
                    answer(&mut session, ticket, &request, 1);
                }
                _ => {}
            }
        }
        let left: usize = session.take_leftovers().iter().map(|it| it.unsettled.len()).sum();
        prop_assert_eq!(sent, back + left);
    }
}
