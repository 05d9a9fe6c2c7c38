//! The real binary, served on a free port of loopback; what it says on either output is kept.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use carnet::cli::certs::issue::Authority;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::{Client, Identity};
use crate::files::memory_kib;
pub(crate) use crate::files::{example, read};
use crate::lines::lines_of;
use crate::served::{Served, serve};

/// What is not said by then is never said.
const SAYS_WITHIN: Duration = Duration::from_mins(1);

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    served: Served,
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
        let mut command = serve(data.path(), 0);
        command
            .env("CARNET__DRAIN_S", "5")
            .env("CARNET__SEGMENT_MIB", "16")
            .stderr(Stdio::piped());
        change(&mut command);
        let mut served = Served::start(&mut command);
        let log = lines_of(served.child.stderr.take().expect("a pipe was asked for"));
        Self { served, log, data }
    }

    pub(crate) fn port(&self) -> u16 {
        self.served.port
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
        self.logged_until(words).pop().expect("the line itself")
    }

    /// The lines of the log up to one that holds `words`, that one included; waits for it.
    pub(crate) fn logged_until(&self, words: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(SAYS_WITHIN) {
            let found = line.contains(words);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("the broker did not log `{words}`, only: {seen:#?}");
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// Waits for the first checkpoint: until then the broker reads all of its log, which takes memory.
    pub(crate) fn wait_for_its_tree(&self) {
        while !self.data().join("log/checkpoint").exists() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// The most memory that was in use since [`Self::forget_peak`], in bytes.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.memory("VmHWM:")
    }

    /// The most memory in use is counted anew from here.
    #[expect(clippy::disallowed_methods, reason = "the kernel is asked by a file")]
    pub(crate) fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.served.child.id());
        std::fs::write(path, "5").expect("the broker is there");
    }

    fn memory(&self, what: &str) -> usize {
        memory_kib(self.served.child.id(), what) << 10
    }

    /// Asks it to stop as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its certificate again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.served.child), signal).expect("the broker is there");
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> ExitStatus {
        self.ended_with_data().0
    }

    /// Waits for its end; the next one may go on with its folder.
    pub(crate) fn ended_with_data(mut self) -> (ExitStatus, TempDir) {
        (self.served.ended(), self.data)
    }

    /// Kills it; the next one may go on with its folder.
    pub(crate) fn killed(mut self) -> TempDir {
        self.served.child.kill().expect("the broker is there");
        self.served.ended();
        self.data
    }
}
