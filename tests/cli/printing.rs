//! What a command cannot print, it has not done: exit code 3, and a sentence where one can be read.
//!
//! The rule stands for every command that there is: one without a row here fails.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::pipe;
use std::process::{Command, Output, Stdio};

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, in_repository, json, out};

const ITEM: &str = "messages/postal.item/examples/valid/orchids.json";
const UNWRITTEN: &str = "standard output cannot be written";

/// How each command is run here; `CLIENT` says where the broker is, `OFFICER` who acts there, `NEW` is a
/// name of its own. A row without words prints nothing that a command waits for, and has a test of its own;
/// officers' are in `tests/http`.
const ROWS: [(&str, &[&str]); 60] = [
    ("init", &["init --data NEW"]),
    ("serve", &[]),
    ("demo", &["demo"]),
    (
        "publish",
        &[
            "publish postal.item ITEM --as post/items CLIENT",
            "publish postal.item ITEM --as post/items --json CLIENT",
        ],
    ),
    (
        "consume",
        &[
            "consume --as customs/declarations --count 1 CLIENT",
            "consume --as customs/declarations --count 1 --json CLIENT",
        ],
    ),
    ("check", &["check", "check --json"]),
    ("certs dev", &["certs dev NEW", "certs dev NEW --force"]),
    (
        "certs check",
        &[
            "certs check pki/post-items.pem --as post/items --certs pki",
            "certs check pki/post-items.pem --as post/items --certs pki --json",
        ],
    ),
    (
        "certs issue",
        &["certs issue post/items --certs pki --out NEW"],
    ),
    ("agency list", &["agency list", "agency list --json"]),
    (
        "agency show",
        &[
            "agency show post --data dev",
            "agency show post --json --data dev",
        ],
    ),
    (
        "agency refused",
        &[
            "agency refused --data dev",
            "agency refused --json --data dev",
        ],
    ),
    ("message list", &["message list", "message list --json"]),
    (
        "message show",
        &[
            "message show postal.item",
            "message show postal.item --json",
        ],
    ),
    (
        "message try",
        &[
            "message try ITEM",
            "message try ITEM --json",
            "message try ITEM ITEM",
            "message try ITEM ITEM --json",
        ],
    ),
    ("message rules", &["message rules"]),
    (
        "log tail",
        &["log tail --data dev", "log tail --all --json --data dev"],
    ),
    ("log search", &[]),
    (
        "log scrub",
        &["log scrub --data dev", "log scrub --json --data dev"],
    ),
    (
        "log show",
        &["log show 0 --data dev", "log show 0 --json --data dev"],
    ),
    (
        "log rulebook",
        &[
            "log rulebook --data dev",
            "log rulebook --json --data dev",
            "log rulebook active --data dev",
            "log rulebook active policies/board.toml --data dev",
        ],
    ),
    ("log verify", &[]),
    ("log key", &["log key"]),
    ("log proof", &[]),
    ("log outstanding", &[]),
    (
        "log what-if",
        &["log what-if --data dev", "log what-if --json --data dev"],
    ),
    (
        "log why-not",
        &[
            "log why-not police/main 1 --data dev",
            "log why-not police/main 1 --json --data dev",
        ],
    ),
    (
        "log stats",
        &["log stats --data dev", "log stats --json --data dev"],
    ),
    (
        "log replay",
        &["log replay --data dev", "log replay --json --data dev"],
    ),
    ("witness key", &["witness key witness.example --out NEW"]),
    ("witness serve", &[]),
    (
        "measure list",
        &["measure list OFFICER", "measure list --json OFFICER"],
    ),
    ("measure level", &[]),
    ("measure suspend", &[]),
    ("measure lift", &[]),
    ("measure withdraw", &[]),
    ("measure confirm", &[]),
    ("policy schema", &["policy schema"]),
    (
        "policy new",
        &["policy new post-new --from post-environment-regulated"],
    ),
    (
        "policy status",
        &["policy status OFFICER", "policy status --json OFFICER"],
    ),
    (
        "policy log",
        &["policy log OFFICER", "policy log --json OFFICER"],
    ),
    ("policy export", &["policy export NEW OFFICER"]),
    ("policy openapi", &["policy openapi"]),
    ("policy problems", &["policy problems"]),
    ("policy check", &[]),
    ("policy diff", &[]),
    ("policy propose", &[]),
    ("policy edit", &[]),
    ("policy agency", &[]),
    ("policy approve", &[]),
    ("policy activate", &[]),
    ("policy withdraw", &[]),
    ("policy rebase", &[]),
    ("policy rollback", &[]),
    ("config show", &["config show"]),
    ("bench", &["bench --seconds 0 --connections 0"]),
    ("completion", &["completion bash"]),
    ("help", &["help", "help certs issue"]),
    ("--help", &["--help", "consume --help"]),
    ("--version", &["--version"]),
];

