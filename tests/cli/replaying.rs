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
