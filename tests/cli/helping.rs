//! Help as people use it: what is of a command stands first, and its examples run as they stand.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::serving::Running;
use crate::{Folders, code, err, in_repository, out};

const COMMANDS: [&str; 25] = [
    "",
    "init",
    "serve",
    "demo",
    "publish",
    "consume",
    "check",
    "certs",
    "certs dev",
    "certs issue",
    "agency list",
    "agency show",
    "agency refused",
    "message list",
    "message show",
    "message try",
    "message rules",
    "log tail",
    "log show",
    "log rulebook",
    "policy schema",
    "config show",
    "bench",
    "completion",
    "log",
];

/// Examples that have no end by themselves, take another's port, want an officer's, or play for long: what they say is
/// parsed, and other tests run them.
const LONG: [&str; 9] = [
    "carnet demo",
    "carnet serve",
    "carnet bench",
    "carnet init && carnet serve",
    "carnet consume receipts",
    "carnet log tail -n 50 --follow",
    "carnet log tail --why",
    "carnet log show --sent",
    "carnet log rulebook --why",
];

/// One whose longer forms have an end.
const ENDLESS: &str = "carnet consume --as customs/declarations";

fn help(command: &str) -> String {
    let help = in_repository(&format!("{command} --help"));
    assert_eq!(code(&help), Some(0), "{command}");
    out(&help)
}

/// What can be pasted of a command's help, remarks cut off. A terminal of 80 columns breaks none.
fn examples(command: &str) -> Vec<String> {
    let help = help(command);
    let mut examples: Vec<String> = Vec::new();
    for line in help.lines() {
        let goes_on = examples.last().is_some_and(|last| last.ends_with('\\'));
        let text = line.trim().split(" # ").next().unwrap().trim();
        if goes_on || text.starts_with("carnet ") {
            assert!(line.len() <= 80, "{command}: {line}");
        }
        match examples.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.pop();
                last.push_str(text);
            }
            None if text.starts_with("carnet ") => examples.push(text.to_owned()),
            None => {}
        }
    }
    examples
}

#[test]
fn what_is_of_a_command_stands_before_what_is_of_every_command() {
    for command in COMMANDS {
        let help = help(command);
        let common = help
            .find("Options of every command:\n")
            .unwrap_or_else(|| panic!("{command}"));
        let own = help
            .find("\nOptions:\n")
            .unwrap_or_else(|| panic!("{command}"));
        assert!(own < common, "{command}:\n{help}");
        let (before, after) = help.split_at(common);
        for option in ["--config", "--amqp", "--data", "--agencies", "--certs"] {
            let listed = format!("      {option} <");
            let is_there = |text: &str| text.lines().any(|line| line.starts_with(&listed));
            assert!(!is_there(before) && is_there(after), "{command}: {option}");
        }
    }
    let consume = help("consume");
    let options = consume.split_once("\nOptions:\n").unwrap().1;
    assert!(options.trim_start().starts_with("--as "), "{options}");
    assert!(consume.contains("certs in the data folder"), "{consume}");
}

#[test]
fn examples_run_as_they_stand() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), "serve --dev --amqp 127.0.0.1:0");
    let address = broker.address();
    let bin = folders.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_carnet"), bin.join("carnet")).unwrap();
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        let line = format!("PATH=\"$PWD/bin:$PATH\"; {line}");
        shell.args(["-c", &line]).current_dir(folders.path());
        shell.env("CARNET__AMQP", &address).output().unwrap()
    };
    let mut ran = 0;
    for line in COMMANDS.iter().flat_map(|command| examples(command)) {
        let is_long = line == ENDLESS || LONG.iter().any(|long| line.starts_with(long));
        let line = if is_long {
            line.split(" && ")
                .map(|part| format!("{part} --help"))
                .collect::<Vec<_>>()
                .join(" && ")
        } else {
            ran += 1;
            line
        };
        let output = run(&line);
        assert_eq!(
            code(&output),
            Some(0),
            "{line}\n{}{}",
            out(&output),
            err(&output)
        );
    }
    assert!(ran > 20, "{ran}");
    broker.stop();
}

#[test]
fn a_name_that_there_is_not_comes_with_the_one_that_was_meant() {
    let file = "messages/postal.item/examples/valid/story-01.json";
    for (words, says) in [
        (
            format!("message try {file} --to police/mian"),
            "no unit 'police/mian'; did you mean police/main?",
        ),
        (
            format!("message try {file} --to harbourmaster/all"),
            "no unit 'harbourmaster/all'; `carnet agency list`",
        ),
        (
            format!("message try {file} --from post/itmes"),
            "no system 'post/itmes'; did you mean post/items?",
        ),
        (
            format!("message try {file} --type postal.itm"),
            "no type 'postal.itm'; did you mean postal.item?",
        ),
        (
            "message show postal.itme".to_owned(),
            "no type 'postal.itme'; did you mean postal.item?",
        ),
        (
            "agency show costums".to_owned(),
            "no agency 'costums'; did you mean customs?",
        ),
        (
            "certs issue post/itens".to_owned(),
            "no system 'post/itens'; did you mean post/items?",
        ),
    ] {
        let output = in_repository(&words);
        assert_eq!(code(&output), Some(2), "{words}: {}", err(&output));
        assert!(err(&output).contains(says), "{words}: {}", err(&output));
    }
}
