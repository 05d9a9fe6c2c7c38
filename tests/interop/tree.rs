//! The log's tree, verified by Go's implementation of signed notes and Merkle trees, as files that any server could
//! publish.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::ITEM;
use crate::broker::Broker;

/// Entries of which one tile does not hold all.
const ITEMS: usize = 300;

fn go(folder: &Path) -> PathBuf {
    let program = folder.join("verify");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/tree.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .status();
    assert!(built.expect("go starts").success());
    program
}

/// The commands' output; they go well.
fn shell(commands: &str) -> String {
    let done = Command::new("sh").args(["-euc", commands]).output();
    let done = done.expect("sh starts");
    assert!(done.status.success(), "{commands}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn another_implementation_accepts_the_tree_and_refuses_an_altered_one() {
    let broker = Broker::start();
    let (carnet, certs) = (env!("CARGO_BIN_EXE_carnet"), broker.certs());
    let publish = format!(
        "{carnet} publish postal.item {} --as post/items --certs {certs} --amqp localhost:{}",
        [ITEM; ITEMS].join(" "),
        broker.port()
    );
    shell(&publish);
    let place = TempDir::new().expect("a temporary folder");
    let folder = place.path();
    let data = broker.data().to_owned();
    shell(&format!(
        "cp {}/log.key {}",
        data.display(),
        folder.display()
    ));
    let key = shell(&format!("cd {} && {carnet} log key", folder.display()));
    let verify = go(folder);
    let verified = |log: &Path| -> Output {
        let verified = Command::new(&verify).arg(log).arg(key.trim()).output();
        verified.expect("the program starts")
    };
    // It comes by the clock; the program reads files of which some may be newer than others.
    let size = loop {
        let output = verified(&data.join("log"));
        let size: Option<usize> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
        if let Some(size) = size.filter(|size| *size > ITEMS) {
            break size;
        }
    };
    let kept = broker.stopped();
    for file in [
        "checkpoint".to_owned(),
        "tile/0/000".to_owned(),
        "tile/entries/000".to_owned(),
        format!("tile/entries/001.p/{}", size - 256),
    ] {
        let log = folder.join(file.replace('/', "-"));
        shell(&format!(
            "cp -r {0}/log {1}
            printf '\\001' | dd of={1}/{file} bs=1 seek=40 conv=notrunc status=none",
            data.display(),
            log.display()
        ));
        let refused = verified(&log);
        assert!(!refused.status.success(), "{file} is altered: {refused:?}");
    }
    let again = verified(&kept.path().join("log"));
    assert!(again.status.success(), "{again:?}");
}
