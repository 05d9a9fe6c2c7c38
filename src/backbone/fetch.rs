//! Reading from the disk for connections, on threads of its own: what is to be delivered, and whether
//! an id was used, where memory does not say.
//!
//! A connection's task reads no disk: one consumer of an old backlog would hold up every connection
//! of its core. It asks here, goes on with what else there is, and is woken.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::mailbox::lock;
use super::sync::mpsc::{self, Receiver, Sender};
use super::sync::{Mutex, thread};
use crate::broker::dedup::Looked;
use crate::broker::ids::EntryId;
use crate::broker::limits::{FETCH_BYTES, FETCH_THREADS};
use crate::broker::record::Stored;
use crate::message::id::KeyedDigest;

/// What a connection needs from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The record at this address, with its message.
    Record(EntryId),
    /// The newest use of this id.
    Use(KeyedDigest),
}

/// What was found of what was wanted.
#[derive(Debug)]
pub enum Found {
    /// A record, or why it cannot be read.
    Record(EntryId, Result<Arc<Stored>, Unread>),
    /// How far an id was searched for, and its use.
    Use(Looked),
}

impl Found {
    /// The answer where the thread that should have read has died: nothing was found.
    fn nothing(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Record(entry) => {
                let says = "the thread that reads it has died".to_owned();
                Self::Record(entry, Err(Unread(says)))
            }
            Wanted::Use(_) => Self::Use(Looked::Failed),
        }
    }

    /// Octets of the message that was read.
    fn bytes(&self) -> usize {
        match self {
            Self::Record(_, Ok(stored)) => stored.frame.len(),
            Self::Record(_, Err(_)) | Self::Use(_) => 0,
        }
    }
}

/// Why a record cannot be read back, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unread(pub String);

/// Where one connection finds what another thread made for it. Shared by both.
#[derive(Debug)]
pub struct Tray<T = Vec<Found>> {
    /// What was made, once all of it is there.
    found: Mutex<Option<T>>,
    waker: AtomicWaker,
}

impl<T> Default for Tray<T> {
    fn default() -> Self {
        Self {
            found: Mutex::default(),
            waker: AtomicWaker::default(),
        }
    }
}

impl<T> Tray<T> {
    /// Registers the task that waits; call it *before* [`Tray::take`], or a wake is lost.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// What was made; nothing while it is under way.
    pub fn take(&self) -> Option<T> {
        lock(&self.found).take()
    }

    /// Lays down what was made, and wakes the task that waits for it.
    pub fn fill(&self, all: T) {
        *lock(&self.found) = Some(all);
        self.waker.wake();
    }
}

/// The way to the threads that read.
#[derive(Debug)]
pub(super) struct Fetcher(Sender<Question>);

/// What one connection asked for. Answered when it is dropped, so that no connection waits for a
/// reading thread that panicked.
#[derive(Debug)]
struct Question {
    needed: Vec<Wanted>,
    ahead: Vec<Wanted>,
    found: Vec<Found>,
    tray: Arc<Tray>,
}

impl Drop for Question {
    fn drop(&mut self) {
        let nothing = self.needed.drain(..).map(Found::nothing);
        self.found.extend(nothing);
        self.tray.fill(std::mem::take(&mut self.found));
    }
}

impl Fetcher {
    /// Starts the threads; `read` reads one thing.
    pub(super) fn start(
        read: impl Fn(Wanted) -> Found + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, questions) = mpsc::channel();
        let questions = Arc::new(Mutex::new(questions));
        for number in 0..FETCH_THREADS {
            let (read, questions) = (read.clone(), Arc::clone(&questions));
            let thread = thread::Builder::new().name(format!("fetch-{number}"));
            thread.spawn(move || {
                while let Some(question) = next(&questions) {
                    question.answer(&read);
                }
            })?;
        }
        Ok(Self(sender))
    }

    /// Has all of `needed` read, and of those `ahead` as many as are not too large.
    pub(super) fn fetch(&self, needed: Vec<Wanted>, ahead: Vec<Wanted>, tray: &Arc<Tray>) {
        // Where no thread is left the question comes back, and answers itself as it is dropped.
        let question = Question {
            needed,
            ahead,
            found: Vec::new(),
            tray: Arc::clone(tray),
        };
        drop(self.0.send(question));
    }
}

fn next(questions: &Mutex<Receiver<Question>>) -> Option<Question> {
    lock(questions).recv().ok()
}

impl Question {
    fn answer(mut self, read: &impl Fn(Wanted) -> Found) {
        let mut bytes = 0;
        while let Some(&wanted) = self.needed.first() {
            // The connection that asked may be gone.
            if Arc::strong_count(&self.tray) == 1 {
                return;
            }
            let found = read(wanted);
            bytes += found.bytes();
            self.found.push(found);
            self.needed.remove(0);
        }
        for wanted in std::mem::take(&mut self.ahead) {
            if bytes >= FETCH_BYTES || Arc::strong_count(&self.tray) == 1 {
                break;
            }
            let found = read(wanted);
            bytes += found.bytes();
            self.found.push(found);
        }
    }
}
