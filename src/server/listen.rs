//! Listening: accept, a place at the door for the handshake, TLS, identity; then the connection, in a place
//! of its agency's, on a core of its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::connection::{Client, Connection, Shared};
use super::door::{Door, Handshake, Inside};
use super::handshake::{Why, shake_hands};
use super::house::House;
use super::placement::{Placement, Seat};
use super::places::NoPlace;
pub(crate) use super::shell::Shell;
use super::verifier::Identifies;
use super::worker::Worker;
use crate::agency::identity::identify;
use crate::broker::limits::{KEEPALIVE, PEER_GONE};

/// Serves until `stop` says so: then nothing is accepted, clients are told, and what is under way
/// has the drain time to end.
pub(crate) async fn serve(shell: Shell, listeners: Vec<TcpListener>, stop: watch::Receiver<bool>) {
    let house = Arc::new(House::new(shell));
    let places = &house.places;
    let workers = start_workers(&house, &stop);
    let mut placement = Placement::new(workers.len());
    let inside = Arc::<Inside>::default();
    let mut door = Door::new(Arc::clone(&inside));
    let sockets = Arc::new(Semaphore::new(house.shell.sockets));
    let mut stopping = stop.clone();
    loop {
        let accepting = async {
            // The log has its own files, however many come.
            let open = Arc::clone(&sockets).acquire_owned().await;
            (open, accept(&listeners).await)
        };
        let accepted = tokio::select! {
            (Ok(open), accepted) = accepting => Some((open, accepted)),
            () = inside.left() => None,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Some((open, Ok((socket, remote)))) => {
                // One that must go is closed.
                drop(door.arrive(
                    remote.ip(),
                    Guest {
                        socket,
                        remote,
                        open,
                    },
                ));
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: let some go before the next try.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            None => {}
        }
        while let Some((guest, handshake)) = door.next() {
            let (worker, seat) = placement.take();
            let accepted = guest.accepted(handshake, seat);
            let worker = workers.get(worker);
            // A worker that is gone takes none: the socket closes.
            if let (Some(worker), Ok(accepted)) = (worker, accepted)
                && worker.send(accepted).is_err()
            {
                tracing::error!("a worker thread has ended");
            }
        }
    }
    drop(door);
    // A client that comes now finds no listener and tries again, rather than waiting in the queue.
    drop(listeners);
    drop(workers);
    let all = async {
        inside.is_empty().await;
        places.all().await;
    };
    let drained = timeout(house.shell.drain, all).await.is_ok();
    house.chatter.end();
    let octets = house.octets_most.load(Ordering::Relaxed);
    tracing::debug!(
        octets,
        "most work of a worker between two looks at its sockets"
    );
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

/// A socket in front of the door.
struct Guest {
    socket: TcpStream,
    remote: SocketAddr,
    /// Among the sockets that may be open.
    open: OwnedSemaphorePermit,
}

impl Guest {
    fn accepted(self, handshake: Handshake, seat: Seat) -> io::Result<Accepted> {
        Ok(Accepted {
            socket: self.socket.into_std()?,
            remote: self.remote,
            open: self.open,
            handshake,
            seat,
        })
    }
}

/// A socket on its way to its worker, with the places that it takes.
struct Accepted {
    socket: std::net::TcpStream,
    remote: SocketAddr,
    /// Among the sockets that may be open.
    open: OwnedSemaphorePermit,
    /// Until it is known whose it is.
    handshake: Handshake,
    /// Among the connections of its worker.
    seat: Seat,
}

fn start_workers(
    house: &Arc<House>,
    stop: &watch::Receiver<bool>,
) -> Vec<mpsc::UnboundedSender<Accepted>> {
    let mut workers = Vec::new();
    for number in 0..house.shell.runtimes.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (house, stop) = (Arc::clone(house), stop.clone());
        let run = move || work(&house, receiver, &stop);
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        match thread.spawn(run) {
            Ok(_) => workers.push(sender),
            Err(error) => tracing::error!(%error, "a worker thread cannot be started"),
        }
    }
    workers
}

fn work(
    house: &Arc<House>,
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
        let (house, stop) = (Arc::clone(house), stop.clone());
        let worker = Rc::new(Worker::new(Arc::clone(&house.octets_most)));
        async move {
            while let Some(accepted) = sockets.recv().await {
                let (house, worker, stop) = (Arc::clone(&house), Rc::clone(&worker), stop.clone());
                tokio::task::spawn_local(async move {
                    let remote = accepted.remote;
                    if let Err(error) = connect(&house, worker, accepted, stop).await {
                        house.handshake_failed(remote, &error);
                    }
                });
            }
        }
    });
    runtime.block_on(local);
}

