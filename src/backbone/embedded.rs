//! The embedded backbone: the committer thread of this process, and what connects tasks with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::basis::Basis;
use super::deeds::{Chore, Deeds, Prepared, Unprepared, start_due};
use super::end_file::{self, EndFile, EndNote};
use super::error::StartError;
use super::fetch::{Fetcher, Found, Tray, Unread, Wanted};
use super::ids::Ids;
use super::index::{self, Index};
use super::keeper::{PageWork, Pages, Snapshots, start_pages, start_snapshots};
use super::load::load;
use super::mailbox::Inbox;
use super::port::{Outboxes, Port};
use super::recent::Recent;
use super::room::Room;
use super::scrub::{self, ReadClock, Scrub, ScrubFile};
use super::signing::{self, Committing, Signing};
use super::start::{Replay, Started, open_ids, open_index, start};
use super::steps::Steps;
use super::tell::Tell;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::agency::registry::Unit;
use crate::broker::admit::View;
use crate::broker::command::Command;
use crate::broker::committer::{Committer, Step};
use crate::broker::dedup::Looked;
use crate::broker::event::Event;
use crate::broker::governance::NotDone;
use crate::broker::ids::{ConnectionId, EntryId};
use crate::broker::limits::TICK;
use crate::broker::record::{QueueId, Stored};
use crate::journal::Reader;
use crate::journal::vfs::DiskVfs;
use crate::message::id::{KeyedDigest, SystemId};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

pub use super::start::Options;

/// The backbone of one process. Cheap to share by `Arc`.
pub struct Embedded {
    pub(super) shared: Shared,
    fetcher: Fetcher,
    connections: AtomicU64,
    fatal: watch::Receiver<Option<String>>,
    /// The number of the activation of the rulebook in force.
    in_force: watch::Receiver<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Writes the end down for the last time once the committer is gone.
    end_thread: Mutex<Option<JoinHandle<()>>>,
    development: bool,
    pub(super) reader: Reader<DiskVfs>,
    tiles: Tiles<DiskVfs>,
    /// Bytes of a segment, in which a rulebook must have room.
    pub(super) segment_bytes: usize,
    /// What the thread of activations does.
    pub(super) chores: Sender<Chore>,
}

/// What tasks and the committer thread share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) inbox: Arc<Inbox>,
    view: Arc<ArcSwap<View>>,
    outboxes: Outboxes,
    recent: Arc<Recent>,
    ids: Arc<Ids<DiskVfs>>,
    index: Arc<Index<DiskVfs>>,
    pub(super) basis: Arc<Basis>,
    clock: ReadClock,
    /// Journal time in milliseconds, as of the last step.
    time: Arc<AtomicI64>,
    steps: Arc<Steps>,
    pub(super) deeds: Arc<Deeds>,
}

/// Files by which records are found.
struct Files {
    ids: Ids<DiskVfs>,
    index: Index<DiskVfs>,
}

impl Files {
    fn open(
        data: &Path,
        committer: &Committer<DiskVfs>,
        basis: &Basis,
        afresh: bool,
    ) -> Result<Self, StartError> {
        let reader = committer.journal().reader();
        Ok(Self {
            ids: open_ids(DiskVfs, data, committer, afresh)?,
            index: open_index(DiskVfs, data, reader, basis.keeper.ring())?,
        })
    }
}

impl Shared {
    fn new(
        committer: &Committer<DiskVfs>,
        rulebook: Rulebook,
        basis: Basis,
        files: Files,
        clock: ReadClock,
    ) -> Result<Self, StartError> {
        basis.keeper.provide_at_start(&rulebook, clock())?;
        let rulebook = Arc::new(rulebook);
        let keys = basis.keys(&rulebook);
        let view = basis.view(committer, rulebook, keys);
        let time = committer.ledger().time().as_millis();
        Ok(Self {
            inbox: Arc::default(),
            view: Arc::new(ArcSwap::from_pointee(view)),
            outboxes: Outboxes::default(),
            recent: Arc::default(),
            ids: Arc::new(files.ids),
            index: Arc::new(files.index),
            basis: Arc::new(basis),
            clock,
            time: Arc::new(AtomicI64::new(time)),
            steps: Arc::default(),
            deeds: Arc::default(),
        })
    }
}

