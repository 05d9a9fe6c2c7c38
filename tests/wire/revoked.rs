//! A certificate is withdrawn under a running broker: who is closed, who is not, and which lists count.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carnet::cli::certs::issue::{Issued, Profile, Usage, Validity};
use carnet::config::write_text;
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Identity, Message, PROTOCOL, Told, Wire};
use crate::faults::Faults;
use crate::files::agencies_but;
use crate::forged::A_DAY;
use crate::lists::Edition;
use crate::octets::Reader;

const HOUR: Duration = Duration::from_hours(1);

/// What is published at an address, as it is now.
struct Published {
    content: Arc<Mutex<Vec<u8>>>,
    address: SocketAddr,
}

impl Published {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let content = Arc::<Mutex<Vec<u8>>>::default();
        let published = Arc::clone(&content);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let mut asked = [0; 4096];
                if socket.read(&mut asked).is_ok_and(|read| read > 0) {
                    let content = published.lock().unwrap().clone();
                    let length = content.len();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                    drop(socket.write_all(&[head.as_bytes(), &content].concat()));
                }
            }
        });
        Self { content, address }
    }

    fn publish(&self, list: Vec<u8>) {
        *self.content.lock().unwrap() = list;
    }
}

/// Agencies, of which customs publishes its list at `url`.
fn agencies(url: &str) -> TempDir {
    agencies_but("customs", |text| {
        let issuers = "issuers = [\"customs-ca.pem\"]\n";
        assert!(text.contains(issuers));
        let crl = format!("crl = {{ url = \"{url}\", refresh = \"30m\", stale_after = \"2h\" }}\n");
        text.replace(issuers, &format!("{issuers}{crl}"))
    })
}

/// A broker for agencies of which customs publishes lists.
fn start(agencies: &TempDir, data: TempDir) -> Broker {
    Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    })
}

fn now() -> Timestamp {
    carnet::server::clock::Clock::default().now()
}

/// A list that was made a while ago, the next one due in so long.
fn edition(number: u64, next: Duration) -> Edition {
    Edition {
        number,
        made: Timestamp::from_millis(now().as_millis() - 60_000),
        next: now().plus(next),
    }
}

/// The list of an agency that withdraws these.
fn list(broker: &Broker, agency: &str, number: u64, withdrawn: &[&Issued]) -> Vec<u8> {
    let withdrawn: Vec<&str> = withdrawn.iter().map(|it| &*it.certificate).collect();
    edition(number, HOUR).withdraws(&broker.issuer(agency).to_issued(), &withdrawn)
}

/// A further certificate of customs' system `declarations`.
fn declarations(broker: &Broker) -> Issued {
    let issued = broker.issuer("customs").issue(&Profile {
        common_name: "customs-declarations".to_owned(),
        usage: Usage::Client {
            uris: vec!["urn:carnet:customs:system:declarations".to_owned()],
        },
        validity: Validity::starting(now(), A_DAY),
    });
    issued.unwrap()
}

fn open(broker: &Broker, issued: &Issued) -> Client {
    Client::open(broker, Some(&identity(issued)))
}

fn identity(issued: &Issued) -> Identity {
    Identity {
        chain: issued.certificate.clone(),
        key: issued.key.clone(),
    }
}

/// The alert that a client with this certificate gets.
fn alert(broker: &Broker, issued: &Issued) -> String {
    let said = Wire::connect(broker, Some(&identity(issued))).and_then(|mut wire| {
        wire.try_send(PROTOCOL)?;
        wire.read(1)
    });
    said.expect_err("it was let in").to_string()
}

/// The clients that were declined, as the operator sees them.
fn declined(broker: &Broker) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command
        .args(["agency", "refused", "--json", "--data"])
        .arg(broker.data());
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the log says of connections that were closed.
fn recorded(broker: &Broker) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command
        .args(["log", "tail", "-n", "1000", "--json", "--data"])
        .arg(broker.data());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    lines
        .filter(|line| line.contains("certificate-withdrawn"))
        .collect()
}

