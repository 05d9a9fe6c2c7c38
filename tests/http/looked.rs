//! What auditors see of the log, and that their looks are in it; and how the broker tells how it is.

use std::path::Path;

use carnet::config::{read_file, write_text};
use serde_json::{Value, json};

use crate::broker::Broker;

const AUDITOR: &str = "post/m-0077";
const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";

/// Grants of the board to the customs of XA, and one to the police.
const GRANTS: &str = r#"
[[grant]]
id = "audit-act"
agency = "customs-xa"
scope = ["evidence", "rulings"]
from = "2020-01-01"
to = "2099-01-01"
basis = "Audit Act s. 4"
[[grant]]
id = "inquiry"
agency = "customs-xa"
scope = ["rulings", "payload"]
from = "2020-01-01"
to = "2099-01-01"
basis = "Inquiries Act s. 9"
[[grant]]
id = "proof"
agency = "customs-xa"
scope = ["evidence"]
from = "2020-01-01"
to = "2099-01-01"
basis = "Audit Act s. 2"
[[grant]]
id = "over"
agency = "customs-xa"
scope = ["evidence", "rulings", "payload"]
from = "2020-01-01"
to = "2020-02-01"
basis = "Audit Act s. 4"
[[grant]]
id = "to-come"
agency = "customs-xa"
scope = ["evidence", "rulings", "payload"]
from = "2098-01-01"
to = "2099-01-01"
basis = "Audit Act s. 4"
[[grant]]
id = "of-police"
agency = "police"
scope = ["evidence", "rulings", "payload"]
from = "2020-01-01"
to = "2099-01-01"
basis = "Audit Act s. 5"
"#;

/// The shipped folders with these grants.
fn granting(folder: &Path) {
    let file = folder.join("policies/board.toml");
    let text = String::from_utf8(read_file(&file).unwrap()).unwrap();
    write_text(&file, (text + GRANTS).as_bytes()).unwrap();
}

fn records(broker: &Broker, officer: &str, more: &str) -> Vec<Value> {
    let look = format!("log look --why \"a test\" --json {more} --as {officer}");
    let told = broker.told(&look);
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn an_auditor_sees_what_his_agency_sent_and_was_given_and_each_look_is_a_record() {
    let broker = Broker::start_with(granting);
    broker.publishes(ITEM, "item-1", "post/items");
    let sent = records(&broker, AUDITOR, "");
    assert_eq!(kinds(&sent), ["sent"]);
    assert_eq!(sent[0]["message_id"], "item-1");
    assert_eq!(sent[0]["receipt"]["recipients"][0]["unit"], "customs/main");
    // The look before this one is there, with what was asked and why.
    let again = records(&broker, AUDITOR, "");
    assert_eq!(kinds(&again), ["sent", "accessed"]);
    let look = &again[1];
    assert_eq!(
        (&look["by"], &look["why"], &look["results"]),
        (&AUDITOR.into(), &"a test".into(), &1.into())
    );
    let one = records(&broker, AUDITOR, "--message-id item-1");
    assert_eq!(kinds(&one), ["sent"]);
    let none = records(&broker, AUDITOR, "--message-id item-2");
    assert!(none.is_empty());

    let received = records(&broker, "customs/o-0934", "");
    assert_eq!(kinds(&received), ["received"]);
    assert_eq!(
        (&received[0]["unit"], &received[0]["sender"]),
        (&"customs/main".into(), &"post".into())
    );
    assert!(
        !received[0].to_string().contains("item-1"),
        "the sender's own id"
    );
    let elsewhere = records(&broker, "police/p-1209", "");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let refused = broker.refuses("log look --why x --as post/m-0042");
    assert!(refused.contains("forbidden"), "{refused}");
    let unsaid = broker.refuses("log look --why \" \" --as post/m-0077");
    assert!(unsaid.contains("bad-request"), "{unsaid}");

    a_grant_opens_what_it_says(&broker);
    no_other_grant_opens_anything(&broker);
}

const OVERSIGHT: &str = "customs-xa/xa-702";

fn a_grant_opens_what_it_says(broker: &Broker) {
    let elsewhere = records(broker, OVERSIGHT, "");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let exchange = |grant: &str| {
        let found = records(
            broker,
            OVERSIGHT,
            &format!("--grant {grant} --kind exchange"),
        );
        assert_eq!(kinds(&found), ["exchange"], "{grant}");
        found[0].clone()
    };
    let ruled = exchange("audit-act");
    assert_eq!(ruled["sender"], "post/items");
    assert_eq!(ruled["recipients"][0]["policies"], json!(["post-customs"]));
    assert!(ruled["digests"]["frame"].is_string(), "{ruled}");
    assert!(
        !ruled.to_string().contains("item-1"),
        "what its sender wrote: {ruled}"
    );
    let proof = exchange("proof");
    let digests = &proof["digests"];
    assert_eq!(digests, &ruled["digests"]);
    assert!(
        !proof.to_string().contains("post"),
        "who sent what: {proof}"
    );
    let opened = exchange("inquiry");
    assert_eq!(opened["asked"]["message_id"], "item-1");
    assert!(opened.get("digests").is_none(), "{opened}");
    // Looks of others are told, and what they were for is sealed.
    let looks = records(broker, OVERSIGHT, "--grant audit-act --kind accessed");
    assert_eq!(looks[0]["by"], AUDITOR);
    assert!(looks.iter().all(|look| look["why"].is_null()), "{looks:?}");
    let looks = records(broker, OVERSIGHT, "--grant inquiry --kind accessed");
    let query = looks.last().unwrap()["query"].as_str().unwrap();
    assert!(query.contains(r#""grant":"audit-act""#), "{query}");
}

fn no_other_grant_opens_anything(broker: &Broker) {
    for (grant, officer, code) in [
        ("over", OVERSIGHT, "forbidden"),
        ("to-come", OVERSIGHT, "forbidden"),
        ("audit-act", "customs-xa/xa-611", "forbidden"),
        ("of-police", OVERSIGHT, "absent"),
        ("audit-act", AUDITOR, "absent"),
        ("none-such", OVERSIGHT, "absent"),
    ] {
        let look = format!("log look --why x --grant {grant} --as {officer}");
        let refused = broker.refuses(&look);
        assert!(refused.contains(code), "{grant}, {officer}: {refused}");
    }
}

#[test]
fn a_broker_says_that_it_lives_and_that_its_work_is_done() {
    let broker = Broker::start();
    let (alive, text) = broker.health("/livez");
    assert!(alive && text == "alive\n");
    // The first looks are made as it starts.
    let ready = std::iter::repeat_with(|| broker.health("/readyz?verbose"));
    let (_, text) = ready.into_iter().find(|(ready, _)| *ready).unwrap();
    for line in [
        "[+] listener: shook hands in",
        "[+] log: wrote, synced and read back in",
        "ready",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(broker.health("/readyz").1, "ready\n");
    // Nobody is told that the broker looked at itself.
    let refused = broker.local("agency refused");
    assert!(
        refused.contains("no client") || !refused.contains("127.0.0.1"),
        "{refused}"
    );
}
