//! The real binary, served on a free port of loopback with throw-away certificates and data.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far beyond what a debug build needs; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const STOPS_WITHIN: Duration = Duration::from_secs(30);
const ADDRESS: &str = "amqps://127.0.0.1:";

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    child: Child,
    port: u16,
    output: Receiver<String>,
    data: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::started_in(TempDir::new().expect("a temporary folder"), 0)
    }

    fn started_in(data: TempDir, port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args([
                "serve",
                "--dev",
                "--amqp",
                &format!("127.0.0.1:{port}"),
                "--data",
            ])
            .arg(data.path())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // Clients that are idle between two calls do not answer the broker's goodbye.
            .env("CARNET__DRAIN_S", "2")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker starts");
        let output = lines_of(child.stdout.take().expect("a pipe was asked for"));
        let port = listening_on(&output);
        Self {
            child,
            port,
            output,
            data,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder with `ca.pem` and a certificate and key for each system.
    pub(crate) fn certs(&self) -> String {
        self.data.path().join("certs").display().to_string()
    }

    /// Asked to stop as a service manager does, and started again on the same port and data.
    pub(crate) fn restarted(self) -> Self {
        let port = self.port;
        Self::started_in(self.stopped(), port)
    }

    /// Drained and ended with exit code 0. Gives back the data folder.
    pub(crate) fn stopped(mut self) -> TempDir {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the broker is there");
        while self.output.recv_timeout(STOPS_WITHIN).is_ok() {}
        let status = self.child.wait().expect("its own child");
        assert!(status.success(), "the broker did not drain: {status}");
        std::mem::replace(&mut self.data, TempDir::new().expect("a temporary folder"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Already ended, after `stopped`: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listening_on(output: &Receiver<String>) -> u16 {
    let mut told = Vec::new();
    while let Ok(line) = output.recv_timeout(STARTS_WITHIN) {
        if let Some((_, after)) = line.split_once(ADDRESS) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            return digits.parse().expect("a port follows the address");
        }
        told.push(line);
    }
    panic!("the broker did not say `{ADDRESS}PORT`, only: {told:#?}");
}

/// The lines of a child's output as they come; the channel closes when the child closes its end.
pub(crate) fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
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
