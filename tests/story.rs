//! The demo is a promise to whoever sees Carnet first: it plays the whole day, it is right about what
//! it shows, and it leaves nothing behind.
#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use carnet::config::{read_file, write_text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn carnet(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.current_dir(folder).args(words.split_whitespace());
    command
}

fn in_repository(words: &str) -> Output {
    carnet(Path::new(REPOSITORY), words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A demo that is being played. Dropped, it is asked to end, and takes its broker with it.
struct Playing {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    told: String,
}

impl Playing {
    fn start(words: &str) -> Self {
        let mut command = carnet(Path::new(REPOSITORY), words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            told: String::new(),
        }
    }

    /// Reads on up to the line that has `part` in it.
    #[track_caller]
    fn until(&mut self, part: &str) -> String {
        while let Some(line) = self.lines.next().transpose().unwrap() {
            self.told.push_str(&line);
            self.told.push('\n');
            if line.contains(part) {
                return line;
            }
        }
        panic!("no line has {part:?}:\n{}", self.told);
    }

    fn port(&mut self) -> u16 {
        let line = self.until("amqps://localhost:");
        let after = line.split_once("amqps://localhost:").unwrap().1;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// Its exit code after a signal.
    fn ended_by(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
            drop(self.child.wait());
        }
    }
}

fn nobody_listens_on(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// What an outsider must have read, in this order.
const TOLD: [&str; 27] = [
    "1        08:02  post/items sends postal.item",
    "-> customs/main gets reference, party, identity, goods, commercial, environment, postal",
    "2        08:05  customs/declarations sends risk.assessment",
    "withheld: reference, risk, investigation, officer, narrative",
    "3        08:06  customs/declarations sends control.order",
    "by customs-post-order: Action and deadline, never the reason",
    "4        11:40",
    "5        11:55",
    "6        12:10",
    "7        12:30",
    "returned to it: 403",
    "killed: ",
    "-> customs/main has 100 of 100, numbered without a gap",
    "9        12:45",
    "10       12:52",
    "11       13:05",
    "hidden from customs/main: deliveries still counted to 104",
    "12       14:20",
    "confirmed again; no second delivery, no second entry in the log",
    "returned to it: 406 PRECONDITION_FAILED - /ID: its check digit (character 18) must be 1 (mrn)",
    "by floor-originator; legal basis: LED art. 9(3)",
    "17:00",
    "a row of the decision table breaks",
    "post/m-0077 approves it by a signature of his own",
    "parcels: customs has all, environment the goods of the last",
    "takes the change back",
    "Who got what",
];

/// Rows of the table at the end: the story's matrix.
const TABLE: [&str; 15] = [
    "1 postal.item all - - sender -",
    "2 risk.assessment sender - 2 of 7 - -",
    "3 control.order sender - 4 of 9 2 of 9 -",
    "4 movement.event all - 2 of 7 sender -",
    "5 inquiry.request sender - 9 of 12 - -",
    "6 inquiry.response 11 of 13 - sender - -",
    "7 cargo.report sender - - - -",
    "8 declaration.import sender - - - -",
    "9 police.alert 8 of 11 sender - - -",
    "10 declaration.import sender 10 of 13 - - -",
    "11 control.order hidden 8 of 9 hidden hidden hidden",
    "12 control.result sender 9 of 12 5 of 12 - -",
    "13 postal.response sender - - 3 of 7 -",
    "14 seizure.report sender 10 of 12 4 of 12 - 5 of 12",
    "15 aeo.status sender 2 of 7 2 of 7 - 2 of 7",
];

#[track_caller]
fn tells_the_story(told: &str) {
    let mut rest = told;
    for part in TOLD {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("not told, or not in its place: {part:?}\n{told}");
        };
        rest = after;
    }
    assert!(!told.contains("SURPRISE"), "{told}");
    let rows = rest.lines().map(|line| {
        let words = line.trim_matches('|').split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    });
    let rows: Vec<String> = rows.collect();
    for row in TABLE {
        assert!(
            rows.iter().any(|said| said == row),
            "no row {row:?}\n{rest}"
        );
    }
    let played = rest.split_once("Played in ").unwrap().1;
    let seconds = played.split_once(" s").unwrap().0;
    assert!(seconds.parse::<u64>().is_ok(), "it says how long it took");
}

/// The log that the demo left says the same: each message once, and nobody's name.
fn the_log_agrees(data: &str) {
    let log = in_repository(&format!("log tail -n 1000 --json --data {data}"));
    let log = text(&log.stdout);
    let records: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let exchanges = |of: &str| {
        let mut found = 0;
        for record in &records {
            found += usize::from(record["kind"] == "exchange" && record["type"] == of);
        }
        found
    };
    // Sent twice with one id.
    assert_eq!(exchanges("control.result"), 1, "{log}");
    // The story's own, and those of the crash.
    assert_eq!(exchanges("movement.event"), 101, "{log}");
    let faults = records.iter().filter(|record| record["kind"] == "rejected");
    let places: Vec<&Value> = faults.map(|record| &record["place"]).collect();
    assert_eq!(places, ["/ID"]);
    assert!(!log.contains("Marrow"), "{log}");
    let again = in_repository(&format!("log replay --json --data {data}"));
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&again["differ"], &again["unread"]), (&0.into(), &0.into()));
    assert!(again["exchanges"].as_u64() > Some(110), "{again}");
}