impl Embedded {
    /// Opens the log in `data`, or begins one with the genesis that `options` give, and starts the
    /// committer thread. Without `signing` its tree is not signed.
    pub fn open(
        data: &Path,
        options: Options,
        basis: Basis,
        signing: Option<Signing>,
        clock: ReadClock,
    ) -> Result<Arc<Self>, StartError> {
        let segment_bytes = options.segment_bytes;
        let afresh = options.replay == Replay::FromStart;
        let verified = (options.replay != Replay::FromSnapshot).then(|| clock());
        let Started {
            committer,
            rulebook,
            end_file,
        } = start(&DiskVfs, data, options, clock())?;
        let note = Arc::new(EndNote::default());
        let (ends, end_thread) = keep_the_end(end_file, &note, &committer)?;
        let files = Files::open(data, &committer, &basis, afresh)?;
        let shared = Shared::new(&committer, rulebook, basis, files, clock)?;
        let (tell_fatal, fatal) = watch::channel(None);
        let (tell_in_force, in_force) = watch::channel(committer.ledger().rulebook_epoch());
        let (ask, chores) = mpsc::channel();
        let tell = Tell {
            inbox: Arc::clone(&shared.inbox),
            fatal: tell_fatal,
        };
        let fetcher = fetcher(&committer, &shared.ids)?;
        let reader = committer.journal().reader();
        let scrub = Scrub::new(reader.clone(), ScrubFile::new(DiskVfs, data), verified);
        let scrub = scrub::start(scrub, Arc::clone(&shared.clock)).map_err(StartError::Thread)?;
        let tiles = Tiles::of(DiskVfs, data);
        let signs = signing.map(|signing| signs(signing, &committer, &shared, &tiles, &tell));
        let beside = Beside {
            _scrub: scrub,
            _signs: signs.transpose()?,
            _index: index::start(Arc::clone(&shared.index)).map_err(StartError::Thread)?,
        };
        let keepers = Keepers::start(data, &committer, &shared.ids, &tell, beside)?;
        let development = committer.ledger().is_development();
        let run = Run {
            committer,
            shared: shared.clone(),
            tell,
            in_force: tell_in_force,
            chores: ask.clone(),
            keepers,
            asked: BTreeMap::new(),
            room: Room::new(data.join("journal")),
            watch: Watch::default(),
            note,
            _ends: ends,
        };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || run.run())
            .map_err(StartError::Thread)?;
        let this = Arc::new(Self {
            shared,
            fetcher,
            connections: AtomicU64::new(1),
            fatal,
            in_force,
            thread: Mutex::new(Some(thread)),
            end_thread: Mutex::new(end_thread),
            development,
            reader,
            tiles,
            segment_bytes,
            chores: ask,
        });
        this.keep_due(chores)?;
        Ok(this)
    }

    /// Starts the thread of activations.
    fn keep_due(self: &Arc<Self>, chores: Receiver<Chore>) -> Result<(), StartError> {
        let (weak, mut told) = (Arc::downgrade(self), BTreeMap::new());
        let asked = Weak::clone(&weak);
        let activate = move |proposal| {
            let this = asked.upgrade().ok_or(NotDone::Stopped)?;
            this.activate_due_here(proposal)
        };
        let look = move || {
            if let Some(this) = weak.upgrade() {
                this.look_at_keys();
                this.look_at_due(&mut told);
                this.look_at_suspended();
            }
        };
        start_due(chores, look, activate).map_err(StartError::Thread)
    }

    /// Rulebook, standing and keys as they are now.
    pub fn view(&self) -> Arc<View> {
        self.shared.view.load_full()
    }

    /// The time that decisions go by: the clock's, and never before journal time. A clock that steps
    /// back would else rule by a time that is over, and let what is published now expire at once.
    pub fn now(&self) -> Timestamp {
        let journal = Timestamp::from_millis(self.shared.time.load(Ordering::Relaxed));
        (self.shared.clock)().max(journal)
    }

    /// A time before which all that is ever written stands in the log already, by which a reader passes
    /// over nothing: now, once the step is done that is under way. It waits, and is for threads that may.
    pub fn settled(&self) -> Timestamp {
        let now = self.now();
        self.shared.steps.wait();
        now
    }

    /// The files of the log's tree, as they may be published.
    pub fn tiles(&self) -> &Tiles<DiskVfs> {
        &self.tiles
    }

    /// Whether the log was begun with `--dev`.
    pub fn is_development(&self) -> bool {
        self.development
    }

    /// Tells why the process must end, once it must.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.clone()
    }

    /// Tells the number of the activation of the rulebook in force, once there is another: the
    /// [`view`](Self::view) has it then.
    pub fn in_force(&self) -> watch::Receiver<u64> {
        self.in_force.clone()
    }

    /// A way to the core for a new connection of `unit`; whether its system may take releases.
    pub fn attach(&self, unit: &Unit, system: SystemId, releases: bool) -> Port {
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let mut port = Port::open(id, &self.shared.inbox, &self.shared.outboxes, unit.party());
        port.send(&mut vec![Command::Attach {
            connection: id,
            unit: unit.id.clone(),
            system,
            releases,
        }]);
        port
    }

    /// The keys that the log is searched by.
    pub fn index(&self) -> Arc<Index<DiskVfs>> {
        Arc::clone(&self.shared.index)
    }

    /// A record with its message, where it is fresh enough to be in memory.
    pub fn recent(&self, entry: EntryId) -> Option<Arc<Stored>> {
        self.shared.recent.get(entry.at())
    }

    /// Has read from the disk all that is `needed`, and of what is `ahead` as much as is not too large.
    /// They come into `tray`, all at once.
    pub fn fetch(&self, needed: Vec<Wanted>, ahead: Vec<Wanted>, tray: &Arc<Tray>) {
        self.fetcher.fetch(needed, ahead, tray);
    }

    /// What memory says of an earlier use of an id that the committer may no longer remember; nothing
    /// where that must be fetched.
    pub fn glance(&self, key: KeyedDigest) -> Option<Looked> {
        self.shared.ids.glance(key)
    }

    /// Writes what is left, syncs, and ends the committer thread.
    pub fn stop(&self) {
        self.shared.inbox.push(&mut vec![Event::Stop.into()]);
        for (thread, name) in [
            (&self.thread, "committer"),
            (&self.end_thread, "end file's"),
        ] {
            let mut thread = thread.lock().unwrap_or_else(PoisonError::into_inner);
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the {name} thread died");
            }
        }
    }
}