/// Commands that hand something over: what nobody has read is not done.
const HAND_OVER: [&str; 2] = ["publish", "consume"];

/// All commands, as help tells them.
fn commands(words: &str) -> BTreeSet<String> {
    let help = out(&in_repository(&format!("{words} --help")));
    let Some((_, listed)) = help.split_once("Commands:\n") else {
        return BTreeSet::from([words.trim().to_owned()]);
    };
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let named = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let named = named.filter(|name| !name.is_empty());
    let below = named.filter(|name| words.is_empty() || *name != "help");
    let all = below.flat_map(|name| match name {
        "help" => BTreeSet::from(["help".to_owned()]),
        name => commands(&format!("{words} {name}")),
    });
    all.collect()
}

/// A served log with a message, and a folder that a log can be begun in.
struct Place {
    folders: Folders,
    broker: Running,
    client: String,
    officer: String,
    runs: std::cell::Cell<u32>,
}

impl Place {
    fn new() -> Self {
        let folders = Folders::new();
        folders.init_real();
        let broker = Running::start(folders.path(), DEV);
        let client = format!("--amqp {} --certs dev/certs", broker.address());
        let officers = Running::line(&broker.stdout, "officers at ");
        let at = officers.rsplit(':').next().unwrap();
        let officer = format!("--as post/m-0042 --url https://localhost:{at} --certs dev/certs");
        Self {
            folders,
            broker,
            client,
            officer,
            runs: 0.into(),
        }
    }

