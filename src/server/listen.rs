//! Listening: accept, a place at the door for the handshake, TLS, identity; then the connection, in a place
//! of its agency's, on a core of its own.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::connection::{Client, Connection, Shared};
use super::door::Handshake;
use super::entrance::{Guest, enter_all};
use super::greeting::{Greeted, greet};
use super::house::House;
use super::placement::{Placement, Seat};
use super::places::NoPlace;
pub(crate) use super::shell::Shell;
use super::web::{self, Listeners};
use super::worker::Worker;
use crate::agency::identity::identify;
use crate::broker::governance::Noted;
use crate::broker::record::Revoked;

/// Serves until `stop` says so: then nothing is accepted, clients are told, and what is under way
/// has the drain time to end.
pub(crate) async fn serve(shell: Shell, sockets: Sockets, stop: watch::Receiver<bool>) {
    let house = Arc::new(House::new(shell));
    let places = &house.places;
    let workers = start_workers(&house, &stop);
    let systems = sockets.systems.first();
    let others = Listeners {
        systems: systems.and_then(|it| it.local_addr().ok()),
        officers: sockets.officers,
        health: sockets.health,
    };
    let officers = web::start(&house, others, &stop);
    let mut placement = Placement::new(workers.len());
    let open = Arc::new(Semaphore::new(house.shell.sockets.systems));
    let inside = enter_all(sockets.systems, open, stop.clone(), |guest, handshake| {
        let (worker, seat) = placement.take();
        let accepted = Accepted::from(guest, handshake, seat);
        let worker = workers.get(worker);
        // A worker that is gone takes none: the socket closes.
        if let (Some(worker), Ok(accepted)) = (worker, accepted)
            && worker.send(accepted).is_err()
        {
            tracing::error!("a worker thread has ended");
        }
    })
    .await;
    drop(workers);
    let all = async {
        inside.is_empty().await;
        places.all().await;
        officers.ended().await;
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

/// What is listened on.
pub(crate) struct Sockets {
    /// For systems, by AMQP.
    pub systems: Vec<TcpListener>,
    /// For officers, by HTTP.
    pub officers: Vec<std::net::TcpListener>,
    /// For programs that ask how the broker is, by plain HTTP.
    pub health: Vec<std::net::TcpListener>,
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

impl Accepted {
    fn from(guest: Guest, handshake: Handshake, seat: Seat) -> io::Result<Self> {
        Ok(Self {
            socket: guest.socket.into_std()?,
            remote: guest.remote,
            open: guest.open,
            handshake,
            seat,
        })
    }
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
    let greeted = greet(house, identify, socket, remote, handshake).await?;
    let Some(Greeted {
        stream,
        admitted,
        handshake,
    }) = greeted
    else {
        return Ok(());
    };
    house.advise(&admitted);
    shell.ends.saw(&admitted.peer, &admitted.certificate);
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
        let (agency, whose) = (
            &peer.agency.id,
            format!("{}/{}", peer.agency.id, peer.system.name),
        );
        let revoked = Revoked::of(agency, whose, &admitted.certificate, remote.ip());
        refusal.certificate = Some(admitted.certificate);
        house.declined(&refusal, remote);
        let noted = Noted::Revoked(Box::new(revoked));
        shell.backbone.note(noted).await;
    }
    house.farewell(&peer, remote, since, &parted.how);
    drop((place, seat, open));
    Ok(())
}
