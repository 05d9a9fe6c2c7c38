//! A log that is ruled again: as it is, and as a forger has rewritten it, checksums and all.

use std::path::Path;
use std::process::Command;

use carnet::broker::record::{LeafSecret, Outcome, Record};
use carnet::journal::vfs::DiskVfs;
use carnet::journal::{Config, Follower, Frame, Journal, Known, Lsn};
use serde_json::Value;

use crate::auditing::five_messages;
use crate::{Folders, code, err, json, out};

/// A copy of the development log in which records read otherwise, and nothing shows it.
fn forged(folders: &Folders, name: &str, forge: impl Fn(&mut Record)) {
    let data = |name: &str| folders.path().join(name).join("journal");
    let follower = Follower::open(DiskVfs, &data("dev"), &Known::default()).unwrap();
    let made = Command::new("mkdir")
        .arg(folders.path().join(name))
        .status();
    assert!(made.unwrap().success());
    for file in ["key-ring", "master.key"] {
        folders.copy(&format!("dev/{file}"), &format!("{name}/{file}"));
    }
    let config = Config {
        segment_bytes: 16 << 20,
        background: false,
        journal: [7; 16],
        stopped_kind: Record::STOPPED,
    };
    let (mut journal, _) = Journal::open(DiskVfs, Path::new(&data(name)), config).unwrap();
    let reader = follower.reader();
    for stored in reader.scan(Lsn::START) {
        let stored = stored.unwrap();
        let mut record = Record::decode(stored.kind, &stored.body).unwrap();
        forge(&mut record);
        let mut body = Vec::new();
        record.encode(&LeafSecret::new([7; 32]), &mut body);
        let frame = stored.frame.as_ref();
        let frame = frame.map(|frame| Frame::new(reader.frame(frame).unwrap().to_vec()));
        let octets = frame.as_ref().map_or(0, |it| it.octets().len());
        journal.reserve(body.len() + 4096, octets).unwrap();
        journal.push(stored.kind, &body, frame.as_ref());
        journal.commit().unwrap();
    }
}

/// One unit gets less than it got, in the record of the first exchange.
fn less(record: &mut Record) {
    if let Record::Exchange(exchange) = record
        && let Some(first) = exchange.recipients.first_mut()
        && let Outcome::Released(released) = &mut first.outcome
    {
        released.retain_days = 7;
    }
}

/// What is asked of the same log by other questions.
fn another_rulebook_and_why_not(folders: &Folders) {
    let log = |words: &str| folders.run(&format!("log {words} --data dev"));
    let counted = json(&log("stats --json"));
    let counted: Vec<String> = (counted.as_array().unwrap().iter())
        .map(|it| {
            format!(
                "{} {} {} {}",
                it["agency"], it["type"], it["outcome"], it["count"]
            )
        })
        .collect();
    let expected = [
        r#""customs" "cargo.report" "refused" 1"#,
        r#""customs" "control.order" "refused" 1"#,
        r#""post" "" "rejected" 1"#,
        r#""post" "postal.item" "rejected" 1"#,
        r#""post" "postal.item" "released" 1"#,
    ];
    assert_eq!(counted, expected);
    assert!(out(&log("stats")).contains("cargo.report"));

    let same = json(&log("what-if --json"));
    assert_eq!(
        (&same["exchanges"], &same["changed"]),
        (&3.into(), &0.into())
    );
    folders.plant(
        "policies/post.cedar",
        "\"disclose:goods\",\n     Border::Action::\"disclose:postal\"",
        "\"disclose:postal\"",
    );
    let less = out(&log("what-if"));
    let (first, rest) = less.split_once('\n').unwrap();
    assert!(
        first.ends_with(": 1 come out otherwise, 0 cannot be read"),
        "{less}"
    );
    assert_eq!(
        rest,
        "environment/main\n   loses goods: 1 (1 postal.item)\n"
    );
    let told = json(&log("what-if --json"));
    assert_eq!(told["changes"][0]["what"], "loses");
    assert_eq!(told["changes"][0]["examples"][0]["number"], 1);
    assert_eq!(code(&log("what-if --proposal 9")), Some(2));

    let why = out(&log("why-not police/main 1"));
    let lines: Vec<&str> = why.lines().map(str::trim).collect();
    assert_eq!(lines[1], "police/main  recorded: nothing");
    let none = "no rule gives it messages of this type and sender";
    assert_eq!(lines[3..], ["continuity level of post: normal", none]);
    let why = out(&log("why-not customs/main 1"));
    let last = why.lines().last().unwrap();
    assert!(last.trim().starts_with("post-customs: "), "{why}");
    assert!(
        last.ends_with("the unit is not asked for or does not receive the type"),
        "{why}"
    );
    assert_eq!(code(&log("why-not police/main 9")), Some(2));
    let told = json(&log("why-not environment/main 1 --json"));
    assert_eq!(told["outcome"]["outcome"], "released");
}

#[test]
fn a_log_comes_out_as_it_was_recorded_and_a_forged_one_is_named() {
    let folders = five_messages();
    let replay = |words: &str| folders.run(&format!("log replay {words}"));
    let whole = replay("--data dev");
    assert_eq!(code(&whole), Some(0), "{}", err(&whole));
    assert_eq!(
        out(&whole),
        "3 exchanges and 0 narrowed releases ruled again: 0 differ, 0 cannot be read\n"
    );
    let none = json(&replay("--data dev --json --until 2020-01-01T00:00:00Z"));
    assert_eq!(none["exchanges"], 0);
    assert_eq!(code(&replay("--data dev --since yesterday")), Some(2));

    another_rulebook_and_why_not(&folders);
    forged(&folders, "forged", less);
    let told = replay("--data forged");
    assert_eq!(code(&told), Some(4), "{}", out(&told));
    let lines = out(&told);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].trim_start().starts_with("1  @"), "{lines:?}");
    assert!(lines[0].ends_with("DIFFERS in recipient"), "{lines:?}");
    assert!(lines[1].contains("environment/main: recorded"), "{lines:?}");
    assert!(
        lines[1].contains(" 7 days") && lines[1].contains(" 730 days"),
        "{lines:?}"
    );
    assert_eq!(
        lines[2],
        "3 exchanges and 0 narrowed releases ruled again: 1 differ, 0 cannot be read"
    );
    let told = out(&replay("--data forged --json"));
    let told: Vec<Value> = told.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(told[0]["details"][0]["recorded"]["retain_days"], 7);
    assert_eq!(told[1]["differ"], 1);

    // What is in a log that was not begun with --dev is for its auditors alone.
    folders.copy("dev/master.key", "master.key");
    forged(&folders, "real", |record| {
        less(record);
        if let Record::Genesis(genesis) = record {
            genesis.development = false;
        }
    });
    for words in ["--data real", "--data real --json"] {
        let told = replay(words);
        assert_eq!(code(&told), Some(4));
        let told = out(&told);
        assert!(
            told.contains("recipient") && !told.contains("environment"),
            "{told}"
        );
    }
}