/// Has the end file written by a thread of its own, where there is to be one.
fn keep_the_end(
    file: Option<EndFile<DiskVfs>>,
    note: &Arc<EndNote>,
    committer: &Committer<DiskVfs>,
) -> Result<EndThread, StartError> {
    let reader = committer.journal().reader();
    let started = file.map(|file| end_file::start(file, Arc::clone(note), reader));
    Ok(started.transpose().map_err(StartError::Thread)?.unzip())
}

/// The threads that read for connections.
fn fetcher(committer: &Committer<DiskVfs>, ids: &Arc<Ids<DiskVfs>>) -> Result<Fetcher, StartError> {
    let (reader, ids) = (committer.journal().reader(), Arc::clone(ids));
    let read = move |wanted| match wanted {
        Wanted::Record(entry) => {
            let stored = load(&reader, entry.at()).map(Arc::new);
            Found::Record(entry, stored.map_err(|error| Unread(error.to_string())))
        }
        Wanted::Use(key) => Found::Use(ids.look(key)),
    };
    Fetcher::start(read).map_err(StartError::Thread)
}

/// The thread that signs the tree.
fn signs(
    signing: Signing,
    committer: &Committer<DiskVfs>,
    shared: &Shared,
    tiles: &Tiles<DiskVfs>,
    tell: &Tell,
) -> Result<Sender<()>, StartError> {
    let last = committer.ledger().shown().last.as_deref().cloned();
    let committing = Committing {
        inbox: Arc::clone(&shared.inbox),
        deeds: Arc::clone(&shared.deeds),
        clock: Arc::clone(&shared.clock),
        tell: tell.clone(),
    };
    let reader = committer.journal().reader();
    let started = signing::start(reader, tiles.clone(), signing, last, committing);
    started.map_err(StartError::Thread)
}

