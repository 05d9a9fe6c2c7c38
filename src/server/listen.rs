//! Listening: a place for the handshake, then accept, TLS, identity; then the connection, in a place
//! of its agency's, on a core of its own.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;

use super::chatter::Chatter;
use super::clock::Clock;
use super::connection::{Connection, Shared};
use super::handshake::{Why, shake_hands};
use super::places::Places;
use super::probes::{Probe, Probes};
use super::refusals::Refusals;
use super::tls::Tls;
use super::verifier::Identifies;
use crate::agency::identity::Admitted;
use crate::agency::network::Network;
use crate::agency::refusal::{IdentityRefusal, RefusalKind};
use crate::agency::registry::Peer;
use crate::backbone::embedded::Embedded;
use crate::broker::limits::{CONNECTIONS, HANDSHAKES};
use crate::broker::pace::Paces;
use crate::message::id::Digest;

/// What the shell is started with.
pub struct Shell {
    /// The core.
    pub backbone: Arc<Embedded>,
    /// TLS, with the server's certificate of the day.
    pub tls: Arc<Tls>,
    /// Clients that were turned away.
    pub refusals: Refusals,
    /// How fast each agency may publish.
    pub paces: Paces,
    /// Time.
    pub clock: Clock,
    /// Heartbeat offered to clients.
    pub heartbeat_s: u16,
    /// Runtimes, one a thread.
    pub runtimes: usize,
    /// How long a stop may take.
    pub drain: Duration,
}

/// What all connections share.
#[derive(Default)]
struct Around {
    places: Places,
    chatter: Chatter,
    advised: Advised,
    probes: Probes,
}

/// Certificates whose departures from the profile were told: each once.
#[derive(Default)]
struct Advised(Mutex<BTreeSet<Digest>>);

impl Advised {
    fn is_new(&self, certificate: Digest) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // More than there are systems: what is told again then is told rarely.
        if told.len() >= CONNECTIONS {
            told.clear();
        }
        told.insert(certificate)
    }
}

