//! What the operator is told of a full disk: once when publishes begin to be refused for want of
//! room, once when they are taken again.

use std::path::PathBuf;

/// How the disk of the journal stood after the last step.
pub(super) struct Room {
    folder: PathBuf,
    full: bool,
}

impl Room {
    /// The disk that the journal in `folder` is on.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            full: false,
        }
    }

    /// Says what has changed since the last step, if anything has.
    pub(super) fn note(&mut self, full: bool) {
        if full == self.full {
            return;
        }
        self.full = full;
        let folder = self.folder.display();
        // Asked for at a change alone, so never for a message.
        let free = rustix::fs::statvfs(&self.folder)
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let disk_free_bytes = free.ok();
        if full {
            tracing::warn!(
                %folder,
                disk_free_bytes,
                "the disk is full: publishes are not taken until there is room"
            );
        } else {
            tracing::info!(%folder, disk_free_bytes, "there is room again: publishes are taken");
        }
    }
}
