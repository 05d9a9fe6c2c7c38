//! Mutual TLS: the server's side of the handshake.
//!
//! A client is always asked for its certificate and has to hold its key; which system's it is, a
//! verifier of its own finds in the handshake. A session is never resumed, so no client comes back
//! without its certificate being looked at. The server's certificate can be replaced at any time:
//! connections that stand keep the old one, the next handshake shows the new one.

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use super::revocation::Revocation;
use crate::agency::identity::trust_anchors;
use crate::message::id::Digest;
use crate::policy::rulebook::Rulebook;

/// The lowest TLS version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub enum TlsVersion {
    /// 1.2 and 1.3.
    #[serde(rename = "1.2")]
    V12,
    /// 1.3 alone.
    #[serde(rename = "1.3")]
    V13,
}

/// A version as configuration has it: a variable of the environment reads as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl TryFrom<Written> for TlsVersion {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        match text.as_str() {
            "1.2" => Ok(Self::V12),
            "1.3" => Ok(Self::V13),
            _ => Err(format!("tls is '{text}', it may be 1.3 or 1.2")),
        }
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate or key file is not what it should be.
    #[error("{file}: {says}; write a PEM file, see certs/README.md")]
    Pem {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        says: String,
    },
    /// Certificate and key do not go together, or the like.
    #[error("server certificate: {0}; check that server.pem and server.key belong together")]
    Rustls(#[from] rustls::Error),
}

/// The server's own certificate and key.
#[derive(Debug)]
pub(crate) struct ServerIdentity(Arc<CertifiedKey>);

impl ServerIdentity {
    /// Reads both files' contents, as PEM.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let pem = |file, error: rustls::pki_types::pem::Error| TlsError::Pem {
            file,
            says: error.to_string(),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| pem("server.pem", error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| pem("server.key", error))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider())?;
        Ok(Self(Arc::new(certified)))
    }

    /// The certificate itself, DER.
    pub(crate) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.0.cert.first()
    }
}

type Versions = &'static [&'static rustls::SupportedProtocolVersion];
static FROM_13: Versions = &[&rustls::version::TLS13];
static FROM_12: Versions = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// TLS as it is spoken here.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    versions: Versions,
    shown: Arc<Shown>,
    asked: RwLock<Asked>,
    revocation: Arc<Revocation>,
}

/// What is shown in every handshake from now on.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The issuers whose clients are asked for: clients with several certificates choose by them.
#[derive(Debug, Default)]
struct Asked {
    rulebook: Option<Digest>,
    issuers: Arc<[DistinguishedName]>,
}

impl Tls {
    /// Speaks versions from `lowest` on.
    pub(crate) fn new(identity: ServerIdentity, lowest: TlsVersion) -> Self {
        let versions = match lowest {
            TlsVersion::V13 => FROM_13,
            TlsVersion::V12 => FROM_12,
        };
        Self {
            provider: Arc::new(default_provider()),
            versions,
            shown: Arc::new(Shown(ArcSwap::new(identity.0))),
            asked: RwLock::default(),
            revocation: Arc::default(),
        }
    }

    /// Which clients' certificates are withdrawn.
    pub(crate) fn revocation(&self) -> &Arc<Revocation> {
        &self.revocation
    }

    /// Shows another certificate from now on.
    pub(crate) fn replace(&self, identity: ServerIdentity) {
        self.shown.0.store(identity.0);
    }

    /// The certificate that is shown.
    pub(super) fn shown(&self) -> Option<CertificateDer<'static>> {
        self.shown.0.load().cert.first().cloned()
    }

    /// The certificate that is shown, DER.
    #[cfg(test)]
    pub(super) fn shows(&self) -> Vec<u8> {
        self.shown
            .0
            .load()
            .cert
            .first()
            .map(|der| der.to_vec())
            .unwrap_or_default()
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    /// Subjects of the issuers that the rulebook's agencies list.
    pub(super) fn asked_for(&self, rulebook: &Rulebook) -> Arc<[DistinguishedName]> {
        let digest = Some(rulebook.digest());
        let asked = self.asked.read().unwrap_or_else(PoisonError::into_inner);
        if asked.rulebook == digest {
            return Arc::clone(&asked.issuers);
        }
        drop(asked);
        let mut roots = RootCertStore::empty();
        // An issuer that cannot be an anchor is a fault of the rulebook and was refused there.
        roots.add_parsable_certificates(trust_anchors(rulebook.registry()));
        let mut asked = self.asked.write().unwrap_or_else(PoisonError::into_inner);
        *asked = Asked {
            rulebook: digest,
            issuers: roots.subjects().into(),
        };
        Arc::clone(&asked.issuers)
    }

    /// The configuration of one handshake, in which `verifier` finds who it is.
    pub(super) fn for_one(
        &self,
        verifier: Arc<dyn ClientCertVerifier>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let shown: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&self.shown);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(shown);
        // Tickets would let a client come back without the certificate being looked at again.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}
