//! Repeats of messages whose ids are long out of memory: committer, files of ids and snapshots
//! together, as the process has them, on a simulated disk.

use std::path::Path;
use std::time::Duration;

use carnet::agency::registry::Peer;
use carnet::backbone::ids::Ids;
use carnet::backbone::keeper::{Pages, Snapshots, snapshot};
use carnet::backbone::load::load;
use carnet::backbone::start::{Options, Recovered, Replay, open_ids, recover};
use carnet::broker::command::Command;
use carnet::broker::committer::{Committer, Step};
use carnet::broker::dedup::Looked;
use carnet::broker::effect::Effect;
use carnet::broker::event::Event;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::broker::input::Input;
use carnet::broker::record::{Record, Repeats};
use carnet::journal::Lsn;
use carnet::journal::vfs::Vfs;
use carnet::message::id::KeyedDigest;
use carnet::message::time::Timestamp;
use carnet_disk::{Pattern, SimVfs};

use crate::border::{Admitted, Border, noon};
use crate::recovered::data;

/// Far fewer than one segment uses.
const KNOWN_IDS: usize = 4;
const ARRIVED: &str = "movement.event/valid/arrived";
const ORCHIDS: &str = "postal.item/valid/orchids";
const REFUSED: [(&str, &str); 1] = [("to", "environment/main")];

fn options(ignore_snapshots: bool) -> Options {
    Options {
        replay: if ignore_snapshots {
            Replay::FromStart
        } else {
            Replay::FromSnapshot
        },
        known_ids: KNOWN_IDS,
        ..crate::recovered::options()
    }
}

/// What a publisher is told.
#[derive(Debug, PartialEq)]
enum Told {
    /// Decided and logged, now.
    Decided,
    /// Refused with this code, and logged, now.
    Refused(u16),
    /// The outcome of the first, which was refused for all where there is an address.
    Again(Option<Lsn>),
    /// Not stored.
    Nacked,
}

/// A broker with one publisher.
struct Rig {
    border: Border,
    post: Peer,
    disk: SimVfs,
    committer: Option<Committer<SimVfs>>,
    ids: Option<Ids<SimVfs>>,
    now: Timestamp,
    serial: u64,
    /// Times that a message came back to be searched for again, or ruled again.
    came_back: u32,
}

impl Rig {
    fn start() -> Self {
        let border = Border::read();
        let mut rig = Self {
            post: border.peer("post", "items"),
            border,
            disk: SimVfs::new(1),
            committer: None,
            ids: None,
            now: noon(),
            serial: 0,
            came_back: 0,
        };
        rig.open(false);
        rig
    }

