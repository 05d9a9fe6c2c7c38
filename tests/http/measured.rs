//! Measures of an agency: declared by one officer, confirmed by another, and what they do to its messages.

use std::time::Duration;

use carnet::server::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::broker::{Answer, Broker};

const ADMINISTRATOR: &str = "post/m-0042";
const APPROVER: &str = "post/m-0077";
const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";

fn declare(broker: &Broker, officer: &str, asked: &Value) -> Answer {
    let asked = asked.clone();
    let declare = broker.ask(officer, Method::POST, "/api/v1/measures");
    declare.json(&asked).send()
}

fn stage(broker: &Broker, number: u64) -> String {
    let measure = broker.get(ADMINISTRATOR, &format!("/api/v1/measures/{number}"));
    measure.json["stage"].as_str().unwrap().to_owned()
}

/// Whether an item of the post reaches customs.
fn reaches(broker: &Broker, id: &str) -> bool {
    let words = format!("publish postal.item {ITEM} --id {id} --as post/items");
    let mut carnet = std::process::Command::new(env!("CARGO_BIN_EXE_carnet"));
    let output = broker
        .as_user(carnet.args(words.split(' ')))
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    output.status.success()
}

#[test]
fn a_permit_is_suspended_by_one_officer_and_given_back_by_two() {
    let mut broker = Broker::start();
    assert!(reaches(&broker, "before"));
    broker.told(&format!(
        "measure suspend post-customs --reason \"A key is lost\" --as {ADMINISTRATOR}"
    ));
    assert!(!reaches(&broker, "suspended"));
    alarms(&broker);
    let held = "post: measure 1 (suspend) was declared at";
    assert!(
        broker.health("/readyz?verbose").1.contains(held),
        "the page of health"
    );
    let own = broker.refuses(&format!("measure confirm 1 --as {ADMINISTRATOR}"));
    assert!(
        own.contains("takes the role approver, and post/m-0042 is administrator"),
        "{own}"
    );
    broker.killed_and_restarted();
    assert!(!reaches(&broker, "killed"));
    let confirmed = broker.told(&format!("measure confirm 1 --as {APPROVER}"));
    assert!(
        confirmed.contains("until two officers lift it"),
        "{confirmed}"
    );
    let status = broker.told("policy status --as police/p-4471");
    assert!(status.contains("until it is lifted"), "{status}");
    let again = broker.refuses(&format!("measure confirm 1 --as {APPROVER}"));
    assert!(again.contains("closed"), "{again}");
    broker.told(&format!(
        "measure lift 1 --reason \"Another key\" --as {ADMINISTRATOR}"
    ));
    assert!(!reaches(&broker, "one"));
    broker.killed_and_restarted();
    broker.told(&format!("measure confirm 2 --as {APPROVER}"));
    assert!(reaches(&broker, "two"));
    let listed = broker.told(&format!("measure list --as {ADMINISTRATOR}"));
    assert!(
        listed.contains("measure 2  done  lift measure 1"),
        "{listed}"
    );
    assert!(
        listed.contains("measure 1  lifted  suspend post-customs"),
        "{listed}"
    );
    // Officers of others have no part in it, and see none of it.
    let others = broker.get("customs/o-2117", "/api/v1/measures");
    assert_eq!(others.json, json!({"items": []}));
    let absent = broker.get("customs/o-2117", "/api/v1/measures/1");
    assert_eq!(
        (absent.status, absent.code()),
        (StatusCode::NOT_FOUND, "absent")
    );
    with_its_permit_it_ends(&broker);
    let until = Clock::default().now().plus(Duration::from_hours(1));
    broker.told(&format!(
        "measure level fallback --until {until} --reason Fire --as {ADMINISTRATOR}"
    ));
    broker.told(&format!("measure confirm 4 --as {APPROVER}"));
    let alarm = broker.logged("ALARM not all systems of an agency work");
    assert!(
        alarm.contains("post") && alarm.contains("fallback"),
        "{alarm}"
    );
}

/// What comes to `receipts` of a system.
fn receipts(broker: &Broker, system: &str, count: usize) -> String {
    let words = format!("consume receipts --as {system} --count {count} --json");
    let mut carnet = std::process::Command::new(env!("CARGO_BIN_EXE_carnet"));
    let consume = broker.as_user(carnet.args(words.split(' ')));
    String::from_utf8(consume.output().unwrap().stdout).unwrap()
}

/// Customs have a seat on the board, and are told of the suspension without the names of permits; who has
/// none is not.
fn alarms(broker: &Broker) {
    let told = receipts(broker, "customs/declarations", 1);
    assert!(
        told.contains("carnet.notice") && told.contains("suspension"),
        "{told}"
    );
    assert!(!told.contains("post-customs"), "{told}");
    let alarm = broker.logged("ALARM an officer has suspended permits of his agency");
    assert!(
        alarm.contains("post") && alarm.contains("m-0042"),
        "{alarm}"
    );
    let suspended = broker.get("customs/o-2117", "/api/v1/suspensions").json;
    assert_eq!(suspended["items"][0]["agency"], "post", "{suspended}");
    assert!(
        !suspended.to_string().contains("post-customs"),
        "{suspended}"
    );
    let told = broker.told("policy status --as customs/o-2117");
    assert!(told.contains("post has suspended permits since"), "{told}");
    let outside = broker.get("customs-xa/xa-611", "/api/v1/suspensions");
    assert_eq!(outside.json, json!({"items": []}));
}

