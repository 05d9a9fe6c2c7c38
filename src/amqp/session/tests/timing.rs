use super::*;

fn heartbeating() -> Peer {
    Peer::open_with(ALL, tune_ok(8, 8_192, 10))
}

#[test]
fn a_heartbeat_goes_out_after_half_an_interval_of_silence() {
    let mut peer = heartbeating();
    assert_eq!(peer.session.next_deadline_ms(), Some(5_000));
    peer.session.tick(4_999);
    assert!(peer.said().is_empty());
    peer.session.tick(5_000);
    assert_eq!(peer.said(), ["heartbeat"]);
    assert_eq!(peer.session.next_deadline_ms(), Some(10_000));
    // Whatever is sent counts.
    peer.session.tick(9_000);
    peer.session.blocked("x");
    peer.said();
    peer.session.tick(10_000);
    assert!(peer.said().is_empty());
    assert_eq!(peer.session.next_deadline_ms(), Some(14_000));
}

#[test]
fn a_peer_that_is_silent_for_two_intervals_is_cut_and_any_octet_counts() {
    let mut peer = heartbeating();
    peer.now_ms = 15_000;
    peer.send(&publish(1, b"large and slow")[..9]);
    for (now_ms, finished) in [(34_999, false), (35_000, true)] {
        peer.session.tick(now_ms);
        assert_eq!(peer.session.is_finished(), finished, "at {now_ms}");
    }
    assert_eq!(peer.session.end(), Some(End::HeartbeatMissed));
    assert_eq!(peer.session.next_deadline_ms(), None);
}

#[test]
fn silence_while_we_do_not_read_is_not_held_against_the_peer() {
    let mut peer = heartbeating();
    peer.session.set_paused(true, 10_000);
    peer.session.tick(200_000);
    assert!(!peer.session.is_finished());
    assert_eq!(peer.said(), ["heartbeat"], "ours go on");
    peer.session.set_paused(false, 300_000);
    peer.session.tick(319_999);
    assert!(!peer.session.is_finished());
    peer.session.tick(320_000);
    assert!(peer.session.is_finished());
}

#[test]
fn saying_again_that_we_read_is_no_sign_of_the_peers_life() {
    let mut peer = heartbeating();
    for now_ms in (0..20_000).step_by(1_000) {
        peer.session.set_paused(false, now_ms);
        peer.session.tick(now_ms);
        assert!(!peer.session.is_finished());
    }
    peer.session.set_paused(false, 20_000);
    peer.session.tick(20_000);
    assert!(peer.session.is_finished());
}

#[test]
fn without_heartbeats_nothing_is_sent_and_nobody_cut() {
    let mut peer = Peer::open();
    assert_eq!(peer.session.next_deadline_ms(), None);
    peer.session.tick(1_000_000_000);
    assert!(peer.said().is_empty() && !peer.session.is_finished());
}

#[test]
fn heartbeats_count_before_open() {
    let mut peer = Peer::new();
    peer.send([b"AMQP\0\0\x09\x01".to_vec(), start_ok(ALL)].concat());
    peer.session.accept_login();
    assert_eq!(
        peer.send([tune_ok(8, 8_192, 2), raw(8, 0, b"")].concat()),
        []
    );
    peer.said();
    peer.session.tick(1_000);
    assert_eq!(peer.said(), ["heartbeat"]);
}

#[test]
fn a_handshake_has_ten_seconds_however_it_trickles() {
    let mut peer = Peer::new();
    for octet in *b"AMQP\0\0\x09" {
        peer.now_ms += 1_000;
        peer.send([octet]);
        peer.session.tick(peer.now_ms);
    }
    assert_eq!(peer.session.next_deadline_ms(), Some(10_000));
    peer.session.tick(10_000);
    assert_eq!(peer.session.end(), Some(End::HandshakeTimeout));
}

#[test]
fn our_close_waits_thirty_seconds_from_the_tick_after_it() {
    let mut peer = Peer::open();
    // Idle for an hour, told no time since.
    peer.session
        .close_connection(&Reply::new(ReplyCode::ConnectionForced, "bye"));
    assert_eq!(peer.session.next_deadline_ms(), Some(0), "at once");
    peer.session.tick(3_600_000);
    assert_eq!(peer.session.next_deadline_ms(), Some(3_630_000));
    peer.session.tick(3_629_999);
    assert!(!peer.session.is_finished());
    peer.session.tick(3_630_000);
    assert_eq!(peer.session.end(), Some(End::CloseTimeout));
}

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let mut peer = heartbeating();
    peer.now_ms = 15_000;
    peer.send(raw(8, 0, b""));
    peer.now_ms = 1;
    peer.send(raw(8, 0, b""));
    peer.session.tick(34_000);
    assert!(!peer.session.is_finished());
}

#[test]
fn a_message_that_is_not_whole_in_its_time_ends_the_connection_and_others_meanwhile_do_not_count() {
    let mut peer = Peer::open_with(ALL, tune_ok(8, 8_192, 0));
    peer.send(channel_open(2));
    peer.said();
    peer.now_ms = 10_000;
    peer.send(
        [
            publish_method(1),
            header(1, 100, &BasicProperties::default()),
        ]
        .concat(),
    );
    peer.now_ms = 20_000;
    peer.send(publish(2, b"whole"));
    assert_eq!(peer.session.next_deadline_ms(), Some(130_000));
    // While the broker does not read, no time passes for it.
    peer.session.set_paused(true, 30_000);
    peer.session.tick(500_000);
    peer.session.set_paused(false, 600_000);
    assert_eq!(peer.session.next_deadline_ms(), Some(700_000));
    peer.session.tick(699_999);
    assert!(peer.said().is_empty());
    peer.session.tick(700_000);
    let says = peer.said().concat();
    assert!(
        says.contains("320") && says.contains("channel 1 is not whole after 120 s"),
        "{says}"
    );
    assert!(is_fault(&peer.events()[0], ReplyCode::ConnectionForced));
}

#[test]
fn a_frame_that_is_not_whole_in_its_time_ends_the_connection_and_counts_as_under_way() {
    let mut peer = Peer::open_with(ALL, tune_ok(8, 8_192, 0));
    peer.said();
    peer.now_ms = 10_000;
    for channel in [2, 3, 4] {
        let frame = channel_open(channel);
        let (head, rest) = frame.split_at(9);
        peer.send(head);
        assert!(peer.session.unfinished() > 0);
        peer.now_ms += 100_000;
        peer.send(rest);
        assert_eq!(peer.session.unfinished(), 0);
        peer.session.tick(peer.now_ms);
        assert!(!peer.said().concat().contains("320"));
    }
    peer.now_ms = 400_000;
    peer.send([&[1, 0, 1], &8_000_u32.to_be_bytes()[..], b"its begin"].concat());
    assert_eq!(peer.session.unfinished(), 8_000);
    assert_eq!(peer.session.next_deadline_ms(), Some(520_000));
    // While the broker does not read, no time passes for it.
    peer.session.set_paused(true, 500_000);
    peer.session.tick(700_000);
    peer.session.set_paused(false, 800_000);
    peer.session.tick(819_999);
    assert!(peer.said().is_empty());
    peer.session.tick(820_000);
    let says = peer.said().concat();
    assert!(says.contains("a frame is not whole after 120 s"), "{says}");
}
