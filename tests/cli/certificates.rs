//! What the command line says of certificates before and while a broker is served with them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile};
use carnet::config::read_file;
use carnet::message::time::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, json, out};

fn now() -> Timestamp {
    carnet::server::clock::Clock::default().now()
}

/// Serial numbers and dates are new each time.
fn timeless(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let name = word.lines().next().unwrap_or_default();
        let name = name.trim_end_matches([',', ')', ';']);
        let is_serial = name.len() >= 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let is_date = name.starts_with("20") && name.ends_with('Z');
        let stands = match (is_serial, is_date) {
            (true, _) => "SERIAL",
            (_, true) => "DATE",
            _ => name,
        };
        word.replacen(name, stands, 1)
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_engineer_reads_offline_what_the_broker_would_say() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev pki")), Some(0));
    let check = |words: &str| folders.run(&format!("certs check {words} --certs pki"));
    let own = check(
        "pki/customs-declarations.pem --as customs/declarations --key pki/customs-declarations.key",
    );
    assert_eq!(code(&own), Some(0), "{}", err(&own));
    insta::assert_snapshot!(timeless(&out(&own)), @r#"
    pki/customs-declarations.pem: customs/declarations of unit customs/main gets in with it
      "CN=customs-declarations", serial SERIAL
      until DATE, when the certificate ends
    "#);

    let other = check("pki/customs-investigation.pem --as customs/declarations");
    assert_eq!(code(&other), Some(1));
    insta::assert_snapshot!(timeless(&err(&other)), @"error: identity.unknown-name: it is customs/investigation, not the one of --as (CN=customs-investigation, serial SERIAL); issue it with the URI of its entry, or enter its");
    let key =
        check("pki/customs-declarations.pem --as customs/declarations --key pki/post-items.key");
    assert!(err(&key).contains("identity.not-its-key"), "{}", err(&key));

    // By the networks of its entry: from one of them, unless it is said from where.
    folders.plant(
        "agencies/customs/agency.toml",
        "certificate = \"urn:carnet:customs:system:declarations\"",
        "certificate = \"urn:carnet:customs:system:declarations\"\nnetworks = [\"10.20.0.0/16\"]",
    );
    let file = "pki/customs-declarations.pem --as customs/declarations";
    assert!(out(&check(file)).contains("from 10.20.0.0/16 alone"));
    assert_eq!(code(&check(&format!("{file} --from 10.20.3.4"))), Some(0));
    let outside = check(&format!("{file} --from 10.21.3.4 --json"));
    assert_eq!(code(&outside), Some(1));
    assert_eq!(json(&outside)["code"], "identity.outside-networks");

    // What cannot be judged is no judgement.
    let no_pem = check("pki/customs-declarations.key --as customs/declarations");
    assert_eq!(code(&no_pem), Some(3), "{}", err(&no_pem));
    let no_system = check("pki/post-items.pem --as post/nobody");
    assert_eq!(code(&no_system), Some(2), "{}", err(&no_system));
    let no_issuers = folders.run("certs check pki/post-items.pem --as post/items");
    assert_eq!(code(&no_issuers), Some(3));
    assert!(
        err(&no_issuers).contains("no issuer"),
        "{}",
        err(&no_issuers)
    );
}

#[test]
fn the_configuration_shows_the_servers_certificate_and_its_end() {
    let folders = Folders::new();
    let shown = json(&folders.run("config show"));
    assert!(shown["server_certificate"].is_null(), "{shown}");
    let authority = Authority::create(&Profile::issuer("exchange CA", now())).unwrap();
    let mut profile = Profile::local_server(now());
    profile.validity.until = now().plus(Duration::from_hours(24 * 20));
    let server = authority.issue(&profile).unwrap();
    folders.add("certs/server.pem", &server.certificate);
    folders.add("certs/server.key", &server.key);
    let shown = json(&folders.run("config show"));
    let certificate = &shown["server_certificate"];
    assert_eq!(certificate["subject"], "CN=carnet");
    let ends = certificate["ends"].as_str().unwrap();
    // Certificates count whole seconds.
    let until = profile.validity.until.as_millis() / 1_000 * 1_000;
    assert_eq!(ends, Timestamp::from_millis(until).to_string());
    let warned = certificate["warnings"][0]["says"].as_str().unwrap();
    assert!(warned.contains("ends at"), "{certificate}");
    assert_eq!(certificate["faults"].as_array().unwrap().len(), 0);
}

#[test]
fn a_sighup_ends_no_process_from_its_start_to_its_stop() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    // Before it listens.
    Running::line(&broker.stderr, "recovered: ");
    broker.signal(Signal::HUP);
    broker.address();
    broker.signal(Signal::HUP);
    Running::line(&broker.stderr, "SIGHUP: ");
    broker.stop();
}

/// A key with which nobody can be let in is told by `check`; a log that lists it is still read.
#[test]
fn a_listed_issuer_by_whose_key_nobody_gets_in_is_a_fault_of_check_alone() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev pki")), Some(0));
    for agency in ["customs", "customs-xa", "environment", "police"] {
        folders.copy(
            &format!("pki/{agency}-ca.pem"),
            &format!("agencies/{agency}/{agency}-ca.pem"),
        );
    }
    let openssl = Command::new("openssl")
        .args("req -x509 -newkey rsa:1024 -nodes -keyout weak.key -days 3000 -sha256".split(' '))
        .args("-subj /CN=weak -addext keyUsage=critical,keyCertSign,cRLSign".split(' '))
        .args(["-out", "agencies/post/post-ca.pem"])
        .current_dir(folders.path())
        .output();
    assert!(openssl.unwrap().status.success());
    folders.assert_fault(
        "agencies/post/post-ca.pem",
        "nobody gets in by its key, RSA of 1024 bits",
    );
    assert_eq!(code(&folders.run("agency list")), Some(0));
}

/// SIGHUP goes to all that a terminal started: the demo ends by it, and so must its broker.
#[test]
fn a_demo_whose_terminal_goes_away_leaves_no_broker_behind() {
    let folders = Folders::new();
    let demo = Running::start(folders.path(), "demo");
    Running::line(&demo.stdout, "listens on amqps://");
    let id = demo.id();
    let children = read_file(Path::new(&format!("/proc/{id}/task/{id}/children"))).unwrap();
    let broker = String::from_utf8(children).unwrap().trim().to_owned();
    let broker: i32 = broker.parse().unwrap();
    let broker = Pid::from_raw(broker).unwrap();
    kill_process(broker, Signal::HUP).unwrap();
    demo.signal(Signal::HUP);
    // Returns once the process is gone.
    let id = broker.as_raw_nonzero().to_string();
    let waited = Command::new("tail")
        .args(["--pid", &id, "-f", "/dev/null"])
        .status();
    assert!(waited.unwrap().success());
}
