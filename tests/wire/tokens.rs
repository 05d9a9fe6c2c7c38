//! Logins by token: what it takes from a system's rights, how long it counts, and by which keys.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carnet::cli::certs::issue::{Authority, Profile};
use carnet::config::write_text;
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Closed, Message, Wire};
use crate::faults::Faults;
use crate::files::agencies_but;
use crate::octets::{Octets, method};
use crate::trust::certificates;
use crate::vouched::{Signer, base64};

const ISSUER: &str = "https://login.post.example";
const AUDIENCE: &str = "carnet.meridia.example";
const HOUR_S: i64 = 3_600;

/// An identity provider of post, whose keys are published in a file.
struct Provider {
    folder: TempDir,
    signer: Signer,
}

impl Provider {
    fn new() -> Self {
        let provider = Self {
            folder: TempDir::new().unwrap(),
            signer: Signer::p256(),
        };
        provider.publish(&[provider.signer.jwk("k1")]);
        provider
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    fn publish(&self, keys: &[Value]) {
        let aside = self.folder.path().join("new");
        drop(DiskVfs.unlink(&aside));
        let set = json!({ "keys": keys }).to_string();
        write_text(&aside, set.as_bytes()).unwrap();
        DiskVfs.rename(&aside, &self.path()).unwrap();
    }

    fn agencies(&self) -> TempDir {
        agencies(&format!("file://{}", self.path().display()), "")
    }

    /// A broker that knows its keys.
    fn broker(&self) -> Broker {
        let agencies = self.agencies();
        let broker = start(&agencies, TempDir::new().unwrap());
        broker.logged("a key is new at an identity provider");
        broker
    }

    /// A token for post's system that ends in so many seconds.
    fn token(&self, broker: &Broker, ends_s: i64, scope: Option<&str>) -> String {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"});
        let mut claims = claims(broker, ends_s);
        if let Some(scope) = scope {
            claims["scope"] = scope.into();
        }
        self.signer.token(&header, &claims)
    }
}

fn agencies(jwks: &str, ca: &str) -> TempDir {
    agencies_but("post", |text| {
        let provider = format!(
            "[identity_provider]\nissuer = \"{ISSUER}\"\njwks = \"{jwks}\"\naudience = \"{AUDIENCE}\"\n{ca}\n"
        );
        text.replacen("[[unit]]", &format!("{provider}[[unit]]"), 1)
    })
}

fn start(agencies: &TempDir, data: TempDir) -> Broker {
    Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    })
}

fn now_s() -> i64 {
    let now: Timestamp = carnet::server::clock::Clock::default().now();
    now.as_millis() / 1_000
}

fn claims(broker: &Broker, ends_s: i64) -> Value {
    let certificate = certificates(&broker.identity("post-items").chain);
    let thumbprint = base64(&Digest::of(&certificate[0]).0);
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "items-service",
        "exp": now_s() + ends_s,
        "cnf": {"x5t#S256": thumbprint},
    })
}

fn response(token: &str) -> Vec<u8> {
    format!("\0anything\0{token}").into_bytes()
}

/// Post's system, logged in by this token.
fn log_in(broker: &Broker, token: &str) -> Client {
    let mut wire = Wire::connect(broker, Some(&broker.identity("post-items"))).unwrap();
    wire.start("PLAIN", &response(token));
    wire.agree(0);
    Client::on(wire)
}

/// How a login is declined.
fn declined(broker: &Broker, token: &str) -> Closed {
    let mut wire = Wire::connect(broker, Some(&broker.identity("post-items"))).unwrap();
    wire.start("PLAIN", &response(token));
    let closed = wire.closed();
    assert_eq!((closed.channel, closed.code), (0, 403), "{closed:?}");
    assert!(!closed.text.contains(token), "{closed:?}");
    closed
}

fn update_secret(client: &mut Client, token: &str) {
    let arguments = Octets::new().text(token.as_bytes()).name("renewed");
    client.wire.send(&method(0, (10, 70), arguments));
}

fn item(id: &str) -> Message {
    Message::of_type("postal.item", id, &example("postal.item/valid/ornaments"))
}