    fn open(&mut self, ignore_snapshots: bool) {
        let options = options(ignore_snapshots);
        let Recovered {
            recovery,
            mut committer,
            ..
        } = recover(&self.disk, data(), &options).unwrap();
        if recovery.created {
            committer.begin(&self.border.genesis()).unwrap();
        } else if !recovery.clean {
            committer.begin(&Record::Recovered).unwrap();
        }
        let ids = open_ids(self.disk.clone(), data(), &committer, ignore_snapshots);
        self.ids = Some(ids.unwrap());
        self.committer = Some(committer);
        let unit = self.post.unit.id.clone();
        let connection = ConnectionId(1);
        self.step(Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        });
    }

    /// The machine stops, and starts again with what was synced.
    fn crash(&mut self, ignore_snapshots: bool) {
        self.committer = None;
        self.ids = None;
        self.disk = self.disk.crash(Pattern::Nothing, self.serial);
        self.open(ignore_snapshots);
    }

    fn ledger(&self) -> &carnet::broker::ledger::Ledger {
        self.committer.as_ref().unwrap().ledger()
    }

    fn ids(&self) -> &Ids<SimVfs> {
        self.ids.as_ref().unwrap()
    }

    fn step(&mut self, command: impl Into<Input>) -> Step {
        let committer = self.committer.as_mut().unwrap();
        let step = committer.step(vec![command], self.now).unwrap();
        self.ids().note(self.ledger().known());
        step
    }

    /// What the thread of snapshots does each second.
    fn keep(&self) {
        self.ids().keep().unwrap();
        let reader = self.committer.as_ref().unwrap().journal().reader();
        let snapshots = Snapshots::open(self.disk.clone(), data()).unwrap();
        let pages = Pages::open(self.disk.clone(), data(), reader.journal()).unwrap();
        snapshot(&reader, &snapshots, &pages, &reader.sealed_end()).unwrap();
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.step(Event::Tick);
    }

    /// What a connection does: admit, search, hand over; and again where it comes back.
    fn publish(&mut self, example: &str, id: &str, headers: &[(&str, &str)]) -> Told {
        self.publish_searching(example, id, headers, glance_or_look)
    }

    fn publish_searching(
        &mut self,
        example: &str,
        id: &str,
        headers: &[(&str, &str)],
        look: impl Fn(&Ids<SimVfs>, KeyedDigest) -> Looked,
    ) -> Told {
        self.now = self.now.plus(Duration::from_millis(10));
        self.serial += 1;
        let origin = Origin {
            connection: ConnectionId(1),
            channel: 1,
            serial: self.serial,
            confirm: Some(self.serial),
        };
        for _ in 0..4 {
            let publish = self.border.publish(example, id, headers);
            let view = self.border.view(self.ledger().register().standing());
            let mut submission = Admitted::new(&self.post, &publish, &view, self.now).submission();
            if let Some(key) = submission.id_key() {
                submission.found(look(self.ids(), key));
            }
            let step = self.step(Command::Submit(origin, submission));
            let told = step
                .effects
                .into_iter()
                .find_map(|(_, effect)| match effect {
                    Effect::Outcome { returned, .. } => {
                        let refused = |returned: Box<(_, _)>| {
                            let (refusal, _): (carnet::broker::reply::Refusal, _) = *returned;
                            Told::Refused(refusal.code)
                        };
                        Some(returned.map_or(Told::Decided, refused))
                    }
                    Effect::Repeated { refused, .. } => {
                        Some(Told::Again(refused.map(|(at, _)| at.at())))
                    }
                    Effect::Nacked { .. } => Some(Told::Nacked),
                    _ => None,
                });
            if let Some(told) = told {
                return told;
            }
            self.came_back += 1;
        }
        panic!("{id} comes back for ever");
    }

    fn records(&self) -> Vec<(Lsn, Record)> {
        let reader = self.committer.as_ref().unwrap().journal().reader();
        let all = reader.scan(Lsn::START);
        let all = all.map(|stored| stored.unwrap().lsn);
        all.map(|lsn| (lsn, load(&reader, lsn).unwrap().record))
            .collect()
    }

    fn leaves(&self) -> u64 {
        self.ledger().leaves()
    }

    fn files(&self) -> Vec<String> {
        self.disk.list(&data().join("ids")).unwrap()
    }

    /// As long a life as fills `segments` segments with ids, kept as it goes.
    fn fill(&mut self, segments: usize) -> u32 {
        let mut count = 0;
        while self.files().len() < segments {
            assert_eq!(
                self.publish(ARRIVED, &format!("m-{count}"), &[]),
                Told::Decided
            );
            count += 1;
            if count % 20 == 0 {
                self.keep();
            }
        }
        count
    }

    /// No id of the life is taken for new.
    fn knows(&mut self, ids: u32) {
        let before = self.leaves();
        for id in 0..ids {
            let again = self.publish(ARRIVED, &format!("m-{id}"), &[]);
            assert_eq!(again, Told::Again(None), "m-{id} of {ids}");
        }
        assert_eq!(self.leaves(), before, "a repeat makes no record");
    }
}

fn path(file: &str) -> std::path::PathBuf {
    data().join("ids").join(file)
}

/// What a connection does: it searches where a glance leaves it open. What a glance says is so.
fn glance_or_look(ids: &Ids<SimVfs>, key: KeyedDigest) -> Looked {
    let Some(glanced) = ids.glance(key) else {
        return ids.look(key);
    };
    let Looked::Before(far, None) = glanced else {
        panic!("no file was read, and yet {glanced:?}")
    };
    match ids.look(key) {
        Looked::Before(further, found) => {
            assert!(far <= further && found.is_none_or(|known| far <= known.lsn));
        }
        Looked::Failed => panic!("what can be glanced at can be searched"),
    }
    glanced
}

