//! Who gets in: the first octets, certificates, and those who take their time.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Issued, Profile, Usage, Validity};
use carnet::message::time::Timestamp;
use carnet::server::clock::Clock;

use crate::broker::Broker;
use crate::client::{Identity, PROTOCOL, Wire, plain};
use crate::octets::{Octets, Table, method};

const ITEMS: &str = "urn:carnet:post:system:items";

#[test]
fn a_wrong_protocol_header_is_answered_with_the_right_one() {
    let broker = Broker::start();
    let identity = broker.identity("post-items");
    let wrong: [&[u8]; 4] = [
        b"AMQP\x03\x01\0\0",
        b"AMQP\x01\x01\x09\0",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
    ];
    for header in wrong {
        let mut wire = Wire::connect(&broker, Some(&identity)).unwrap();
        // What follows is not read as anything, and does not cost the answer.
        wire.send(&[header, &vec![0; 300_000]].concat());
        assert_eq!(wire.read(64).expect("no reset"), PROTOCOL, "{header:?}");
    }
}

#[test]
fn the_header_of_the_early_days_opens_the_same_protocol() {
    let broker = Broker::start();
    let identity = broker.identity("post-items");
    let mut wire = Wire::connect(&broker, Some(&identity)).unwrap();
    wire.send(b"AMQP\x01\x01\0\x09");
    let start = wire.expect(0, (10, 10));
    assert_eq!(start[..2], [0, 9]);
}

fn now() -> Timestamp {
    Clock::default().now()
}

fn client(uri: &str, validity: Validity) -> Profile {
    Profile {
        common_name: "post-items".to_owned(),
        usage: Usage::Client {
            uris: vec![uri.to_owned()],
        },
        validity,
    }
}

fn identity(issued: &Issued) -> Identity {
    Identity {
        chain: issued.certificate.clone(),
        key: issued.key.clone(),
    }
}

/// Nobody is let in: TLS's alert, or an end without a word. Never AMQP.
fn assert_turned_away(broker: &Broker, who: Option<&Identity>) -> String {
    let wire = Wire::connect(broker, who).and_then(|mut wire| {
        wire.try_send(PROTOCOL)?;
        wire.read(1)
    });
    match wire {
        Ok(said) => {
            assert_eq!(said, b"", "AMQP was spoken to a stranger");
            "end".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn only_a_valid_certificate_of_the_right_issuer_gets_in() {
    let broker = Broker::start();
    let lifetime = Duration::from_hours(24);
    let valid = Validity::starting(now(), lifetime);
    let post = broker.issuer("post");

    let alert = assert_turned_away(&broker, None);
    assert!(alert.contains("CertificateRequired"), "{alert}");

    let stranger = Authority::create(&Profile::issuer("Nobody's CA", now())).unwrap();
    let foreign = stranger.issue(&client(ITEMS, valid)).unwrap();
    let alert = assert_turned_away(&broker, Some(&identity(&foreign)));
    assert!(alert.contains("UnknownCA"), "{alert}");
    broker.logged("identity.unknown-issuer");

    let day = |days: i64| Timestamp::from_millis(now().as_millis() + days * 86_400_000);
    let (from, until) = (day(-3), day(-1));
    let ended = post
        .issue(&client(ITEMS, Validity { from, until }))
        .unwrap();
    let alert = assert_turned_away(&broker, Some(&identity(&ended)));
    assert!(alert.contains("CertificateExpired"), "{alert}");
    broker.logged("identity.expired");

    let taken = broker
        .issuer("customs")
        .issue(&client(ITEMS, valid))
        .unwrap();
    let alert = assert_turned_away(&broker, Some(&identity(&taken)));
    assert!(alert.contains("AccessDenied"), "{alert}");
    broker.logged("identity.foreign-issuer");

    let unknown = post
        .issue(&client("urn:carnet:post:system:mole", valid))
        .unwrap();
    let alert = assert_turned_away(&broker, Some(&identity(&unknown)));
    assert!(alert.contains("AccessDenied"), "{alert}");
    broker.logged("identity.unknown-name");

    let renewed = post.issue(&client(ITEMS, valid)).unwrap();
    let mut let_in = Wire::connect(&broker, Some(&identity(&renewed))).unwrap();
    let_in.log_in(0);
}

#[test]
fn tls_1_2_is_not_spoken_unless_configured() {
    let old = [&rustls::version::TLS12];
    let broker = Broker::start();
    let identity = broker.identity("post-items");
    assert!(Wire::connect_by(&broker, Some(&identity), &old).is_err());
    broker.logged("no TLS in common with the client");
    plain(&broker).unwrap().write_all(PROTOCOL).unwrap();
    broker.logged("what the client sent is no TLS");
    let lenient = Broker::start_with(|command| {
        command.env("CARNET__TLS", "1.2");
    });
    let identity = lenient.identity("post-items");
    let mut wire = Wire::connect_by(&lenient, Some(&identity), &old).unwrap();
    wire.log_in(0);
}

#[test]
fn a_login_other_than_external_is_told_403() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker, Some(&broker.identity("post-items"))).unwrap();
    wire.send(PROTOCOL);
    wire.expect(0, (10, 10));
    let capabilities = vec![(
        "authentication_failure_close".to_owned(),
        crate::octets::Value::Bool(true),
    )];
    let properties: Table = vec![(
        "capabilities".to_owned(),
        crate::octets::Value::Table(capabilities),
    )];
    let start_ok = Octets::new().table(&properties).name("PLAIN");
    wire.send(&method(
        0,
        (10, 11),
        start_ok.text(b"\0guest\0guest").name("en_US"),
    ));
    let closed = wire.closed();
    assert_eq!((closed.code, closed.failed), (403, (0, 0)), "{closed:?}");
    assert!(closed.text.contains("EXTERNAL"), "{closed:?}");
}

#[test]
fn who_takes_their_time_over_the_opening_is_cut_at_the_deadline() {
    let broker = Broker::start();
    let identity = broker.identity("post-items");
    let clock = Clock::default();
    // TLS: the first octets of a hello, and no more. AMQP: half of the header.
    let mut tls = plain(&broker).unwrap();
    tls.write_all(b"\x16\x03\x01\x02\0").unwrap();
    let mut amqp = Wire::connect(&broker, Some(&identity)).unwrap();
    amqp.send(b"AMQP");
    // Others are let in meanwhile.
    broker.connect("post-items").quiet();
    let cut = tls.read_to_end(&mut Vec::new());
    assert!(!cut.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    assert!(clock.monotonic() >= Duration::from_secs(5));
    assert_eq!(amqp.read(1).expect("no reset"), b"");
    assert!(clock.monotonic() >= Duration::from_secs(10));
    broker.logged("the client did not open it in time");
}
