//! What is read for connections, in which order, and what becomes of it where a read fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use super::fetch::{Fetcher, Found, Tray, Unread, Wanted};
use crate::broker::ids::EntryId;
use crate::broker::limits::{FETCH_BYTES, FETCH_THREADS};
use crate::broker::record::{QueueId, Record, Stored, Topology};
use crate::journal::Lsn;

/// Wakes a thread that waits for it.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

fn stored(bytes: usize) -> Stored {
    Stored {
        record: Record::Topology(Topology::Deleted(QueueId(1))),
        frame: vec![0; bytes].into(),
    }
}

/// What comes to who asks for these.
fn fetched(fetcher: &Fetcher, wanted: &[u64]) -> Vec<Found> {
    let tray = Arc::new(Tray::default());
    let flag = Arc::new(Flag::default());
    tray.register(&Arc::clone(&flag).into());
    let wanted = wanted.iter().map(|at| EntryId::new(Lsn(*at)));
    let mut wanted = wanted.map(Wanted::Record);
    let needed = wanted.by_ref().take(1).collect();
    fetcher.fetch(needed, wanted.collect(), &tray);
    while !flag.0.swap(false, Ordering::AcqRel) {
        std::thread::yield_now();
    }
    tray.take().expect("it was woken for something")
}

fn entries(found: &[Found]) -> Vec<u64> {
    let records = found.iter().map(|it| match it {
        Found::Record(entry, _) => entry.at().0,
        Found::Use(_) => panic!("no id was asked for"),
    });
    records.collect()
}

/// Reads records alone, by their address.
fn reading(read: impl Fn(u64) -> Result<Stored, Unread> + Clone + Send + 'static) -> Fetcher {
    let read = move |wanted| match wanted {
        Wanted::Record(entry) => Found::Record(entry, read(entry.at().0).map(Arc::new)),
        Wanted::Use(_) => panic!("no id is asked for"),
    };
    Fetcher::start(read).unwrap()
}

#[test]
fn as_many_are_read_in_order_as_are_not_too_large_and_one_at_least() {
    let fetcher = reading(|at| Ok(stored(usize::try_from(at).unwrap())));
    assert_eq!(entries(&fetched(&fetcher, &[3, 1, 2])), [3, 1, 2]);
    let large = u64::try_from(FETCH_BYTES).unwrap();
    assert_eq!(entries(&fetched(&fetcher, &[large * 2, 1])), [large * 2]);
    assert_eq!(entries(&fetched(&fetcher, &[1, large, 2])), [1, large]);
}

#[test]
fn a_record_that_cannot_be_read_says_why_and_the_next_one_comes() {
    let fetcher = reading(|at| match at {
        2 => Err(Unread("damaged".to_owned())),
        _ => Ok(stored(1)),
    });
    let found = fetched(&fetcher, &[1, 2, 3]);
    let is_read = |it: &Found| matches!(it, Found::Record(_, Ok(_)));
    let read: Vec<_> = found.iter().map(is_read).collect();
    assert_eq!(read, [true, false, true]);
}

#[test]
fn a_thread_that_dies_leaves_no_connection_waiting() {
    let fetcher = reading(|_| panic!("a fault"));
    for _ in 0..=FETCH_THREADS {
        let found = fetched(&fetcher, &[7, 8]);
        assert_eq!(entries(&found), [7]);
        assert!(matches!(found[0], Found::Record(_, Err(_))));
    }
}
