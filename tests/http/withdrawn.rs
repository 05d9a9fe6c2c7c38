//! Officers whose certificates are withdrawn: the board's by its own list, an approver's while what he
//! approved takes effect.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile, Validity};
use carnet::config::{read_file, write_text};
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::time::Timestamp;
use carnet::server::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::Broker;
use crate::lists::Edition;
use crate::looked::waits_for_more;
use crate::vouched::Signer;

const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";
/// Octets of a body that is read once it is known whose it is.
const LARGE: usize = 100_000;

/// The shipped folders, with lists of customs and the board, and an identity provider of the board's.
fn start() -> Broker {
    Broker::start_with(|folder| {
        let at = |file: &str| format!("file://{}", folder.join(file).display());
        let keys = json!({"keys": [Signer::p256().jwk("k1")]}).to_string();
        write_text(&folder.join("keys.json"), keys.as_bytes()).unwrap();
        let board = format!(
            "\n[trust]\nissuers = [\"board-ca.pem\"]\ncrl = {{ url = \"{}\", refresh = \"30m\", \
             stale_after = \"2h\" }}\n\n[identity_provider]\nissuer = \"https://board.example\"\njwks = \
             \"{}\"\naudience = \"carnet.example\"\n\n[[officer]]\nid = \"b-0107\"\nroles = [\"operator\"]\n\
             certificate = \"urn:carnet:board:officer:b-0107\"\n",
            at("board.crl"),
            at("keys.json"),
        );
        change(&folder.join("policies/board.toml"), |text| text + &board);
        let old = old_issuer();
        write_text(&folder.join("agencies/customs/old-ca.pem"), old.as_bytes()).unwrap();
        change(&folder.join("agencies/customs/agency.toml"), |text| {
            let issuers = "issuers = [\"customs-ca.pem\", \"old-ca.pem\"]\n";
            let text = text.replacen(
                "[\"customs-ca.pem\"]",
                "[\"customs-ca.pem\", \"old-ca.pem\"]",
                1,
            );
            let list = at("customs.crl");
            let crl =
                format!("crl = {{ url = \"{list}\", refresh = \"30m\", stale_after = \"2h\" }}\n");
            text.replacen(issuers, &format!("{issuers}{crl}"), 1)
        });
    })
}

/// An issuer that ends in 20 days.
fn old_issuer() -> String {
    let (now, day) = (Clock::default().now(), Duration::from_hours(24));
    let mut profile = Profile::issuer("Customs before", now);
    let began = Timestamp::from_millis(now.as_millis() - 345 * 86_400_000);
    profile.validity = Validity::starting(began, 365 * day);
    let issuer = Authority::create(&profile);
    issuer.unwrap().to_issued().certificate
}

fn change(file: &Path, change: impl FnOnce(String) -> String) {
    let text = String::from_utf8(read_file(file).unwrap()).unwrap();
    write_text(file, change(text).as_bytes()).unwrap();
}

/// Publishes the list of a body that withdraws these, and has it read.
fn publish(broker: &Broker, body: &str, number: u64, withdrawn: &[&str]) {
    let authority = Authority::load(
        &broker.read(&format!("pki/{body}-ca.pem")),
        &broker.read(&format!("pki/{body}-ca.key")),
    );
    let withdrawn = withdrawn
        .iter()
        .map(|it| broker.read(&format!("pki/{it}.pem")));
    let withdrawn: Vec<String> = withdrawn.collect();
    let withdrawn: Vec<&str> = withdrawn.iter().map(String::as_str).collect();
    let now = Clock::default().now();
    let edition = Edition {
        number,
        made: Timestamp::from_millis(now.as_millis() - 60_000),
        next: Timestamp::from_millis(now.as_millis() + 3_600_000),
    };
    let list = edition.withdraws(&authority.unwrap().to_issued(), &withdrawn);
    let (aside, path) = ("new.crl", format!("{body}.crl"));
    write_text(&broker.path().join(aside), &list).unwrap();
    let (aside, path) = (broker.path().join(aside), broker.path().join(path));
    DiskVfs.rename(&aside, &path).unwrap();
    broker.hang_up();
}

/// Waits until the page of health has this.
fn healthy(broker: &Broker, has: &str) {
    while !broker.health("/readyz?verbose").1.contains(has) {}
}

/// An officer's measure whose body is on its way: `openssl` speaks for him, since no other client waits
/// in the middle of one.
struct Speaks {
    client: Child,
    says: BufReader<ChildStdout>,
}

