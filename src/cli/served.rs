//! A broker of a command's own, for demo and bench: this same program, served as a process that can
//! be killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Broker;
use super::failed::Failed;
use crate::config::{Address, Config, read_file};

const ADDRESS: &str = "listening on amqps://127.0.0.1:";
const OFFICERS: &str = "officers at https://127.0.0.1:";

/// A running broker. Dropped, it is killed: its command leaves nothing behind.
pub(super) struct Served {
    config: Config,
    /// A variable of the process's environment.
    variable: (&'static str, &'static str),
    process: Process,
}

struct Process {
    child: Child,
    port: u16,
    /// Of officers.
    http: u16,
    /// Held open: a broker that cannot print would stop.
    _output: BufReader<ChildStdout>,
}

impl Served {
    /// Starts it with the folders of `config` on a free port of loopback, and waits until it
    /// listens. Its log is the file beside its data folder.
    pub(super) fn start(
        config: Config,
        variable: (&'static str, &'static str),
    ) -> Result<Self, Failed> {
        Ok(Self {
            process: Process::start(&config, variable, [0, 0])?,
            config,
            variable,
        })
    }

    /// Starts it again on the same data and port.
    pub(super) fn restart(&mut self) -> Result<(), Failed> {
        let ports = [self.process.port, self.process.http];
        self.process = Process::start(&self.config, self.variable, ports)?;
        Ok(())
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Its address and certificates, for clients.
    pub(super) fn broker(&self) -> Broker {
        Broker::local(self.process.port, self.certs())
    }

    /// The folder of certificates of its systems and officers.
    pub(super) fn certs(&self) -> PathBuf {
        self.config.data.join("certs")
    }

    /// Where its officers act.
    pub(super) fn http(&self) -> Address {
        Address {
            host: "localhost".to_owned(),
            port: self.process.http,
        }
    }

    /// `kill -9`: it gets no moment to write or say anything more.
    pub(super) fn kill(&mut self) -> Result<(), Failed> {
        self.process.child.kill().map_err(Failed::cannot_run)?;
        self.process.child.wait().map_err(Failed::cannot_run)?;
        Ok(())
    }

    /// Asks it to drain, and waits until it has. Whether it ended well.
    pub(super) fn stop(mut self) -> Result<bool, Failed> {
        let child = &mut self.process.child;
        kill_process(Pid::from_child(child), Signal::TERM).map_err(Failed::cannot_run)?;
        Ok(child.wait().map_err(Failed::cannot_run)?.success())
    }
}

impl Process {
    fn start(config: &Config, variable: (&str, &str), ports: [u16; 2]) -> Result<Self, Failed> {
        let [amqp, http] = ports.map(|port| format!("127.0.0.1:{port}"));
        let log = config.data.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log);
        let mut child = Command::new(std::env::current_exe().map_err(Failed::cannot_run)?)
            .args(["serve", "--dev", "--with-parent"])
            .args(["--amqp", &amqp, "--http", &http, "--health", "127.0.0.1:0"])
            .arg("--data")
            .arg(&config.data)
            .arg("--agencies")
            .arg(&config.agencies)
            .arg("--messages")
            .arg(&config.messages)
            .arg("--policies")
            .arg(&config.policies)
            .env(variable.0, variable.1)
            .stdout(Stdio::piped())
            .stderr(stderr.map_err(Failed::cannot_run)?)
            .spawn()
            .map_err(Failed::cannot_run)?;
        let output = child.stdout.take();
        let mut output = BufReader::new(
            output.ok_or_else(|| Failed::cannot_run("the broker has no standard output"))?,
        );
        let mut told = |prefix| {
            let mut line = String::new();
            output.read_line(&mut line).map_err(Failed::cannot_run)?;
            let port = line.trim().strip_prefix(prefix);
            Ok::<Option<u16>, Failed>(port.and_then(|port| port.parse().ok()))
        };
        let (Some(port), Some(http)) = (told(ADDRESS)?, told(OFFICERS)?) else {
            drop(child.kill());
            drop(child.wait());
            let log = read_file(&log).map_err(Failed::cannot_run)?;
            let says = String::from_utf8_lossy(&log).into_owned();
            return Err(Failed::CannotRun(format!(
                "the broker did not start: {says}"
            )));
        };
        Ok(Self {
            child,
            port,
            http,
            _output: output,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended, after `stop` or `kill`: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
