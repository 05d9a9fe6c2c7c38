//! What the connections of one worker thread share: memory that each needs for a moment alone, and
//! the thread's time.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::clock::{Entropy, NoEntropy};
use super::turns::Turns;
use crate::broker::limits::READ_BYTES;

/// Owned by one worker thread. Nothing here is held across a return to its runtime.
pub(super) struct Worker {
    /// What a socket is read into; what came is copied out before the next read.
    buffer: RefCell<Box<[u8]>>,
    entropy: RefCell<Entropy>,
    pub(super) turns: Turns,
}

impl Worker {
    /// The one of a thread, which keeps the most octets of a round in `octets_most`.
    pub(super) fn new(octets_most: Arc<AtomicUsize>) -> Self {
        Self {
            buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            entropy: RefCell::default(),
            turns: Turns::new(octets_most),
        }
    }

    /// Lends the buffer.
    pub(super) fn with_buffer<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut self.buffer.borrow_mut())
    }

    /// Draws `N` random bytes, at most 64.
    pub(super) fn draw<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        self.entropy.borrow_mut().draw()
    }
}
