//! Plain HTTP for few who ask little: each connection has its time, and all together have their number.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Answers all who connect, at most as many at a time as `open` has places, each for so long: what else the
/// process does has its own files and time, however many come. Goes on for ever.
pub(super) async fn answer(
    listener: TcpListener,
    pages: Router,
    open: Arc<Semaphore>,
    lasts: Duration,
) {
    while let Ok(place) = Arc::clone(&open).acquire_owned().await {
        match listener.accept().await {
            Ok((socket, _)) => {
                let pages = TowerToHyperService::new(pages.clone());
                tokio::spawn(async move {
                    let mut served = http1::Builder::new();
                    served.timer(TokioTimer::new()).header_read_timeout(lasts);
                    let served = served.serve_connection(TokioIo::new(socket), pages);
                    // However that ends, the socket is dropped.
                    drop(timeout(lasts, served).await);
                    drop(place);
                });
            }
            // Out of file descriptors: let some go before the next try.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
