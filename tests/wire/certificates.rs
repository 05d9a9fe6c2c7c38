//! Certificates at the wire: what a client is told of its own, how long it holds, and the server's.
//!
//! The rule: whatever a certificate can be wrong in is told by its own name, to the client by TLS's
//! alert and to the operator by code, subject, serial and cure; and who is let in is let in only as
//! long as all that let it in holds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile, Usage, Validity};
use carnet::config::write_text;
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::time::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, SignatureScheme, SupportedProtocolVersion};
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Broker, read};
use crate::client::{Client, Identity, PROTOCOL, Wire};
use crate::forged::{A_DAY, BY_OPENSSL, Forged, ITEMS, by_openssl, by_rcgen};
use crate::trust::{certificates, trusting};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Shows a certificate whatever its key is, and whoever is asked for.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The alert that a client with this certificate gets.
fn alert(broker: &Broker, forged: &Forged, version: &'static SupportedProtocolVersion) -> String {
    let key = PrivateKeyDer::from_pem_slice(forged.key.as_bytes()).unwrap();
    let shown = CertifiedKey::new(forged.chain.clone(), any_supported_type(&key).unwrap());
    let config = trusting(broker, &[version]);
    let config = config.with_client_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    let said = Wire::connect_with(broker, Arc::new(config)).and_then(|mut wire| {
        wire.try_send(PROTOCOL)?;
        wire.read(1)
    });
    said.expect_err("it was let in, or left without a word")
        .to_string()
}

/// Runs `carnet` by the rulebook and the certificates of `data`.
fn carnet(data: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command
        .args(words.split_whitespace())
        .args(["--data".as_ref(), data.as_os_str()])
        .args(["--certs".as_ref(), data.join("certs").as_os_str()])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn pem(forged: &Forged) -> String {
    let encode = |der: &[u8]| data_encoding::BASE64.encode(der);
    let block = |der: &_| {
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            encode(der)
        )
    };
    forged.chain.iter().map(|der| block(der.as_ref())).collect()
}

#[test]
fn each_fault_has_its_alert_its_code_and_the_same_offline() {
    let broker = Broker::start_with(|command| {
        command.env("CARNET__TLS", "1.2");
    });
    let all = by_rcgen(&broker);
    for forged in &all {
        for version in VERSIONS {
            let told = alert(&broker, forged, version);
            let due = format!("received fatal alert: {}", forged.alert);
            assert_eq!(told, due, "{} by {version:?}", forged.code);
        }
    }
    broker.terminate();
    let (_, data) = broker.ended_with_data();

    let refused = json(&carnet(data.path(), "agency refused --json"));
    let refused = refused.as_array().unwrap();
    assert_eq!(refused.len(), all.len(), "{refused:#?}");
    for (one, forged) in refused.iter().zip(&all) {
        assert_eq!(
            (&one["code"], &one["times"]),
            (&forged.code.into(), &2.into()),
            "{one}"
        );
        assert_ne!(one["cure"], "");
        if forged.code != "identity.malformed" {
            assert!(
                one["serial"].is_string() && one["subject"].is_string(),
                "{one}"
            );
        }
        let file = data.path().join("forged.pem");
        write_text(&file, pem(forged).as_bytes()).unwrap();
        let mut words = format!("certs check {} --as post/items --json", file.display());
        if forged.code == "identity.not-its-key" {
            let key = data.path().join("forged.key");
            write_text(&key, forged.key.as_bytes()).unwrap();
            words = format!("{words} --key {}", key.display());
        }
        let offline = carnet(data.path(), &words);
        assert_eq!(offline.status.code(), Some(1), "{}", forged.code);
        assert_eq!(json(&offline)["code"], forged.code);
    }
    let told = carnet(data.path(), "agency refused").stdout;
    let told = String::from_utf8(told).unwrap();
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("identity."))
        .collect();
    assert_eq!(lines.len(), all.len(), "{told}");
    for (line, one) in lines.iter().rev().zip(refused) {
        assert!(line.trim().chars().count() <= 200, "{line}");
        for part in ["code", "serial", "cure"].map(|part| &one[part]) {
            assert!(
                part.as_str().is_none_or(|part| line.contains(part)),
                "{part} in {line}"
            );
        }
    }
}

