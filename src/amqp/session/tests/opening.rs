use super::*;

#[test]
fn a_stock_handshake_opens_the_connection() {
    let mut peer = Peer::new();
    peer.send(b"AMQP\0\0\x09\x01");
    let start = peer.said().remove(0);
    assert!(
        start.starts_with("0 Start { version_major: 0, version_minor: 9"),
        "{start}"
    );
    for name in [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "per_consumer_qos",
    ] {
        assert!(start.contains(name), "{name} in {start}");
    }
    let Event::Login(login) = peer.ask(start_ok(ALL)) else {
        panic!("no login")
    };
    assert_eq!(login.mechanism.as_str(), "EXTERNAL");
    peer.session.accept_login();
    assert_eq!(
        peer.said(),
        ["0 Tune { channel_max: 8, frame_max: 8192, heartbeat: 60 }"]
    );
    // Both in one segment, as pika, Go and Java send them.
    let events = peer.send([tune_ok(8, 8_192, 60), open("/")].concat());
    assert_eq!(events, [Event::Opened]);
    assert_eq!(*peer.session.output(), raw(1, 0, &[0, 10, 0, 41, 0]));
}

#[test]
fn open_ok_of_a_channel_carries_an_empty_long_string() {
    let mut peer = Peer::open();
    peer.send(channel_open(2));
    assert_eq!(
        *peer.session.output(),
        raw(1, 2, &[0, 20, 0, 11, 0, 0, 0, 0])
    );
}

#[test]
fn any_other_protocol_is_told_ours_and_ended_after_eight_octets() {
    for header in [
        &b"AMQP\x03\x01\x00\x00"[..],
        b"GET / HT",
        b"AMQP\0\0\x08\0",
        b"AMQP\x00\x01\x00\x00",
    ] {
        let mut peer = Peer::new();
        assert_eq!(peer.send(&header[..7]), []);
        assert!(!peer.session.is_finished());
        assert_eq!(peer.send(&header[7..]), []);
        assert_eq!(*peer.session.output(), b"AMQP\0\0\x09\x01");
        assert_eq!(peer.session.end(), Some(End::WrongProtocol));
    }
}

#[test]
fn nothing_is_parsed_until_the_login_is_decided() {
    let mut peer = Peer::new();
    peer.send(b"AMQP\0\0\x09\x01");
    let all = [start_ok(ALL), tune_ok(8, 8_192, 0), open("/")].concat();
    assert!(matches!(peer.send(all)[..], [Event::Login(_)]));
    assert!(!peer.session.wants_octets());
    peer.session.accept_login();
    assert_eq!(peer.events(), [Event::Opened]);
    assert!(peer.session.wants_octets());
}

#[test]
fn a_refused_login_is_told_to_those_who_understand_it() {
    let mut peer = Peer::new();
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
    peer.said();
    peer.session
        .decline_login("certificate is of no known system");
    assert_eq!(peer.closed_with(0), (403, 0, 0));
    peer.send(connection_close_ok());
    assert_eq!(peer.session.end(), Some(End::Closed));
}

#[test]
fn a_refused_login_of_others_ends_without_a_word() {
    let mut peer = Peer::new();
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(&[])].concat());
    peer.said();
    peer.session
        .decline_login("certificate is of no known system");
    assert!(peer.said().is_empty());
    assert_eq!(peer.session.end(), Some(End::LoginDeclined));
}

#[test]
fn a_mechanism_that_is_not_on_offer_never_gets_to_the_broker() {
    let mut peer = Peer::new();
    let login = connection::StartOk {
        mechanism: "PLAIN".into(),
        ..connection::StartOk::default()
    };
    let start_ok = on_connection(connection::AMQPMethod::StartOk(login));
    let event = peer.ask([b"AMQP\0\0\x09\x01".to_vec(), start_ok].concat());
    assert!(is_fault(&event, ReplyCode::AccessRefused));
    assert_eq!(peer.session.end(), Some(End::LoginDeclined));
}

#[test]
fn tune_values_above_the_offer_are_530_and_zero_takes_it() {
    for (refused, wanted) in [
        (true, tune_ok(8, 4_095, 0)),
        (true, tune_ok(8, 8_193, 0)),
        (true, tune_ok(9, 8_192, 0)),
        (false, tune_ok(0, 0, 0)),
        (false, tune_ok(1, 4_096, 1_000)),
    ] {
        let mut peer = Peer::new();
        peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
        peer.session.accept_login();
        let events = peer.send([wanted, open("/")].concat());
        if refused {
            assert!(is_fault(&events[0], ReplyCode::NotAllowed));
            assert_eq!(peer.closed_with(0), (530, 10, 31));
        } else {
            assert_eq!(events, [Event::Opened]);
        }
    }
}

#[test]
fn every_vhost_but_the_one_is_530_on_open() {
    for vhost in ["", "%2F", "customs"] {
        let mut peer = Peer::new();
        peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
        peer.session.accept_login();
        peer.send([tune_ok(8, 8_192, 0), open(vhost)].concat());
        assert_eq!(peer.closed_with(0), (530, 10, 40));
    }
}

#[test]
fn methods_before_their_time_are_503() {
    for early in [open("/"), tune_ok(8, 8_192, 0)] {
        let mut peer = Peer::new();
        peer.send([b"AMQP\0\0\x09\x01".to_vec(), early].concat());
        assert_eq!(peer.closed_with(0).0, 503);
    }
}

#[test]
fn a_close_amid_the_handshake_is_answered_at_once() {
    let mut peer = Peer::new();
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
    peer.session.accept_login();
    peer.said();
    assert_eq!(peer.send(connection_close()), []);
    assert_eq!(peer.said(), ["0 CloseOk"]);
    assert_eq!(peer.session.end(), Some(End::ClosedByPeer));
}

#[test]
fn a_start_ok_may_be_larger_than_the_least_frame_and_not_boundless() {
    let login = |octets: usize| {
        on_connection(connection::AMQPMethod::StartOk(connection::StartOk {
            mechanism: "EXTERNAL".into(),
            response: vec![b'j'; octets].into(),
            ..connection::StartOk::default()
        }))
    };
    let mut peer = Peer::new();
    peer.send(b"AMQP\0\0\x09\x01");
    assert!(matches!(peer.ask(login(60_000)), Event::Login(_)));
    let mut peer = Peer::new();
    peer.send(b"AMQP\0\0\x09\x01");
    assert!(is_fault(&peer.ask(login(66_000)), ReplyCode::FrameError));
}

#[test]
fn a_secret_never_shows_in_a_log() {
    let mut peer = Peer::open();
    let update = connection::UpdateSecret {
        new_secret: "hunter2".into(),
        reason: "r".into(),
    };
    let event = peer.ask(on_connection(connection::AMQPMethod::UpdateSecret(update)));
    assert!(!format!("{event:?}").contains("hunter2"));
    let Event::UpdateSecret { secret, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(format!("{secret:?}"), "Secret(7 octets)");
    peer.session.secret_updated();
    assert_eq!(peer.said(), ["0 UpdateSecretOk"]);
}