#[test]
fn a_token_is_offered_where_a_provider_vouches_and_takes_rights_alone() {
    let provider = Provider::new();
    let broker = provider.broker();
    let offered = |system: &str| {
        let mut wire = Wire::connect(&broker, Some(&broker.identity(system))).unwrap();
        let offered = wire.start("EXTERNAL", b"");
        wire.agree(0);
        offered.windows(14).any(|words| words == b"EXTERNAL PLAIN")
    };
    assert!(offered("post-items") && !offered("customs-declarations"));

    // All of its rights; none; some.
    let mut whole = log_in(&broker, &provider.token(&broker, HOUR_S, None)).confirming();
    assert_eq!(whole.publish(&item("t-1")).returned, None);
    whole.wait_for("receipts");
    let mut none = log_in(&broker, &provider.token(&broker, HOUR_S, Some("openid"))).confirming();
    assert_eq!(none.publish(&item("t-2")).refusal().0, 403);
    let arguments = Octets::new().short(0).name("receipts").octet(1);
    assert_eq!(none.refused((60, 70), arguments).0, 403);
    let scope = "carnet.write:*/postal.* carnet.read:*/inbox carnet.write:*/declaration.*";
    let mut some = log_in(&broker, &provider.token(&broker, HOUR_S, Some(scope))).confirming();
    assert_eq!(some.publish(&item("t-3")).returned, None);
    assert_eq!(some.get("inbox", true), None);
    let arguments = Octets::new().short(0).name("receipts").octet(1);
    assert_eq!(some.refused((60, 70), arguments).0, 403);
    // What it names and its system may not send stays so.
    let mut other = log_in(&broker, &provider.token(&broker, HOUR_S, Some(scope))).confirming();
    let body = example("declaration.import/valid/gold");
    let declaration = Message::of_type("declaration.import", "t-4", &body);
    assert_eq!(other.publish(&declaration).refusal().0, 403);
}

#[test]
fn a_token_of_each_algorithm_logs_in() {
    let provider = Provider::new();
    let signers = [Signer::ed25519(), Signer::p256(), Signer::rsa()];
    let keys = signers.iter().map(|it| it.jwk(it.algorithm()));
    provider.publish(&keys.collect::<Vec<_>>());
    let broker = provider.broker();
    for signer in &signers {
        let header = json!({"alg": signer.algorithm(), "kid": signer.algorithm()});
        log_in(&broker, &signer.token(&header, &claims(&broker, HOUR_S))).quiet();
    }
}

#[test]
fn a_token_that_does_not_count_is_declined_by_its_code_and_logged_without_its_text() {
    let provider = Provider::new();
    let broker = provider.broker();
    let signed = |change: &dyn Fn(&mut Value, &mut Value)| {
        let mut header = json!({"alg": "ES256", "kid": "k1"});
        let mut claims = claims(&broker, HOUR_S);
        change(&mut header, &mut claims);
        provider.signer.token(&header, &claims)
    };
    let customs = certificates(&broker.identity("customs-declarations").chain);
    let customs = base64(&Digest::of(&customs[0]).0);
    for (token, code) in [
        (
            signed(&|_, claims| claims["aud"] = "elsewhere".into()),
            "token.audience",
        ),
        (
            signed(&|_, claims| claims["iss"] = "https://other.example".into()),
            "token.issuer",
        ),
        (
            signed(&|_, claims| claims["exp"] = (now_s() - 61).into()),
            "token.expired",
        ),
        (
            signed(&|_, claims| claims["nbf"] = (now_s() + 120).into()),
            "token.not-yet-valid",
        ),
        (
            signed(&|_, claims| claims["cnf"]["x5t#S256"] = customs.clone().into()),
            "token.other-certificate",
        ),
        (
            signed(&|header, _| header["alg"] = "none".into()),
            "token.algorithm",
        ),
        (
            signed(&|header, _| header["kid"] = "k2".into()),
            "token.unknown-key",
        ),
        ("secret".to_owned(), "token.malformed"),
    ] {
        let closed = declined(&broker, &token);
        assert!(closed.text.contains(code), "{code}: {closed:?}");
        let logged = broker.logged("a client's token does not count");
        assert!(
            logged.contains(code) && !logged.contains(&token),
            "{logged}"
        );
    }
    broker.connect("post-items").quiet();
}

