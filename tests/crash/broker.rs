//! A broker that is killed and started again on the same port and data.

use tempfile::TempDir;

use crate::served::{self, Served};

/// A running broker. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Broker {
    served: Served,
    data: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let served = serve(&data, 0);
        Self { served, data }
    }

    pub(crate) fn port(&self) -> u16 {
        self.served.port
    }

    /// The folder with `ca.pem` and a certificate and key for each system.
    pub(crate) fn certs(&self) -> String {
        self.data.path().join("certs").display().to_string()
    }

    /// SIGKILL, then a start on what is there.
    pub(crate) fn kill_and_restart(&mut self) {
        self.served.child.kill().expect("the broker is there");
        self.served.ended();
        self.served = serve(&self.data, self.served.port);
    }
}

fn serve(data: &TempDir, port: u16) -> Served {
    let mut command = served::serve(data.path(), port);
    // Small segments: lives end in the middle of one, at its end, and while the next is made.
    command
        .env("CARNET__SEGMENT_MIB", "8")
        .env("CARNET_LOG", "carnet=warn");
    Served::start(&mut command)
}
