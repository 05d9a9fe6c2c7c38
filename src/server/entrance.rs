//! The entrance: accept, then a place at the door for the handshake.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::door::{Door, Handshake, Inside};
use crate::broker::limits::{KEEPALIVE, PEER_GONE};

/// A socket in front of the door.
pub(super) struct Guest {
    pub(super) socket: TcpStream,
    pub(super) remote: SocketAddr,
    /// Among the sockets that may be open.
    pub(super) open: OwnedSemaphorePermit,
}

/// Lets clients through a door, at most so many sockets `open` at a time, until `stop` says so. Those
/// who shake hands then are in what is returned.
pub(super) async fn enter_all(
    listeners: Vec<TcpListener>,
    open: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
    mut enter: impl FnMut(Guest, Handshake),
) -> Arc<Inside> {
    let inside = Arc::<Inside>::default();
    let mut door = Door::new(Arc::clone(&inside));
    loop {
        let accepting = async {
            // The log has its own files, however many come.
            let open = Arc::clone(&open).acquire_owned().await;
            (open, accept(&listeners).await)
        };
        let accepted = tokio::select! {
            (Ok(open), accepted) = accepting => Some((open, accepted)),
            () = inside.left() => None,
            _ = stop.wait_for(|stop| *stop) => break,
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
            enter(guest, handshake);
        }
    }
    // A client that comes now finds no listener and tries again, rather than waiting in the queue.
    inside
}

/// The next client, at whichever address it comes.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        let mut polled = listeners.iter().map(|it| it.poll_accept(context));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Has TCP ask whether a silent peer is still there, and give up one that acknowledges nothing.
pub(super) fn keep_alive(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE.div_f32(6.0))?;
    let gone = u32::try_from(PEER_GONE.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, gone)?;
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