#[test]
fn a_connection_ends_with_its_token_and_a_renewed_one_prolongs_it() {
    let provider = Provider::new();
    let broker = provider.broker();
    // With the leeway of a minute, in three seconds.
    let soon = -57;
    let mut ends = log_in(&broker, &provider.token(&broker, soon, None));
    let mut stays = log_in(&broker, &provider.token(&broker, soon, None)).confirming();
    update_secret(&mut stays, &provider.token(&broker, HOUR_S, None));
    stays.wire.expect(0, (10, 71));
    let closed = ends.wire.closed();
    assert_eq!((closed.channel, closed.code), (0, 320), "{closed:?}");
    assert!(closed.text.contains("the token ended at"), "{closed:?}");
    let logged = broker.logged("disconnected");
    assert!(logged.contains("the token ended at"), "{logged}");
    assert_eq!(stays.publish(&item("u-1")).returned, None);

    // One that gives less from now on, of the same subject and queues.
    let reads = "carnet.read:*/*";
    update_secret(&mut stays, &provider.token(&broker, HOUR_S, Some(reads)));
    stays.wire.expect(0, (10, 71));
    assert_eq!(stays.publish(&item("u-2")).refusal().0, 403);
    // One that does not count, or is of another subject, ends it.
    update_secret(&mut stays, "secret");
    let closed = stays.wire.closed();
    assert_eq!(closed.code, 530, "{closed:?}");
    assert!(closed.text.contains("token.malformed"), "{closed:?}");
    let mut changes = log_in(&broker, &provider.token(&broker, HOUR_S, None));
    let mut other = claims(&broker, HOUR_S);
    other["sub"] = "another-service".into();
    let header = json!({"alg": "ES256", "kid": "k1"});
    update_secret(&mut changes, &provider.signer.token(&header, &other));
    let closed = changes.wire.closed();
    assert_eq!(closed.code, 530, "{closed:?}");
    assert!(closed.text.contains("another subject"), "{closed:?}");
    // Who came by certificate alone has nothing to renew.
    let mut external = broker.connect("post-items");
    update_secret(&mut external, "secret");
    external.wire.expect(0, (10, 71));
}

#[test]
fn a_rotated_key_is_found_by_its_first_token_and_told_as_an_alarm() {
    let provider = Provider::new();
    let broker = provider.broker();
    let next = Signer::ed25519();
    let header = json!({"alg": "EdDSA", "kid": "k2"});
    let token = next.token(&header, &claims(&broker, HOUR_S));
    assert!(declined(&broker, &token).text.contains("token.unknown-key"));
    provider.publish(&[provider.signer.jwk("k1"), next.jwk("k2")]);
    broker.hang_up();
    let alarm = broker.logged("ALARM a key is new");
    assert!(
        alarm.contains("ERROR") && alarm.contains("key.id=\"k2\""),
        "{alarm}"
    );
    log_in(&broker, &token).quiet();
    log_in(&broker, &provider.token(&broker, HOUR_S, None)).quiet();
    // A set that is none changes nothing; one without the old key takes it away.
    drop(DiskVfs.unlink(&provider.path()));
    broker.hang_up();
    broker.logged("were not taken, and those of before stay");
    log_in(&broker, &token).quiet();
    provider.publish(&[next.jwk("k2")]);
    broker.hang_up();
    let old = provider.token(&broker, HOUR_S, None);
    while Wire::connect(&broker, Some(&broker.identity("post-items")))
        .map(|mut wire| {
            wire.start("PLAIN", &response(&old));
            wire.told()
        })
        .is_ok_and(|told| matches!(told, crate::client::Told::Method { id: (10, 30), .. }))
    {}
    assert!(declined(&broker, &old).text.contains("token.unknown-key"));

    // Ever new keys: two were new today, and 128 may be.
    for _ in 0..2 {
        let others = (0..63).map(|number| Signer::ed25519().jwk(&format!("n{number}")));
        let set: Vec<Value> = others.chain([next.jwk("k2")]).collect();
        provider.publish(&set);
        broker.hang_up();
        (0..63).for_each(|_| drop(broker.logged("ALARM a key is new")));
    }
    let more = Signer::p256();
    provider.publish(&[next.jwk("k2"), more.jwk("k3")]);
    broker.hang_up();
    broker.logged("ALARM an identity provider has more than 128 new keys in a day");
    log_in(&broker, &token).quiet();
    let header = json!({"alg": "ES256", "kid": "k3"});
    let token = more.token(&header, &claims(&broker, HOUR_S));
    assert!(declined(&broker, &token).text.contains("token.unknown-key"));
}

