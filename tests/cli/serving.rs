//! What operators see of a broker that is served: its log, which clients were declined, and which rulebook
//! is in force.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use carnet::config::{read_file, write_text};
use carnet::journal::vfs::{Access, DiskVfs, Vfs, VfsFile};
use rustix::process::{Pid, Signal, kill_process};

use crate::lines::lines_of;
use crate::{Folders, code, err, json, out};

/// Far beyond what a debug build needs; the machine may be busy.
const WITHIN: Duration = Duration::from_mins(1);
const ITEM: &str = "messages/postal.item/examples/valid/orchids.json";
const WRONG: &str = "messages/postal.item/examples/invalid/wrong-check-digit.json";

/// A running `carnet`. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Receiver<String>,
    pub(crate) stderr: Receiver<String>,
}

impl Running {
    pub(crate) fn start(folder: &Path, words: &str) -> Self {
        Self::start_to(folder, words, Stdio::piped())
    }

    /// What goes elsewhere than to a pipe is no line of `stdout`.
    pub(crate) fn start_to(folder: &Path, words: &str, stdout: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args(words.split_whitespace())
            .current_dir(folder)
            .env("CARNET__DRAIN_S", "2")
            .env("CARNET__HTTP", "127.0.0.1:0")
            .env("CARNET__HEALTH", "127.0.0.1:0")
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = match child.stdout.take() {
            Some(out) => lines_of(out),
            None => lines_of(std::io::empty()),
        };
        let stderr = lines_of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The next line that has `part` in it.
    #[track_caller]
    pub(crate) fn line(lines: &Receiver<String>, part: &str) -> String {
        let mut told = Vec::new();
        while let Ok(line) = lines.recv_timeout(WITHIN) {
            if line.contains(part) {
                return line;
            }
            told.push(line);
        }
        panic!("no line has {part:?}:\n{}", told.join("\n"));
    }

    pub(crate) fn address(&self) -> String {
        let line = Self::line(&self.stdout, "listening on amqps://");
        line.rsplit('/').next().unwrap().to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn stop(self) {
        self.stop_and_tell();
    }

    /// Stops it, and gives what it said on standard error since it was asked last.
    pub(crate) fn stop_and_tell(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "did not end well: {status}");
        self.stderr.iter().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended, after `stop`: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) const DEV: &str = "serve --dev --amqp 127.0.0.1:0 --data dev";

impl Folders {
    fn publish(&self, address: &str, file: &str) -> Option<i32> {
        let certs = "--certs dev/certs";
        code(&self.run(&format!(
            "publish postal.item {file} --as post/items --amqp {address} {certs}"
        )))
    }
}

#[test]
fn the_log_of_a_development_folder_is_read_while_it_is_served_and_after() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    assert_eq!(folders.publish(&address, ITEM), Some(0));
    let follow = "log tail --follow --json --data dev";
    let follower = Running::start(folders.path(), follow);
    Running::line(&follower.stdout, "\"kind\":\"exchange\"");
    assert_eq!(folders.publish(&address, WRONG), Some(1));
    Running::line(&follower.stdout, "\"kind\":\"rejected\"");
    drop(follower);
    broker.stop();

    let shown = json(&folders.run("log show 1 --json --data dev"));
    assert_eq!(shown["type"], "postal.item");
    assert_eq!(shown["sender"], "post/items");
    let recipients = shown["recipients"].as_array().unwrap();
    let environment = recipients.iter().find(|r| r["unit"] == "environment/main");
    let environment = environment.unwrap();
    assert_eq!(environment["outcome"], "released");
    let withheld = environment["withheld"].as_array().unwrap();
    assert!(withheld.contains(&"party".into()), "{environment}");
    let policies = shown["policies"].as_array().unwrap();
    assert!(
        policies
            .iter()
            .any(|p| p["basis"].as_str().unwrap().contains("CITES"))
    );

    let tail = out(&folders.run("log tail --data dev"));
    for part in [
        "genesis",
        "post-environment-regulated",
        "/ID: s10",
        "cleanly",
    ] {
        assert!(tail.contains(part), "{part} is missing in:\n{tail}");
    }
    // Who is named in the message is nobody's business here.
    let everything = out(&folders.run("log tail --all --json -n 1000 --data dev"));
    for private in ["Anselm", "Lantern Street", "Sedge Hollow"] {
        assert!(!everything.contains(private), "{private} is in the log");
    }
    let genesis = format!("log show @{} --data dev", lsn_of(&everything));
    assert!(out(&folders.run(&genesis)).contains("genesis"));
    assert_eq!(code(&folders.run("log show 99 --data dev")), Some(2));
}

fn lsn_of(log: &str) -> u64 {
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    first["lsn"].as_u64().unwrap()
}

#[test]
fn a_client_that_was_turned_away_is_shown_with_its_agency_and_the_reason() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev strangers")), Some(0));
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    let stranger = "dev/certs/stranger";
    folders.copy("dev/certs/ca.pem", &format!("{stranger}/ca.pem"));
    for ending in ["pem", "key"] {
        let name = format!("post-items.{ending}");
        folders.copy(&format!("strangers/{name}"), &format!("{stranger}/{name}"));
    }
    let publish =
        format!("publish postal.item {ITEM} --as post/items --amqp {address} --certs {stranger}");
    assert_ne!(code(&folders.run(&publish)), Some(0));
    assert_ne!(code(&folders.run(&publish)), Some(0));
    Running::line(&broker.stderr, "identity.unknown-issuer");
    broker.stop();
    let post = json(&folders.run("agency show post --json --data dev"));
    let refused = post[0]["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["code"], "identity.unknown-issuer");
    assert_eq!(refused[0]["times"], 2);
    let shown = out(&folders.run("agency show post --data dev"));
    assert!(shown.contains("list its issuer"), "{shown}");
    let all = json(&folders.run("agency refused --json --data dev"));
    assert_eq!(all, post[0]["refused"]);
    let other = out(&folders.run("agency show police --data dev"));
    assert!(!other.contains("refused"), "{other}");
}

#[test]
fn a_development_log_is_never_served_without_dev_and_no_other_with_it() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    let real = "serve --amqp 127.0.0.1:0 --data dev --certs dev/certs";
    folders.copy("dev/master.key", "master.key");
    let refused = folders.run(real);
    assert_eq!(code(&refused), Some(3));
    assert!(
        err(&refused).contains("never served without"),
        "{}",
        err(&refused)
    );

