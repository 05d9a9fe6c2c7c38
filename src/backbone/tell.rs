//! How threads beside the committer reach it.

use std::sync::Arc;

use tokio::sync::watch;

use super::mailbox::Inbox;
use crate::broker::event::Event;

/// How other threads of the backbone reach the committer.
#[derive(Clone)]
pub(super) struct Tell {
    pub(super) inbox: Arc<Inbox>,
    pub(super) fatal: watch::Sender<Option<String>>,
}

impl Tell {
    /// An event, before what waits.
    pub(super) fn event(&self, event: Event) {
        self.inbox.push(&mut vec![event.into()]);
    }

    /// The process must end.
    pub(super) fn fatal(&self, says: &str) {
        tracing::error!(says, "the process ends");
        self.fatal.send_replace(Some(says.to_owned()));
    }
}