/// What ends it, and when it has ended.
type EndThread = (Option<Sender<()>>, Option<JoinHandle<()>>);

/// Threads that work beside the committer; each ends once its sender is dropped.
struct Keepers {
    pages: Sender<PageWork>,
    _snapshots: Sender<()>,
    _beside: Beside,
}

/// Threads that change nothing of what the committer works with.
struct Beside {
    _index: Sender<()>,
    _scrub: Sender<()>,
    _signs: Option<Sender<()>>,
}

impl Keepers {
    fn start(
        data: &Path,
        committer: &Committer<DiskVfs>,
        ids: &Arc<Ids<DiskVfs>>,
        tell: &Tell,
        beside: Beside,
    ) -> Result<Self, StartError> {
        let reader = committer.journal().reader();
        let pages = Pages::open(DiskVfs, data, reader.journal()).map_err(StartError::NotMade)?;
        pages.adopt(committer.ledger());
        let snapshots = Snapshots::open(DiskVfs, data).map_err(StartError::NotMade)?;
        let started = || {
            let ids = Arc::clone(ids);
            Ok(Self {
                pages: start_pages(pages.clone(), tell.clone())?,
                _snapshots: start_snapshots(reader, snapshots, pages, ids)?,
                _beside: beside,
            })
        };
        started().map_err(StartError::Thread)
    }
}

/// The committer thread: owns the committer, publishes what it decides.
struct Run {
    committer: Committer<DiskVfs>,
    shared: Shared,
    tell: Tell,
    /// Tells that another rulebook is in force.
    in_force: watch::Sender<u64>,
    /// To the thread of activations, which takes away views that no thread looks at any more.
    chores: Sender<Chore>,
    keepers: Keepers,
    asked: BTreeMap<QueueId, u64>,
    room: Room,
    watch: Watch,
    /// Where the thread of the end file finds how far the log has come.
    note: Arc<EndNote>,
    /// Dropped with the committer, which has that thread write it for the last time.
    _ends: Option<Sender<()>>,
}

/// Dropped by a panic of the committer thread, says so: a broker that goes on without one, or ends
/// as if all was well, is worse than one that ends with an error.
struct EndsWithPanic(Tell);

impl Drop for EndsWithPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .fatal("the committer thread has died of a fault of this program");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shared.deeds.close();
        self.shared.steps.end();
    }
}

impl Run {
    fn run(mut self) {
        let _says = EndsWithPanic(self.tell.clone());
        let mut inputs = Vec::new();
        loop {
            let patience = if self.committer.has_more() {
                Duration::ZERO
            } else {
                TICK
            };
            self.shared.inbox.take(patience, &mut inputs);
            self.shared.steps.begin();
            let clock = (self.shared.clock)();
            self.watch.note(clock, self.committer.ledger().time());
            match self.committer.step(inputs.drain(..), clock) {
                Ok(step) => {
                    let stopped = step.stopped;
                    let time = self.committer.ledger().time();
                    self.shared.time.store(time.as_millis(), Ordering::Relaxed);
                    self.shared.steps.end();
                    if step.view_changed && self.publish(&step).is_err() {
                        let says = "a rulebook has come into force that this process has not read";
                        self.tell.fatal(says);
                        break;
                    }
                    self.release(step);
                    self.note.leave(&self.committer);
                    self.room.note(self.committer.is_full());
                    if stopped {
                        break;
                    }
                }
                Err(fatal) => {
                    self.tell.fatal(&fatal.to_string());
                    break;
                }
            }
        }
        self.note.leave_last(&self.committer);
    }

