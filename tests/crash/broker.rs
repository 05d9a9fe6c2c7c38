//! The real binary, killed and started again on the same port and data.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Far beyond what a debug build needs; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const ADDRESS: &str = "amqps://127.0.0.1:";

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    child: Child,
    port: u16,
    data: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let (child, port) = serve(&data, 0);
        Self { child, port, data }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder with `ca.pem` and a certificate and key for each system.
    pub(crate) fn certs(&self) -> String {
        self.data.path().join("certs").display().to_string()
    }

    /// SIGKILL, then a start on what is there.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.child = serve(&self.data, self.port).0;
    }

    fn kill(&mut self) {
        self.child.kill().expect("the broker is there");
        self.child.wait().expect("its own child");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Already ended, after a failed start: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn serve(data: &TempDir, port: u16) -> (Child, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(["serve", "--dev", "--amqp", &format!("127.0.0.1:{port}")])
        .arg("--data")
        .arg(data.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // Small segments: lives end in the middle of one, at its end, and while the next is made.
        .env("CARNET__SEGMENT_MIB", "3")
        .env("CARNET_LOG", "carnet=warn")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the broker starts");
    let lines = lines_of(child.stdout.take().expect("a pipe was asked for"));
    let mut told = Vec::new();
    while let Ok(line) = lines.recv_timeout(STARTS_WITHIN) {
        if let Some((_, after)) = line.split_once(ADDRESS) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            return (child, digits.parse().expect("a port follows the address"));
        }
        told.push(line);
    }
    drop(child.kill());
    drop(child.wait());
    panic!("the broker did not say `{ADDRESS}PORT`, only: {told:#?}");
}

/// Reads to the end whoever still listens, so that the child never meets a full or broken pipe.
fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    receiver
}
