//! As many as there may be: strangers and one agency's officers keep no other agency's out.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use reqwest::{Method, StatusCode};

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
}
