//! The end of a log is gone, or an older copy was put back: nobody serves it as if it were whole, and
//! whoever goes on with it says so on record.

use std::process::Command;

use carnet::journal::vfs::{DiskVfs, Vfs};

use crate::damaged::{segments, send};
use crate::serving::{DEV, Running};
use crate::{Folders, code, err, out};

const DAMAGED: Option<i32> = Some(4);

impl Folders {
    fn shell(&self, words: &str) {
        let mut words = words.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.path());
        assert!(command.status().unwrap().success());
    }

    /// Serves until something is published and confirmed, so often, and is killed.
    fn killed_after(&self, ids: &[&str]) {
        let broker = Running::start(self.path(), DEV);
        let address = broker.address();
        for id in ids {
            assert_eq!(send(self, &address, id), Some(0));
        }
    }

    fn receipts(&self, address: &str) -> String {
        out(&self.run(&format!(
            "consume receipts --as post/items --seconds 1 --amqp {address} --certs dev/certs"
        )))
    }
}

#[test]
fn a_log_without_its_newest_segment_is_not_served_until_the_loss_is_accepted() {
    let folders = Folders::new();
    folders.killed_after(&["item-1"]);
    folders.killed_after(&["item-2", "item-3", "item-4", "item-5", "item-6"]);
    let newest = segments(&folders.path().join("dev")).pop().unwrap();
    DiskVfs.unlink(&newest).unwrap();
    let kept = segments(&folders.path().join("dev"));

    let refused = folders.run(DEV);
    assert_eq!(code(&refused), DAMAGED, "{}", err(&refused));
    for part in ["dev/journal.end says that it had come to", "--accept-loss"] {
        assert!(err(&refused).contains(part), "{}", err(&refused));
    }
    // What is left can be read, and is not taken for all.
    for command in ["log tail --data dev", "log show 1 --data dev"] {
        let told = folders.run(command);
        assert_eq!(code(&told), DAMAGED, "{}", err(&told));
        assert!(out(&told).contains("postal.item"), "{}", out(&told));
        assert!(err(&told).contains("journal.end"), "{}", err(&told));
    }
    assert_eq!(segments(&folders.path().join("dev")), kept);

    let broker = Running::start(folders.path(), &format!("{DEV} --accept-loss"));
    let address = broker.address();
    Running::line(&broker.stderr, "the loss of the end of the log is accepted");
    // An id that is gone is new again.
    assert_eq!(send(&folders, &address, "item-2"), Some(0));
    let receipts = folders.receipts(&address);
    for part in [
        r#""outcome":"lost""#,
        r#""sequence":{"from":2,"to":10000001}"#,
        r#""sequence":10000002"#,
    ] {
        assert!(receipts.contains(part), "{part} is not in {receipts}");
    }
    broker.stop();
    let told = folders.run("log tail -n 50 --data dev");
    assert_eq!(code(&told), Some(0), "{}", err(&told));
    assert!(out(&told).contains("jump by 10000000"), "{}", out(&told));

    // It is over: the next loss is another one, and wants another word.
    let again = folders.run(&format!("{DEV} --accept-loss"));
    assert_eq!(code(&again), Some(3), "{}", err(&again));
    assert!(err(&again).contains("without --accept-loss"));
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
}

#[test]
fn an_older_copy_of_the_data_folder_is_not_served_as_the_log() {
    let folders = Folders::new();
    folders.init_real();
    let real = "serve --amqp 127.0.0.1:0 --data real --certs pki";
    let serve_and_stop = |words: &str| {
        let broker = Running::start(folders.path(), words);
        broker.address();
        broker.stop();
    };
    folders.shell("cp -r real older");
    serve_and_stop(real);
    folders.shell("mv real newer");
    folders.shell("mv older real");
    let refused = folders.run(real);
    assert_eq!(code(&refused), DAMAGED, "{}", err(&refused));
    let says = err(&refused);
    assert!(says.contains("state/real.end says that"), "{says}");
    // The newest copy is served as ever.
    folders.shell("mv real older");
    folders.shell("mv newer real");
    serve_and_stop(real);
    folders.shell("rm -r real");
    let gone = folders.run(real);
    assert_eq!(code(&gone), DAMAGED, "{}", err(&gone));
    assert_eq!(code(&folders.run("init --data real")), DAMAGED);
    folders.shell("rm -rf real");
    folders.shell("mv older real");
    serve_and_stop(&format!("{real} --accept-loss"));
    serve_and_stop(real);
    let checked = folders.run("check --data real --certs pki");
    assert_eq!(code(&checked), Some(0), "{}", err(&checked));
    let says = err(&checked);
    assert!(says.contains("state/real.end") && says.contains("same file system"));
}

#[test]
fn an_end_file_that_cannot_be_written_is_told_before_the_log_is_touched() {
    let folders = Folders::new();
    folders.add("carnet.toml", "end_file = \"/proc/no-such/journal.end\"\n");
    folders.shell("mkdir issued");
    let refused = folders.run("init --data real");
    assert_ne!(code(&refused), Some(0));
    assert!(!folders.path().join("real/journal").exists());
}
