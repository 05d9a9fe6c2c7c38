//! Officers whose certificates are withdrawn: the board's by its own list, an approver's while what he
//! approved takes effect.

use std::path::Path;

use carnet::cli::certs::issue::Authority;
use carnet::config::{read_file, write_text};
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::time::Timestamp;
use carnet::server::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::Broker;
use crate::lists::Edition;
use crate::vouched::Signer;

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
        change(&folder.join("agencies/customs/agency.toml"), |text| {
            let issuers = "issuers = [\"customs-ca.pem\"]\n";
            let list = at("customs.crl");
            let crl =
                format!("crl = {{ url = \"{list}\", refresh = \"30m\", stale_after = \"2h\" }}\n");
            text.replacen(issuers, &format!("{issuers}{crl}"), 1)
        });
    })
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

#[test]
fn officers_whose_certificates_are_withdrawn_do_nothing_more_and_what_they_did_stays() {
    let mut broker = start();
    healthy(&broker, "[!] board: no revocation list was read at file://");
    healthy(&broker, "[i] board: the keys at file://");
    publish(&broker, "board", 1, &[]);
    healthy(&broker, "[i] board: the revocation list at file://");
    let me = "/api/v1/me";
    assert_eq!(broker.get("board/b-0107", me).status, StatusCode::OK);
    publish(&broker, "board", 2, &["board.b-0107"]);
    while !broker.declines("board.b-0107") {}

    let path = "/api/v1/rulebook/file?path=policies/customs.cedar";
    let rules = format!(
        "{}\n// A remark.\n",
        broker.get("customs/o-2117", path).text
    );
    write_text(&broker.path().join("edited"), rules.as_bytes()).unwrap();
    broker.told("policy edit policies/customs.cedar --with edited --title x --as customs/o-2117");
    broker.told("policy approve 1 --as customs/o-0934");
    publish(&broker, "customs", 1, &["customs.o-0934"]);
    // The list comes into force while this does.
    let activation = broker.ask(
        "customs/o-2117",
        Method::POST,
        "/api/v1/proposals/1/activation",
    );
    let answer = activation.json(&json!({})).send();
    assert_eq!(answer.json["state"], "activated", "{}", answer.text);
    while !broker.declines("customs.o-0934") {}
    broker.killed_and_restarted();
    assert!(broker.declines("customs.o-0934"), "the list is kept");
    assert!(broker.declines("board.b-0107"), "the board's too");
    assert_eq!(broker.get("customs/o-2117", path).text, rules);
}