#[test]
fn a_repeat_of_an_id_long_out_of_memory_is_answered_from_the_first() {
    let mut rig = Rig::start();
    let refused = rig.publish(ARRIVED, "refused", &REFUSED);
    assert_eq!(refused, Told::Refused(403));
    let ids = rig.fill(4);
    assert!(ids > 100, "{ids}");
    assert_eq!(rig.ledger().known().len(), KNOWN_IDS);
    // Memory moves on with each message, and the search goes beyond it: nothing comes back in vain.
    assert!(rig.came_back <= 1, "{} came back", rig.came_back);
    rig.knows(ids);
    let first = rig.publish(ARRIVED, "refused", &REFUSED);
    let Told::Again(Some(first)) = first else {
        panic!("a refusal is told again, returns included: {first:?}");
    };
    let told = rig.records().into_iter().find(|(at, _)| *at == first);
    assert!(matches!(told, Some((_, Record::Exchange(exchange))) if exchange.number == Some(1)));

    let before = rig.leaves();
    assert_eq!(rig.publish(ORCHIDS, "m-0", &[]), Told::Refused(406));
    assert_eq!(rig.leaves(), before + 1, "other content is evidence");
    assert_eq!(rig.publish(ARRIVED, "m-0", &[]), Told::Again(None));

    for ignore_snapshots in [false, true] {
        rig.crash(ignore_snapshots);
        rig.knows(ids);
        assert_eq!(rig.publish(ORCHIDS, "m-1", &[]), Told::Refused(406));
    }
}

#[test]
fn a_start_without_snapshots_has_the_same_ledger_and_the_same_files() {
    let mut rig = Rig::start();
    rig.fill(3);
    let disks = [false, true].map(|ignore| (rig.disk.crash(Pattern::Nothing, 1), ignore));
    let [with, without] = disks.map(|(disk, ignore_snapshots)| {
        let recovered = recover(&disk, data(), &options(ignore_snapshots)).unwrap();
        let committer = recovered.committer;
        drop(open_ids(disk.clone(), data(), &committer, ignore_snapshots).unwrap());
        (committer, disk)
    });
    let reach = with.0.ledger().known().reach();
    assert_ne!(reach, Lsn::START);
    // What is in memory of ids depends on where a start begins, and nothing else does.
    let [with_ids, without_ids] = [&with.0, &without.0].map(|committer| {
        let mut ledger = committer.ledger().clone();
        ledger.remember_from(reach, KNOWN_IDS);
        ledger
    });
    assert!(with_ids == without_ids);
    let files = |disk: &SimVfs| -> Vec<(String, Vec<u8>)> {
        let names = disk.list(&data().join("ids")).unwrap().into_iter();
        names
            .map(|name| (name.clone(), bytes(disk, &name)))
            .collect()
    };
    assert!(files(&with.1).len() >= 3);
    assert!(files(&with.1) == files(&without.1));
}

fn bytes(disk: &SimVfs, file: &str) -> Vec<u8> {
    let mut found = Vec::new();
    disk.edit(&path(file), |bytes| found.clone_from(bytes))
        .unwrap();
    found
}

#[test]
fn a_refusal_for_all_that_stays_one_in_the_same_words_is_told_again_whatever_has_changed_since() {
    let mut rig = Rig::start();
    let refused = rig.publish(ARRIVED, "refused", &REFUSED);
    assert_eq!(refused, Told::Refused(403));
    let first = rig.publish(ARRIVED, "refused", &REFUSED);
    assert!(matches!(first, Told::Again(Some(_))));
    let ids = rig.fill(2);
    let activate = rig.border.activate_again(2);
    rig.step(activate);
    let before = rig.leaves();
    // In memory and out of it.
    for more in [0, 10] {
        assert_eq!(rig.publish(ARRIVED, "refused", &REFUSED), first);
        for id in ids..ids + more {
            rig.publish(ARRIVED, &format!("m-{id}"), &[]);
        }
    }
    assert_eq!(rig.publish(ARRIVED, "refused", &REFUSED), first);
    assert_eq!(rig.leaves(), before + 10, "nothing of it but what was new");
    rig.knows(ids);
}

