//! Looks at the real thing, once a minute: a handshake with the own listener, a synced record, read back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::ends::Ending;
use super::house::House;
use super::plain::answer;
use crate::broker::limits::{HEALTH_CONNECTION, HEALTH_CONNECTIONS};
use crate::http::health::{Besides, Health, Sources, router};

/// What is looked at.
const LISTENER: &str = "listener";
const LOG: &str = "log";
/// The time between two looks.
const LOOK: Duration = Duration::from_mins(1);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the pages of health on `listeners`, and looks at what systems meet at `systems`, for ever.
pub(super) async fn serve(
    house: Arc<House>,
    listeners: Vec<TcpListener>,
    systems: Option<SocketAddr>,
) {
    let Some(systems) = systems.filter(|_| !listeners.is_empty()) else {
        return;
    };
    let health = Arc::<Health>::default();
    let clock = house.shell.clock;
    let sources = Arc::new(Sources {
        health: Arc::clone(&health),
        now: Box::new(move || clock.monotonic()),
        besides: {
            let house = Arc::clone(&house);
            Box::new(move || besides(&house))
        },
        told: Mutex::default(),
    });
    for part in [LISTENER, LOG] {
        health.note(part, clock.monotonic(), Err("is looked at now".to_owned()));
    }
    let open = Arc::new(Semaphore::new(HEALTH_CONNECTIONS));
    for listener in listeners {
        let pages = router(Arc::clone(&sources));
        let open = Arc::clone(&open);
        tokio::spawn(answer(listener, pages, open, HEALTH_CONNECTION));
    }
    loop {
        look(&house, &health, systems).await;
        sleep(LOOK).await;
    }
}

async fn look(house: &House, health: &Health, systems: SocketAddr) {
    let clock = house.shell.clock;
    let began = clock.monotonic();
    let took = |began| clock.monotonic().saturating_sub(began).as_millis();
    let shaken = in_time(handshake(house, systems)).await;
    let shaken = shaken.map(|()| format!("shook hands in {} ms", took(began)));
    health.note(LISTENER, clock.monotonic(), shaken);
    let began = clock.monotonic();
    let synced = in_time(async { house.shell.backbone.probe().await.map_err(io::Error::other) });
    let synced = synced.await;
    let synced = synced.map(|()| format!("wrote, synced and read back in {} ms", took(began)));
    health.note(LOG, clock.monotonic(), synced);
}

/// What should be seen to, and how fresh lists and keys are.
fn besides(house: &House) -> Besides {
    let shell = &house.shell;
    let (view, now) = (shell.backbone.view(), shell.clock.now());
    let registry = view.rulebook.registry();
    let agreements = view.rulebook.agreements().iter();
    let agreements = agreements.filter_map(|it| Some(it.in_words(it.notice(now)?)));
    let lists = shell.tls.revocation().fresh(now);
    let keys = shell.keys.fresh(registry, now);
    let endings = shell.ends.endings(&view.rulebook, now);
    let measures = view.governance.open_measures();
    let measures = measures.filter(|(_, it)| it.holds(now));
    let measures = measures.map(|(agency, it)| it.in_words(agency));
    // The page may be read by a network of operators: a unit that is not listed is told in the log alone.
    let endings = endings.iter().filter(|it| !it.is_hidden());
    Besides {
        notices: agreements
            .chain(lists.late)
            .chain(keys.late)
            .chain(endings.map(Ending::in_words))
            .chain(measures)
            .collect(),
        ages: lists.fresh.into_iter().chain(keys.fresh).collect(),
    }
}

async fn in_time(look: impl Future<Output = io::Result<()>>) -> Result<(), String> {
    match timeout(PATIENCE, look).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("nothing came within {} s", PATIENCE.as_secs())),
    }
}

/// Shakes hands as a client without a certificate: as far as the server shows its own, which is the
/// one of the day.
async fn handshake(house: &House, systems: SocketAddr) -> io::Result<()> {
    let here: IpAddr = match systems.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let (socket, any): (_, IpAddr) = if here.is_ipv4() {
        (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into())
    } else {
        (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into())
    };
    socket.bind(SocketAddr::new(any, 0))?;
    house.expect_own(socket.local_addr()?.port());
    let stream = socket
        .connect(SocketAddr::new(here, systems.port()))
        .await?;
    let verifier = Shown {
        provider: Arc::clone(house.shell.tls.provider()),
        own: house.shell.tls.shown(),
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::IpAddress(here.into());
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    Ok(())
}

/// Knows the server by the certificate that it shows today.
#[derive(Debug)]
struct Shown {
    provider: Arc<CryptoProvider>,
    own: Option<CertificateDer<'static>>,
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.own.as_ref() == Some(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("another certificate is shown".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
