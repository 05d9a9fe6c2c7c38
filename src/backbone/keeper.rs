//! What keeps memory and restarts small: pages of backlogs on disk, and snapshots.
//!
//! Two threads. One writes the pages that queues fill and reads them back before their heads need
//! them. The other makes a snapshot of all sealed segments whenever one is sealed: it never touches
//! live state, but replays into a ledger of its own; and it keeps the files of used ids. Both make
//! only what the journal can make again.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::error::StartError;
use super::ids::Ids;
use super::tell::Tell;
use crate::broker::event::Event;
use crate::broker::format::PageName;
use crate::broker::ledger::{Change, Ledger};
use crate::broker::queue::{Entry, Page};
use crate::broker::record::{QueueId, Record};
use crate::journal::snapshot::{Files, name_at};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, Position, Reader, StoredRecord};

/// How often a new sealed segment is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Snapshots kept: the newest may be damaged.
const KEPT: usize = 2;

/// Pages of queues, by queue and addresses.
#[derive(Debug, Clone)]
pub struct Pages<V> {
    files: Files<V>,
    journal: [u8; 16],
    /// Pages that live queues have on disk, and may have there alone.
    live: Arc<Mutex<BTreeSet<String>>>,
}

impl<V: Vfs> Pages<V> {
    /// The pages below `data`, of this journal.
    pub fn open(vfs: V, data: &Path, journal: [u8; 16]) -> io::Result<Self> {
        Ok(Self {
            files: Files::pages(vfs, data)?,
            journal,
            live: Arc::default(),
        })
    }