    folders.init_real();
    let before = folders.names("real");
    let refused = folders.run("serve --dev --amqp 127.0.0.1:0 --data real");
    assert_eq!(code(&refused), Some(3));
    assert!(
        err(&refused).contains("not begun with --dev"),
        "{}",
        err(&refused)
    );
    // Least of all a key or certificates in a folder that is none of its own.
    assert_eq!(folders.names("real"), before);
    assert_eq!(before, ["journal", "key-ring", "pages", "snapshots"]);
    let refused = folders.run("log tail --data real");
    assert_eq!(code(&refused), Some(3));
    assert!(err(&refused).contains("an auditor"), "{}", err(&refused));
    assert_eq!(code(&folders.run("log tail --data nowhere")), Some(3));
}

#[test]
fn another_master_key_is_refused_with_place_and_cure_and_changes_nothing() {
    let folders = Folders::new();
    folders.init_real();
    let real = "serve --amqp 127.0.0.1:0 --data real --certs pki";
    let before = folders.journal("real");
    folders.copy("master.key", "kept.key");
    folders.remove("master.key");
    let refused = folders.run(real);
    assert_eq!(code(&refused), Some(3));
    let told = err(&refused);
    assert!(told.contains("master.key is missing; restore it"), "{told}");

    assert_eq!(code(&folders.run("init --data other")), Some(0));
    let refused = folders.run(real);
    assert_eq!(code(&refused), Some(3));
    let told = err(&refused);
    for part in [
        "real/key-ring: ",
        "sealed under another master key",
        "setting master_key",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(folders.journal("real"), before, "a refused start wrote");

    folders.remove("master.key");
    folders.copy("kept.key", "master.key");
    let broker = Running::start(folders.path(), real);
    broker.address();
    broker.stop();
}

#[test]
fn the_first_serve_after_init_is_no_recovery() {
    let folders = Folders::new();
    folders.init_real();
    let begun = folders.journal("real");
    assert_eq!(begun.len(), 1, "{begun:?}");
    let broker = Running::start(
        folders.path(),
        "serve --amqp 127.0.0.1:0 --data real --certs pki",
    );
    broker.address();
    broker.stop();
    let served = folders.journal("real");
    assert_eq!(served.len(), 1, "a segment was sealed: {served:?}");
}

#[test]
fn a_changed_folder_is_reported_and_not_used_unless_this_is_development() {
    let folders = Folders::new();
    folders.init_real();
    let real = "serve --amqp 127.0.0.1:0 --data real --certs pki";
    let broker = Running::start(folders.path(), real);
    broker.address();
    let before = Running::line(&broker.stdout, "rulebook ");
    broker.stop();

    folders.plant("agencies/post/agency.toml", "Meridia", "Changed");
    let broker = Running::start(folders.path(), real);
    broker.address();
    let report = Running::line(&broker.stderr, "the folders differ");
    assert!(report.contains("agencies/post/agency.toml"), "{report}");
    assert_eq!(Running::line(&broker.stdout, "rulebook "), before);
    broker.stop();

    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    folders.plant("agencies/post/agency.toml", "Changed", "Again");
    let broker = Running::start(folders.path(), DEV);
    let activated = Running::line(&broker.stderr, "the folders have changed: activated");
    broker.address();
    // What is announced, and who is let in, go by what was activated.
    let announced = Running::line(&broker.stdout, "rulebook ");
    let digest = announced.trim_start_matches("rulebook ");
    assert!(activated.contains(digest), "{activated}, {announced}");
    broker.stop();
    let tail = out(&folders.run("log tail --data dev"));
    assert!(tail.contains("activated"), "{tail}");
}

#[test]
fn a_brokers_log_tells_its_life_and_its_connections_from_beginning_to_end() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    assert_eq!(folders.publish(&address, ITEM), Some(0));
    let consume =
        format!("consume --no-ack --as customs/declarations --amqp {address} --certs dev/certs");
    let consumer = Running::start(folders.path(), &consume);
    Running::line(&consumer.stdout, "postal.item.post");
    // Killed: no goodbye.
    drop(consumer);
    let log = &broker.stderr;
    let recovered = Running::line(log, "recovered: ");
    assert!(recovered.contains("records=0"), "{recovered}");
    assert!(Running::line(log, "listening").contains(&format!("address={address}")));
    Running::line(log, "connected remote=127.0.0.1");
    let ended = Running::line(log, "disconnected");
    for part in [
        "agency.id=post",
        "system.name=items",
        "why=the client said goodbye",
    ] {
        assert!(ended.contains(part), "{ended}");
    }
    Running::line(log, "agency.id=customs");
    let ended = Running::line(log, "disconnected");
    assert!(ended.contains("gone without a goodbye"), "{ended}");

    let idle = Running::start(folders.path(), &consume);
    Running::line(&idle.stdout, "postal.item.post");
    let stderr = broker.stop_and_tell();
    drop(idle);
    let told = |part: &str| {
        let found = stderr.iter().position(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no {part:?} in:\n{}", stderr.join("\n")))
    };
    let order = [
        "stopping: ",
        "why=the broker stops",
        "drained: ",
        "stopped: ",
    ]
    .map(told);
    assert!(order.is_sorted(), "{stderr:?}");
    assert!(stderr[order[0]].contains("SIGTERM"));

    let broker = Running::start(folders.path(), DEV);
    let recovered = Running::line(&broker.stderr, "recovered: ");
    assert!(
        recovered.contains("clean=true") && !recovered.contains("records=0"),
        "{recovered}"
    );
    broker.address();
    broker.stop();
}

#[test]
fn strangers_that_connect_in_a_loop_fill_no_log_and_keep_nobody_out() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    for _ in 0..500 {
        let mut stranger = TcpStream::connect(&address).unwrap();
        stranger.write_all(b"AMQP\0\0\x09\x01").unwrap();
        // Until it is dropped: so that none of them waits in the queue of the socket.
        drop(stranger.read_to_end(&mut Vec::new()));
    }
    assert_eq!(folders.publish(&address, ITEM), Some(0));
    let said = broker.stop_and_tell();
    let failed = said
        .iter()
        .filter(|line| line.contains("a handshake failed"));
    // 20 a second: however slow the machine, far fewer than there were.
    let failed = failed.count();
    assert!((1..400).contains(&failed), "{failed} lines");
    assert!(
        said.iter()
            .any(|line| line.contains("connected") && line.contains("system.name=items"))
    );
}

