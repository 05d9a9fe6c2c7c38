//! A broker for stock clients, restarted in the midst of their conversation.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::served::{STARTS_WITHIN, Served, serve};

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    served: Served,
    data: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::started_in(TempDir::new().expect("a temporary folder"), 0)
    }

    /// Started for other agencies than the repository's.
    pub(crate) fn start_for(agencies: &Path) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let mut command = serve(data.path(), 0);
        command.arg("--agencies").arg(agencies);
        Self::started(data, command)
    }

    fn started_in(data: TempDir, port: u16) -> Self {
        let command = serve(data.path(), port);
        Self::started(data, command)
    }

    fn started(data: TempDir, mut command: Command) -> Self {
        // Clients that are idle between two calls do not answer the broker's goodbye.
        let served = Served::start(command.env("CARNET__DRAIN_S", "2"));
        Self { served, data }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.served.port
    }

    /// Where officers act, as the broker's second line has it.
    pub(crate) fn officers_at(&self) -> String {
        let line = self.served.output.recv_timeout(STARTS_WITHIN);
        let line = line.expect("the broker says where officers act");
        let at = line
            .strip_prefix("officers at ")
            .expect("officers have an address");
        at.replace("127.0.0.1", "localhost")
    }

    /// The folder with `ca.pem` and a certificate and key for each system.
    pub(crate) fn certs(&self) -> String {
        self.data.path().join("certs").display().to_string()
    }

    /// Asked to stop as a service manager does, and started again on the same port and data.
    pub(crate) fn restarted(self) -> Self {
        let port = self.port();
        Self::started_in(self.stopped(), port)
    }

    /// Drained and ended with exit code 0. Gives back the data folder.
    pub(crate) fn stopped(mut self) -> TempDir {
        let broker = Pid::from_child(&self.served.child);
        kill_process(broker, Signal::TERM).expect("the broker is there");
        let status = self.served.ended();
        assert!(status.success(), "the broker did not drain: {status}");
        self.data
    }
}
