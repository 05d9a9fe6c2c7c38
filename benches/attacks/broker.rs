//! The broker that is attacked, and what its clients need of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carnet::server::clock::Clock;
use tempfile::TempDir;

use crate::client::{Client, Identity};
use crate::files::{agencies, memory_kib};
pub(crate) use crate::files::{example, read};
use crate::lines::lines_of;
use crate::served::{Served, serve};

/// Whether a broker was killed, with all who are connected.
pub(crate) static IS_KILLED: AtomicBool = AtomicBool::new(false);

/// The agency that attacks.
pub(crate) const ATTACKER: &str = "customs-xa";

/// Where it listens and the folder of its certificates.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    port: u16,
    certs: PathBuf,
}

/// A running broker on a folder of its own. Dropped, it is killed.
pub(crate) struct Running {
    pub(crate) broker: Broker,
    served: Served,
    agencies: Option<TempDir>,
    data: TempDir,
}

impl Broker {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.certs.clone()
    }

    /// A system of this certificate, connected, with channel 1 open.
    pub(crate) fn connect(&self, system: &str) -> Client {
        let pem = |suffix: &str| read(&self.certs.join(format!("{system}.{suffix}")));
        let identity = Identity {
            chain: pem("pem"),
            key: pem("key"),
        };
        Client::open(self, Some(&identity))
    }
}

impl Running {
    /// Starts one below `at`; with other limits for the attacker, where there are some.
    pub(crate) fn start(at: &Path, limits: Option<&str>) -> Self {
        IS_KILLED.store(false, Ordering::Relaxed);
        let data = TempDir::new_in(at).expect("a folder");
        let agencies = limits.map(|limits| agencies(ATTACKER, limits));
        let served = served(data.path(), agencies.as_ref());
        let broker = Broker {
            port: served.port,
            certs: data.path().join("certs"),
        };
        Self {
            broker,
            served,
            agencies,
            data,
        }
    }

    /// Kills it, and starts another one on its folder; until that one listens.
    pub(crate) fn start_again(mut self) -> Duration {
        IS_KILLED.store(true, Ordering::Relaxed);
        drop(self.served.child.kill());
        drop(self.served.child.wait());
        let clock = Clock::default();
        drop(served(self.data.path(), self.agencies.as_ref()));
        clock.monotonic()
    }

    /// Memory in use, in MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        let kib = memory_kib(self.served.child.id(), "VmRSS:");
        f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
    }

    /// The files of the log, in MiB, what is filled with zeros ahead included.
    pub(crate) fn log_mib(&self) -> f64 {
        let files = std::fs::read_dir(self.data.path().join("journal")).expect("a journal");
        let sizes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
        let mib = sizes.map(|size| u32::try_from(size >> 20).unwrap_or(u32::MAX));
        mib.map(f64::from).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        IS_KILLED.store(true, Ordering::Relaxed);
    }
}

fn served(data: &Path, agencies: Option<&TempDir>) -> Served {
    let mut command = serve(data, 0);
    command
        .env("CARNET__SEGMENT_MIB", "16")
        .stderr(Stdio::piped());
    if let Some(agencies) = agencies {
        command.arg("--agencies").arg(agencies.path());
    }
    let mut served = Served::start(&mut command);
    // What it says is read, so that it never waits for that.
    drop(lines_of(
        served.child.stderr.take().expect("a pipe was asked for"),
    ));
    served
}