/// A suspension whose permit is gone ends by itself.
fn with_its_permit_it_ends(broker: &Broker) {
    let suspend =
        json!({"measure": {"kind": "suspend", "permits": ["post-customs"]}, "reason": "x"});
    let suspended = declare(broker, APPROVER, &suspend);
    assert_eq!(suspended.status, StatusCode::CREATED, "{}", suspended.text);
    let export = format!("policy export rules --as {ADMINISTRATOR}");
    broker.told(&export);
    broker.told(&export);
    for (file, there, instead) in [
        (
            "policies/post.cedar",
            "\"post-customs\"",
            "\"post-advance\"",
        ),
        (
            "policies/tables/post.csv",
            ",post-customs\n",
            ",post-advance\n",
        ),
    ] {
        let text = broker
            .read(&format!("rules/{file}"))
            .replace(there, instead);
        let path = broker.path().join("rules").join(file);
        carnet::config::write_text(&path, text.as_bytes()).unwrap();
    }
    let edited = broker.refuses(&export);
    assert!(
        edited.contains("policies/post.cedar") && edited.contains("--force"),
        "{edited}"
    );
    broker.told(&format!(
        "policy propose --from rules --title renamed --once-approved --as {ADMINISTRATOR}"
    ));
    broker.told(&format!("policy approve 1 --as {APPROVER}"));
    while stage(broker, 3) == "holds" {
        std::thread::yield_now();
    }
    assert_eq!(stage(broker, 3), "ended");
    // Five receipts; a proposal, three measures, two confirmations, and the end.
    let told = receipts(broker, "post/items", 12);
    assert_eq!(told.matches("confirmation").count(), 2, "{told}");
    assert_eq!(told.matches("gone").count(), 1, "{told}");
}

#[test]
fn a_measure_is_of_own_permits_and_of_a_level_with_an_end() {
    let broker = Broker::start();
    let named =
        |permits: Value| json!({"measure": {"kind": "suspend", "permits": permits}, "reason": "x"});
    let mut said = Vec::new();
    for id in ["customs-post-order", "floor-secret", "there-is-none"] {
        let refused = declare(&broker, ADMINISTRATOR, &named(json!([id])));
        assert_eq!(refused.code(), "bad-request");
        said.push(refused.text.replace(id, "ID"));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "foreign, forbidding and absent: {said:?}");
    let level = |level: &str, until: Value| json!({"measure": {"kind": "level", "level": level}, "until": until, "reason": "x"});
    for wrong in [
        named(json!([])),
        level("normal", Value::Null),
        level("fallback", Value::Null),
        level("fallback", json!("2020-01-01T00:00:00Z")),
        level("fallback", json!("9999-01-01T00:00:00Z")),
        level("fallback", json!("soon")),
        json!({"measure": {"kind": "lift", "measure": 1}, "reason": "x"}),
        json!({"measure": {"kind": "suspend-all"}, "reason": ""}),
    ] {
        let refused = declare(&broker, ADMINISTRATOR, &wrong);
        assert!(
            refused.status.is_client_error(),
            "{wrong}: {}",
            refused.text
        );
    }
    assert_eq!(
        broker.get(ADMINISTRATOR, "/api/v1/measures").json,
        json!({"items": []})
    );
    let ahead = Clock::default().now().plus(Duration::from_hours(1));
    let fallback = level("fallback", json!(ahead.to_string()));
    // Of the post's one approver nobody could confirm it.
    let alone = declare(&broker, APPROVER, &fallback);
    assert_eq!(alone.code(), "forbidden");
    assert!(alone.text.contains("no other approver"), "{}", alone.text);
    let declared = declare(&broker, ADMINISTRATOR, &fallback);
    assert_eq!(declared.status, StatusCode::CREATED, "{}", declared.text);
    let others = broker.refuses(&format!("measure withdraw 1 --as {APPROVER}"));
    assert!(others.contains("he alone withdraws it"), "{others}");
    let withdrawn = broker.told(&format!("measure withdraw 1 --as {ADMINISTRATOR}"));
    assert!(withdrawn.contains("withdrew it"), "{withdrawn}");
    // Four of one officer, and his colleague has places still.
    let all = json!({"measure": {"kind": "suspend-all"}, "reason": "x"});
    let statuses = [0; 5].map(|_| declare(&broker, ADMINISTRATOR, &all).status.as_u16());
    assert_eq!(statuses, [201, 201, 201, 201, 409]);
    assert_eq!(declare(&broker, APPROVER, &all).status, StatusCode::CREATED);
}