/// Has TCP ask whether a silent peer is still there, and give up one that acknowledges nothing.
fn keep_alive(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE.div_f32(6.0))?;
    let gone = u32::try_from(PEER_GONE.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, gone)?;
    Ok(())
}

/// Shakes hands, and serves who is known. The error is of a socket that is none.
async fn connect(
    house: &House,
    worker: Rc<Worker>,
    accepted: Accepted,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let Accepted {
        socket,
        remote,
        open,
        handshake,
        seat,
    } = accepted;
    let shell = &house.shell;
    let socket = TcpStream::from_std(socket)?;
    socket.set_nodelay(true)?;
    keep_alive(&socket)?;
    let rulebook = Arc::clone(&shell.backbone.view().rulebook);
    let verifier = Identifies::new(identify, &shell.tls, rulebook, shell.clock, remote.ip());
    let verifier = Arc::new(verifier);
    let config = shell.tls.for_one(Arc::<Identifies>::clone(&verifier));
    let (stream, admitted) = match shake_hands(config, &verifier, socket).await {
        Ok(known) => known,
        Err(stranger) => {
            match &stranger.why {
                Why::Refused(refusal) => house.declined(refusal, remote),
                Why::Failed(error) => house.handshake_failed(remote, error),
            }
            drop(handshake);
            if let Some(_goodbye) = house.places.stranger() {
                stranger.read_over().await;
            }
            return Ok(());
        }
    };
    house.advise(&admitted);
    let peer = Arc::new(admitted.peer);
    let (place, declined) = match house.places.take(peer.unit.party()) {
        Ok(place) => (Some(place), None),
        Err(NoPlace { says, goodbye }) => (goodbye, Some(says)),
    };
    drop(handshake);
    house.welcome(&peer, remote, declined.as_deref());
    let Some(place) = place else {
        return Ok(());
    };
    let shared = Shared {
        backbone: Arc::clone(&shell.backbone),
        budget: shell.budgets.of(peer.unit.party()),
        desk: Arc::clone(&shell.desk),
        revocation: Arc::clone(shell.tls.revocation()),
        keys: Arc::clone(&shell.keys),
        worker,
        clock: shell.clock,
    };
    let client = Client {
        peer: Arc::clone(&peer),
        grounds: admitted.grounds,
        certificate: admitted.certificate.fingerprint,
        declined,
        heartbeat_s: shell.heartbeat_s,
    };
    let since = shell.clock.monotonic();
    let parted = Connection::new(stream, client, shared).serve(stop).await;
    // Before its place is free: at a stop, nothing is said of connections after the last has ended.
    if let Some(mut refusal) = parted.withdrawn {
        refusal.certificate = Some(admitted.certificate);
        house.declined(&refusal, remote);
    }
    house.farewell(&peer, remote, since, &parted.how);
    drop((place, seat, open));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_looks_after_a_silent_peer_and_gives_up_one_that_acknowledges_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let (socket, _) = tokio::join!(TcpStream::connect(address), listener.accept());
            let socket = socket.unwrap();
            keep_alive(&socket).unwrap();
            assert!(sockopt::socket_keepalive(&socket).unwrap());
            assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE);
            let gone = sockopt::tcp_user_timeout(&socket).unwrap();
            assert_eq!(u128::from(gone), PEER_GONE.as_millis());
        });
    }
}
