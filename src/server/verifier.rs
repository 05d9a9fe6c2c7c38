//! The client's side of the handshake: who it is, and that it holds the key that it shows.
//!
//! One for each connection. Who it is, is `agency::identify`'s to say; the reason of a refusal is kept
//! here for the operator, and the client gets the alert that TLS has for it. It is told, and believed,
//! only once the client has signed with its key: a client that shows another system's certificate
//! raises no alarm in that system's name. Refusals of certificates with which nothing can be signed
//! come first.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::clock::Clock;
use super::revocation::Revocation;
use super::tls::Tls;
use crate::agency::identity::Admitted;
use crate::agency::refusal::{IdentityRefusal, RefusalKind};
use crate::agency::registry::{Peer, Registry};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// The system or officer that a client is, or why its certificate identifies none.
pub(super) type Found<P> = Result<Admitted<P>, IdentityRefusal>;

/// `agency::identify`, or its like for officers.
pub(super) type Identify<P> = fn(&[CertificateDer<'_>], &Registry, Timestamp, IpAddr) -> Found<P>;

/// Finds who one client is.
pub(super) struct Identifies<P = Peer> {
    identify: Identify<P>,
    provider: Arc<CryptoProvider>,
    issuers: Arc<[DistinguishedName]>,
    revocation: Arc<Revocation>,
    clock: Clock,
    remote: IpAddr,
    known: Mutex<Known<P>>,
}

/// How much is known of the client. What is done with is not kept: TLS keeps the verifier as long as
/// the connection lives.
enum Known<P> {
    Nothing(Arc<Rulebook>),
    /// What its certificate says, before the client has shown that it holds the key.
    Shown(Box<Found<P>>),
    /// What its certificate says, and the client holds its key; or that it does not.
    Found(Box<Found<P>>),
    Taken,
}

impl<P> Identifies<P> {
    /// By what `identify` says of a certificate under `rulebook`.
    pub(super) fn new(
        identify: Identify<P>,
        tls: &Tls,
        rulebook: Arc<Rulebook>,
        clock: Clock,
        remote: IpAddr,
    ) -> Self {
        Self {
            identify,
            provider: Arc::clone(tls.provider()),
            issuers: tls.asked_for(&rulebook),
            revocation: Arc::clone(tls.revocation()),
            clock,
            remote,
            known: Mutex::new(Known::Nothing(rulebook)),
        }
    }

    /// What was found: none before the client's signature was seen.
    pub(super) fn take(&self) -> Option<Found<P>> {
        match self.advance() {
            Known::Found(found) => Some(*found),
            Known::Nothing(_) | Known::Shown(_) | Known::Taken => None,
        }
    }

    fn unless_withdrawn(&self, admitted: Admitted<P>, now: Timestamp) -> Found<P> {
        match self.revocation.admit(&admitted.grounds, now) {
            Ok(()) => Ok(admitted),
            Err(mut refusal) => {
                refusal.certificate = Some(admitted.certificate);
                Err(refusal)
            }
        }
    }

    fn advance(&self) -> Known<P> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known, Known::Taken)
    }

    fn know(&self, known: Known<P>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Goes by what the certificate says, where the client holds its key.
    fn believe(
        &self,
        signed: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Known::Shown(shown) = self.advance() else {
            return Err(Error::NoCertificatesPresented);
        };
        let found = match (&signed, *shown) {
            (Ok(_), shown) => shown,
            (Err(Error::InvalidCertificate(_)), shown) => {
                let detail = "the client's signature is not by the certificate's key";
                let mut refusal = IdentityRefusal::new(RefusalKind::NotItsKey, detail);
                refusal.certificate = match shown {
                    Ok(admitted) => Some(admitted.certificate),
                    Err(refusal) => refusal.certificate,
                };
                Err(refusal)
            }
            // The certificate breaks TLS itself.
            (Err(_), _) => return signed,
        };
        let refused = found.as_ref().err().map(|refusal| alert(refusal.kind));
        self.know(Known::Found(Box::new(found)));
        refused.map_or(signed, |alert| Err(Error::InvalidCertificate(alert)))
    }
}

/// Shows nothing of the client.
impl<P> fmt::Debug for Identifies<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifies").finish_non_exhaustive()
    }
}

/// What a client is told: the alerts that TLS has, as rustls makes them of these.
fn alert(kind: RefusalKind) -> CertificateError {
    match kind {
        RefusalKind::UnknownIssuer => CertificateError::UnknownIssuer,
        RefusalKind::Expired => CertificateError::Expired,
        RefusalKind::NotYetValid => CertificateError::NotValidYet,
        RefusalKind::Malformed => CertificateError::BadEncoding,
        RefusalKind::NotItsKey => CertificateError::BadSignature,
        RefusalKind::NoCertificate
        | RefusalKind::CriticalExtension
        | RefusalKind::KeyKind
        | RefusalKind::SignatureKind
        | RefusalKind::WrongUsage
        | RefusalKind::IssuersOwn
        | RefusalKind::MayNotIssue
        | RefusalKind::PathLength
        | RefusalKind::NameConstraint
        | RefusalKind::BrokenChain => CertificateError::InvalidPurpose,
        RefusalKind::UnknownName
        | RefusalKind::ForeignIssuer
        | RefusalKind::Ambiguous
        | RefusalKind::OutsideNetworks
        | RefusalKind::StaleLists => CertificateError::ApplicationVerificationFailure,
        RefusalKind::Revoked => CertificateError::Revoked,
    }
}

/// Whether nothing can be signed with such a certificate, so that no signature needs to be awaited.
fn is_useless(kind: RefusalKind) -> bool {
    use RefusalKind::{CriticalExtension, KeyKind, Malformed};
    matches!(kind, Malformed | CriticalExtension | KeyKind)
}

impl<P: Send + 'static> ClientCertVerifier for Identifies<P> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.issuers
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Known::Nothing(rulebook) = self.advance() else {
            return Err(Error::General(
                "a second certificate in one handshake".to_owned(),
            ));
        };
        let chain: Vec<_> = std::iter::once(own).chain(above).cloned().collect();
        let now = self.clock.now();
        let shown = (self.identify)(&chain, rulebook.registry(), now, self.remote);
        let shown = shown.and_then(|admitted| self.unless_withdrawn(admitted, now));
        match shown {
            Err(refusal) if is_useless(refusal.kind) => {
                let alert = alert(refusal.kind);
                self.know(Known::Found(Box::new(Err(refusal))));
                Err(Error::InvalidCertificate(alert))
            }
            shown => {
                self.know(Known::Shown(Box::new(shown)));
                Ok(ClientCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let signed = verify_tls12_signature(message, certificate, signed, algorithms);
        self.believe(signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let signed = verify_tls13_signature(message, certificate, signed, algorithms);
        self.believe(signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
