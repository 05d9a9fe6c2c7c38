//! Mutual TLS: the server's side of the handshake.
//!
//! A client is always asked for its certificate and has to hold its key. Which agency that is, or why
//! it is none, is `agency::identify`'s to say before the first octet of AMQP. A session is never
//! resumed, so nobody comes back without being looked at.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use super::verifier::HoldsItsKey;
use crate::agency::identity::trust_anchors;
use crate::agency::registry::Registry;

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
pub enum TlsError {
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

/// The server's own certificate and key, as PEM.
#[derive(Clone)]
pub struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl ServerIdentity {
    /// Reads both files' contents.
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let pem = |file, error: rustls::pki_types::pem::Error| TlsError::Pem {
            file,
            says: error.to_string(),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| pem("server.pem", error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| pem("server.key", error))?;
        Ok(Self {
            chain,
            key: Arc::new(key),
        })
    }
}

/// The configuration for one rulebook's agencies.
pub fn server_config(
    identity: &ServerIdentity,
    registry: &Registry,
    lowest: TlsVersion,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    // An issuer that cannot be an anchor is a fault of the rulebook and was refused there.
    roots.add_parsable_certificates(trust_anchors(registry));
    let verifier = Arc::new(HoldsItsKey {
        provider: Arc::clone(&provider),
        issuers: roots.subjects(),
    });
    let versions: &[&rustls::SupportedProtocolVersion] = match lowest {
        TlsVersion::V13 => &[&rustls::version::TLS13],
        TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    // Tickets would let a client come back without the certificate being looked at again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