/// A stranger can go on where the demo stopped, with the commands that it printed.
fn clients_go_on(clients: &str) {
    const ITEM: &str = "messages/postal.item/examples/valid/orchids.json";
    let sent = in_repository(&format!(
        "publish postal.item {ITEM} --as post/items --id later {clients}"
    ));
    assert!(text(&sent.stdout).starts_with("accepted"), "{sent:?}");
    let consume = |more: &str| {
        let words = format!("consume --as customs/declarations --count 1 --json {more} {clients}");
        let shown = in_repository(&words);
        assert!(shown.status.success(), "{shown:?}");
        serde_json::from_slice::<Value>(&shown.stdout).unwrap()
    };
    let (looked, taken) = (consume("--no-ack"), consume(""));
    assert_eq!(taken["key"], "postal.item.post");
    assert_eq!(taken["body"]["ID"], "CP202600060XM");
    assert_eq!(taken["message_id"], looked["message_id"]);
    assert_eq!(taken["redelivered"], true);
    let receipt = in_repository(&format!(
        "consume receipts --as post/items --count 1 --json {clients}"
    ));
    let receipt: Value = serde_json::from_slice(&receipt.stdout).unwrap();
    assert_eq!(receipt["correlation_id"], "later");
    assert_eq!(receipt["body"]["recipients"][0]["unit"], "customs/main");
}

#[test]
fn the_day_is_played_as_it_is_written_and_can_be_looked_at_until_it_is_ended() {
    let mut demo = Playing::start("demo --keep");
    let port = demo.port();
    let hint = demo.until("carnet log tail");
    demo.until("Any AMQP 0-9-1 client connects");
    tells_the_story(&demo.told);
    let data = hint.rsplit(' ').next().unwrap().to_owned();
    the_log_agrees(&data);
    clients_go_on(&format!("--amqp 127.0.0.1:{port} --data {data}"));
    assert_eq!(demo.ended_by(Signal::INT), Some(0));
    assert!(nobody_listens_on(port));
    assert!(!Path::new(&data).exists());
}

#[test]
fn a_demo_that_is_ended_in_the_middle_takes_its_broker_with_it() {
    let mut demo = Playing::start("demo");
    let port = demo.port();
    demo.until("4        11:40");
    assert_eq!(demo.ended_by(Signal::TERM), Some(3));
    assert!(nobody_listens_on(port));
}

/// Replaces a text that stands there once.
#[track_caller]
fn replace(folder: &Path, file: &str, old: &str, new: &str) {
    let path = folder.join(file);
    let before = text(&read_file(&path).unwrap());
    assert_eq!(before.matches(old).count(), 1, "{old} in {file}");
    write_text(&path, before.replace(old, new).as_bytes()).unwrap();
}

#[test]
fn an_agency_that_gets_more_than_is_written_is_a_surprise_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", "agencies", "messages", "policies"])
        .arg(folder.path())
        .current_dir(REPOSITORY)
        .status();
    assert!(copied.unwrap().success());
    // Rule and decision table alike, so that the rulebook is sound, and wrong.
    replace(
        folder.path(),
        "policies/tables/customs.csv",
        "environment/main,release,reference party,customs-environment-aeo",
        "environment/main,release,reference party control,customs-environment-aeo",
    );
    let policies = folder.path().join("policies/customs.cedar");
    let rules = text(&read_file(&policies).unwrap());
    let (before, rule) = rules
        .split_once("@id(\"customs-environment-aeo\")")
        .unwrap();
    let wider = "disclose:party\",\n     Border::Action::\"disclose:control\"";
    let rule = rule.replacen("disclose:party\"", wider, 1);
    let rules = format!("{before}@id(\"customs-environment-aeo\"){rule}");
    write_text(&policies, rules.as_bytes()).unwrap();

    let played = carnet(folder.path(), "demo").output().unwrap();
    let (out, err) = (text(&played.stdout), text(&played.stderr));
    assert_eq!(played.status.code(), Some(1), "{out}{err}");
    let says = "message 15 withholds 'identity,investigation,officer,narrative' from \
                environment/main, not 'identity,control,investigation,officer,narrative'";
    assert!(out.contains(&format!("SURPRISE: {says}")), "{out}");
    assert!(err.contains(says), "{err}");
}
