//! Rust's lapin: the built program of its page, and what the library says to mistakes. They are made
//! here, since to build the program anew for each takes too long.

use std::path::PathBuf;
use std::process::Command;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties};

use crate::broker::Broker;

/// `tests/interop/lapin_client.rs`, built.
pub(crate) fn built() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", "lapin_client"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.expect("cargo starts").success());
    let broker = PathBuf::from(env!("CARGO_BIN_EXE_carnet"));
    broker.with_file_name("examples").join("lapin_client")
}

/// What the library says by this path of the URI.
pub(crate) fn says(broker: &Broker, path: &str) -> String {
    // A process has one TLS provider, chosen once.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let certs = broker.certs();
    let read = |name: &str| read(&format!("{certs}/{name}"));
    let tls = OwnedTLSConfig {
        identity: Some(OwnedIdentity::PKCS8 {
            pem: read("post-items.pem"),
            key: read("post-items.key"),
        }),
        cert_chain: Some(String::from_utf8(read("ca.pem")).expect("PEM is text")),
    };
    let uri = format!("amqps://localhost:{}{path}", broker.port());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let refused = runtime.block_on(async {
        let properties = ConnectionProperties::default();
        let runtime = lapin::runtime::default_runtime().expect("in Tokio");
        Connection::connect_with_config(&uri, properties, tls, runtime).await
    });
    format!("{:?}", refused.expect_err("it connects"))
}

#[expect(clippy::disallowed_methods, reason = "a client reads its certificates")]
fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