fn item(number: u32) -> Message {
    let body = example("postal.item/valid/ornaments");
    Message::of_type("postal.item", &format!("r-{number}"), &body)
}

#[test]
fn a_withdrawn_certificate_ends_its_connections_at_once_and_nobody_elses() {
    let published = Published::new();
    let agencies = agencies(&format!("http://{}/a.crl", published.address));
    let broker = start(&agencies, TempDir::new().unwrap());
    let stolen = declarations(&broker);
    published.publish(list(&broker, "customs", 1, &[]));
    broker.hang_up();
    broker.logged("a revocation list is in force");

    let mut thief = open(&broker, &stolen);
    thief.consume("inbox", "thief", 0b0010);
    let mut own = broker.connect("customs-declarations");
    let mut colleague = broker.connect("customs-investigation");
    let mut post = broker.connect("post-items").confirming();
    assert_eq!(post.publish(&item(0)).returned, None);
    assert_eq!(thief.delivery().consumer, "thief");

    published.publish(list(&broker, "customs", 2, &[&stolen]));
    broker.hang_up();
    let loaded = broker.logged("a revocation list is in force");
    assert!(loaded.contains("count=1"), "{loaded}");
    #[expect(clippy::disallowed_methods, reason = "what is measured is told")]
    let begun = Instant::now();
    let closed = thief.wire.closed();
    println!("closed {:?} after the list was in force", begun.elapsed());
    assert_eq!((closed.channel, closed.code), (0, 320), "{closed:?}");
    assert!(
        closed.text.contains("withdrawn by its issuer's list"),
        "{closed:?}"
    );
    let logged = broker.logged("disconnected");
    assert!(logged.contains("its certificate is withdrawn"), "{logged}");

    // What comes now is for those who stay, and with the withdrawn one nobody comes back.
    for number in 1..20 {
        assert_eq!(post.publish(&item(number)).returned, None);
    }
    assert!(own.get("inbox", true).is_some());
    for client in [&mut own, &mut colleague, &mut post] {
        client.quiet();
    }
    let told = alert(&broker, &stolen);
    assert!(told.contains("CertificateRevoked"), "{told}");
    while !recorded(&broker).contains("\"whose\":\"customs/declarations\"") {}
    let declined = declined(&broker);
    let last = declined.last().unwrap();
    assert_eq!(
        (&last["code"], &last["alarm"]),
        (&"identity.revoked".into(), &true.into())
    );
    assert_eq!(
        (&last["times"], &last["claimed"]),
        (&2.into(), &"customs".into())
    );
}

#[test]
fn under_full_load_nothing_is_lost_to_a_withdrawn_certificate() {
    let published = Published::new();
    let agencies = agencies(&format!("http://{}/a.crl", published.address));
    let broker = start(&agencies, TempDir::new().unwrap());
    let stolen = declarations(&broker);
    published.publish(list(&broker, "customs", 1, &[]));
    broker.hang_up();
    broker.logged("a revocation list is in force");
    let mut thief = open(&broker, &stolen);
    thief.consume("inbox", "thief", 0);
    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let mut post = broker.connect("post-items").confirming();
        let is_over = &is_over;
        let sender = scope.spawn(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(post.publish(&item(sent)).returned, None);
                sent += 1;
            }
            sent
        });
        for _ in 0..100 {
            thief.delivery();
        }
        published.publish(list(&broker, "customs", 2, &[&stolen]));
        broker.hang_up();
        broker.logged("a revocation list is in force");
        #[expect(clippy::disallowed_methods, reason = "what is measured is told")]
        let begun = Instant::now();
        // What was on its way comes, and then the close.
        let mut under_way = 0;
        let close = loop {
            match thief.wire.told() {
                Told::Content(_) => under_way += 1,
                Told::Method { id, arguments, .. } => break (id, Reader(&arguments).short()),
                Told::End => panic!("it ended without a word"),
            }
        };
        println!(
            "{under_way} were under way; closed {:?} after",
            begun.elapsed()
        );
        assert_eq!(close, ((10, 50), 320));
        is_over.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    // It never acknowledged one: all are there for the system itself.
    let mut own = broker.connect("customs-declarations");
    own.consume("inbox", "own", 0b0010);
    let came = (0..sent).map(|_| own.delivery().properties.message_id);
    assert_eq!(
        came.collect::<BTreeSet<_>>().len(),
        usize::try_from(sent).unwrap()
    );
}

