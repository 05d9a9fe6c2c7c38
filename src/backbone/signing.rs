//! The thread of the tree: has it grow, signed, recorded and shown, by the clock and never by an event, so that when
//! a checkpoint comes tells nothing of what happened.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::deeds::Deeds;
use super::mailbox::Inbox;
use super::scrub::ReadClock;
use super::tell::Tell;
use super::tiles::Tiles;
use super::tree::{Halted, Tree};
use crate::broker::command::Command;
use crate::broker::governance::NotDone;
use crate::broker::input::{Input, Payer};
use crate::broker::record::Checkpoint;
use crate::evidence::key::Signer;
use crate::journal::Reader;
use crate::journal::vfs::Vfs;

/// By whom checkpoints are signed, and how often.
pub struct Signing {
    /// All sign each; the log has the name of the first.
    pub signers: Vec<Signer>,
    /// The time between two checkpoints.
    pub every: Duration,
}

/// How the thread reaches the committer.
pub(super) struct Committing {
    pub(super) inbox: Arc<Inbox>,
    pub(super) deeds: Arc<Deeds>,
    pub(super) clock: ReadClock,
    pub(super) tell: Tell,
}

impl Committing {
    /// Has a checkpoint recorded.
    fn record(&self, checkpoint: &Checkpoint) -> Result<(), NotDone> {
        let (ticket, answered) = self.deeds.open(None).ok_or(NotDone::Stopped)?;
        let command = Command::Show(ticket, Box::new(checkpoint.clone()));
        let input = Input::new(Payer::BROKER, command);
        self.inbox.push(&mut vec![input]);
        let answer = answered.blocking_recv();
        answer.unwrap_or(Err(NotDone::Stopped)).map(drop)
    }
}

/// Starts the thread; it ends when `Sender` is dropped.
pub(super) fn start<V: Vfs>(
    reader: Reader<V>,
    tiles: Tiles<V>,
    signing: Signing,
    last: Option<Checkpoint>,
    committing: Committing,
) -> io::Result<Sender<()>> {
    let (sender, stopped) = mpsc::channel::<()>();
    let tree = Tree::open(reader, tiles, signing.signers);
    let mut keeping = Keeping {
        tree,
        last,
        committing,
        told: None,
    };
    let run = move || keeping.run(signing.every, &stopped);
    std::thread::Builder::new().name("tree".into()).spawn(run)?;
    Ok(sender)
}

struct Keeping<V: Vfs> {
    tree: Tree<V>,
    last: Option<Checkpoint>,
    committing: Committing,
    /// What was said of a failure that goes on.
    told: Option<String>,
}

impl<V: Vfs> Keeping<V> {
    fn run(&mut self, every: Duration, stopped: &Receiver<()>) {
        let mut is_behind = true;
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let done = if is_behind {
                self.tree.catch_up(self.last.as_ref())
            } else {
                Ok(())
            };
            let done = done.and_then(|()| self.round());
            is_behind = done.is_err();
            match done {
                Ok(()) => self.told = None,
                Err(Halted::Differs(differs)) => {
                    self.committing.tell.fatal(&differs.to_string());
                    return;
                }
                Err(halted) => self.warn(halted.to_string()),
            }
        }
    }

    /// Signs and shows what has come.
    fn round(&mut self) -> Result<(), Halted> {
        self.tree.advance()?;
        let now = (self.committing.clock)();
        let Some(checkpoint) = self.tree.sign(self.last.as_ref(), now)? else {
            return Ok(());
        };
        match self.committing.record(&checkpoint) {
            Ok(()) => {
                self.tree.shown(&checkpoint)?;
                self.last = Some(checkpoint);
            }
            Err(NotDone::Stopped) => {}
            Err(why) => self.warn(why.to_string()),
        }
        Ok(())
    }

    /// Says what keeps the log from being signed, once.
    fn warn(&mut self, why: String) {
        if self.told.as_ref() != Some(&why) {
            tracing::error!(%why, "the log's tree is not signed; evidence is recorded, and its proofs wait");
            self.told = Some(why);
        }
    }
}