/// What Python's ssl, which is OpenSSL's, says of each: a line each.
const STOCK: &str = r#"
import socket, ssl, sys
port, ca, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
for name in sys.argv[4:]:
    context = ssl.create_default_context(cafile=ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    if name != "none":
        context.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    try:
        raw = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(raw, server_hostname="localhost") as stream:
            stream.sendall(b"AMQP\0\0\x09\x01")
            print(name, stream.recv(1))
    except ssl.SSLError as error:
        print(name, error.reason)
"#;

#[test]
fn a_stock_client_reads_the_alert_and_an_unused_key_is_told_as_that() {
    let broker = Broker::start();
    let folder = TempDir::new().unwrap();
    by_openssl(&broker, folder.path());
    let python = Command::new("python3")
        .args(["-c", STOCK, &broker.port().to_string()])
        .arg(broker.certs().join("ca.pem"))
        .arg(folder.path())
        .args(BY_OPENSSL.map(|(name, _, _)| name))
        .arg("none")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let told = String::from_utf8(python.stdout).unwrap();
    insta::assert_snapshot!(told, @r"
    short SSLV3_ALERT_UNSUPPORTED_CERTIFICATE
    sha1 SSLV3_ALERT_UNSUPPORTED_CERTIFICATE
    brainpool TLSV13_ALERT_CERTIFICATE_REQUIRED
    pss TLSV13_ALERT_CERTIFICATE_REQUIRED
    good b'\x01'
    none TLSV13_ALERT_CERTIFICATE_REQUIRED
    ");
    broker.logged("departs from the profile");
    broker.terminate();
    let (_, data) = broker.ended_with_data();
    let refused = json(&carnet(data.path(), "agency refused --json"));
    let told: Vec<String> = refused.as_array().unwrap().iter().map(of).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    identity.key-kind: its key is RSA of 1024 bits
    identity.signature-kind: it is signed with ecdsa-with-SHA1
    identity.no-certificate: it sent no certificate: none is set, or its key is of a kind that is not offered (brainpool, RSA-PSS, DSA)
    ");
    // Offline the file is there to be looked at.
    let offline = |name: &str| {
        let file: PathBuf = folder.path().join(format!("{name}.pem"));
        json(&carnet(
            data.path(),
            &format!("certs check {} --as post/items --json", file.display()),
        ))
    };
    let told = ["short", "sha1", "brainpool", "pss"].map(|name| of(&offline(name)));
    insta::assert_snapshot!(told.join("\n"), @r"
    identity.key-kind: its key is RSA of 1024 bits
    identity.signature-kind: it is signed with ecdsa-with-SHA1
    identity.key-kind: its key is brainpoolP256r1
    identity.key-kind: its key is RSA-PSS
    ");
    let good = offline("good");
    assert_eq!(good["system"], "post/items");
    assert!(
        good["warnings"][0]
            .as_str()
            .unwrap()
            .contains("RSA of 2048 bits"),
        "{good}"
    );
}

fn of(refused: &Value) -> String {
    format!(
        "{}: {}",
        refused["code"].as_str().unwrap(),
        refused["detail"].as_str().unwrap()
    )
}

fn now() -> Timestamp {
    carnet::server::clock::Clock::default().now()
}

/// `post/items` by a certificate that lasts so long.
fn lasting(broker: &Broker, lasts: Duration) -> (Identity, Timestamp) {
    let validity = Validity::starting(now(), lasts);
    let issued = broker.issuer("post").issue(&Profile {
        common_name: "post-items".to_owned(),
        usage: Usage::Client {
            uris: vec![ITEMS.to_owned()],
        },
        validity,
    });
    let issued = issued.unwrap();
    let identity = Identity {
        chain: issued.certificate,
        key: issued.key,
    };
    // Certificates count whole seconds.
    let until = Timestamp::from_millis(validity.until.as_millis() / 1_000 * 1_000);
    (identity, until)
}

#[test]
fn a_connection_does_not_outlive_its_certificate_and_the_log_says_so() {
    let broker = Broker::start();
    let (short, until) = lasting(&broker, Duration::from_secs(4));
    let mut ending = Client::open(&broker, Some(&short));
    ending.consume("inbox", "here", 0);
    let mut other = broker.connect("post-items");
    let closed = ending.wire.closed();
    assert!(now() > until);
    assert_eq!((closed.channel, closed.code), (0, 320), "{closed:?}");
    let ended = format!("the certificate ended at {until}");
    assert!(closed.text.contains(&ended), "{closed:?}");
    let logged = broker.logged("disconnected");
    assert!(
        logged.contains(&ended) && logged.contains("system.name=items"),
        "{logged}"
    );
    // Those of others go on, and with the ended one nobody comes back.
    other.quiet();
    let back = Wire::connect(&broker, Some(&short)).and_then(|mut wire| wire.read(1));
    let told = back.expect_err("it is let in again").to_string();
    assert!(told.contains("CertificateExpired"), "{told}");
}

#[test]
fn nobody_comes_back_by_an_earlier_session() {
    let broker = Broker::start_with(|command| {
        command.env("CARNET__TLS", "1.2");
    });
    for version in VERSIONS {
        let (Identity { chain, key }, _) = lasting(&broker, A_DAY);
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = trusting(&broker, &[version]).with_client_auth_cert(certificates(&chain), key);
        // It keeps every session and ticket that it is given.
        let config = Arc::new(config.unwrap());
        for _ in 0..3 {
            let mut wire = Wire::connect_with(&broker, Arc::clone(&config)).unwrap();
            wire.log_in(0);
            assert_eq!(wire.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

/// Puts a server's file there, in place of one that its owner alone may read.
fn put(broker: &Broker, name: &str, text: &str) {
    let path = broker.certs().join(name);
    DiskVfs.unlink(&path).unwrap();
    write_text(&path, text.as_bytes()).unwrap();
}

#[test]
fn the_servers_certificate_is_replaced_under_connections_by_sighup_and_only_as_a_pair() {
    let broker = Broker::start();
    let mut before = broker.connect("post-items");
    broker.hang_up();
    broker.logged("are those that are shown");

    let authority = Authority::create(&Profile::issuer("new authority", now())).unwrap();
    let server = authority.issue(&Profile::local_server(now())).unwrap();
    let old = read(&broker.certs().join("server.pem"));
    put(&broker, "server.pem", &server.certificate);
    broker.hang_up();
    let refused = broker.logged("is not taken");
    assert!(
        refused.contains("is not the key of") && refused.contains("server.key"),
        "{refused}"
    );
    // The old one is shown to whoever comes.
    let mut meanwhile = broker.connect("post-items");

    put(&broker, "server.key", &server.key);
    broker.hang_up();
    broker.logged("the server's certificate was replaced");
    assert!(Wire::connect(&broker, Some(&broker.identity("post-items"))).is_err());
    broker.logged("the client refuses the server's certificate");
    put(&broker, "ca.pem", &authority.to_issued().certificate);
    let mut after = broker.connect("post-items");
    for client in [&mut before, &mut meanwhile, &mut after] {
        client.quiet();
    }
    assert_ne!(old, server.certificate);

    // SIGTERM drains: all are told.
    broker.terminate();
    for client in [&mut before, &mut meanwhile, &mut after] {
        assert_eq!(client.wire.closed().code, 320);
    }
    assert!(broker.ended().success());
}
