//! What is kept up to date of whom the broker trusts: revocation lists, keys of identity providers, and
//! ends of certificates. A task each.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::clock::Clock;
use super::ends::{Ends, warn_of_ends};
use super::jwks::{self, KeySets};
use super::revocation;
use super::tls::Tls;
use crate::backbone::embedded::Embedded;

/// What is trusted, as it was kept, before it is kept up to date.
pub(crate) struct Trust {
    backbone: Arc<Embedded>,
    clock: Clock,
    lists: revocation::Keeper,
    providers: jwks::Keeper,
    keys: Arc<KeySets>,
    ends: Arc<Ends>,
}

impl Trust {
    /// As it is kept in the data folder: lists are in force, and keys known, when this returns.
    pub(crate) fn open(tls: &Tls, backbone: &Arc<Embedded>, clock: Clock, data: &Path) -> Self {
        let (revocation, keys) = (Arc::clone(tls.revocation()), Arc::<KeySets>::default());
        let core = || Arc::clone(backbone);
        Self {
            backbone: core(),
            clock,
            lists: revocation::Keeper::new(revocation, core(), clock, data),
            providers: jwks::Keeper::new(Arc::clone(&keys), core(), clock, data),
            keys,
            ends: Arc::default(),
        }
    }

    /// Keys of the agencies' identity providers.
    pub(crate) fn keys(&self) -> &Arc<KeySets> {
        &self.keys
    }

    /// Ends of certificates by which systems have connected.
    pub(crate) fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    /// Keeps all of it up to date from now on, in tasks of this runtime.
    ///
    /// # Errors
    /// Where SIGHUP cannot be waited for.
    pub(crate) fn keep(self) -> io::Result<()> {
        let lists_hangup = signal(SignalKind::hangup())?;
        let keys_hangup = signal(SignalKind::hangup())?;
        tokio::spawn(revocation::keep(self.lists, lists_hangup));
        tokio::spawn(jwks::keep(self.providers, keys_hangup));
        tokio::spawn(warn_of_ends(self.ends, self.backbone, self.clock));
        Ok(())
    }
}
