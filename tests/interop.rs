//! Stock clients against the real binary: what an agency's engineer gets from the library they
//! already use.
//!
//! Each client connects by certificate, publishes with confirms, consumes and acknowledges, is
//! returned a refusal, and comes back after the broker was restarted. It tells each step in one JSON
//! line; what it must have told is written here. Languages and libraries: `tests/run.sh interop`.
#![cfg(test)]

#[path = "interop/broker.rs"]
mod broker;
#[path = "interop/client.rs"]
mod client;
#[path = "interop/lapin_client.rs"]
mod lapin_client;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/served.rs"]
mod served;

use std::process::Command;

use broker::Broker;
use client::{Client, script};

/// What the post sends, and the number by which its recipients know it.
const ITEM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/messages/postal.item/examples/valid/ornaments.json"
);
const ITEM_ID: &str = "CP618402774XA";
/// As a unit sees it: type and sending agency.
const KEY: &str = "postal.item.post";
/// Refused to everyone it was addressed to.
const REFUSED: u16 = 403;

/// Plays the client's part of the conversation, the broker's restart in its middle.
fn converse(name: &str, start: impl FnOnce(&Broker) -> Client) {
    let broker = Broker::start();
    let client = start(&broker);
    let before = [
        "connected".to_owned(),
        format!("confirmed {name}-1"),
        format!("received {ITEM_ID} as {KEY}"),
        format!("returned {name}-refused whole with {REFUSED}"),
        format!("confirmed {name}-refused"),
        "waiting".to_owned(),
    ];
    assert_eq!(client.steps_until("waiting"), before);

    let broker = broker.restarted();
    let after = [
        "lost".to_owned(),
        "reconnected".to_owned(),
        format!("confirmed {name}-2"),
        format!("received {ITEM_ID} as {KEY}"),
        "done".to_owned(),
    ];
    assert_eq!(client.steps_until("done"), after);
    client.finished_well();
    broker.stopped();
}

fn converse_with_script(name: &str, command: Command) {
    converse(name, |broker| Client::of_command(command, broker));
}

#[test]
fn pika_publishes_consumes_is_refused_and_comes_back() {
    converse_with_script("pika", script(client::python(), "pika_client.py"));
}

#[test]
fn aio_pika_publishes_consumes_is_refused_and_comes_back() {
    converse_with_script("aio-pika", script(client::python(), "aio_pika_client.py"));
}

#[test]
fn node_amqplib_publishes_consumes_is_refused_and_comes_back() {
    let mut command = script("node", "amqplib_client.js");
    command.env("NODE_PATH", client::node_modules());
    converse_with_script("amqplib", command);
}

#[test]
fn lapin_publishes_consumes_is_refused_and_comes_back() {
    converse("lapin", |broker| {
        let (place, certs) = (broker.port(), broker.certs());
        Client::of_function(move |say| lapin_client::run(place, &certs, ITEM, &say))
    });
}

#[test]
fn go_amqp091_publishes_consumes_is_refused_and_comes_back() {
    let mut command = Command::new("go");
    command.args(["run", &client::program("amqp091_client.go")]);
    // Debian's Go libraries are a GOPATH, not modules.
    command.envs([
        ("GOPATH", "/usr/share/gocode"),
        ("GO111MODULE", "off"),
        ("GOFLAGS", ""),
    ]);
    converse_with_script("amqp091", command);
}

#[test]
fn java_publishes_consumes_is_refused_and_comes_back() {
    let jars =
        ["amqp-client", "slf4j-api", "slf4j-nop"].map(|jar| format!("/usr/share/java/{jar}.jar"));
    let mut command = Command::new("java");
    command.args(["-cp", &jars.join(":"), &client::program("AmqpClient.java")]);
    converse_with_script("java", command);
}

#[test]
fn ruby_bunny_publishes_consumes_is_refused_and_comes_back() {
    converse_with_script("bunny", script("ruby", "bunny_client.rb"));
}

#[test]
fn php_amqplib_publishes_consumes_is_refused_and_comes_back() {
    converse_with_script("php", script("php", "amqplib_client.php"));
}

#[test]
fn the_first_connection_of_the_readme_is_confirmed() {
    let broker = Broker::start();
    let output = script(client::python(), "first_connection.py")
        .args([
            "localhost",
            &broker.port().to_string(),
            &broker.certs(),
            ITEM,
        ])
        .output()
        .expect("Python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.starts_with("confirmed"), "{told}");
    broker.stopped();
}