/// Serves until `stop` says so: then nothing is accepted, clients are told, and what is under way
/// has the drain time to end.
pub async fn serve(shell: Shell, listeners: Vec<TcpListener>, stop: watch::Receiver<bool>) {
    let shell = Arc::new(shell);
    let around = Arc::new(Around::default());
    let places = &around.places;
    let workers = start_workers(&shell, &around, &stop);
    let mut turn = 0_usize;
    let mut stopping = stop.clone();
    loop {
        let accepting = async {
            let permit = Arc::clone(&places.handshakes).acquire_owned().await;
            (permit, accept(&listeners).await)
        };
        let (permit, accepted) = tokio::select! {
            (Ok(permit), accepted) = accepting => (permit, accepted),
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, remote)) => {
                let place = turn.checked_rem(workers.len()).unwrap_or(0);
                turn = turn.wrapping_add(1);
                if let (Some(worker), Ok(socket)) = (workers.get(place), socket.into_std()) {
                    // A worker that is gone takes none: the socket closes.
                    if worker.send((socket, remote, permit)).is_err() {
                        tracing::error!("a worker thread has ended");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: let some go before the next try.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // A client that comes now is refused at once and tries again, rather than waiting in the queue.
    drop(listeners);
    drop(workers);
    let all = async {
        for (places, count) in [
            (&places.handshakes, HANDSHAKES),
            (&places.connections, CONNECTIONS),
        ] {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // Kept, so that all are waited for: who becomes known takes a place before it gives one
            // back.
            if let Ok(all) = places.acquire_many(count).await {
                all.forget();
            }
        }
    };
    let drained = timeout(shell.drain, all).await.is_ok();
    around.chatter.end();
    if drained {
        tracing::info!("drained: all connections have ended");
    } else {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

/// The next client, at whichever address it comes.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        let mut polled = listeners.iter().map(|it| it.poll_accept(context));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

type Accepted = (std::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

fn start_workers(
    shell: &Arc<Shell>,
    around: &Arc<Around>,
    stop: &watch::Receiver<bool>,
) -> Vec<mpsc::UnboundedSender<Accepted>> {
    let mut workers = Vec::new();
    for number in 0..shell.runtimes.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (shell, around, stop) = (Arc::clone(shell), Arc::clone(around), stop.clone());
        let run = move || work((&shell, &around), receiver, &stop);
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        match thread.spawn(run) {
            Ok(_) => workers.push(sender),
            Err(error) => tracing::error!(%error, "a worker thread cannot be started"),
        }
    }
    workers
}

fn work(
    (shell, around): (&Arc<Shell>, &Arc<Around>),
    mut sockets: mpsc::UnboundedReceiver<Accepted>,
    stop: &watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        tracing::error!("a worker's runtime cannot be started");
        return;
    };
    let local = tokio::task::LocalSet::new();
    local.spawn_local({
        let (shell, around, stop) = (Arc::clone(shell), Arc::clone(around), stop.clone());
        async move {
            while let Some(accepted) = sockets.recv().await {
                let (shell, around, stop) = (Arc::clone(&shell), Arc::clone(&around), stop.clone());
                tokio::task::spawn_local(async move {
                    let remote = accepted.1;
                    if let Err(error) = connect((&shell, &around), accepted, stop).await {
                        handshake_failed((&shell, &around), remote, &error);
                    }
                });
            }
        }
    });
    runtime.block_on(local);
}

/// Shakes hands, and serves who is known. The error is of a socket that is none.
async fn connect(
    (shell, around): (&Shell, &Around),
    (socket, remote, handshake): Accepted,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let socket = TcpStream::from_std(socket)?;
    socket.set_nodelay(true)?;
    let rulebook = Arc::clone(&shell.backbone.view().rulebook);
    let verifier = Identifies::new(&shell.tls, rulebook, shell.clock, remote.ip());
    let verifier = Arc::new(verifier);
    let config = shell.tls.for_one(Arc::clone(&verifier));
    let (stream, admitted) = match shake_hands(config, &verifier, socket).await {
        Ok(known) => known,
        Err(stranger) => {
            match &stranger.why {
                Why::Refused(refusal) => refused((shell, around), refusal, remote),
                Why::Failed(error) => handshake_failed((shell, around), remote, error),
            }
            stranger.read_over().await;
            return Ok(());
        }
    };
    advise(around, &admitted);
    let peer = Arc::new(admitted.peer);
    // Who has no place is told so, in the place of its handshake.
    let (place, refused) = match around.places.take(&peer.agency.id) {
        Ok(place) => (Some(place), None),
        Err(says) => (None, Some(says)),
    };
    let handshake = place.is_none().then_some(handshake);
    welcome((shell, around), &peer, remote, refused.as_deref());
    let with = Shared {
        backbone: Arc::clone(&shell.backbone),
        pace: shell.paces.of(peer.unit.party()),
        clock: shell.clock,
        refused,
    };
    let since = shell.clock.monotonic();
    let who = (Arc::clone(&peer), admitted.grounds);
    let connection = Connection::new(stream, who, with, shell.heartbeat_s);
    let ended = connection.serve(stop).await;
    // Before its place is free: at a stop, nothing is said of connections after the last has ended.
    farewell((shell, around), &peer, (remote, since), &ended);
    drop((place, handshake));
    Ok(())
}

fn welcome(
    (shell, around): (&Shell, &Around),
    peer: &Peer,
    remote: SocketAddr,
    refused: Option<&str>,
) {
    let (agency, system) = (&peer.agency.id, &peer.system.name);
    if !around.chatter.may(Some(agency), shell.clock.monotonic()) {
        return;
    }
    match refused {
        None => tracing::info!(%remote, agency.id = %agency, system.name = %system, "connected"),
        Some(says) => {
            tracing::warn!(%remote, agency.id = %agency, system.name = %system, says, "a connection is refused");
        }
    }
}

fn farewell(
    (shell, around): (&Shell, &Around),
    peer: &Peer,
    (remote, since): (SocketAddr, Duration),
    ended: &io::Result<String>,
) {
    let now = shell.clock.monotonic();
    let (agency, system) = (&peer.agency.id, &peer.system.name);
    if !around.chatter.may(Some(agency), now) {
        return;
    }
    let seconds = now.saturating_sub(since).as_secs();
    let why: &dyn std::fmt::Display = match ended {
        Ok(how) => how,
        Err(error) => error,
    };
    tracing::info!(
        %remote, agency.id = %agency, system.name = %system, why = %why, connected_s = seconds, "disconnected"
    );
}

fn handshake_failed((shell, around): (&Shell, &Around), remote: SocketAddr, error: &io::Error) {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    if [UnexpectedEof, ConnectionReset].contains(&error.kind()) {
        probed((shell, around), Probe::Closed, remote);
    } else if around.chatter.may(None, shell.clock.monotonic()) {
        tracing::info!(%remote, %error, "a handshake failed");
    }
}

/// Tells of a connection that ended before it said who it is, unless its network was told of.
fn probed((shell, around): (&Shell, &Around), probe: Probe, remote: SocketAddr) {
    let now = shell.clock.monotonic();
    let Some(times) = around.probes.tell(probe, remote.ip(), now) else {
        return;
    };
    if around.chatter.may(None, now) {
        let network = Network::around(remote.ip());
        let how = match probe {
            Probe::Closed => "it closed the connection in the handshake",
            Probe::WithoutCertificate => "it showed no certificate (identity.no-certificate)",
        };
        tracing::info!(
            %remote, %network, times, how,
            "a connection ended before it said who it is; the next of its network are counted for an hour"
        );
    }
}

fn refused((shell, around): (&Shell, &Around), refusal: &IdentityRefusal, remote: SocketAddr) {
    if refusal.kind == RefusalKind::NoCertificate {
        probed((shell, around), Probe::WithoutCertificate, remote);
    } else if around.chatter.may(None, shell.clock.monotonic()) {
        let code = refusal.code();
        tracing::warn!(%remote, %refusal, refusal.code = code, "a client was refused");
    }
    shell.refusals.note(refusal, remote.ip(), shell.clock.now());
}

/// Says where the certificate departs from the profile, once for each certificate.
fn advise(around: &Around, admitted: &Admitted) {
    let (peer, certificate) = (&admitted.peer, &admitted.certificate);
    if admitted.departures.is_empty() || !around.advised.is_new(certificate.fingerprint) {
        return;
    }
    let (agency, system) = (&peer.agency.id, &peer.system.name);
    let advice = admitted.departures.join("; ");
    tracing::warn!(
        agency.id = %agency, system.name = %system, serial = certificate.serial, advice,
        "a client's certificate departs from the profile of certs/README.md"
    );
}