#[test]
fn keys_outlive_the_process_and_a_provider_that_is_gone_for_less_than_a_day() {
    let (provider, faults) = (Provider::new(), Faults::new());
    let agencies = provider.agencies();
    let start = |data| {
        Broker::start_in(data, |command| {
            faults.load(command);
            command.arg("--agencies").arg(agencies.path());
        })
    };
    let broker = start(TempDir::new().unwrap());
    broker.logged("a key is new at an identity provider");
    drop(log_in(&broker, &provider.token(&broker, HOUR_S, None)));
    let kept = broker.data().join("keys/post.json");
    while !kept.exists() {
        std::thread::yield_now();
    }

    // One that is new does not count before that is on the disk, and is new again where it never was.
    let next = Signer::ed25519();
    let set = [
        provider.signer.jwk("k1"),
        next.jwk("k2"),
        json!({"kty": "oct"}),
    ];
    faults.hold_commits();
    provider.publish(&set);
    broker.hang_up();
    broker.logged("keys are left out");
    let header = json!({"alg": "EdDSA", "kid": "k2"});
    let token = next.token(&header, &claims(&broker, HOUR_S));
    assert!(declined(&broker, &token).text.contains("token.unknown-key"));
    DiskVfs.unlink(&provider.path()).unwrap();
    let data = broker.killed();
    faults.let_all_commits();
    let broker = start(data);
    log_in(&broker, &provider.token(&broker, HOUR_S, None)).quiet();
    provider.publish(&set);
    broker.hang_up();
    let alarm = broker.logged("ALARM a key is new");
    assert!(alarm.contains("key.id=\"k2\""), "{alarm}");
    log_in(&broker, &token).quiet();

    DiskVfs.unlink(&provider.path()).unwrap();
    let day = 24 * HOUR_S;
    faults.step_clock(day - 120);
    log_in(&broker, &provider.token(&broker, day, None)).quiet();
    faults.step_clock(day + 120);
    let closed = declined(&broker, &provider.token(&broker, day + HOUR_S, None));
    assert!(closed.text.contains("token.keys-unknown"), "{closed:?}");
    broker.logged("the keys at file://");
    broker.connect("post-items").quiet();
}

/// Serves a set by TLS, with a certificate of `authority`.
fn serve(authority: &Authority, set: String) -> SocketAddr {
    let now = carnet::server::clock::Clock::default().now();
    let issued = authority.issue(&Profile::local_server(now)).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates(&issued.certificate), key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket.unwrap());
            let mut asked = [0; 4096];
            // A client that does not believe it is gone by then.
            if stream.read(&mut asked).is_ok() {
                let length = set.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                drop(stream.write_all(format!("{head}{set}").as_bytes()));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    address
}

#[test]
fn keys_are_read_by_https_from_a_server_of_the_named_authority_alone() {
    let signer = Signer::p256();
    let set = json!({"keys": [signer.jwk("k1")]}).to_string();
    let now = carnet::server::clock::Clock::default().now();
    let login = Authority::create(&Profile::issuer("login", now)).unwrap();
    let other = Authority::create(&Profile::issuer("other", now)).unwrap();
    for (authority, is_believed) in [(&login, true), (&other, false)] {
        let address = serve(authority, set.clone());
        let agencies = agencies(
            &format!("https://localhost:{}/jwks.json", address.port()),
            "ca = \"login-ca.pem\"",
        );
        let ca: &Path = &agencies.path().join("post/login-ca.pem");
        write_text(ca, login.to_issued().certificate.as_bytes()).unwrap();
        let broker = start(&agencies, TempDir::new().unwrap());
        if is_believed {
            broker.logged("a key is new at an identity provider");
            let header = json!({"alg": "ES256", "kid": "k1"});
            log_in(&broker, &signer.token(&header, &claims(&broker, HOUR_S))).quiet();
        } else {
            let logged = broker.logged("the keys of an identity provider were not taken");
            assert!(logged.contains("invalid peer certificate"), "{logged}");
        }
    }
}
