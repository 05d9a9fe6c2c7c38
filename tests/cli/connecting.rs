//! How the command line's clients find a broker, and what they say where they do not.

use std::net::TcpListener;

use crate::serving::{DEV, Running};
use crate::{Folders, code, err};

impl Folders {
    /// Connects as `post/items` and says how that ended.
    #[track_caller]
    fn connects(&self, address: &str, words: &str) -> String {
        let consume = "consume --as post/items --count 0";
        let output = self.run(&format!("{consume} --amqp {address} {words}"));
        let port = address.rsplit(':').next().unwrap();
        match code(&output) {
            Some(0) => "connected".to_owned(),
            Some(3) => err(&output).replace(&format!(":{port}"), ":PORT"),
            other => panic!("{other:?}: {}", err(&output)),
        }
    }
}

#[test]
fn a_client_names_the_host_and_says_what_is_wrong_with_the_server_that_it_finds() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let listens = broker.address();
    let port = listens.rsplit(':').next().unwrap();
    let (by_name, by_address) = (format!("localhost:{port}"), format!("127.0.0.1:{port}"));
    let certs = "--certs dev/certs";
    for address in [&by_name, &by_address] {
        assert_eq!(folders.connects(address, certs), "connected");
    }
    let named = format!("{certs} --server-name localhost");
    assert_eq!(folders.connects(&by_address, &named), "connected");
    let other = format!("{certs} --server-name broker.example");
    insta::assert_snapshot!(folders.connects(&by_address, &other), @"error: the certificate of 127.0.0.1:PORT is for localhost, 127.0.0.1, 0::1, and not for broker.example; connect to that, or say --server-name");

    assert_eq!(code(&folders.run("certs dev strangers")), Some(0));
    insta::assert_snapshot!(folders.connects(&by_name, "--certs strangers"), @"error: the certificate of localhost:PORT was not issued by strangers/ca.pem; put the broker's ca.pem there");
    folders.copy("dev/certs/ca.pem", "strangers/ca.pem");
    insta::assert_snapshot!(folders.connects(&by_name, "--certs strangers"), @"error: localhost:PORT does not let this certificate in: its issuer is not one that its agency lists; `carnet agency show post` on its machine says why");
    broker.stop();
}

#[test]
fn a_client_that_finds_nobody_says_where_it_looked() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev certs")), Some(0));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    insta::assert_snapshot!(folders.connects(&nobody.to_string(), ""), @"error: no broker at 127.0.0.1:PORT: IO error: Connection refused (os error 111); start one with `carnet serve --dev`, or give its --amqp");
    let unknown = folders.connects("nowhere.invalid:5671", "");
    assert!(
        unknown.contains("no broker at nowhere.invalid:PORT"),
        "{unknown}"
    );
    insta::assert_snapshot!(folders.connects("amqps://localhost", ""), @"error: 'amqps:PORT' is no address: write HOST:PORT, such as broker.example:5671 or [::1]:5671 for key `amqp` (settings come from flags, variables CARNET__<SETTING> and carnet.toml)");
}

#[test]
fn a_standing_queue_of_another_unit_is_answered_with_ones_own() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    let consume = |queue: &str, system: &str| {
        let as_it = format!("--as {system} --amqp {address} --certs dev/certs");
        folders.run(&format!("consume {queue} {as_it} --count 1 --seconds 1"))
    };
    for (queue, system, own) in [
        (
            "receipts",
            "customs/investigation",
            "'receipts.investigation'",
        ),
        ("inbox", "customs/investigation", "'inbox.investigation'"),
        ("dead.main", "post/items", "'dead'"),
    ] {
        let output = consume(queue, system);
        assert_eq!(code(&output), Some(3), "{}", err(&output));
        let says = format!("your unit's is {own}");
        assert!(err(&output).contains(&says), "{}", err(&output));
    }
    // What is no standing queue's name has none of its own.
    assert!(!err(&consume("letters", "post/items")).contains("your unit's"));
    broker.stop();
}
