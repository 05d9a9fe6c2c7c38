//! What a reader cannot read is never the end: a log that `serve` would refuse is an error of every
//! command that reads it, with the place and an exit code of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use carnet::journal::vfs::{Access, DiskVfs, Through, Vfs, VfsFile};
use serde_json::Value;

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, out};

const DAMAGED: i32 = 4;
const HEADER: u64 = 512;

/// Every command that reads a log, each with something that a whole one answers.
const READERS: [&str; 6] = [
    "log tail",
    "log tail --all --json -n 1000",
    "log tail --follow",
    "log show 1",
    "log show --message-id item-1",
    "log rulebook",
];

/// A development folder that was served and stopped, with a few messages in its log.
pub(crate) fn served() -> Folders {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    for n in 1..=4 {
        assert_eq!(send(&folders, &address, &format!("item-{n}")), Some(0));
    }
    broker.stop();
    folders
}

pub(crate) fn send(folders: &Folders, address: &str, id: &str) -> Option<i32> {
    let item = "messages/postal.item/examples/valid/ornaments.json";
    code(&folders.run(&format!(
        "publish postal.item {item} --as post/items --id {id} --amqp {address} --certs dev/certs"
    )))
}

/// The segment files of a data folder, in order.
pub(crate) fn segments(data: &Path) -> Vec<PathBuf> {
    let journal = data.join("journal");
    let names = DiskVfs.list(&journal).unwrap();
    let segments = names.iter().filter(|name| name.ends_with(".segment"));
    segments.map(|name| journal.join(name)).collect()
}

/// A copy of the data folder, to be damaged.
pub(crate) fn copy(folders: &Folders, name: &str) -> PathBuf {
    let to = folders.path().join(name);
    let mut copied = Command::new("cp");
    copied.args(["-r", "dev", name]).current_dir(folders.path());
    assert!(copied.status().unwrap().success());
    to
}

/// Turns four octets over.
fn damage(segment: &Path, at: u64) {
    let file = DiskVfs.open(segment, Access::Write).unwrap();
    let mut four = [0; 4];
    file.pread(&mut four, at, Through::Cache).unwrap();
    file.pwrite(&[&four.map(|octet| octet ^ 0x5a)], at).unwrap();
}

fn records(folders: &Folders) -> Vec<Value> {
    let all = out(&folders.run("log tail --all --json -n 1000 --data dev"));
    all.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The command fails as one that met damage there, and prints nothing of the log.
#[track_caller]
fn assert_damaged(command: &str, output: &Output, file: &str) {
    let says = err(output);
    assert_eq!(code(output), Some(DAMAGED), "{command}: {says}");
    assert!(says.contains(file), "{command} does not say where: {says}");
    assert!(out(output).is_empty(), "{command}: {}", out(output));
}

#[test]
fn damage_that_serve_refuses_is_an_error_of_every_command_that_reads() {
    let folders = served();
    let places: Vec<u64> = records(&folders)
        .iter()
        .map(|record| record["lsn"].as_u64().unwrap())
        .collect();
    assert!(places.len() >= 6, "{places:?}");
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    // In the segment's header, a batch's, the rulebook, each record but the last.
    let within = places.iter().rev().skip(1).map(|place| HEADER + place + 50);
    for (number, at) in [20, HEADER + 8].into_iter().chain(within).enumerate() {
        let copied = copy(&folders, &format!("copy-{number}"));
        let segment = segments(&copied).remove(0);
        damage(&segment, at);
        let data = format!("--data copy-{number}");
        let file = name(&segment);
        for command in READERS {
            let output = folders.run(&format!("{command} {data}"));
            assert_damaged(&format!("{command} at {at}"), &output, &file);
        }
        let serve = folders.run(&format!("serve --dev --amqp 127.0.0.1:0 {data}"));
        assert_damaged(&format!("serve at {at}"), &serve, &file);
    }
}
