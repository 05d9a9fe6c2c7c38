//! What handlers of requests share, and what a connection says of its client.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::rate::Rates;
use crate::agency::identity::Grounds;
use crate::agency::refusal::IdentityRefusal;
use crate::agency::registry::Agency;
use crate::agency::token::{TokenRefusal, Vouched};
use crate::backbone::embedded::Embedded;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// What all requests share.
pub(super) struct Shared {
    pub(super) backbone: Arc<Embedded>,
    pub(super) rates: Rates,
    pub(super) stands: Stands,
    pub(super) vouches: Vouches,
}

/// Says whether no revocation list names a certificate of a chain.
pub(crate) type Stands = Box<dyn Fn(&Grounds) -> Result<(), IdentityRefusal> + Send + Sync>;

/// Says what a token of an agency's identity provider says of the bearer of the certificate of this
/// SHA-256.
pub(crate) type Vouches =
    Box<dyn Fn(&Agency, &str, Digest, Timestamp) -> Result<Vouched, TokenRefusal> + Send + Sync>;

/// One client's connection: the certificates that it showed, its own first, and its address.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) remote: SocketAddr,
}

impl Caller {
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, remote: SocketAddr) -> Self {
        Self {
            chain: chain.into(),
            remote,
        }
    }
}