#[test]
fn past_the_window_an_id_is_free_again_and_its_file_is_gone() {
    let mut rig = Rig::start();
    let ids = rig.fill(2);
    let old = rig.files();
    rig.wait(Duration::from_hours(23));
    rig.knows(ids);
    rig.wait(Duration::from_mins(61));
    // Half of the old ids: the rest of them would be in memory again.
    for id in 0..ids / 2 {
        let anew = rig.publish(ARRIVED, &format!("m-{id}"), &[]);
        assert_eq!(anew, Told::Decided, "m-{id}");
    }
    rig.keep();
    let left = rig.files();
    assert!(left.iter().all(|file| !old.contains(file)), "{left:?}");
    rig.crash(false);
    rig.knows(ids / 2);
    let last = format!("m-{}", ids - 1);
    assert_eq!(rig.publish(ARRIVED, &last, &[]), Told::Decided);
}

#[test]
fn a_file_of_ids_that_rots_or_is_gone_is_made_again() {
    let mut rig = Rig::start();
    let ids = rig.fill(3);
    let files = rig.files();
    let whole = bytes(&rig.disk, &files[1]);
    let rot = |bytes: &mut Vec<u8>| bytes.iter_mut().skip(40).for_each(|byte| *byte ^= 0x10);
    rig.disk.edit(&path(&files[1]), rot).unwrap();
    rig.knows(ids);
    assert!(
        bytes(&rig.disk, &files[1]) == whole,
        "made again by who searched"
    );
    rig.disk.edit(&path(&files[1]), rot).unwrap();
    rig.disk.unlink(&path(&files[0])).unwrap();
    rig.disk.fsync_dir(Path::new(&data().join("ids"))).unwrap();
    rig.crash(false);
    // What was the open segment is sealed now too.
    assert!(rig.files().starts_with(&files));
    assert!(
        bytes(&rig.disk, &files[1]) == whole,
        "made again by the start"
    );
    rig.knows(ids);
}

#[test]
fn what_was_not_searched_comes_back_and_what_cannot_be_is_not_taken() {
    let mut rig = Rig::start();
    rig.fill(2);
    let nowhere = |_: &Ids<SimVfs>, _| Looked::Failed;
    let told = rig.publish_searching(ARRIVED, "m-0", &[], nowhere);
    assert_eq!(told, Told::Nacked);
    // What memory holds needs no search.
    let told = rig.publish(ARRIVED, "fresh", &[]);
    assert_eq!(told, Told::Decided);
    let told = rig.publish_searching(ARRIVED, "fresh", &[], nowhere);
    assert_eq!(told, Told::Again(None));
    let looks = std::cell::Cell::new(0);
    let late = |ids: &Ids<SimVfs>, key| {
        looks.set(looks.get() + 1);
        if looks.get() < 3 {
            Looked::default()
        } else {
            ids.look(key)
        }
    };
    let told = rig.publish_searching(ARRIVED, "m-0", &[], late);
    assert_eq!((told, looks.get()), (Told::Again(None), 3));
}

#[test]
fn identical_repeats_are_counted_in_an_hourly_record_that_rides() {
    let mut rig = Rig::start();
    rig.publish(ARRIVED, "m-0", &[]);
    let first = rig.now.plus(Duration::from_millis(10));
    for _ in 0..3 {
        assert_eq!(rig.publish(ARRIVED, "m-0", &[]), Told::Again(None));
    }
    let repeats = |rig: &Rig| -> Vec<Repeats> {
        let records = rig.records().into_iter();
        let found = records.filter_map(|(_, record)| match record {
            Record::Repeats(repeats) => Some(repeats),
            _ => None,
        });
        found.collect()
    };
    rig.wait(Duration::from_mins(59));
    rig.wait(Duration::from_millis(60));
    assert_eq!(repeats(&rig), []);
    let syncs = rig.disk.syncs();
    rig.wait(Duration::from_mins(2));
    assert_eq!(rig.disk.syncs(), syncs, "it asks for no sync of its own");
    let at = rig.now;
    rig.wait(Duration::from_millis(60));
    let counts = vec![("post".parse().unwrap(), 3)];
    let since = first;
    assert_eq!(repeats(&rig), [Repeats { at, since, counts }]);
    // A clean stop writes down what the hour had so far; replay gives the same ledger.
    rig.publish(ARRIVED, "m-0", &[]);
    rig.step(Event::Stop);
    assert_eq!(repeats(&rig).len(), 2);
    let again = recover(
        &rig.disk.crash(Pattern::Nothing, 1),
        data(),
        &options(false),
    )
    .unwrap();
    assert!(again.recovery.clean);
    assert!(again.committer.ledger() == rig.ledger());
}
