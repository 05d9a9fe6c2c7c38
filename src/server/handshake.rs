//! The handshake of one client: TLS, and who it is.
//!
//! A client that is declined gets TLS's alert, and time to read it: a socket that is closed with unread
//! input is reset, and takes the alert with it.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, Error, InvalidMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::verifier::Identifies;
use crate::agency::identity::Admitted;
use crate::agency::refusal::IdentityRefusal;
use crate::broker::limits::{LINGER, TLS_HANDSHAKE};

/// A client whose connection is declined.
pub(super) struct NotLetIn {
    pub(super) why: Why,
    /// The socket on which the client reads why.
    socket: Option<TcpStream>,
}

/// Why a client's connection is declined.
pub(super) enum Why {
    /// Its certificate identifies no system.
    Refused(Box<IdentityRefusal>),
    /// The handshake ended before the client's identity was known.
    Failed(io::Error),
}

/// Shakes hands over `socket`; `verifier` finds who it is.
pub(super) async fn shake_hands<P>(
    config: Result<Arc<rustls::ServerConfig>, Error>,
    verifier: &Identifies<P>,
    socket: TcpStream,
) -> Result<(TlsStream<TcpStream>, Admitted<P>), NotLetIn> {
    let failed = |error: io::Error, socket| NotLetIn {
        why: Why::Failed(error),
        socket,
    };
    let config = config.map_err(|error| failed(io::Error::other(error), None))?;
    let accept = TlsAcceptor::from(config).accept(socket).into_fallible();
    let ended = timeout(TLS_HANDSHAKE, accept).await;
    let ended = ended.map_err(|_| failed(io::ErrorKind::TimedOut.into(), None))?;
    let refused = |refusal, socket| NotLetIn {
        why: Why::Refused(Box::new(refusal)),
        socket,
    };
    match (ended, verifier.take()) {
        (Ok(stream), Some(Ok(admitted))) => Ok((stream, admitted)),
        (Ok(stream), Some(Err(refusal))) => Err(refused(refusal, Some(stream.into_inner().0))),
        // TLS went through and no certificate was looked at: the connection is declined.
        (Ok(_), None) => Err(failed(
            io::Error::other("no certificate was looked at"),
            None,
        )),
        (Err((_, socket)), Some(Err(refusal))) => Err(refused(refusal, Some(socket))),
        (Err((error, socket)), _) if lacks_certificate(&error) => {
            Err(refused(IdentityRefusal::none_sent(), Some(socket)))
        }
        (Err((error, socket)), _) => Err(failed(in_words(error), Some(socket))),
    }
}

impl NotLetIn {
    /// Reads over what still comes until the client has closed, for [`LINGER`] at most.
    pub(super) async fn read_over(self) {
        let Some(mut socket) = self.socket else {
            return;
        };
        let rest = async {
            socket.shutdown().await?;
            let mut octets = [0; 4096];
            while socket.read(&mut octets).await? > 0 {}
            io::Result::Ok(())
        };
        // However that ends, the socket is dropped.
        drop(timeout(LINGER, rest).await);
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn lacks_certificate(error: &io::Error) -> bool {
    matches!(tls_error(error), Some(Error::NoCertificatesPresented))
}

/// A handshake's failure that has nothing to do with the client's identity, in words for the operator.
fn in_words(error: io::Error) -> io::Error {
    use AlertDescription::{BadCertificate, CertificateExpired, CertificateUnknown, UnknownCA};
    let refuses = [
        BadCertificate,
        CertificateExpired,
        CertificateUnknown,
        UnknownCA,
    ];
    let says = match tls_error(&error) {
        Some(Error::AlertReceived(alert)) if refuses.contains(alert) => format!(
            "the client refuses the server's certificate ({alert:?}): give it the CA file, and \
             connect by a name in the certificate"
        ),
        Some(Error::PeerIncompatible(why)) => format!(
            "no TLS in common with the client ({why:?}): old ones speak 1.2, which setting `tls` \
             allows"
        ),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "what the client sent is no TLS: only amqps is spoken here".to_owned()
        }
        _ => return error,
    };
    io::Error::other(says)
}
