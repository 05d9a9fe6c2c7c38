//! The broker of the demo: this same program, served as a process of its own, that can be killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::client::Broker;
use crate::cli::failed::Failed;
use crate::config::Config;

const ADDRESS: &str = "listening on amqps://127.0.0.1:";

/// A running broker. Dropped, it is killed: a demo leaves nothing behind.
pub(super) struct Served {
    child: Child,
    port: u16,
    /// Held open: a broker that cannot print would stop.
    _output: BufReader<ChildStdout>,
}

impl Served {
    /// Starts it on a port of loopback, 0 for a free one, and waits until it listens.
    pub(super) fn start(config: &Config, data: &Path, port: u16) -> Result<Self, Failed> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(data.with_extension("log"))
            .map_err(Failed::cannot_run)?;
        let mut child = Command::new(std::env::current_exe().map_err(Failed::cannot_run)?)
            .args(["serve", "--dev", "--with-parent"])
            .args(["--amqp", &format!("127.0.0.1:{port}")])
            .arg("--data")
            .arg(data)
            .arg("--agencies")
            .arg(&config.agencies)
            .arg("--messages")
            .arg(&config.messages)
            .arg("--policies")
            .arg(&config.policies)
            // A day of nineteen messages needs no half gigabyte of a temporary folder.
            .env("CARNET__SEGMENT_MIB", "16")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(Failed::cannot_run)?;
        let output = child.stdout.take();
        let mut output = BufReader::new(
            output.ok_or_else(|| Failed::cannot_run("the broker has no standard output"))?,
        );
        let mut line = String::new();
        output.read_line(&mut line).map_err(Failed::cannot_run)?;
        let port = line.trim().strip_prefix(ADDRESS).map(str::parse);
        let Some(Ok(port)) = port else {
            drop(child.kill());
            drop(child.wait());
            let log = data.with_extension("log");
            let log = crate::config::read_file(&log).map_err(Failed::cannot_run)?;
            let says = String::from_utf8_lossy(&log).into_owned();
            return Err(Failed::CannotRun(format!(
                "the broker did not start: {says}"
            )));
        };
        Ok(Self {
            child,
            port,
            _output: output,
        })
    }

    /// Where it is, for clients.
    pub(super) fn broker(&self, data: &Path) -> Broker {
        Broker::local(self.port, data.join("certs"))
    }

    /// `kill -9`: it gets no moment to write or say anything more.
    pub(super) fn kill(&mut self) -> Result<(), Failed> {
        self.child.kill().map_err(Failed::cannot_run)?;
        self.child.wait().map_err(Failed::cannot_run)?;
        Ok(())
    }

    /// Asks it to drain, and waits until it has. Whether it ended well.
    pub(super) fn stop(mut self) -> Result<bool, Failed> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(Failed::cannot_run)?;
        Ok(self.child.wait().map_err(Failed::cannot_run)?.success())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended, after `stop` or `kill`: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
