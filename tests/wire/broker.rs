//! The real binary, served on a free port of loopback; what it says on either output is kept.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use carnet::agency::issue::Authority;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::{Client, Identity};

/// Far beyond what a debug build needs; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const SAYS_WITHIN: Duration = Duration::from_secs(10);
const ADDRESS: &str = "listening on amqps://127.0.0.1:";

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    child: Child,
    port: u16,
    /// Kept: a program whose output nobody reads may end.
    _output: Receiver<String>,
    log: Receiver<String>,
    data: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Started with further arguments or variables.
    pub(crate) fn start_with(change: impl FnOnce(&mut Command)) -> Self {
        Self::start_in(TempDir::new().expect("a temporary folder"), change)
    }

    /// Started on a folder that may hold certificates already.
    pub(crate) fn start_in(data: TempDir, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command
            .args(["serve", "--dev", "--amqp", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARNET__DRAIN_S", "5")
            .env("CARNET__SEGMENT_MIB", "16")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("the broker starts");
        let output = lines_of(child.stdout.take().expect("a pipe was asked for"));
        let log = lines_of(child.stderr.take().expect("a pipe was asked for"));
        let first = output.recv_timeout(STARTS_WITHIN);
        let first =
            first.unwrap_or_else(|_| panic!("it ended: {:#?}", log.iter().collect::<Vec<_>>()));
        let port = first
            .strip_prefix(ADDRESS)
            .and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("the first line is for programs: {first}"));
        Self {
            child,
            port,
            _output: output,
            log,
            data,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.data.path().join("certs")
    }

    /// The certificate of a system, such as `post-items`.
    pub(crate) fn identity(&self, system: &str) -> Identity {
        let certs = self.certs();
        Identity {
            chain: read(&certs.join(format!("{system}.pem"))),
            key: read(&certs.join(format!("{system}.key"))),
        }
    }

    /// The issuer of an agency.
    pub(crate) fn issuer(&self, agency: &str) -> Authority {
        let Identity { chain, key } = self.identity(&format!("{agency}-ca"));
        Authority::load(&chain, &key).expect("an issuer that was written")
    }

    /// A system, connected and logged in, with channel 1 open.
    pub(crate) fn connect(&self, system: &str) -> Client {
        Client::open(self, Some(&self.identity(system)))
    }

    /// A line of the log that holds `words`; waits for it.
    pub(crate) fn logged(&self, words: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(SAYS_WITHIN) {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("the broker did not log `{words}`, only: {seen:#?}");
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        kilobytes
            .expect("VmRSS")
            .parse::<usize>()
            .expect("a number")
            << 10
    }

    /// Asks it to stop as a service manager does.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the broker is there");
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> ExitStatus {
        self.ended_with_data().0
    }

    /// Waits for its end; the next one may go on with its folder.
    pub(crate) fn ended_with_data(mut self) -> (ExitStatus, TempDir) {
        while self.log.recv_timeout(STARTS_WITHIN).is_ok() {}
        let status = self.child.wait().expect("its own child");
        (status, self.take_data())
    }

    /// Kills it; the next one may go on with its folder.
    pub(crate) fn killed(mut self) -> TempDir {
        self.child.kill().expect("the broker is there");
        self.child.wait().expect("its own child");
        self.take_data()
    }

    fn take_data(&mut self) -> TempDir {
        let other = TempDir::new().expect("a temporary folder");
        std::mem::replace(&mut self.data, other)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Already ended, after `ended`: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of a child's output as they come; the channel closes when the child closes its end.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A file of the repository or of the broker, as text.
#[expect(
    clippy::disallowed_methods,
    reason = "a client reads its certificates and its messages"
)]
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An example of a message type, such as `postal.item/valid/orchids`.
pub(crate) fn example(name: &str) -> String {
    let (kind, rest) = name.split_once('/').expect("type/valid/name");
    let path = format!("messages/{kind}/examples/{rest}.json");
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}
