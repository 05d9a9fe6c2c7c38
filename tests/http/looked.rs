//! What auditors see of the log, and that their looks are in it; and how the broker tells how it is.

use serde_json::Value;

use crate::broker::Broker;

const AUDITOR: &str = "post/m-0077";
const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";

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
    let broker = Broker::start();
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
