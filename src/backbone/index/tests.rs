//! The index of a log of several segments: whole, behind, missing and damaged.

use std::path::{Path, PathBuf};

use super::*;
use crate::agency::keys::{Ring, SharedRing};
use crate::broker::record::{
    CaseChange, CaseStep, Exchange, Identifier, LeafSecret, Narrowed, SCHEMA, Terms,
};
use crate::broker::run::encode;
use crate::journal::snapshot::name_at;
use crate::journal::vfs::{DiskVfs, SimVfs, read_whole};
use crate::journal::{Config, Journal, Kind, Position};
use crate::message::id::{Category, Digest, Mask};
use crate::message::spans::Shown;
use crate::message::time::Timestamp;
use crate::policy::words::Onward;

/// The exchanges of a log: each has a key of its own, and one in seven a key that all of them have.
const MANY: u64 = 400;
/// The key that many have.
const COMMON: KeyedDigest = KeyedDigest([0x77; 16]);

pub(crate) fn key(number: u64) -> KeyedDigest {
    let digest = Digest::of(&number.to_be_bytes()).0;
    KeyedDigest(*digest.first_chunk().unwrap())
}

fn keys() -> Keys {
    let ring = SharedRing::new(Ring::new([3; 32], [4; 32]));
    Keys::derive(ring, std::iter::empty())
}

