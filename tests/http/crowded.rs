//! As many as there may be: strangers and one agency's officers keep no other agency's out.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use carnet::config::write_text;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::{Answer, Broker};
use crate::strangers::strangers;

/// What the manual says.
const CONNECTIONS: usize = 512;
const AGENCY_CONNECTIONS: usize = 32;

fn is_open(mut stranger: &TcpStream) -> bool {
    stranger.set_nonblocking(true).unwrap();
    let read = stranger.read(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn strangers_and_an_agency_in_all_its_places_keep_no_other_officer_out() {
    let broker = Broker::start();
    let asks_nothing = strangers(broker.health_port(), [127, 9, 9, 9], 1);
    // He comes in before the time of a stranger ends, unless the machine takes longer than that.
    let silent = loop {
        let silent = strangers(broker.http_port(), [127, 9, 9, 9], CONNECTIONS);
        let officer = broker.get("customs/o-2117", "/api/v1/me");
        assert_eq!(officer.status, StatusCode::OK, "{}", officer.text);
        if is_open(&silent[0]) {
            break silent;
        }
    };
    let mut visits = Vec::new();
    let declined = loop {
        let asked = broker.ask("post/m-0042", Method::GET, "/api/v1/me");
        let (visit, answer) = asked.send_and_stay();
        visits.push(visit);
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    let Answer { headers, .. } = &declined;
    assert_eq!(declined.code(), "too-many-connections", "{}", declined.text);
    assert_eq!(headers["connection"], "close");
    assert!(visits.len() > AGENCY_CONNECTIONS, "{}", visits.len());
    let other = broker.get("customs/o-2117", "/api/v1/me");
    assert_eq!(other.status, StatusCode::OK, "{}", other.text);
    drop(visits);
    let again = || broker.get("post/m-0042", "/api/v1/me").status == StatusCode::OK;
    while !again() {}
    drop(silent);
    checks_keep_no_activation_waiting(&broker);
    // Who asks for no page of health is closed in time.
    let mut closed = &asks_nothing[0];
    closed.set_nonblocking(false).unwrap();
    assert_eq!(closed.read(&mut [0]).unwrap(), 0);
}

/// While one agency has begun many checks, an activation of another's is answered before half of them.
fn checks_keep_no_activation_waiting(broker: &Broker) {
    let edited = |officer: &str, rules: &str| {
        let path = format!("/api/v1/rulebook/file?path={rules}");
        format!("{}\n// A remark.\n", broker.get(officer, &path).text)
    };
    let rules = edited("customs/o-2117", "policies/customs.cedar");
    write_text(&broker.path().join("edited"), rules.as_bytes()).unwrap();
    let edit = "policy edit policies/customs.cedar --with edited --title x --as customs/o-2117";
    broker.told(edit);
    broker.told("policy approve 1 --as customs/o-0934");
    let rules = edited("post/m-0042", "policies/post.cedar");
    let check = broker.ask("post/m-0042", Method::POST, "/api/v1/checks");
    let check = check.json(&json!({"files": {"policies/post.cedar": rules}}));
    let mut checks = check.send_many(AGENCY_CONNECTIONS - 2);
    broker.wait_for_one(&mut checks);
    let path = "/api/v1/proposals/1/activation";
    let activation = broker.ask("customs/o-2117", Method::POST, path);
    let answer = activation.json(&json!({})).send();
    assert_eq!(answer.json["state"], "activated", "{}", answer.text);
    let mut first = 0;
    while let Some(check) = checks.try_join_next() {
        check.unwrap();
        first += 1;
    }
    assert!(first < AGENCY_CONNECTIONS / 2, "{first} checks came first");
}
