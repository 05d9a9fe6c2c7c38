//! The visit of one officer: the handshake, a place of his agency's, then his requests.
//!
//! A connection ends when nothing is asked on it for a while, and after a time of its own: none is kept
//! for ever. One whose client does not read its answer in time ends, so that no answer fills the memory
//! for long. One for which there is no place is told so at its first request, and ends.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::door::Handshake;
use super::entrance::Guest;
use super::greeting::{Greeted, greet};
use super::house::House;
use super::in_time::InTime;
use super::places::NoPlace;
use crate::agency::identity::identify_officer;
use crate::agency::registry::Party;
use crate::broker::limits::{
    OFFICERS_ANSWER, OFFICERS_CONNECTION, OFFICERS_LAST_REQUEST, OFFICERS_REST,
};
use crate::http::{Caller, Site};

/// Octets that are read ahead of a request.
const READ_AHEAD: usize = 64 << 10;

/// How long a connection may take over what it does.
#[derive(Clone, Copy)]
struct Patience {
    /// Between two requests, and over the head of one.
    rest: Duration,
    /// Over an answer, until its client has read it.
    answer: Duration,
    /// Altogether.
    whole: Duration,
    /// Over its last request, once `whole` is over.
    last: Duration,
    /// Over its last request, at a stop.
    drain: Duration,
}

/// Shakes hands, and serves an officer's requests. The error is of a socket that is none.
pub(super) async fn visit(
    house: &House,
    site: Site,
    guest: Guest,
    handshake: Handshake,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let Guest {
        socket,
        remote,
        open,
    } = guest;
    let greeted = greet(house, identify_officer, socket, remote, handshake).await?;
    let Some(greeted) = greeted else {
        return Ok(());
    };
    let Greeted {
        stream,
        admitted,
        handshake,
    } = greeted;
    let ends = &house.shell.ends;
    ends.saw_officer(&admitted.peer, &admitted.certificate);
    let agency = Party::Agency(admitted.peer.agency.id.clone());
    let (place, declined) = match house.offices.take(agency) {
        Ok(place) => (Some(place), None),
        Err(NoPlace { says, goodbye }) => (goodbye, Some(says)),
    };
    drop(handshake);
    if let Some(says) = &declined {
        house.turned_away(&admitted.peer.agency.id, remote, says);
    }
    let Some(place) = place else {
        return Ok(());
    };
    let shown = stream.get_ref().1.peer_certificates();
    let chain = shown
        .into_iter()
        .flatten()
        .cloned()
        .map(CertificateDer::into_owned);
    let caller = Caller::new(chain.collect(), remote, declined);
    let patience = Patience {
        rest: OFFICERS_REST,
        answer: OFFICERS_ANSWER,
        whole: OFFICERS_CONNECTION,
        last: OFFICERS_LAST_REQUEST,
        drain: house.shell.drain,
    };
    let served = serve(stream, site.serve(caller), patience, stop).await;
    if let Err(error) = served {
        tracing::debug!(%remote, %error, "an officer's connection ended");
    }
    drop((place, open));
    Ok(())
}

/// Serves the requests of a connection until it ends.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    site: Router,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let service = TowerToHyperService::new(site);
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.rest)
            .max_buf_size(READ_AHEAD)
            .serve_connection(TokioIo::new(InTime::new(stream, patience.answer)), service)
    );
    let stopping = async { drop(stop.wait_for(|stop| *stop).await) };
    let left = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stopping => patience.drain,
        () = sleep(patience.whole) => patience.last,
    };
    connection.as_mut().graceful_shutdown();
    timeout(left, connection).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(50);
    const PATIENT: Patience = Patience {
        rest: LONG,
        answer: LONG,
        whole: LONG,
        last: LONG,
        drain: LONG,
    };

    /// What a client reads to the end that sends this, on a connection of this patience.
    fn read(sent: &str, patience: Patience) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let site = Router::new()
                .route("/", get(async || "here"))
                .route("/long", get(async || "x".repeat(1 << 20)))
                .route("/never", get(std::future::pending::<()>));
            let (mut client, there) = tokio::io::duplex(1 << 10);
            let (_stop, stopping) = watch::channel(false);
            let served = tokio::spawn(serve(there, site, patience, stopping));
            client.write_all(sent.as_bytes()).await.unwrap();
            if sent.contains("/long") {
                drop(served.await.unwrap());
                return String::new();
            }
            let mut read = String::new();
            client.read_to_string(&mut read).await.unwrap();
            read
        })
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
    }

    #[test]
    fn a_connection_ends_that_rests_too_long_before_and_between_requests() {
        let patience = Patience {
            rest: SHORT,
            ..PATIENT
        };
        assert_eq!(read("", patience), "");
        assert_eq!(
            read("GET / HTTP/1.1\r\nhost:", patience)
                .matches("here")
                .count(),
            0
        );
        assert_eq!(
            read(&request("/").repeat(2), patience)
                .matches("here")
                .count(),
            2
        );
    }

    #[test]
    fn a_connection_has_a_time_of_its_own_and_its_last_request_has_one() {
        let patience = Patience {
            whole: SHORT,
            last: SHORT,
            ..PATIENT
        };
        assert_eq!(read(&request("/"), patience).matches("here").count(), 1);
        assert_eq!(read(&request("/never"), patience), "");
        // One that reads nothing of its answer.
        read(&request("/long"), patience);
    }

    #[test]
    fn a_connection_ends_whose_client_does_not_read_its_answer() {
        let patience = Patience {
            answer: SHORT,
            ..PATIENT
        };
        read(&request("/long"), patience);
    }
}
