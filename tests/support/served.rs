//! The real binary, served on a port of loopback with throw-away certificates.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::lines::lines_of;

/// Far beyond what a debug build needs; the machine may be busy.
pub(crate) const STARTS_WITHIN: Duration = Duration::from_mins(1);
const ENDS_WITHIN: Duration = Duration::from_mins(1);
const ADDRESS: &str = "listening on amqps://127.0.0.1:";

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) output: Receiver<String>,
}

/// Serves a folder on a port, 0 for a free one. What stands in the repository is its rulebook.
pub(crate) fn serve(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command
        .args(["serve", "--dev", "--amqp", &format!("127.0.0.1:{port}")])
        .args(["--http", "127.0.0.1:0", "--health", "127.0.0.1:0"])
        .arg("--data")
        .arg(data)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped());
    command
}

impl Served {
    /// Starts the command, and waits until it says where it listens: in its first line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the broker starts");
        let output = lines_of(child.stdout.take().expect("a pipe was asked for"));
        let first = output.recv_timeout(STARTS_WITHIN).unwrap_or_default();
        let port = first.strip_prefix(ADDRESS);
        let Some(port) = port.and_then(|port| port.parse().ok()) else {
            drop(child.kill());
            let mut log = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                drop(stderr.read_to_string(&mut log));
            }
            drop(child.wait());
            panic!("the broker did not say `{ADDRESS}PORT` first, but {first:?}\n{log}");
        };
        Self {
            child,
            port,
            output,
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        while self.output.recv_timeout(ENDS_WITHIN).is_ok() {}
        self.child.wait().expect("its own child")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
