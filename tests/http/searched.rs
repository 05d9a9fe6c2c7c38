//! What auditors find by identifiers: each by what his agency wrote or was given, and by nothing that was
//! withheld from it.

use std::process::Command;

use serde_json::Value;

use crate::broker::Broker;

const ORCHIDS: &str = "messages/postal.item/examples/valid/orchids.json";
/// The item's number, which the environment agency has as a token of its unit's own.
const S10: &str = "CP202600060XM";
const POST: &str = "post/m-0077";
const CUSTOMS: &str = "customs/o-0934";
const ENVIRONMENT: &str = "environment/e-0207";
const OVERSIGHT: &str = "customs-xa/xa-702";

fn search(broker: &Broker, officer: &str, words: &str) -> Vec<String> {
    let told = broker.told(&format!(
        "log search {words} --why \"a search\" --json --as {officer}"
    ));
    let items = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    items
        .map(|item| item["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// What the environment agency's system is given: the id of the delivery, and the token.
fn delivery(broker: &Broker) -> [String; 2] {
    let words = "consume --as environment/permits --count 1 --json";
    let mut carnet = Command::new(env!("CARGO_BIN_EXE_carnet"));
    let consumed = broker
        .as_user(carnet.args(words.split(' ')))
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&consumed.stdout).unwrap();
    let token = told["body"]["ID"].as_str().unwrap().to_owned();
    [told["message_id"].as_str().unwrap().to_owned(), token]
}

/// On a broker with grants, of which nothing was sent that has this item.
pub(crate) fn each_finds_by_what_he_may_know(broker: &Broker) {
    broker.publishes(ORCHIDS, "orchids-1", "post/items");
    let [id, token] = delivery(broker);
    for (officer, key, found) in [
        (POST, "orchids-1", &["sent"][..]),
        (POST, S10, &["sent"]),
        (CUSTOMS, S10, &["received"]),
        (CUSTOMS, "orchids-1", &[]),
        (ENVIRONMENT, S10, &[]),
        (ENVIRONMENT, &token, &["received"]),
        (ENVIRONMENT, &id, &["received"]),
        (CUSTOMS, &token, &[]),
        (CUSTOMS, &id, &[]),
        ("police/p-1209", S10, &[]),
    ] {
        assert_eq!(
            search(broker, officer, &format!("--key {key}")),
            found,
            "{officer} {key}"
        );
    }
    // Withheld, another's and absent are answered alike.
    let answers = [S10, "orchids-1", "CP999999999XM"].map(|key| {
        let output = broker.run(&format!(
            "log search --key {key} --follow --why x --as {ENVIRONMENT}"
        ));
        assert!(output.status.success());
        (output.stdout, output.stderr)
    });
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    filters_combine(broker);
    let by_grant = |grant: &str| format!("--key {S10} --grant {grant}");
    assert_eq!(
        search(broker, OVERSIGHT, &by_grant("inquiry")),
        ["exchange"]
    );
    let sealed = format!(
        "log search {} --why x --as {OVERSIGHT}",
        by_grant("audit-act")
    );
    assert!(broker.refuses(&sealed).contains("forbidden"));
}

fn filters_combine(broker: &Broker) {
    for (officer, words, count) in [
        (POST, "--unit post/main --outcome released", 1),
        (POST, "--type postal.item --outcome refused", 0),
        (POST, "--until 2026-01-01", 0),
        (POST, "--case CASE-2026-0317", 0),
        (POST, "--rule post-customs", 0),
        (CUSTOMS, "--unit customs/main --kind received", 1),
        (
            OVERSIGHT,
            "--grant inquiry --agency environment --rule post-customs",
            1,
        ),
        (OVERSIGHT, "--grant inquiry --agency police", 0),
    ] {
        let found = search(broker, officer, &format!("--key {S10} {words}"));
        assert_eq!(found.len(), count, "{officer} {words}");
    }
    let table = broker.told(&format!("log search --key {S10} --csv --why x --as {POST}"));
    assert!(
        table.starts_with("at,kind,type,") && table.contains(",\"orchids-1\","),
        "{table}"
    );
    let followed = broker.run(&format!(
        "log search --key {S10} --follow --why x --as {POST}"
    ));
    let notes = String::from_utf8(followed.stderr).unwrap();
    assert!(notes.contains("0 identifiers led to more"), "{notes}");
    let foreign = broker.refuses(&format!(
        "log search --key x --agency post --grant x --why x --as {POST}"
    ));
    assert!(foreign.contains("absent"), "{foreign}");
    // Who looked for what is in the log before he is shown anything.
    let looks = broker.told(&format!(
        "log tail -n 1 --kind accessed --json --why x --as {POST}"
    ));
    assert!(looks.contains("key"), "{looks}");
}
