//! What auditors see of the log, and that their looks are in it; and how the broker tells how it is.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use carnet::config::{read_file, write_text};
use carnet::evidence::checkpoint::Checkpoint;
use carnet::evidence::note::Note;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::broker::{Answer, Broker, carnet, owners_of_files};
use crate::lines::lines_of;
use crate::searched::each_finds_by_what_he_may_know;

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
    found(broker, officer, &format!("tail {more}"))
}

fn found(broker: &Broker, officer: &str, command: &str) -> Vec<Value> {
    let look = format!("log {command} --why \"a test\" --json --as {officer}");
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
    for sought in ["--message-id item-1", "--sent post/main/1"] {
        let one = found(&broker, AUDITOR, &format!("show {sought}"));
        assert_eq!(one, sent, "{sought}");
    }

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
    let one = found(&broker, "customs/o-0934", "show --received customs/main/1");
    assert_eq!(one, received);
    let elsewhere = records(&broker, "police/p-1209", "");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let refused = broker.refuses("log tail --why x --as post/m-0042");
    assert!(refused.contains("forbidden"), "{refused}");
    let unsaid = broker.refuses("log tail --why \" \" --as post/m-0077");
    assert!(unsaid.contains("bad-request"), "{unsaid}");
    nothing_is_looked_for_that_there_cannot_be(&broker);

    a_grant_opens_what_it_says(&broker);
    no_other_grant_opens_anything(&broker);
    nothing_is_told_of_what_is_not_ones_own(&broker);
    pages_go_on_by_their_own_cursors(&broker);
    who_follows_is_told_what_comes(&broker);
    rulebooks_are_told_to_whom_they_bind(&broker);
    the_tree_is_signed_and_told_to_auditors(&broker);
    each_finds_by_what_he_may_know(&broker);
    what_waits_is_told_to_whom_it_is_for(&broker);
    a_look_that_waits_ends_with_its_grant(&broker);
}

fn what_waits_is_told_to_whom_it_is_for(broker: &Broker) {
    let told = found(broker, "customs/o-0934", "outstanding");
    let queues = told[0]["queues"].as_array().unwrap();
    let inbox = queues.iter().find(|it| it["queue"] == "inbox").unwrap();
    assert_eq!(
        (&inbox["unit"], &inbox["out"]),
        (&"customs/main".into(), &0.into())
    );
    assert!(
        inbox["waiting"].as_u64() > Some(0) && inbox["since"].is_string(),
        "{inbox}"
    );
    let own = |it: &Value| it["unit"].as_str().unwrap().starts_with("customs/");
    assert!(queues.iter().all(own), "{queues:?}");
    let looked = records(broker, "customs/o-0934", "-n 1");
    let look = (&looked[0]["kind"], &looked[0]["results"]);
    assert_eq!(look, (&"accessed".into(), &queues.len().into()));
    let refused = broker.refuses("log outstanding --why x --as post/m-0042");
    assert!(refused.contains("forbidden"), "{refused}");
    let lines = broker.told("log outstanding --why x --as customs/o-0934");
    assert!(lines.contains("customs/main  inbox  "), "{lines}");
}

/// What an officer gets of the log's tree.
fn told(broker: &Broker, officer: &str, path: &str) -> Answer {
    broker.ask(officer, Method::GET, path).send()
}

