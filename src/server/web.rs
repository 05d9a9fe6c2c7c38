//! Officers' connections: HTTP/1.1 over the same mutual TLS, on a thread of its own.
//!
//! What systems do never waits for what officers ask: nothing here runs on a worker of a system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};

use super::entrance::{Guest, enter_all};
use super::health;
use super::house::House;
use super::visit::visit;
use crate::agency::identity::Grounds;
use crate::http::{Site, THREADS, Vouches};

/// What is listened on by the officers' thread.
pub(super) struct Listeners {
    pub(super) officers: Vec<std::net::TcpListener>,
    /// In plain HTTP: who asks how the broker is.
    pub(super) health: Vec<std::net::TcpListener>,
    /// Where systems connect, which is looked at.
    pub(super) systems: Option<SocketAddr>,
}

/// The thread of officers' connections.
pub(super) struct Officers(oneshot::Receiver<()>);

impl Officers {
    /// Returns when no officer is connected any more, after the stop.
    pub(super) async fn ended(self) {
        // Dropped by its thread, whichever way that ended.
        drop(self.0.await);
    }
}

/// Serves officers on `listeners` until `stop` says so.
pub(super) fn start(
    house: &Arc<House>,
    listeners: Listeners,
    stop: &watch::Receiver<bool>,
) -> Officers {
    let (tell, ended) = oneshot::channel();
    let (house, stop) = (Arc::clone(house), stop.clone());
    let thread = std::thread::Builder::new().name("officers".into());
    let started = thread.spawn(move || {
        if let Err(error) = run(&house, listeners, &stop) {
            tracing::error!(%error, "officers are not served");
        }
        drop(tell);
    });
    if let Err(error) = started {
        tracing::error!(%error, "the officers' thread cannot be started");
    }
    Officers(ended)
}

fn run(house: &Arc<House>, listeners: Listeners, stop: &watch::Receiver<bool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()?;
    runtime.block_on(async {
        let here = |all: Vec<std::net::TcpListener>| {
            let all = all.into_iter().map(TcpListener::from_std);
            all.collect::<io::Result<Vec<_>>>()
        };
        let health = health::serve(
            Arc::clone(house),
            here(listeners.health)?,
            listeners.systems,
        );
        tokio::spawn(health);
        let listeners = here(listeners.officers)?;
        let revocation = Arc::clone(house.shell.tls.revocation());
        let clock = house.shell.clock;
        let stands = Box::new(move |grounds: &Grounds| revocation.admit(grounds, clock.now()));
        let keys = Arc::clone(&house.shell.keys);
        let vouches: Vouches = Box::new(move |agency, token, certificate, now| {
            keys.verify(agency, token, certificate, now)
        });
        let site = Site::new(Arc::clone(&house.shell.backbone), stands, vouches);
        let sockets = house.shell.sockets.officers;
        let open = Arc::new(Semaphore::new(sockets));
        let stopping = stop.clone();
        let enter = |guest: Guest, handshake| {
            let (house, site, stop) = (Arc::clone(house), site.clone(), stop.clone());
            tokio::spawn(async move {
                let remote = guest.remote;
                if let Err(error) = visit(&house, site, guest, handshake, stop).await {
                    house.handshake_failed(remote, &error);
                }
            });
        };
        enter_all(listeners, Arc::clone(&open), stopping, enter).await;
        // Each connection has one of them.
        let all = u32::try_from(sockets).unwrap_or(u32::MAX);
        drop(open.acquire_many(all).await);
        Ok(())
    })
}
