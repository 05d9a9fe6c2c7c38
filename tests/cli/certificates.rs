//! What the command line says of certificates before and while a broker is served with them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile};
use carnet::config::{read_file, write_text};
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

/// Runs a command of OpenSSL's in the folder.
fn openssl(folders: &Folders, words: &str) {
    let mut command = Command::new("openssl");
    command
        .args(words.split_whitespace())
        .current_dir(folders.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words}: {}", err(&output));
}

#[test]
fn a_request_gets_a_certificate_for_its_key_and_the_name_of_the_entry() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev pki")), Some(0));
    openssl(
        &folders,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr \
         -subj /CN=police-operations -addext subjectAltName=URI:urn:carnet:police:system:operations \
         -addext basicConstraints=CA:TRUE -addext subjectKeyIdentifier=hash",
    );
    let issue = |words: &str| {
        folders.run(&format!(
            "certs issue customs/declarations --certs pki {words}"
        ))
    };
    let issued = issue("--csr own.csr --out new");
    assert_eq!(code(&issued), Some(0), "{}", err(&issued));
    assert!(
        out(&issued).starts_with("wrote customs-declarations.pem to new:"),
        "{}",
        out(&issued)
    );
    assert!(!folders.path().join("new/customs-declarations.key").exists());
    let judged = folders.run(
        "certs check new/customs-declarations.pem --as customs/declarations --key own.key --certs pki",
    );
    assert_eq!(code(&judged), Some(0), "{}", err(&judged));
    assert!(
        out(&judged).contains("\"CN=customs-declarations\""),
        "{}",
        out(&judged)
    );

    let foreign = issue("--csr own.csr --out foreign --issuer pki/post-ca.pem");
    assert_eq!(code(&foreign), Some(1), "{}", err(&foreign));
    assert!(err(&foreign).contains("customs does not list pki/post-ca.pem"));
    assert!(!folders.path().join("foreign").exists());
    let again = issue("--csr own.csr --out new");
    assert_eq!(code(&again), Some(3), "{}", err(&again));
    assert!(err(&again).contains("is there already"), "{}", err(&again));
    openssl(
        &folders,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1 -nodes -keyout odd.key -out odd.csr -subj /CN=x",
    );
    let odd = err(&issue("--csr odd.csr --out other"));
    assert!(
        odd.contains("odd.csr: the request has a key that is not taken, brainpoolP256r1"),
        "{odd}"
    );
    let none = err(&issue("--csr own.key --out other"));
    assert!(
        none.contains("own.key: the request cannot be read"),
        "{none}"
    );
    // Its last octet is its signature's.
    let text = String::from_utf8(read_file(&folders.path().join("own.csr")).unwrap()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines.collect();
    let mut der = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let forged = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        data_encoding::BASE64.encode(&der)
    );
    write_text(&folders.path().join("forged.csr"), forged.as_bytes()).unwrap();
    let forged = err(&issue("--csr forged.csr --out other"));
    assert!(
        forged.contains("forged.csr: the request is not signed with the key in it"),
        "{forged}"
    );
}