fn the_tree_is_signed_and_told_to_auditors(broker: &Broker) {
    let shown = loop {
        let answer = told(broker, AUDITOR, "/log/checkpoint");
        let note = Note::read(&answer.text);
        let checkpoint = note.and_then(|note| Checkpoint::read(&note.text));
        // It comes by the clock.
        match checkpoint {
            Ok(checkpoint) if checkpoint.head.size > 4 => break checkpoint,
            _ => assert!(
                answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::OK,
                "{}",
                answer.text
            ),
        }
    };
    let size = shown.head.size;
    for (path, octets) in [("tile/0/000", size * 32), ("tile/entries/000", size * 35)] {
        let answer = told(broker, AUDITOR, &format!("/log/{path}.p/{size}"));
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert_eq!(
            answer.headers["content-length"],
            octets.to_string(),
            "{path}"
        );
    }
    for path in [
        "tile/0/001",
        "tile/0/%2e%2e%2f%2e%2e%2fjournal.end",
        "master.key",
        "",
    ] {
        let answer = told(broker, AUDITOR, &format!("/log/{path}"));
        assert_eq!(answer.code(), "absent", "{path}");
    }
    let refused = told(broker, "post/m-0042", "/log/checkpoint");
    assert_eq!(refused.code(), "forbidden");
    for (officer, sought, part, closed) in [
        (AUDITOR, "--sent post/main/1", "sender", "customs/main"),
        (
            "customs/o-0934",
            "--received customs/main/1",
            "recipient",
            "items",
        ),
    ] {
        let proof = proof_of(broker, officer, sought);
        is_proved(broker, &proof, part, closed);
    }
    let refused = broker.run("log proof --sent post/main/1 --why x --as customs/o-0934");
    let refused = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.contains("nothing that post/main sent as 1"),
        "{refused}"
    );
}

/// The proof of what an auditor looks for, once a checkpoint covers it.
fn proof_of(broker: &Broker, officer: &str, sought: &str) -> String {
    let words = format!("log proof {sought} --why x --as {officer} --out proof.json");
    loop {
        let proved = broker.run(&words);
        if proved.status.success() {
            return broker.read("proof.json");
        }
        let says = String::from_utf8_lossy(&proved.stderr);
        assert!(says.contains("no checkpoint covers it yet"), "{says}");
    }
}

/// It is verified without the broker, opens the common part and another one, and does not say what is closed.
fn is_proved(broker: &Broker, proof: &str, part: &str, closed: &str) {
    let trust = format!("log {}\nquorum none\n", broker.local("log key").trim());
    write_text(&broker.path().join("trust.txt"), trust.as_bytes()).unwrap();
    let verify = "log verify proof.json --policy trust.txt --json";
    let told: Value = serde_json::from_str(&broker.local(verify)).unwrap();
    let parts: Vec<&Value> = told["parts"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&parts[0]["part"], &parts[1]["part"]),
        (&"common".into(), &part.into())
    );
    assert_eq!(parts.len(), 2);
    let says = parts[1].to_string();
    assert!(says.contains("main") && !says.contains(closed), "{says}");
    // Each octet of it counts: a letter of base64 elsewhere.
    let at = proof.find("\"octets\":\"").unwrap() + 14;
    let mut other = proof.to_owned().into_bytes();
    other[at] = if other[at] == b'B' { b'C' } else { b'B' };
    write_text(&broker.path().join("proof.json"), &other).unwrap();
    let refused = carnet(broker.path(), verify);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

/// A look of an officer that waits for something new.
pub(crate) fn waits_for_more(broker: &Broker, officer: &str, query: &str) -> JoinHandle<Answer> {
    let path = format!("/api/v1/log?why=waits&{query}");
    let newer = broker.get(officer, &path).json["newer"].clone();
    let path = format!("{path}&wait=60&cursor={}", newer.as_str().unwrap());
    let waits = broker.ask(officer, Method::GET, &path).send_and_go_on();
    // It is sent while others of his are answered.
    for _ in 0..3 {
        broker.get(officer, "/api/v1/me");
    }
    waits
}

fn a_look_that_waits_ends_with_its_grant(broker: &Broker) {
    let waits = waits_for_more(broker, OVERSIGHT, "kind=exchange&grant=audit-act");
    let file = "policies/board.toml";
    let ended = broker.read(file).replacen("2099-01-01", "2020-01-02", 1);
    write_text(&broker.path().join(file), ended.as_bytes()).unwrap();
    broker.told("policy propose --from . --board --title End --as customs/o-2117");
    for officer in ["customs/o-0934", "post/m-0077", "police/p-1209"] {
        broker.told(&format!("policy approve 1 --as {officer}"));
    }
    broker.told("policy activate 1 --as customs/o-2117");
    broker.publishes(ITEM, "item-4", "post/items");
    let answer = broker.answer_to(waits);
    assert_eq!(answer.code(), "forbidden", "{}", answer.text);
    let looks = records(broker, OVERSIGHT, "--grant inquiry --kind accessed -n 100");
    let told = looks.iter().filter(|look| look["why"] == "waits");
    assert_eq!(told.count(), 1, "the look that gave the cursor");
}

