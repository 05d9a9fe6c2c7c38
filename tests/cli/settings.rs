//! Where a setting comes from, and what `--help` promises.

use std::process::Command;

use crate::{code, err, in_repository, json, out};
use carnet::config::write_text;

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file_and_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = b"data = \"of-file\"\nheartbeat_s = 7\npolicies = \"of-file\"\n";
    write_text(&folder.path().join("carnet.toml"), file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .current_dir(folder.path())
        .args(["config", "show", "--data", "of-flag"])
        .envs([
            ("CARNET__DATA", "of-environment"),
            ("CARNET__POLICIES", "of-environment"),
            ("CARNET__DRAIN_S", "3"),
        ])
        .output()
        .unwrap();
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let shown = json(&output);
    assert_eq!(shown["data"], "of-flag");
    assert_eq!(shown["policies"], "of-environment");
    assert_eq!(shown["drain_s"], 3);
    assert_eq!(shown["heartbeat_s"], 7);
    assert_eq!(shown["messages"], "messages");
}

#[test]
fn a_misspelt_setting_is_named_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .current_dir(folder.path())
        .args(["config", "show"])
        .env("CARNET__HEARBEAT_S", "3")
        .output()
        .unwrap();
    assert_eq!(code(&output), Some(3));
    assert!(err(&output).contains("hearbeat_s"), "{}", err(&output));
}

#[test]
fn help_ends_with_examples_and_exit_codes() {
    let help = out(&in_repository("--help"));
    let (_, end) = help.split_once("Examples:").unwrap();
    insta::assert_snapshot!(end, @r"
      carnet demo                    # a day at the border, played and checked
      carnet serve --dev             # a broker to try; certificates in data/certs
      carnet check                   # every fault of the folders
      carnet init && carnet serve    # a broker of your own
      carnet agency show customs     # what an agency may send and read
      carnet message try messages/postal.item/examples/valid/story-01.json
                                     # who would receive it, what of it, and why

    Exit codes:
      0  done
      1  faults found, or messages refused
      2  wrong usage: an argument, or a name that there is not
      3  cannot run: disk, network, configuration, output that cannot be written
      4  the log is damaged, or ends before what it had
    ");
}