#[test]
fn an_agency_that_is_added_gets_its_certificates_at_the_next_start_and_all_others_keep_theirs() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    let kept = ["ca.pem", "server.key", "post-items.key", "post-ca.key"];
    let read = |name: &str| read_file(&folders.path().join("dev/certs").join(name)).unwrap();
    let before = kept.map(read);

    let police = read_file(&folders.path().join("agencies/police/agency.toml")).unwrap();
    let coast = String::from_utf8(police)
        .unwrap()
        .replace("police", "coast");
    let coast = coast
        .replace("kind = \"coast\"", "kind = \"police\"")
        .replace("coast.alert", "police.alert");
    folders.add("agencies/coast/agency.toml", &coast);
    let broker = Running::start(folders.path(), DEV);
    let made = Running::line(&broker.stderr, "wrote 8 files to dev/certs");
    assert!(made.contains("coast-ca.pem coast-operations.pem"), "{made}");
    let consume = format!(
        "consume --as coast/operations --count 0 --amqp {} --certs dev/certs",
        broker.address()
    );
    let consumed = folders.run(&consume);
    assert_eq!(code(&consumed), Some(0), "{}", err(&consumed));
    broker.stop();
    assert_eq!(kept.map(read), before);
}

impl Folders {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names in a folder, sorted.
    fn names(&self, folder: &str) -> Vec<String> {
        DiskVfs.list(&self.path().join(folder)).unwrap()
    }

    /// Segments of a log, with their lengths.
    fn journal(&self, data: &str) -> Vec<(String, u64)> {
        let folder = format!("{data}/journal");
        let names = self.names(&folder).into_iter();
        let segments = names.filter(|name| name.ends_with(".segment"));
        let sized = segments.map(|name| {
            let path = self.path().join(&folder).join(&name);
            let size = DiskVfs.open(&path, Access::Read).unwrap().size().unwrap();
            (name, size)
        });
        sized.collect()
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        let content = read_file(&self.path().join(from)).unwrap();
        write_text(&self.path().join(to), &content).unwrap();
    }

    /// A log in `real` that was begun without `--dev`, and its certificates in `pki`.
    pub(crate) fn init_real(&self) {
        assert_eq!(code(&self.run("certs dev pki")), Some(0));
        for agency in ["customs", "customs-xa", "environment", "police", "post"] {
            let issuer = format!("{agency}-ca.pem");
            let here = format!("agencies/{agency}/{issuer}");
            self.copy(&format!("pki/{issuer}"), &here);
        }
        let init = self.run("init --data real");
        assert_eq!(code(&init), Some(0), "{}", err(&init));
    }
}