fn rulebooks_are_told_to_whom_they_bind(broker: &Broker) {
    let owners = |officer: &str, grant: &str| {
        let told = broker.told(&format!(
            "log rulebook active --json --why x {grant} --as {officer}"
        ));
        let told: Value = serde_json::from_str(&told).unwrap();
        owners_of_files(&told)
    };
    assert_eq!(owners(AUDITOR, ""), ["board", "post"]);
    let all = owners(OVERSIGHT, "--grant audit-act");
    assert_eq!(all.len(), 6, "{all:?}");
    let refused = "log rulebook active --why x --grant proof --as";
    assert!(
        broker
            .refuses(&format!("{refused} {OVERSIGHT}"))
            .contains("forbidden")
    );
    let list = broker.told("log rulebook --why x --as post/m-0077");
    assert!(list.contains("  active"), "{list}");
    for path in ["agencies/customs/agency.toml", "policies/none.cedar"] {
        let path = format!("/api/v1/log/rulebooks/1?why=x&path={path}");
        assert_eq!(broker.get(AUDITOR, &path).code(), "absent", "{path}");
    }
    let file = "log rulebook active policies/post.cedar --why x --as post/m-0077";
    assert_eq!(broker.told(file), broker.read("policies/post.cedar"));
    let looks = records(broker, AUDITOR, "-n 1 --kind accessed");
    let query = looks[0]["query"].as_str().unwrap();
    assert!(query.contains(r#""path":"policies/post.cedar""#), "{query}");
}

/// What is another's and what there is none of: the same words.
fn nothing_is_told_of_what_is_not_ones_own(broker: &Broker) {
    let id = records(broker, OVERSIGHT, "--grant audit-act --kind exchange")[0]["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let none = "0".repeat(id.len());
    for (one, other) in [
        (format!("--exchange {id}"), format!("--exchange {none}")),
        (
            "--sent post/main/1".to_owned(),
            "--sent post/main/2".to_owned(),
        ),
        (
            "--message-id item-1".to_owned(),
            "--message-id item-9".to_owned(),
        ),
    ] {
        let answers = [&one, &other].map(|sought| {
            let output = broker.run(&format!("log show {sought} --why x --as customs/o-0934"));
            assert_eq!(output.status.code(), Some(2), "{sought}: {output:?}");
            let says = String::from_utf8(output.stderr).unwrap();
            says.replace(sought.split(' ').nth(1).unwrap(), "it")
                .replace(['1', '2', '9'], "n")
        });
        assert_eq!(answers[0], answers[1]);
    }
}

/// A misspelt word is refused before the look, and no answer that is honestly empty says nothing.
fn nothing_is_looked_for_that_there_cannot_be(broker: &Broker) {
    for (filter, says) in [
        ("--kind snt", "none of sent, received"),
        ("--type postal.itm", "postal.item, "),
        (
            "--since 2026-11-02 --until 2026-11-01",
            "until is not after",
        ),
    ] {
        let refused = broker.refuses(&format!("log tail {filter} --why x --as {AUDITOR}"));
        assert!(refused.contains(says), "{refused}");
    }
    let looks = records(broker, AUDITOR, "-n 50 --kind accessed");
    let looks = Value::from(looks).to_string();
    assert!(
        !looks.contains("snt") && !looks.contains("postal.itm"),
        "{looks}"
    );
    let once = "--type postal.itm --kind rejected";
    let empty = broker.run(&format!("log tail {once} --why x --as {AUDITOR}"));
    let notes = String::from_utf8(empty.stderr).unwrap();
    assert!(empty.status.success() && empty.stdout.is_empty());
    assert!(notes.contains("nothing was found"), "{notes}");
}

fn pages_go_on_by_their_own_cursors(broker: &Broker) {
    let path = "/api/v1/log?why=x&limit=1&kind=accessed";
    let first = broker.get(AUDITOR, path).json;
    let cursor = first["older"].as_str().unwrap();
    let second = broker.get(AUDITOR, &format!("{path}&cursor={cursor}")).json;
    assert!(second["items"][0]["at"].as_str() <= first["items"][0]["at"].as_str());
    assert_ne!(second["items"], first["items"]);
    for (officer, path) in [
        ("customs/o-0934", path),
        (AUDITOR, "/api/v1/log?why=x&limit=1"),
        (OVERSIGHT, "/api/v1/log?why=x&kind=accessed&grant=audit-act"),
    ] {
        let answer = broker.get(officer, &format!("{path}&cursor={cursor}"));
        assert_eq!(answer.code(), "bad-cursor", "{officer} {path}");
    }
}

fn who_follows_is_told_what_comes(broker: &Broker) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    let command = broker.as_user(&mut command).stdout(Stdio::piped());
    let words = "log tail -n 1 --follow --json --kind received --why follow --as customs/o-0934";
    let mut follower = command.args(words.split(' ')).spawn().unwrap();
    let lines = lines_of(follower.stdout.take().unwrap());
    let next = || {
        let line = lines.recv_timeout(Duration::from_mins(1)).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["sequence"].clone()
    };
    assert_eq!(next(), 1);
    for (id, sequence) in [("item-2", 2), ("item-3", 3)] {
        broker.publishes(ITEM, id, "post/items");
        assert_eq!(next(), sequence);
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    // One for what was there, and one for each answer with what came.
    let looks = records(broker, "customs/o-0934", "-n 3 --kind accessed");
    let told = looks.iter().map(|look| (&look["why"], &look["results"]));
    let follow = (&json!("follow"), &json!(1));
    assert!(told.eq([follow; 3]), "{looks:?}");
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
    // What a grant does not open is not found by it either.
    for (grant, sought) in [
        ("proof", "--sent post/main/1"),
        ("proof", "--received customs/main/1"),
        ("audit-act", "--message-id item-1"),
    ] {
        let look = format!("log show {sought} --grant {grant} --why x --as {OVERSIGHT}");
        let refused = broker.refuses(&look);
        assert!(refused.contains("forbidden"), "{look}: {refused}");
    }
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
    // Whatever it was, no more than this is told of it.
    let mut told: Vec<&String> = proof.as_object().unwrap().keys().collect();
    told.sort();
    assert_eq!(told, ["at", "clock", "digests", "kind", "lsn"]);
    assert!(
        !proof.to_string().contains("post"),
        "who sent what: {proof}"
    );
    let opened = exchange("inquiry");
    assert_eq!(opened["asked"]["message_id"], "item-1");
    assert!(opened.get("digests").is_none(), "{opened}");
    in_full(broker, ruled["id"].as_str().unwrap());
    // Looks of others are told, and what they were for is sealed.
    let looks = records(
        broker,
        OVERSIGHT,
        "-n 100 --grant audit-act --kind accessed",
    );
    assert_eq!(looks[0]["by"], AUDITOR);
    assert!(looks.iter().all(|look| look["why"].is_null()), "{looks:?}");
    let looks = records(broker, OVERSIGHT, "-n 100 --grant inquiry --kind accessed");
    let query = looks.last().unwrap()["query"].as_str().unwrap();
    assert!(query.contains(r#""grant":"audit-act""#), "{query}");
}

/// One exchange by two grants, with all that each opens.
fn in_full(broker: &Broker, id: &str) {
    let show = |grant: &str| {
        let shown = found(
            broker,
            OVERSIGHT,
            &format!("show --exchange {id} --grant {grant}"),
        );
        assert_eq!(shown.len(), 1);
        shown[0].clone()
    };
    let ruled = show("audit-act");
    assert_eq!(ruled["policies"][0]["id"], "post-customs");
    assert_eq!(
        (&ruled["asked"], &ruled["body"]),
        (&Value::Null, &Value::Null)
    );
    assert!(!ruled.to_string().contains("item-1"), "{ruled}");
    let opened = show("inquiry");
    assert!(
        opened["body"].as_str().unwrap().contains("Kestrel"),
        "{opened}"
    );
    let proof = show("proof");
    assert!(!proof.to_string().contains("post"), "{proof}");
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
        let look = format!("log tail --why x --grant {grant} --as {officer}");
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