/// An exchange of the least size, as the fixtures of the format have it.
pub(crate) fn exchange() -> Box<Exchange> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format");
    let file = folder.join(format!("schema-{SCHEMA}/record-exchange-least.bin"));
    let body = read_whole(&DiskVfs, &file, 64 << 10).unwrap().unwrap();
    let (kind, schema) = (Record::EXCHANGE, SCHEMA);
    match Record::decode(Kind { kind, schema }, &body).unwrap() {
        Record::Exchange(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

pub(crate) struct Log {
    pub(crate) disk: SimVfs,
    pub(crate) journal: Journal<SimVfs>,
    pub(crate) lsns: Vec<Lsn>,
}

impl Log {
    pub(crate) fn begin() -> Self {
        let disk = SimVfs::new(1);
        let config = Config {
            segment_bytes: 512 << 10,
            background: false,
            journal: [7; 16],
            stopped_kind: Record::STOPPED,
        };
        let journal = Journal::open(disk.clone(), Path::new("/data/journal"), config);
        Self {
            disk,
            journal: journal.unwrap().0,
            lsns: Vec::new(),
        }
    }

    fn of(many: u64) -> Self {
        let mut log = Self::begin();
        log.write(many);
        log
    }

    pub(crate) fn push(&mut self, record: &Record) -> Lsn {
        let mut body = Vec::new();
        record.encode(&LeafSecret::new([7; 32]), &mut body);
        self.journal.reserve(body.len() + 64, 0).unwrap();
        let (kind, schema) = (record.kind(), SCHEMA);
        let lsn = self.journal.push(Kind { kind, schema }, &body, None);
        self.journal.commit().unwrap();
        lsn
    }

    fn write(&mut self, many: u64) {
        let mut exchange = exchange();
        for _ in 0..many {
            let number = u64::try_from(self.lsns.len()).unwrap();
            exchange.key = key(number);
            let common = (number % 7 == 0).then(|| Identifier {
                kind: "mrn".to_owned(),
                digest: COMMON,
                category: Category::Reference,
                shown: Shown::Clear,
            });
            exchange.keys = Vec::from_iter(common);
            let lsn = self.push(&Record::Exchange(exchange.clone()));
            self.lsns.push(lsn);
        }
    }

    pub(crate) fn index(&self) -> Index<SimVfs> {
        let files = Files::index(self.disk.clone(), Path::new("/data")).unwrap();
        Index::new(files, self.journal.reader(), Arc::new(keys()))
    }

    /// Where each segment begins and ends, the oldest first.
    pub(crate) fn segments(&self) -> Vec<Range<Lsn>> {
        let reader = self.journal.reader();
        let firsts = reader.segments();
        let ends = firsts.iter().skip(1).copied().chain([reader.end()]);
        firsts
            .iter()
            .copied()
            .zip(ends)
            .map(|(first, end)| first..end)
            .collect()
    }

    /// What the index finds of a key, and whether records were read for it; none where it knows nothing
    /// of some segment.
    fn found(&self, index: &Index<SimVfs>, key: KeyedDigest) -> Option<(Vec<Lsn>, bool)> {
        let (mut lsns, mut scanned) = (Vec::new(), false);
        let wanted = BTreeSet::from([key]);
        for segment in self.segments() {
            let hits = index.find(segment, &wanted).unwrap()?;
            lsns.extend(hits.lsns);
            scanned |= hits.scanned;
        }
        Some((lsns, scanned))
    }

    fn is_whole(&self, index: &Index<SimVfs>) {
        for (number, lsn) in (0..).zip(&self.lsns).step_by(9) {
            assert_eq!(self.found(index, key(number)), Some((vec![*lsn], false)));
        }
        let common: Vec<Lsn> = self.lsns.iter().step_by(7).copied().collect();
        assert_eq!(self.found(index, COMMON), Some((common, false)));
        assert_eq!(self.found(index, key(u64::MAX)), Some((vec![], false)));
    }
}

pub(crate) fn keep_all(index: &Index<SimVfs>) {
    while index.keep().unwrap() {}
}

fn file(segment: Lsn) -> PathBuf {
    Path::new("/data/index").join(name_at(segment) + ".index")
}

#[test]
fn every_record_of_a_key_is_found_wherever_it_lies_and_after_a_start_too() {
    let mut log = Log::of(MANY);
    assert!(log.segments().len() > 3, "a log of few segments");
    let index = log.index();
    keep_all(&index);
    log.is_whole(&index);
    // What was written since is read as it is searched, and then held.
    log.write(3);
    log.is_whole(&index);
    // Across the end of a segment.
    log.write(MANY);
    keep_all(&index);
    log.is_whole(&index);
    let index = log.index();
    assert!(!index.keep().unwrap(), "all runs are there");
    log.is_whole(&index);
}

#[test]
fn one_that_is_behind_knows_the_newest_segments_and_says_of_which_it_knows_nothing() {
    let log = Log::of(MANY);
    let index = log.index();
    let (segments, wanted) = (log.segments(), BTreeSet::from([COMMON]));
    let known = || {
        let known = segments
            .iter()
            .map(|segment| index.find(segment.clone(), &wanted));
        known
            .map(|known| known.unwrap().is_some())
            .collect::<Vec<_>>()
    };
    for made in 0..segments.len() {
        let expected: Vec<bool> = (1..=segments.len())
            .map(|nth| nth + made >= segments.len())
            .collect();
        assert_eq!(known(), expected);
        index.keep().unwrap();
    }
    log.is_whole(&index);
}

#[test]
fn a_run_that_rots_is_gone_or_is_of_another_journal_is_made_again_and_finds_all_meanwhile() {
    let log = Log::of(MANY);
    let index = log.index();
    keep_all(&index);
    let segments = log.segments();
    let rot = |bytes: &mut Vec<u8>| bytes.iter_mut().skip(60).for_each(|byte| *byte ^= 0x10);
    log.disk.edit(&file(segments[1].start), rot).unwrap();
    let of_second: Vec<u64> = (0..)
        .zip(&log.lsns)
        .filter(|(_, lsn)| segments[1].contains(lsn))
        .map(|(it, _)| it)
        .collect();
    let at = usize::try_from(of_second[0]).unwrap();
    assert_eq!(
        log.found(&index, key(of_second[0])),
        Some((vec![log.lsns[at]], true))
    );
    keep_all(&index);
    log.is_whole(&index);

    log.disk.unlink(&file(segments[0].start)).unwrap();
    let foreign = Files::index(log.disk.clone(), Path::new("/data")).unwrap();
    let of = Position {
        journal: [8; 16],
        ..log.journal.reader().begins(segments[2].start).unwrap()
    };
    foreign
        .write(&name_at(segments[1].start), &of, &encode([]))
        .unwrap();
    let index = log.index();
    keep_all(&index);
    log.is_whole(&index);
}

#[test]
fn where_the_journal_cannot_be_read_a_search_says_so_and_passes_over_nothing() {
    let log = Log::of(MANY);
    let segments = log.segments();
    let second = segments[1].start;
    let path = Path::new("/data/journal").join(format!("{:016x}.segment", second.0));
    let damaged = log.lsns.iter().find(|lsn| **lsn > second).unwrap();
    let place = 4_096 + usize::try_from(damaged.0 - second.0).unwrap() + 40;
    log.disk.edit(&path, |bytes| bytes[place] ^= 1).unwrap();
    let index = log.index();
    while index.keep().is_ok_and(|more| more) {}
    let wanted = BTreeSet::from([COMMON]);
    assert!(index.find(segments[2].clone(), &wanted).unwrap().is_some());
    assert!(index.find(segments[1].clone(), &wanted).is_err());
    assert_eq!(index.find(segments[0].clone(), &wanted).unwrap(), None);
}

#[test]
fn cases_and_what_was_narrowed_are_found_by_keys_of_their_own() {
    let mut log = Log::of(1);
    let case = Record::Case(CaseChange {
        at: Timestamp::default(),
        sender: "police/desk".parse().unwrap(),
        unit: "police/main".parse().unwrap(),
        case: "CASE-2026-0317".parse().unwrap(),
        what: CaseStep::Join,
        key: None,
    });
    let left = Terms {
        mask: Mask::NONE,
        retain_days: 1,
        onward: Onward::default(),
        policies: Vec::new(),
        rulebook: Digest([0; 32]),
    };
    let narrowed = Record::Narrowed(Narrowed {
        at: Timestamp::default(),
        exchange: log.lsns[0],
        unit: "police/main".parse().unwrap(),
        queues: Vec::new(),
        left,
    });
    let (case, narrowed) = (log.push(&case), log.push(&narrowed));
    let index = log.index();
    keep_all(&index);
    let of_case = index.of_case("CASE-2026-0317");
    assert_eq!(log.found(&index, of_case), Some((vec![case], false)));
    let of_narrowed = index.of_narrowed(log.lsns[0]);
    assert_eq!(
        log.found(&index, of_narrowed),
        Some((vec![narrowed], false))
    );
    assert_eq!(
        log.found(&index, index.of_narrowed(case)),
        Some((vec![], false))
    );
}

#[test]
fn what_memory_may_not_hold_of_the_open_segment_is_read() {
    let mut log = Log::of(20);
    let mut index = log.index();
    index.room = 30;
    index.keep().unwrap();
    let held = index.state().tail.up_to;
    assert_eq!(held, log.journal.reader().end());
    log.write(40);
    index.keep().unwrap();
    assert_eq!(
        index.state().tail.up_to,
        held,
        "more than there is room for"
    );
    for nth in [0, 30, 59_u64] {
        let lsn = log.lsns[usize::try_from(nth).unwrap()];
        assert_eq!(log.found(&index, key(nth)), Some((vec![lsn], false)));
    }
    // Sealed, all of it is in a run.
    log.write(MANY);
    keep_all(&index);
    let wanted = BTreeSet::from([key(59)]);
    let hits = index.find(log.segments().swap_remove(0), &wanted).unwrap();
    let (lsns, scanned) = (BTreeSet::from([log.lsns[59]]), false);
    assert_eq!(hits, Some(Hits { lsns, scanned }));
}