    /// Runs words of a row; each of its own, so that no run finds what another left.
    fn run(&self, words: &str, stdout: Stdio, stderr: Stdio) -> Output {
        self.runs.set(self.runs.get() + 1);
        let words = words
            .replace("CLIENT", &self.client)
            .replace("OFFICER", &self.officer)
            .replace("NEW", &format!("new-{}", self.runs.get()))
            .replace("ITEM", ITEM);
        if words.starts_with("consume") {
            self.publish("");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.env("CARNET__HTTP", "127.0.0.1:0");
        command.env("CARNET__HEALTH", "127.0.0.1:0");
        command
            .current_dir(self.folders.path())
            .args(words.split_whitespace());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        child.wait_with_output().unwrap()
    }

    fn publish(&self, more: &str) {
        let publish = format!(
            "publish postal.item {ITEM} --as post/items {more} {}",
            self.client
        );
        let sent = self.folders.run(&publish);
        assert_eq!(code(&sent), Some(0), "{}", err(&sent));
    }

    /// The ids under which customs have what waits, each with whether it may have come before.
    fn waiting(&self, count: usize) -> Vec<(String, bool)> {
        let consume = format!(
            "consume --as customs/declarations --count {count} --seconds 30 --json {}",
            self.client
        );
        let taken = self.folders.run(&consume);
        assert_eq!(code(&taken), Some(0), "{}", err(&taken));
        let taken = out(&taken);
        let arrivals = taken.lines().map(|line| {
            let arrival: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = arrival["headers"]["x-carnet-sequence"]
                .as_str()
                .unwrap()
                .to_owned();
            (id, arrival["redelivered"] == true)
        });
        arrivals.collect()
    }

    fn nothing_waits(&self) {
        let consume = format!(
            "consume --as customs/declarations --seconds 1 {}",
            self.client
        );
        let none = self.folders.run(&consume);
        assert_eq!(code(&none), Some(1), "{}", out(&none));
    }
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that nobody reads any more.
fn unread() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn every_command_has_a_row() {
    let rows = ROWS.iter().map(|(command, _)| (*command).to_owned());
    let rows: BTreeSet<String> = rows.filter(|command| !command.starts_with("--")).collect();
    assert_eq!(commands(""), rows);
}

#[test]
fn what_cannot_be_printed_is_told_and_ends_with_exit_code_3() {
    let place = Place::new();
    for words in ROWS.iter().flat_map(|(_, rows)| *rows) {
        let output = place.run(words, full(), Stdio::piped());
        let told = err(&output);
        assert_eq!(code(&output), Some(3), "{words}: {told}");
        assert!(told.contains(UNWRITTEN), "{words}: {told}");
    }
    place.broker.stop();
}

#[test]
fn a_reader_that_stops_changes_no_exit_code_unless_something_is_handed_over() {
    let place = Place::new();
    // Those two play for long, whoever listens.
    let rows = ROWS
        .iter()
        .filter(|(command, _)| !["demo", "bench"].contains(command));
    for (command, words) in
        rows.filter_map(|(command, rows)| rows.first().map(move |it| (command, it)))
    {
        let output = place.run(words, unread(), Stdio::piped());
        let told = err(&output);
        if HAND_OVER.contains(command) {
            assert_eq!(code(&output), Some(3), "{words}: {told}");
            assert!(told.contains(UNWRITTEN), "{words}: {told}");
        } else {
            assert_eq!(code(&output), Some(0), "{words}: {told}");
            assert!(!told.contains("written"), "{words}: {told}");
        }
    }
    place.broker.stop();
}

#[test]
fn where_standard_error_cannot_be_written_the_exit_code_still_says_how_it_ended() {
    let place = Place::new();
    let ends = [
        ("agency show nobody", 2),
        ("nothing", 2),
        (
            "message try messages/postal.item/examples/invalid/wrong-check-digit.json",
            1,
        ),
        ("log tail --data nowhere", 3),
        (
            "publish postal.item ITEM --as post/items --certs nowhere",
            3,
        ),
        ("consume --as customs/declarations --count 1 CLIENT", 0),
        ("check", 0),
    ];
    for (words, expected) in ends {
        let output = place.run(words, Stdio::piped(), full());
        assert_eq!(code(&output), Some(expected), "{words}");
    }
    place.broker.stop();
}

#[test]
fn a_warning_that_cannot_be_told_is_no_success() {
    let place = Place::new();
    place
        .folders
        .add("certs/server.pem", &certificate(&place, "server.pem"));
    place
        .folders
        .add("certs/server.key", &certificate(&place, "server.key"));
    let warned = place.folders.run("check");
    assert!(err(&warned).contains("warning: "), "{}", err(&warned));
    assert_eq!(code(&warned), Some(0));
    assert_eq!(code(&place.run("check", Stdio::piped(), full())), Some(3));
    place.broker.stop();
}

fn certificate(place: &Place, name: &str) -> String {
    let file = place.folders.path().join("pki").join(name);
    String::from_utf8(carnet::config::read_file(&file).unwrap()).unwrap()
}

#[test]
fn what_consume_could_not_print_comes_again_and_nothing_is_lost() {
    let place = Place::new();
    let consume = "consume --as customs/declarations --count 3";
    for (times, json) in ["", " --json"].into_iter().enumerate() {
        (0..3).for_each(|_| place.publish(""));
        for stdout in [full(), unread()] {
            let output = run_in(&place, &format!("{consume}{json}"), stdout);
            assert_eq!(code(&output), Some(3), "{}", err(&output));
            assert!(err(&output).contains(UNWRITTEN), "{}", err(&output));
        }
        let numbers: Vec<String> = place.waiting(3).into_iter().map(|(id, _)| id).collect();
        let first = 3 * times + 1;
        let expected: Vec<String> = (first..first + 3).map(|n| n.to_string()).collect();
        assert_eq!(numbers, expected);
        place.nothing_waits();
    }
    place.broker.stop();
}

/// Not by a row: so that nothing is published for it.
fn run_in(place: &Place, words: &str, stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env("CARNET__HTTP", "127.0.0.1:0");
    command.env("CARNET__HEALTH", "127.0.0.1:0");
    command.current_dir(place.folders.path());
    command
        .args(words.split_whitespace())
        .args(place.client.split_whitespace());
    let child = command
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_reader_that_goes_after_the_first_message_has_that_one_and_the_others_come_again() {
    use std::io::{BufRead, BufReader};
    let place = Place::new();
    (0..3).for_each(|_| place.publish(""));
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env("CARNET__HTTP", "127.0.0.1:0");
    command.env("CARNET__HEALTH", "127.0.0.1:0");
    command
        .current_dir(place.folders.path())
        .args("consume --as customs/declarations --json".split(' '))
        .args(place.client.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Three are there and wait to be read; the pipe holds them all, so they count as read.
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        lines.next().unwrap().unwrap();
    }
    drop(lines);
    (0..2).for_each(|_| place.publish(""));
    let ended = child.wait_with_output().unwrap();
    assert_eq!(code(&ended), Some(3), "{}", err(&ended));
    let numbers: Vec<String> = place.waiting(2).into_iter().map(|(id, _)| id).collect();
    assert_eq!(numbers, ["4", "5"]);
    place.nothing_waits();
    place.broker.stop();
}

#[test]
fn who_only_looks_ends_quietly_where_nobody_reads_and_nothing_is_taken() {
    let place = Place::new();
    place.publish("");
    let look = "consume --as customs/declarations --no-ack";
    let output = run_in(&place, look, unread());
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let output = run_in(&place, look, full());
    assert_eq!(code(&output), Some(3), "{}", err(&output));
    assert_eq!(place.waiting(1).len(), 1);
    place.broker.stop();
}

#[test]
fn what_was_accepted_is_told_aside_where_it_cannot_be_printed() {
    let place = Place::new();
    let publish = format!("publish postal.item {ITEM} {ITEM} --as post/items");
    for stdout in [full(), unread()] {
        let output = run_in(&place, &publish, stdout);
        assert_eq!(code(&output), Some(3));
        let told = err(&output);
        let line = told.lines().find(|line| line.contains("accepted")).unwrap();
        let id = line.split(' ').next_back().unwrap();
        // The same again is a repeat: it was taken once.
        place.publish(&format!("--id {id}"));
    }
    // Of each run the first alone was sent.
    assert_eq!(place.waiting(2).len(), 2);
    place.nothing_waits();
    place.broker.stop();
}

#[test]
fn a_broker_serves_on_where_its_words_cannot_be_written() {
    let folders = Folders::new();
    let first = Running::start(folders.path(), DEV);
    first.address();
    first.stop();
    // Its log alone tells where it is.
    let broker = Running::start_to(folders.path(), DEV, full());
    let listens = Running::line(&broker.stderr, "listening");
    assert!(Running::line(&broker.stderr, "could not be printed").contains(UNWRITTEN));
    let address = listens.split("address=").nth(1).unwrap();
    let address = address.split(' ').next().unwrap();
    let publish =
        format!("publish postal.item {ITEM} --as post/items --amqp {address} --certs dev/certs");
    assert_eq!(code(&folders.run(&publish)), Some(0));
    broker.stop();
    let tail = out(&folders.run("log tail --data dev --json"));
    assert_eq!(
        tail.lines()
            .filter(|line| line.contains("\"exchange\""))
            .count(),
        1
    );
    assert_eq!(
        json(&folders.run("log show 1 --data dev --json"))["number"],
        1
    );
}

#[test]
fn a_broker_whose_log_cannot_be_written_serves_on_and_ends_well() {
    let folders = Folders::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env("CARNET__HTTP", "127.0.0.1:0");
    command.env("CARNET__HEALTH", "127.0.0.1:0");
    let command = command.args(DEV.split(' ')).current_dir(folders.path());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(full())
        .spawn()
        .unwrap();
    let lines = crate::lines::lines_of(child.stdout.take().unwrap());
    let listens = Running::line(&lines, "listening on amqps://");
    let address = listens.rsplit('/').next().unwrap();
    let publish =
        format!("publish postal.item {ITEM} --as post/items --amqp {address} --certs dev/certs");
    assert_eq!(code(&folders.run(&publish)), Some(0));
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
