//! Listening: a place for the handshake, then accept, TLS, identity; then the connection, in a place
//! of its agency's, on a core of its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::chatter::Chatter;
use super::clock::Clock;
use super::connection::{Connection, Shared};
use super::places::Places;
use super::refusals::Refusals;
use crate::agency::identity::identify;
use crate::agency::registry::Peer;
use crate::backbone::embedded::Embedded;
use crate::broker::limits::{CONNECTIONS, HANDSHAKES, LINGER, TLS_HANDSHAKE};
use crate::broker::pace::Paces;

/// What the shell is started with.
pub struct Shell {
    /// The core.
    pub backbone: Arc<Embedded>,
    /// TLS as the active rulebook wants it; exchanged when that changes.
    pub tls: Arc<ArcSwap<ServerConfig>>,
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
                    if let Err(error) = connect((&shell, &around), accepted, stop).await
                        && around.chatter.may(None, shell.clock.monotonic())
                    {
                        tracing::info!(%remote, %error, "a handshake failed");
                    }
                });
            }
        }
    });
    runtime.block_on(local);
}

/// Shakes hands, and serves who is known. The error is of who is not.
async fn connect(
    (shell, around): (&Shell, &Around),
    (socket, remote, handshake): Accepted,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let socket = TcpStream::from_std(socket)?;
    socket.set_nodelay(true)?;
    let acceptor = TlsAcceptor::from(shell.tls.load_full());
    let accepted = timeout(TLS_HANDSHAKE, acceptor.accept(socket)).await;
    let accepted = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    if accepted.as_ref().is_err_and(lacks_certificate) {
        // TLS has told the client; this tells the operator.
        who((shell, around), &[], remote);
    }
    let mut stream = accepted?;
    let (_, tls) = stream.get_ref();
    let chain: Vec<CertificateDer<'static>> = tls
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .cloned()
        .map(CertificateDer::into_owned)
        .collect();
    let Some(peer) = who((shell, around), &chain, remote) else {
        let ended = timeout(LINGER, stream.shutdown()).await;
        return ended.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    };
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
    let connection = Connection::new(stream, Arc::clone(&peer), with, shell.heartbeat_s);
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
    ended: &io::Result<&'static str>,
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

/// Whose certificate it is; where it is nobody's, that is noted.
fn who(
    (shell, around): (&Shell, &Around),
    chain: &[CertificateDer<'_>],
    remote: SocketAddr,
) -> Option<Arc<Peer>> {
    let view = shell.backbone.view();
    let now = shell.clock.now();
    match identify(chain, view.rulebook.registry(), now, remote.ip()) {
        Ok(peer) => Some(Arc::new(peer)),
        Err(refusal) => {
            if around.chatter.may(None, shell.clock.monotonic()) {
                let code = refusal.code();
                tracing::warn!(%remote, %refusal, refusal.code = code, "a client was refused");
            }
            shell.refusals.note(&refusal, remote.ip(), now);
            None
        }
    }
}

fn lacks_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::NoCertificatesPresented))
}
