//! The greeting of one client, system or officer: mutual TLS, and who it is; or a goodbye that it can read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::door::Handshake;
use super::entrance::keep_alive;
use super::handshake::{Why, shake_hands};
use super::house::House;
use super::verifier::{Identifies, Identify};
use crate::agency::identity::Admitted;

/// A client that is known.
pub(super) struct Greeted<P> {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) admitted: Admitted<P>,
    /// Its place at the door, until it has another.
    pub(super) handshake: Handshake,
}

/// Shakes hands, by what `identify` says of the client's certificate. None where the client is declined,
/// once it has had time to read why. The error is of a socket that is none.
pub(super) async fn greet<P: Send + 'static>(
    house: &House,
    identify: Identify<P>,
    socket: TcpStream,
    remote: SocketAddr,
    handshake: Handshake,
) -> io::Result<Option<Greeted<P>>> {
    socket.set_nodelay(true)?;
    keep_alive(&socket)?;
    let shell = &house.shell;
    let rulebook = Arc::clone(&shell.backbone.view().rulebook);
    let verifier = Identifies::new(identify, &shell.tls, rulebook, shell.clock, remote.ip());
    let verifier = Arc::new(verifier);
    let config = shell.tls.for_one(Arc::<Identifies<P>>::clone(&verifier));
    match shake_hands(config, &verifier, socket).await {
        Ok((stream, admitted)) => Ok(Some(Greeted {
            stream,
            admitted,
            handshake,
        })),
        Err(stranger) => {
            match &stranger.why {
                Why::Refused(refusal) => house.declined(refusal, remote),
                Why::Failed(error) => house.handshake_failed(remote, error),
            }
            drop(handshake);
            if let Some(_goodbye) = house.places.stranger() {
                stranger.read_over().await;
            }
            Ok(None)
        }
    }
}