#[test]
fn no_list_but_a_later_one_of_the_issuer_itself_counts_and_the_last_good_one_outlives_the_process()
{
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("customs.crl");
    let agencies = agencies(&format!("file://{}", path.display()));
    let broker = start(&agencies, TempDir::new().unwrap());
    broker.logged("there is no such file");
    let stolen = declarations(&broker);
    let put = |content: &[u8]| put(&path, content);
    put(&list(&broker, "customs", 7, &[&stolen]));
    broker.hang_up();
    broker.logged("a revocation list is in force");
    let mut own = broker.connect("customs-declarations");

    let others = list(&broker, "police", 9, &[]);
    let older = list(&broker, "customs", 6, &[]);
    let mut forged = list(&broker, "customs", 8, &[]);
    *forged.last_mut().unwrap() ^= 1;
    for (content, says) in [
        (others, "is no issuer of this agency"),
        (older, "older than the one"),
        (forged, "its signature is not by the key of"),
        (b"nothing".to_vec(), "no revocation list"),
    ] {
        put(&content);
        broker.hang_up();
        let logged = broker.logged("a revocation list was not taken");
        assert!(
            logged.contains("ERROR") && logged.contains(says),
            "{logged}"
        );
        assert!(
            alert(&broker, &stolen).contains("CertificateRevoked"),
            "{says}"
        );
        own.quiet();
    }
    DiskVfs.unlink(&path).unwrap();
    let data = broker.killed();
    let broker = start(&agencies, data);
    broker.logged("there is no such file");
    assert!(alert(&broker, &stolen).contains("CertificateRevoked"));
    broker.connect("customs-declarations").quiet();

    // Its issuer may let it in again.
    put(&list(&broker, "customs", 8, &[]));
    broker.hang_up();
    broker.logged("a revocation list is in force");
    open(&broker, &stolen).quiet();
}

fn put(path: &Path, content: &[u8]) {
    // In one step, as whoever publishes it should.
    let aside = path.with_extension("new");
    drop(DiskVfs.unlink(&aside));
    write_text(&aside, content).unwrap();
    DiskVfs.rename(&aside, path).unwrap();
}

#[test]
fn a_list_that_is_not_renewed_is_told_and_then_only_those_who_stand_stay() {
    let faults = Faults::new();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("customs.crl");
    let agencies = agencies(&format!("file://{}", path.display()));
    let broker = Broker::start_with(|command| {
        faults.load(command);
        command.arg("--agencies").arg(agencies.path());
    });
    let system = declarations(&broker);
    put(&path, &list(&broker, "customs", 1, &[]));
    broker.hang_up();
    broker.logged("a revocation list is in force");
    let mut stands = open(&broker, &system);

    // It was read two hours ago, as far as this machine knows.
    faults.step_clock(2 * 3_600 - 120);
    let late = broker.logged("the revocation list at file://");
    assert!(
        late.contains("ERROR") && late.contains("is let in no more"),
        "{late}"
    );
    open(&broker, &system).quiet();
    faults.step_clock(2 * 3_600 + 60);
    let told = alert(&broker, &system);
    assert!(told.contains("AccessDenied"), "{told}");
    let declined = declined(&broker);
    assert_eq!(
        declined.last().unwrap()["code"],
        "identity.stale-revocation-list"
    );
    stands.quiet();
    broker.connect("post-items").quiet();

    let renewed = Edition {
        number: 2,
        made: now().plus(2 * HOUR),
        next: now().plus(9 * HOUR),
    };
    put(
        &path,
        &renewed.withdraws(&broker.issuer("customs").to_issued(), &[]),
    );
    broker.hang_up();
    broker.logged("a revocation list is in force");
    open(&broker, &system).quiet();
    stands.quiet();
}
