//! Searches for used ids while segments are sealed, their files made, and the journal read on: whatever
//! the order, no use that memory has forgotten is missed.

use std::path::Path;
use std::sync::Arc;

use shuttle::thread;

use super::ids::Ids;
use super::{SCHEDULES, all, in_so_many_orders};
use crate::broker::dedup::{KnownIds, Looked, Use};
use crate::broker::record::{Exchange, LeafSecret, Record, SCHEMA};
use crate::journal::snapshot::Files;
use crate::journal::vfs::{DiskVfs, SimVfs, read_whole};
use crate::journal::{Config, Journal, Kind};
use crate::message::id::KeyedDigest;
use crate::message::time::Timestamp;

const DATA: &str = "/data";

/// Exchanges that fill a segment and begin another.
const MANY: u8 = 60;

/// An id of an exchange whose segment has its file before the test begins, of one whose segment is
/// sealed and gets it meanwhile, of one in the active segment, and of none.
const FILED: u8 = 1;
const SEALED: u8 = MANY + 20;
const ACTIVE: u8 = 2 * MANY - 1;
const UNUSED: u8 = u8::MAX;

/// Its octets are as far spread as a digest's: a filter goes by them.
fn key(number: u8) -> KeyedDigest {
    const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    KeyedDigest((u128::from(number) + 1).wrapping_mul(SPREAD).to_be_bytes())
}

/// An exchange of the least size, as the fixtures of the format have it.
fn exchange() -> Box<Exchange> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format");
    let file = folder.join(format!("schema-{SCHEMA}/record-exchange-least.bin"));
    let body = read_whole(&DiskVfs, &file, 64 << 10).unwrap().unwrap();
    let (kind, schema) = (Record::EXCHANGE, SCHEMA);
    match Record::decode(Kind { kind, schema }, &body).unwrap() {
        Record::Exchange(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

fn use_ids(journal: &mut Journal<SimVfs>, numbers: std::ops::Range<u8>) {
    let mut exchange = exchange();
    for number in numbers {
        exchange.key = key(number);
        let record = Record::Exchange(exchange.clone());
        let mut body = Vec::new();
        record.encode(&LeafSecret::new([7; 32]), &mut body);
        journal.reserve(body.len() + 64, 0).unwrap();
        let (kind, schema) = (record.kind(), SCHEMA);
        journal.push(Kind { kind, schema }, &body, None);
        journal.commit().unwrap();
    }
}

/// A journal whose first segment has its file, whose next is sealed and has none, and a memory that holds
/// nothing of either.
fn forgotten() -> (Arc<Ids<SimVfs>>, KnownIds, Journal<SimVfs>) {
    let disk = SimVfs::new(1);
    let config = Config {
        segment_bytes: 128 << 10,
        background: false,
        journal: [7; 16],
        stopped_kind: Record::STOPPED,
    };
    let folder = Path::new(DATA).join("journal");
    let (mut journal, _) = Journal::open(disk.clone(), &folder, config).unwrap();
    use_ids(&mut journal, 0..MANY);
    let mut known = KnownIds::holding(1);
    known.hold_from(journal.position().end.lsn, 1);
    let files = Files::ids(disk, Path::new(DATA)).unwrap();
    let ids = Ids::open(files, journal.reader(), &known, false).unwrap();
    use_ids(&mut journal, MANY..2 * MANY);
    known.hold_from(journal.position().end.lsn, 1);
    ids.note(&known);
    (Arc::new(ids), known, journal)
}

/// Whether memory and what was looked up say that an id was used; nothing where it must be looked up
/// again.
fn was_used(known: &KnownIds, number: u8, looked: &Looked) -> Option<bool> {
    match known.find(key(number), looked, Timestamp::default()) {
        Use::Before(_) => Some(true),
        Use::None => Some(false),
        Use::Unsearched => None,
        Use::Unreadable => panic!("it can be read"),
    }
}

#[test]
fn a_search_misses_no_used_id_while_a_segment_gets_its_file_and_the_journal_is_read_on() {
    in_so_many_orders(SCHEDULES / 5, || {
        let (ids, known, _journal) = forgotten();
        let keeps = Arc::clone(&ids);
        let mut threads = vec![thread::spawn(move || keeps.keep().unwrap())];
        let known = Arc::new(known);
        for number in [SEALED, ACTIVE, FILED, UNUSED] {
            let (ids, known) = (Arc::clone(&ids), Arc::clone(&known));
            threads.push(thread::spawn(move || {
                let looked = ids.look(key(number));
                assert_eq!(was_used(&known, number, &looked), Some(number != UNUSED));
            }));
        }
        all(threads);
    });
}

#[test]
fn at_a_glance_no_used_id_is_missed_while_what_was_read_on_goes_into_a_file() {
    in_so_many_orders(SCHEDULES / 5, || {
        let (ids, known, _journal) = forgotten();
        let looked = ids.look(key(SEALED));
        assert_eq!(was_used(&known, SEALED, &looked), Some(true));
        let keeps = Arc::clone(&ids);
        let keeps = thread::spawn(move || keeps.keep().unwrap());
        // It may be unknown, and is never said to be unused where it was.
        for number in [SEALED, ACTIVE, FILED] {
            if let Some(looked) = ids.glance(key(number)) {
                assert_ne!(was_used(&known, number, &looked), Some(false));
            }
        }
        let unused = ids.glance(key(UNUSED)).unwrap();
        assert_eq!(was_used(&known, UNUSED, &unused), Some(false));
        all(vec![keeps]);
    });
}