    /// Publishes the new snapshot: after the sync, before the effects that rest on it.
    fn publish(&self, step: &Step) -> Result<(), Unprepared> {
        let current = self.shared.view.load_full();
        let activated = self.shared.deeds.activated(&step.governed)?;
        let is_other = activated.is_some();
        let (rulebook, keys) = match activated {
            Some(Prepared { rulebook, keys }) => {
                let epoch = self.committer.ledger().rulebook_epoch();
                (Arc::new(rulebook.activated(epoch)), keys)
            }
            None => (Arc::clone(&current.rulebook), Arc::clone(&current.keys)),
        };
        let view = self.shared.basis.view(&self.committer, rulebook, keys);
        self.shared.view.store(Arc::new(view));
        if is_other {
            self.in_force
                .send_replace(self.committer.ledger().rulebook_epoch());
            // Where that thread is gone the process ends.
            _ = self.chores.send(Chore::Retire(current));
        }
        Ok(())
    }

    /// Hands effects to their connections and wakes each once.
    fn release(&mut self, step: Step) {
        // Before any sender is told to search again: it must know how far.
        self.shared.ids.note(self.committer.ledger().known());
        self.shared.inbox.give_back(&step.given_back);
        self.shared.recent.insert(step.fresh);
        self.shared.deeds.answer(step.governed);
        self.shared.deeds.tell(step.outstanding);
        let position = self.committer.journal().position();
        let written = step.pages.into_iter();
        let written = written.map(|(queue, page)| PageWork::Write(queue, page, position));
        for (queue, page) in &step.done_pages {
            if self.asked.get(queue) == Some(&page.number) {
                self.asked.remove(queue);
            }
        }
        // In this order: what was filled and used up in one step is written, and then done with.
        let done = step.done_pages.into_iter();
        let done = done.map(|(queue, page)| PageWork::Done(queue, page));
        let wanted = step.wanted_pages.into_iter();
        let wanted = wanted.filter(|(queue, page)| {
            // Asked for once, however often the queue is looked at until it comes.
            self.asked.insert(*queue, page.number) != Some(page.number)
        });
        let wanted: Vec<PageWork> = wanted
            .map(|(queue, page)| PageWork::Read(queue, page))
            .collect();
        for work in written.chain(done).chain(wanted) {
            if self.keepers.pages.send(work).is_err() {
                self.tell.fatal("the thread of pages has died");
            }
        }
        let outboxes = self
            .shared
            .outboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut touched = BTreeMap::new();
        for (connection, effect) in step.effects {
            // A connection that is gone needs no effects; what was out to it comes back.
            if let Some(outbox) = outboxes.get(&connection) {
                outbox.push(effect);
                touched.insert(connection, Arc::clone(outbox));
            }
        }
        drop(outboxes);
        for outbox in touched.values() {
            outbox.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_committer_thread_ends_the_process_with_an_error() {
        let (fatal, told) = watch::channel(None);
        let inbox = Arc::default();
        let guard = EndsWithPanic(Tell { inbox, fatal });
        let ends = guard.0.clone();
        drop(guard);
        assert_eq!(*told.borrow(), None, "an end without a panic is none");
        let thread = std::thread::spawn(move || {
            let _says = EndsWithPanic(ends);
            panic!("a fault");
        });
        assert!(thread.join().is_err());
        assert!(told.borrow().is_some());
    }
}