impl Speaks {
    /// He is known, and his body is waited for.
    fn of_a_suspension(broker: &Broker, stem: &str) -> Self {
        let at = format!("localhost:{}", broker.http_port());
        let (pem, key) = (format!("pki/{stem}.pem"), format!("pki/{stem}.key"));
        let mut openssl = Command::new("openssl");
        let openssl = openssl
            .args([
                "s_client",
                "-quiet",
                "-CAfile",
                "pki/ca.pem",
                "-connect",
                &at,
            ])
            .args(["-cert", &pem, "-key", &key])
            .current_dir(broker.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut client = openssl.spawn().unwrap();
        let says = BufReader::new(client.stdout.take().unwrap());
        let mut this = Self { client, says };
        let length = LARGE;
        this.say(&format!(
            "POST /api/v1/measures HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
        ));
        let mut line = String::new();
        this.says.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        this
    }

    fn say(&mut self, text: &str) {
        let stdin = self.client.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// The body, and what is answered.
    fn ends(&mut self) -> String {
        let suspension = json!({"measure": {"kind": "suspend-all"}, "reason": "x"}).to_string();
        let rest = " ".repeat(LARGE - suspension.len());
        self.say(&(suspension + &rest));
        let mut answer = String::new();
        self.says.read_to_string(&mut answer).unwrap();
        self.client.wait().unwrap();
        answer
    }
}

#[test]
fn officers_whose_certificates_are_withdrawn_do_nothing_more_and_what_they_did_stays() {
    let mut broker = start();
    healthy(&broker, "[!] board: no revocation list was read at file://");
    healthy(&broker, "[i] board: the keys at file://");
    healthy(&broker, "(customs: old-ca.pem) ends at");
    let mut carnet = Command::new(env!("CARGO_BIN_EXE_carnet"));
    let words = "consume receipts --as customs/declarations --count 1 --json";
    let told = broker.as_user(carnet.args(words.split(' '))).output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(
        told.contains("carnet.notice") && told.contains("old-ca.pem"),
        "{told}"
    );
    publish(&broker, "board", 1, &[]);
    healthy(&broker, "[i] board: the revocation list at file://");
    let me = "/api/v1/me";
    assert_eq!(broker.get("board/b-0107", me).status, StatusCode::OK);
    publish(&broker, "board", 2, &["board.b-0107"]);
    while !broker.declines("board.b-0107") {}

    // On a connection that is open the next request is refused, and it ends with a record.
    let asked = broker.ask("customs/o-3350", Method::GET, me);
    let (visit, answer) = asked.send_and_stay();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    publish(&broker, "customs", 1, &["customs.o-3350"]);
    let refused = loop {
        let again = broker.ask("customs/o-3350", Method::GET, me);
        let answer = again.send_by(&visit);
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(refused.code(), "unknown-officer", "{}", refused.text);
    assert_eq!(refused.headers["connection"], "close");
    let log = "/api/v1/log?why=x&kind=certificate-withdrawn";
    let own = broker.get("customs/o-0934", log).json;
    let records = own["items"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{own}");
    assert_eq!(records[0]["whose"], "officer customs/o-3350");
    let others = broker.get("post/m-0077", log).json;
    assert_eq!(others["items"], json!([]));

    let path = "/api/v1/rulebook/file?path=policies/customs.cedar";
    let rules = format!(
        "{}\n// A remark.\n",
        broker.get("customs/o-2117", path).text
    );
    write_text(&broker.path().join("edited"), rules.as_bytes()).unwrap();
    broker.told("policy edit policies/customs.cedar --with edited --title x --as customs/o-2117");
    broker.told("policy approve 1 --as customs/o-0934");
    let waits = waits_for_more(&broker, "customs/o-0934", "kind=received");
    let mut speaks = Speaks::of_a_suspension(&broker, "customs.o-0934");
    publish(&broker, "customs", 2, &["customs.o-3350", "customs.o-0934"]);
    // The list comes into force while this does.
    let activation = broker.ask(
        "customs/o-2117",
        Method::POST,
        "/api/v1/proposals/1/activation",
    );
    let answer = activation.json(&json!({})).send();
    assert_eq!(answer.json["state"], "activated", "{}", answer.text);
    while !broker.declines("customs.o-0934") {}
    // What he had begun before comes to nothing.
    let answer = speaks.ends();
    assert!(answer.contains("unknown-officer"), "{answer}");
    let measures = broker.get("customs/o-2117", "/api/v1/measures").json;
    assert_eq!(measures["items"], json!([]));
    broker.publishes(ITEM, "item-1", "post/items");
    let answer = broker.answer_to(waits);
    assert_eq!(answer.code(), "unknown-officer", "{}", answer.text);
    broker.killed_and_restarted();
    assert!(broker.declines("customs.o-0934"), "the list is kept");
    assert!(broker.declines("board.b-0107"), "the board's too");
    assert_eq!(broker.get("customs/o-2117", path).text, rules);
}
