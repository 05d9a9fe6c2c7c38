//! Work that takes a while: rulebooks that are compiled, records that are read, activations.
//!
//! Each body has one place for each kind of it, and those who wait for a thread come in the order in which
//! they asked: whatever the officers of one body begin, others wait for one piece of its work at most.
//! Who asked may go away: what has not begun then never does, and what has begun is told, and keeps its
//! place until it has ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::agency::officer::Holder;

/// Rulebooks that are compiled at a time.
const CHECKS: usize = 2;
/// Searches of the log at a time.
const LOOKS: usize = 2;
/// Activations that are waited for at a time: each is done by a thread of its own.
const ACTIVATIONS: usize = 64;
/// Threads that wait for the disk, or compute, beside that of the sockets.
pub(crate) const THREADS: usize = CHECKS + LOOKS;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A rulebook is compiled, or its text read.
    Check,
    /// The log is searched.
    Look,
    /// A rulebook is put into force.
    Activation,
}

/// The places of all work.
pub(super) struct Work {
    checks: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    activations: Arc<Semaphore>,
    /// One place for each kind and body.
    own: Mutex<BTreeMap<(Kind, Holder), Arc<Semaphore>>>,
}

/// Whether the client that asked for a piece of work is gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone(Arc<AtomicBool>);

/// The place of one piece of work, free again once it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _thread: OwnedSemaphorePermit,
}

/// Says so when it is dropped.
struct Tells(Gone);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Gone {
    /// Whether what is worked out is of no use any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Work {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            checks: places(CHECKS),
            looks: places(LOOKS),
            activations: places(ACTIVATIONS),
            own: Mutex::default(),
        }
    }
}

impl Work {
    /// A place for a piece of work of this body's, once it has one. None at the end of the process.
    pub(super) async fn place(&self, kind: Kind, holder: &Holder) -> Option<Place> {
        let own = self.own(kind, holder).acquire_owned().await.ok()?;
        let threads = match kind {
            Kind::Check => &self.checks,
            Kind::Look => &self.looks,
            Kind::Activation => &self.activations,
        };
        let thread = Arc::clone(threads).acquire_owned().await.ok()?;
        Some(Place {
            _own: own,
            _thread: thread,
        })
    }

    fn own(&self, kind: Kind, holder: &Holder) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let place = own.entry((kind, holder.clone()));
        Arc::clone(place.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

/// Has `job` done on a thread that may wait, in this place. None where it did not come to an end.
pub(super) async fn work<T: Send + 'static>(
    place: Place,
    job: impl FnOnce(&Gone) -> T + Send + 'static,
) -> Option<T> {
    let gone = Gone::default();
    let _tells = Tells(gone.clone());
    let done = spawn_blocking(move || {
        let done = (!gone.is_gone()).then(|| job(&gone));
        drop(place);
        done
    });
    done.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn body(name: &str) -> Holder {
        name.parse().unwrap()
    }

    /// A job that says that it begins, and lasts until it is told, or its client is gone.
    struct Job {
        tell: mpsc::Sender<&'static str>,
        name: &'static str,
        ends: mpsc::Receiver<()>,
    }

    impl Job {
        fn run(self, gone: &Gone) {
            self.tell.send(self.name).unwrap();
            while self.ends.try_recv().is_err() && !gone.is_gone() {
                std::thread::yield_now();
            }
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }.max_blocking_threads(THREADS).build().unwrap()
    }

    #[test]
    fn whatever_a_body_begins_and_leaves_another_has_its_thread() {
        let work_places = Arc::<Work>::default();
        let (tell, begun) = mpsc::channel();
        let (runtime, local) = (runtime(), tokio::task::LocalSet::new());
        let start = |name: &'static str, holder: &str| {
            let (places, holder) = (Arc::clone(&work_places), body(holder));
            let (end, ends) = mpsc::channel();
            let tell = tell.clone();
            let asked = local.spawn_local(async move {
                let place = places.place(Kind::Check, &holder).await.unwrap();
                work(place, move |gone| Job { tell, name, ends }.run(gone)).await
            });
            (asked, end)
        };
        let hostile: Vec<_> = (0..50).map(|_| start("hostile", "post")).collect();
        runtime.block_on(local.run_until(tokio::task::yield_now()));
        assert_eq!(begun.recv(), Ok("hostile"));
        // One of fifty runs; the other body's comes beside it, and ends before it.
        let (other, end) = start("other", "customs");
        runtime.block_on(local.run_until(tokio::task::yield_now()));
        assert_eq!(begun.recv(), Ok("other"));
        end.send(()).unwrap();
        assert!(runtime.block_on(local.run_until(other)).unwrap().is_some());
        // Who asked goes: what had not begun never does, and the place is free for the next.
        for (asked, _) in &hostile {
            asked.abort();
        }
        let (next, end) = start("next", "post");
        end.send(()).unwrap();
        assert!(runtime.block_on(local.run_until(next)).unwrap().is_some());
        assert_eq!(begun.try_recv(), Ok("next"));
        assert!(begun.try_recv().is_err());
        drop(hostile);
    }
}