    fn name(queue: QueueId, page: &Page) -> String {
        PageName::of(queue, page).to_string()
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a start found: pages that `ledger` has on disk alone. The snapshot that names
    /// them goes before the ledger needs them.
    pub(super) fn adopt(&self, ledger: &Ledger) {
        let mut live = self.live();
        for (id, queue) in ledger.queues() {
            let pages = queue.backlog.pages();
            let on_disk = pages.filter(|page| page.entries().is_none());
            live.extend(on_disk.map(|page| Self::name(id, page)));
        }
    }

    /// Its queue needs it no more.
    fn done(&self, queue: QueueId, page: &Page) {
        self.live().remove(&Self::name(queue, page));
    }

    fn write(&self, queue: QueueId, page: &Page, of: &Position) -> io::Result<()> {
        let Some(entries) = page.entries() else {
            return Ok(());
        };
        let bytes = Entry::to_page(entries);
        self.files.write(&Self::name(queue, page), of, &bytes)
    }

    fn read(&self, queue: QueueId, page: &Page) -> io::Result<Arc<[Entry]>> {
        let found = self.files.read(&Self::name(queue, page))?;
        let found = found.filter(|(of, _)| of.journal == self.journal);
        let missing =
            || io::Error::other("a page of a queue is missing, damaged, or another log's");
        let (_, bytes) = found.ok_or_else(missing)?;
        let entries = Entry::of_page(&bytes).map_err(io::Error::other)?;
        Ok(entries.into())
    }

    /// Takes away what neither a kept snapshot names nor a live queue has on disk.
    fn sweep(&self, named: &BTreeSet<String>) -> io::Result<()> {
        for name in self.files.names()? {
            let live = self.live();
            if !named.contains(&name) && !live.contains(&name) {
                self.files.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// Work for the thread of pages.
pub(super) enum PageWork {
    /// Write a page, whose entries lie before a position, then let go of it.
    Write(QueueId, Page, Position),
    /// Read a page back.
    Read(QueueId, Page),
    /// Let go of a page: its queue needs it no more. A snapshot that names it may, so it goes when
    /// none does.
    Done(QueueId, Page),
}

/// Starts the thread of pages.
pub(super) fn start_pages<V: Vfs>(pages: Pages<V>, tell: Tell) -> io::Result<Sender<PageWork>> {
    let (sender, work) = mpsc::channel();
    let run = move || keep_pages(&pages, &work, &tell);
    std::thread::Builder::new()
        .name("pages".into())
        .spawn(run)?;
    Ok(sender)
}

fn keep_pages<V: Vfs>(pages: &Pages<V>, work: &Receiver<PageWork>, tell: &Tell) {
    for work in work {
        match work {
            PageWork::Write(queue, page, of) => {
                let name = Pages::<V>::name(queue, &page);
                pages.live().insert(name.clone());
                match pages.write(queue, &page, &of) {
                    Ok(()) => tell.event(Event::PageWritten(queue, page.number)),
                    Err(error) => {
                        // It stays in memory; nothing is lost.
                        tracing::warn!(%error, "a page of a queue stays in memory");
                        pages.live().remove(&name);
                    }
                }
            }
            PageWork::Read(queue, page) => match pages.read(queue, &page) {
                Ok(entries) => {
                    tell.event(Event::PageLoaded(queue, page.number, entries));
                }
                Err(error) => {
                    let says = format!("{error}; start with --ignore-snapshots to make it again");
                    tell.fatal(&says);
                }
            },
            PageWork::Done(queue, page) => pages.done(queue, &page),
        }
    }
}

/// Snapshots of the ledger.
#[derive(Debug, Clone)]
pub struct Snapshots<V> {
    files: Files<V>,
}

impl<V: Vfs> Snapshots<V> {
    /// The snapshots below `data`.
    pub fn open(vfs: V, data: &Path) -> io::Result<Self> {
        let files = Files::snapshots(vfs, data)?;
        Ok(Self { files })
    }

    /// The newest snapshot that is whole and that `vouched` says to be of the journal as it is: the
    /// ledger, without ids, and the position up to which it is.
    pub fn latest(
        &self,
        mut vouched: impl FnMut(&Position) -> Result<bool, StartError>,
    ) -> Result<Option<(Ledger, Position)>, StartError> {
        for whole in self.files.whole().map_err(StartError::Pages)? {
            let (of, bytes) = whole.map_err(StartError::Pages)?;
            if let Ok(ledger) = Ledger::of_snapshot(&bytes)
                && vouched(&of)?
            {
                return Ok(Some((ledger, of)));
            }
        }
        Ok(None)
    }
}

/// Applies records to a ledger, up to an address; pages that heads need are read back on the way.
pub fn replay<V: Vfs>(
    reader: &Reader<V>,
    ledger: &mut Ledger,
    range: Range<Lsn>,
    pages: &Pages<V>,
) -> Result<u64, StartError> {
    let mut records: u64 = 0;
    for stored in reader.scan(range.start) {
        let stored = stored?;
        if stored.lsn >= range.end {
            break;
        }
        let record = decoded(&stored)?;
        records = records.saturating_add(1);
        for change in ledger.apply(&record, stored.lsn) {
            if let Change::Gone(queue, _) = change {
                let wanted = ledger
                    .queue(queue)
                    .and_then(|queue| queue.backlog.wanted_page());
                if let Some(page) = wanted.cloned() {
                    let entries = pages.read(queue, &page).map_err(StartError::Pages)?;
                    ledger.page_loaded(queue, page.number, entries);
                }
            }
        }
    }
    Ok(records)
}

/// Starts the thread of snapshots. It ends with the process: what it makes is made again.
pub(super) fn start_snapshots<V: Vfs>(
    reader: Reader<V>,
    snapshots: Snapshots<V>,
    pages: Pages<V>,
    ids: Arc<Ids<V>>,
) -> io::Result<Sender<()>> {
    let (sender, stopped) = mpsc::channel::<()>();
    let run = move || {
        let mut done = Position::default();
        // What is tried again each time is said when it begins, and when it has another cause.
        let (mut ids_failed, mut snapshot_failed) = (None, None);
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let failed = ids.keep().err().map(|error| error.to_string());
            if let Some(error) = failed.as_ref().filter(|_| failed != ids_failed) {
                tracing::warn!(%error, "repeats of old messages are searched for in the journal");
            }
            ids_failed = failed;
            let sealed = reader.sealed_end();
            if sealed != done {
                let made = snapshot(&reader, &snapshots, &pages, &sealed);
                let failed = made.err().map(|error| error.to_string());
                if let Some(error) = failed.as_ref().filter(|_| failed != snapshot_failed) {
                    tracing::warn!(%error, "no snapshot: the next start replays more");
                }
                if failed.is_none() {
                    done = sealed;
                }
                snapshot_failed = failed;
            }
        }
    };
    std::thread::Builder::new()
        .name("snapshot".into())
        .spawn(run)?;
    Ok(sender)
}

/// Makes the snapshot of everything before `until`, where a segment begins.
pub fn snapshot<V: Vfs>(
    reader: &Reader<V>,
    snapshots: &Snapshots<V>,
    pages: &Pages<V>,
    until: &Position,
) -> Result<(), StartError> {
    let latest = snapshots.latest(|of| Ok(reader.vouches(of)?))?;
    // Ids are in files of their own.
    let (mut ledger, from) = latest.unwrap_or_default();
    ledger.remember_from(from.end.lsn, 1);
    if from.end.lsn >= until.end.lsn {
        return Ok(());
    }
    replay(reader, &mut ledger, from.end.lsn..until.end.lsn, pages)?;
    for (queue, page) in ledger.held_pages() {
        pages
            .write(queue, &page, until)
            .map_err(StartError::NotMade)?;
    }
    let (name, bytes) = (name_at(until.end.lsn), ledger.to_snapshot());
    let written = snapshots.files.write(&name, until, &bytes);
    written.map_err(StartError::NotMade)?;
    sweep(&snapshots.files, pages).map_err(StartError::NotMade)
}

/// Keeps the newest snapshots, and the pages that they name.
fn sweep<V: Vfs>(snapshots: &Files<V>, pages: &Pages<V>) -> io::Result<()> {
    let all = snapshots.names()?;
    let (old, kept) = all.split_at(all.len().saturating_sub(KEPT));
    for snapshot in old {
        snapshots.remove(snapshot)?;
    }
    let mut named = BTreeSet::new();
    for snapshot in kept {
        let Some((_, bytes)) = snapshots.read(snapshot)? else {
            continue;
        };
        let pages = PageName::all_in(&bytes).unwrap_or_default();
        named.extend(pages.iter().map(ToString::to_string));
    }
    pages.sweep(&named)
}

/// A record as it lies in the journal, read.
pub fn decoded(stored: &StoredRecord) -> Result<Record, StartError> {
    let record = Record::decode(stored.kind, &stored.body);
    record.map_err(|error| StartError::Record(stored.lsn, error))
}

#[cfg(test)]
mod tests {
    mod crash;

    use super::*;
    use crate::agency::keys::KeyCheck;
    use crate::agency::registry::InboxMode;
    use crate::broker::ids::EntryAddress;
    use crate::broker::record::{
        Genesis, LeafSecret, Placed, Record, SCHEMA, Settled, Settling, UnitEntry,
    };
    use crate::journal::vfs::SimVfs;
    use crate::journal::{Config, Journal, Kind};
    use crate::message::bundle::Bundle;
    use crate::message::id::{Digest, UnitId};
    use crate::message::time::Timestamp;

    const DATA: &str = "/data";

    fn push(journal: &mut Journal<SimVfs>, record: &Record) -> Lsn {
        journal.reserve(64 << 10, 0).unwrap();
        let mut body = Vec::new();
        record.encode(&LeafSecret::new([7; 32]), &mut body);
        let (kind, schema) = (record.kind(), SCHEMA);
        journal.push(Kind { kind, schema }, &body, None)
    }

    fn gone(queue: QueueId, entry: Lsn) -> Record {
        let mut settled = Settled::default();
        settled.add(None, Settling::Acked, EntryAddress { queue, entry });
        Record::Settled(settled)
    }

    /// A journal in which one queue got `count` messages, and lost every tenth of the first 2,000.
    fn filled(vfs: &SimVfs, count: u64) -> Journal<SimVfs> {
        let config = Config {
            segment_bytes: 256 << 10,
            background: false,
            journal: [7; 16],
            stopped_kind: Record::STOPPED,
        };
        let folder = Path::new(DATA).join("journal");
        let (mut journal, _) = Journal::open(vfs.clone(), &folder, config).unwrap();
        let unit: UnitId = "post/main".parse().unwrap();
        let genesis = Genesis {
            at: Timestamp::default(),
            bundle: Bundle::default(),
            digest: Digest([0; 32]),
            development: true,
            units: vec![UnitEntry {
                id: unit.clone(),
                inbox: InboxMode::All,
                listed: true,
                delivery_limit: None,
            }],
            key_check: KeyCheck([0; 16]),
        };
        push(&mut journal, &Record::Genesis(genesis));
        let placed = Placed {
            at: Timestamp::default(),
            unit,
            queues: vec![QueueId(0)],
            source: None,
            private: true,
            from: None,
            deadline: None,
            marked: false,
            octets: 0,
        };
        for number in 0..count {
            let lsn = push(&mut journal, &Record::Placed(Box::new(placed.clone())));
            if number < 2_000 && number % 10 == 0 {
                push(&mut journal, &gone(QueueId(0), lsn));
            }
            if number % 100 == 0 {
                journal.commit().unwrap();
            }
        }
        journal.commit().unwrap();
        journal
    }

    /// Writes leases of no queue until another segment is begun.
    fn seal(journal: &mut Journal<SimVfs>) {
        let lease = Record::Lease {
            queue: QueueId(u64::MAX),
            up_to: Lsn::START,
        };
        let before = journal.reader().sealed_end();
        while journal.reader().sealed_end() == before {
            push(journal, &lease);
            journal.commit().unwrap();
        }
    }

    fn drain(ledger: &mut Ledger, pages: &Pages<SimVfs>) -> Vec<Lsn> {
        let id = QueueId(0);
        let mut seen = Vec::new();
        loop {
            let backlog = &ledger.queue(id).unwrap().backlog;
            if let Some(page) = backlog.wanted_page().cloned() {
                let entries = pages.read(id, &page).unwrap();
                for page in ledger.page_loaded(id, page.number, entries) {
                    pages.done(id, &page);
                }
                continue;
            }
            let Some(lsn) = backlog.next_after(None).map(|entry| entry.lsn) else {
                return seen;
            };
            for change in ledger.apply(&gone(id, lsn), Lsn(u64::MAX)) {
                if let Change::PageDone(id, page) = change {
                    pages.done(id, &page);
                }
            }
            seen.push(lsn);
        }
    }

    #[test]
    fn a_start_from_a_snapshot_gives_the_same_queues_as_the_journal_alone() {
        let vfs = SimVfs::new(3);
        let journal = filled(&vfs, 20_000);
        let reader = journal.reader();
        let data = Path::new(DATA);
        let snapshots = Snapshots::open(vfs.clone(), data).unwrap();
        let pages = Pages::open(vfs.clone(), data, [7; 16]).unwrap();
        // Several snapshots, each on top of the one before it.
        let sealed = reader.sealed_end();
        let segments = reader.segments();
        for part in [4, 2, 1] {
            let until = reader.begins(segments[(segments.len() - 1) / part]);
            snapshot(&reader, &snapshots, &pages, &until.unwrap()).unwrap();
        }
        let (mut from_snapshot, at) = snapshots.latest(|_| Ok(true)).unwrap().unwrap();
        assert_eq!(at, sealed);
        let at = at.end.lsn;
        replay(&reader, &mut from_snapshot, at..reader.end(), &pages).unwrap();
        let mut from_journal = Ledger::default();
        let whole = Lsn::START..reader.end();
        replay(&reader, &mut from_journal, whole, &pages).unwrap();
        assert_eq!(from_snapshot.leaves(), from_journal.leaves());
        let (one, other) = (
            drain(&mut from_snapshot, &pages),
            drain(&mut from_journal, &pages),
        );
        assert_eq!(one.len(), 20_000 - 200);
        assert!(one == other, "the order differs");
        assert!(
            pages.files.names().unwrap().len() <= 5,
            "pages of old snapshots are swept"
        );
    }

    #[test]
    fn a_snapshot_without_room_asks_for_room_and_not_for_a_start_without_snapshots() {
        let vfs = SimVfs::new(5);
        let journal = filled(&vfs, 20_000);
        let data = Path::new(DATA);
        let snapshots = Snapshots::open(vfs.clone(), data).unwrap();
        let pages = Pages::open(vfs.clone(), data, [7; 16]).unwrap();
        vfs.fill();
        let until = journal.reader().sealed_end();
        let failed = snapshot(&journal.reader(), &snapshots, &pages, &until);
        let says = failed.unwrap_err().to_string();
        assert!(says.contains("look at the space"), "{says}");
        assert!(!says.contains("--ignore-snapshots"), "{says}");
    }

    #[test]
    fn pages_that_a_start_took_over_stay_when_no_snapshot_names_them_any_more() {
        let vfs = SimVfs::new(4);
        let mut journal = filled(&vfs, 20_000);
        seal(&mut journal);
        let reader = journal.reader();
        let data = Path::new(DATA);
        let snapshots = Snapshots::open(vfs.clone(), data).unwrap();
        let before = Pages::open(vfs.clone(), data, [7; 16]).unwrap();
        snapshot(&reader, &snapshots, &before, &reader.sealed_end()).unwrap();
        // The process starts: this is the ledger that it goes on with.
        let (mut ledger, _) = snapshots.latest(|_| Ok(true)).unwrap().unwrap();
        let pages = Pages::open(vfs.clone(), data, [7; 16]).unwrap();
        pages.adopt(&ledger);
        let (mut further, _) = snapshots.latest(|_| Ok(true)).unwrap().unwrap();
        for lsn in drain(&mut further, &before) {
            push(&mut journal, &gone(QueueId(0), lsn));
            journal.commit().unwrap();
        }
        for _ in 0..3 {
            seal(&mut journal);
            snapshot(&reader, &snapshots, &pages, &reader.sealed_end()).unwrap();
        }
        let named = snapshots.latest(|_| Ok(true)).unwrap().unwrap().0;
        assert_eq!(named.queue(QueueId(0)).unwrap().backlog.pages().count(), 0);
        sweep(&snapshots.files, &pages).unwrap();
        assert!(pages.files.names().unwrap().len() >= 3);
        assert_eq!(drain(&mut ledger, &pages).len(), 20_000 - 200);
        // Used up, they go with the next sweep.
        sweep(&snapshots.files, &pages).unwrap();
        assert!(pages.files.names().unwrap().is_empty());
    }
}
