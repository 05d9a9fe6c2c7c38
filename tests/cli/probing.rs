//! A load balancer looks whether the broker is there. That fills no log, and pushes nobody out of
//! sight.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use carnet::config::read_file;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::net::TcpSocket;

use crate::serving::{DEV, Running};
use crate::{Folders, code, json};

/// Machines of one network that look, each so often.
const MACHINES: u8 = 20;
const TIMES: u8 = 5;

/// A connection from one of the machines of 127.0.0.0/24.
fn connect(machine: u8, to: SocketAddr) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, machine), 0);
        socket.bind(from.into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

/// Shakes hands without a certificate, and reads until the broker has ended it.
fn look(machine: u8, to: SocketAddr, config: &Arc<ClientConfig>) {
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(machine, to));
    // The broker may end it in the midst of either: that is what it is for.
    drop(stream.flush());
    drop(stream.read_to_end(&mut Vec::new()));
}

#[test]
fn a_load_balancers_checks_fill_no_log_and_push_no_declined_client_out_of_sight() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev strangers")), Some(0));
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    folders.copy("dev/certs/ca.pem", "strangers/ca.pem");
    let stranger = format!("consume --as post/items --count 0 --amqp {address} --certs strangers");
    assert_eq!(code(&folders.run(&stranger)), Some(3));
    Running::line(&broker.stderr, "a client was declined");

    let to: SocketAddr = address.parse().unwrap();
    let mut roots = RootCertStore::empty();
    let authority = read_file(&folders.path().join("dev/certs/ca.pem")).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&authority).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for machine in 1..=MACHINES {
        for _ in 0..TIMES {
            drop(connect(machine, to));
            look(machine, to, &config);
        }
    }
    let said = broker.stop_and_tell();
    let told: Vec<&String> = said
        .iter()
        .filter(|line| line.contains("handshake") || line.contains("certificate"))
        .collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    for how in ["closed the connection", "showed no certificate"] {
        let line = told.iter().find(|line| line.contains(how));
        assert!(line.unwrap().contains("network=127.0.0.0/24"), "{told:#?}");
    }
    let refused = json(&folders.run("agency refused --json --data dev"));
    let codes: Vec<&str> = refused
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["identity.unknown-issuer", "identity.no-certificate"]
    );
    assert_eq!(refused[1]["times"], u64::from(MACHINES) * u64::from(TIMES));
}
