//! What handlers of requests share, and what a connection says of its client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use rustls_pki_types::CertificateDer;

use super::log::Past;
use super::rate::Rates;
use super::work::Work;
use crate::agency::identity::Grounds;
use crate::agency::refusal::IdentityRefusal;
use crate::agency::registry::Agency;
use crate::agency::token::{TokenRefusal, Vouched};
use crate::backbone::embedded::Embedded;
use crate::journal::vfs::DiskVfs;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// What all requests share.
pub(super) struct Shared {
    pub(super) backbone: Arc<Embedded>,
    /// The log as auditors look into it.
    pub(super) past: Past<DiskVfs>,
    pub(super) rates: Rates,
    pub(super) work: Work,
    pub(super) stands: Stands,
    pub(super) vouches: Vouches,
}

/// Says whether no revocation list names a certificate of a chain.
pub(crate) type Stands = Box<dyn Fn(&Grounds) -> Result<(), IdentityRefusal> + Send + Sync>;

/// Says what a token of an agency's identity provider says of the bearer of the certificate of this
/// SHA-256.
pub(crate) type Vouches =
    Box<dyn Fn(&Agency, &str, Digest, Timestamp) -> Result<Vouched, TokenRefusal> + Send + Sync>;

/// One client's connection.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The certificates that it showed, its own first.
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    /// SHA-256 of its own one.
    pub(super) certificate: Digest,
    /// Its address.
    pub(super) remote: SocketAddr,
    /// Why there is no place for it, where there is none.
    pub(super) declined: Option<Arc<str>>,
    /// How many requests in a row were too many.
    pub(super) refused: Arc<AtomicU32>,
    /// Whether its certificate was found withdrawn.
    pub(super) is_withdrawn: Arc<AtomicBool>,
}

impl Caller {
    /// The connection on which these certificates were shown; `declined` says why there is no place for
    /// it.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        remote: SocketAddr,
        declined: Option<String>,
    ) -> Self {
        let own: &[u8] = chain.first().map(AsRef::as_ref).unwrap_or_default();
        Self {
            certificate: Digest::of(own),
            chain: chain.into(),
            remote,
            declined: declined.map(Into::into),
            refused: Arc::default(),
            is_withdrawn: Arc::default(),
        }
    }
}
