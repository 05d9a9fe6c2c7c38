//! What threads of this module wait by and share: the standard library's and `arc_swap`'s, and `threads`'
//! own where it compiles the same files for a scheduler that tries in which order threads may run.

pub(super) use std::sync::{Condvar, Mutex, MutexGuard, atomic, mpsc};
pub(super) use std::thread;

pub(super) use arc_swap::ArcSwap;
