//! Formats: what was written to disk under a schema number is read for ever as it was written, and
//! under that number nothing else is ever written.
//!
//! `tests/format/` has a fixture for each shape, a file of the octets that a release wrote.
//! One that cannot be read, or reads as another value, is red; so is a value that is written in
//! other octets under the same number, and a kind of record without a fixture. A new shape gets its
//! fixture by
//!
//! ```sh
//! cargo nextest run --test format --run-ignored only -E 'test(write_fixtures)'
//! ```
//!
//! which writes those that are missing and no other. A fixture that was released is never deleted.
#![cfg(test)]

#[path = "format/frames.rs"]
mod frames;
#[path = "format/governed.rs"]
mod governed;
#[path = "format/measured.rs"]
mod measured;
#[path = "format/mutation.rs"]
mod mutation;
#[path = "support/ring.rs"]
mod ring;
#[path = "format/segment.rs"]
mod segment;
#[path = "format/snapshot.rs"]
mod snapshot;
#[path = "format/values.rs"]
mod values;

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use carnet::agency::keys::{BadFrame, FramePart, FrameWriter};
use carnet::broker::format::{OpenPayload, OpenPrivate, PageName, RecordError};
use carnet::broker::ledger::Ledger;
use carnet::broker::queue::Entry;
use carnet::broker::record::{Confidential, Exchange, LeafSecret, Record, SCHEMA};
use carnet::broker::run::{self, Run};
use carnet::journal::{Kind, Lsn};

use crate::frames::Payload;
use crate::values::Sample;

fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/format");
    folder.join(format!("schema-{SCHEMA}/{name}.bin"))
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let opened = File::open(path(name));
    let mut file = opened.unwrap_or_else(|error| panic!("fixture {name}: {error}"));
    file.read_to_end(&mut octets).unwrap();
    octets
}

fn kind(kind: u8, schema: u16) -> Kind {
    Kind { kind, schema }
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut octets = Vec::new();
    record.encode(&LeafSecret::new([7; 32]), &mut octets);
    octets
}

/// Every fixture with the octets that are written for it now.
fn written() -> Vec<(String, Vec<u8>)> {
    let records = values::records().into_iter();
    let records =
        records.map(|Sample { name, record }| (format!("record-{name}"), encoded(&record)));
    let (private, own) = frames::private();
    let frames = [
        ("frame-exchange", frames::payload().seal()),
        (
            "frame-private",
            private.seal(&frames::sealing(&ring::ring()), own),
        ),
    ];
    let frames = frames.map(|(name, frame)| (name.to_owned(), frame.octets().to_vec()));
    let beside = [
        ("snapshot", snapshot::ledger().to_snapshot()),
        ("page", Entry::to_page(&snapshot::page())),
        ("ids", run::encode(snapshot::ids())),
        ("segment", segment::octets()),
        ("beside", segment::beside()),
    ];
    let beside = beside.map(|(name, octets)| (name.to_owned(), octets));
    records.chain(frames).chain(beside).collect()
}

#[test]
fn what_is_written_now_is_what_was_written_under_this_schema() {
    let other = written()
        .into_iter()
        .filter(|(name, octets)| *octets != fixture(name));
    let other: Vec<String> = other.map(|(name, _)| name).collect();
    assert!(
        other.is_empty(),
        "written in other octets, which need a new schema: {other:?}"
    );
}

#[test]
fn every_record_that_was_written_is_read_as_it_was() {
    for Sample { name, record } in values::records() {
        let octets = fixture(&format!("record-{name}"));
        let read = Record::decode(kind(record.kind(), SCHEMA), &octets);
        assert_eq!(read.unwrap(), record, "{name}");
    }
}

#[test]
fn every_kind_of_record_has_a_fixture_and_no_other_number_is_a_kind() {
    let mut kinds: Vec<u8> = values::records()
        .iter()
        .map(|it| it.record.kind())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.iter().copied().eq(1..=34), "{kinds:?}");
    for number in 0..=u8::MAX {
        let read = Record::decode(kind(number, SCHEMA), &[]);
        let unknown = matches!(read, Err(RecordError::Kind(_)));
        assert_eq!(unknown, !kinds.contains(&number), "kind {number}");
    }
}

#[test]
fn records_of_another_schema_are_refused_by_their_number() {
    let says = |schema| {
        Record::decode(kind(Record::STOPPED, schema), &[])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        says(SCHEMA + 1),
        "record schema 10 is newer than this version reads (9); upgrade carnet"
    );
    assert_eq!(
        says(SCHEMA - 1),
        "record schema 8 is of an early version, which this one (9) does not read; begin a new log"
    );
}

#[test]
fn frames_that_were_written_open_as_they_did() {
    let octets = Bytes::from(fixture("frame-exchange"));
    assert_eq!(Payload::open(&octets).unwrap(), frames::payload());
    let octets = Bytes::from(fixture("frame-private"));
    let opened = OpenPrivate::open(&octets, &ring::ring()).unwrap();
    let (head, body) = opened.read().unwrap();
    let (expected, whole) = frames::private();
    assert_eq!((head, &body[..]), (expected, whole));
}

/// A frame whose part of the facts holds these octets of addressees, nothing else, and `more`.
fn addressed(addressees: &[u8], more: &[u8]) -> Bytes {
    let class = frames::KEPT.facts;
    let ring = ring::ring();
    let writer = FrameWriter::new(frames::sealing(&ring), 64)
        .part(FramePart::Body, class, |out| {
            out.extend_from_slice(&[0; 4]);
        })
        .part(FramePart::Facts, class, |out| {
            // Spans and facts; then purpose, case, answers, quotes, own keys, handling, record.
            out.extend_from_slice(&[0; 8]);
            out.extend_from_slice(addressees);
            out.extend_from_slice(&[0; 2 + 3 * 4]);
            out.extend_from_slice(&[1, 0]);
            out.extend_from_slice(more);
        });
    writer.finish().into()
}

#[test]
fn addressees_of_a_frame_have_one_spelling_and_nothing_stands_behind_what_was_asked() {
    let read = |addressees: &[u8], more: &[u8]| {
        let octets = addressed(addressees, more);
        let read = OpenPayload::open(frames::FRAMED, &octets, &ring::ring()).unwrap();
        read.ruled_from()
            .map(|(_, question)| question.asked.to.len())
    };
    let list = |count: u8| {
        let unit = b"\x09\0\0\0post/main";
        let units = (0..count).flat_map(|_| unit.iter().copied());
        [1, count, 0, 0, 0]
            .into_iter()
            .chain(units)
            .collect::<Vec<u8>>()
    };
    assert_eq!(read(&[0], &[]), Ok(0));
    assert_eq!(read(&list(1), &[]), Ok(1));
    assert_eq!(read(&list(0), &[]), Err(BadFrame), "a list of none");
    assert_eq!(read(&list(2), &[]), Err(BadFrame), "one twice");
    assert_eq!(read(&[0], &[0]), Err(BadFrame), "octets behind");
}

#[test]
fn a_snapshot_that_was_written_is_read_as_the_ledger_that_it_was() {
    let octets = fixture("snapshot");
    let (mut read, mut expected) = (Ledger::of_snapshot(&octets).unwrap(), snapshot::ledger());
    // Used ids are in files of their own.
    read.remember_from(Lsn(u64::MAX), 1);
    expected.remember_from(Lsn(u64::MAX), 1);
    assert!(read == expected);
    let pages = PageName::all_in(&octets).unwrap();
    let named: Vec<String> = pages.iter().map(ToString::to_string).collect();
    let queue = read.queues().find(|(_, queue)| queue.name == "work");
    let (_, work) = queue.unwrap();
    let page = work.backlog.pages().next().unwrap();
    assert_eq!(
        named,
        [format!(
            "00000009-{:016x}-{:016x}",
            page.first.0, page.last.0
        )]
    );
}

#[test]
fn a_snapshot_that_names_other_pages_than_its_queues_have_is_refused() {
    let mut octets = fixture("snapshot");
    // The first address of the first page that stands in front.
    let place = 4 + 8;
    octets[place + 7] ^= 1;
    assert!(Ledger::of_snapshot(&octets).is_err());
    octets[place + 7] ^= 1;
    assert!(Ledger::of_snapshot(&octets).is_ok());
}

#[test]
fn pages_and_files_of_ids_that_were_written_are_read_as_they_were() {
    assert_eq!(Entry::of_page(&fixture("page")).unwrap(), snapshot::page());
    let octets = fixture("ids");
    let read = Run::parse(&octets).unwrap();
    for (key, lsn) in snapshot::ids() {
        let block = &octets[read.block_of(key).unwrap()];
        assert_eq!(run::find(block, key), Ok(Some(lsn)));
    }
}

#[test]
fn a_segment_and_a_file_beside_the_journal_that_were_written_are_read_as_they_were() {
    segment::reads_as_it_was_written(&fixture("segment"));
    segment::beside_reads_as_it_was_written(&fixture("beside"));
}

/// What stands behind its length in front of `octets`, and what behind it.
fn measured(octets: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = octets.split_first_chunk().unwrap();
    rest.split_at(usize::try_from(u32::from_le_bytes(*length)).unwrap())
}

#[test]
fn the_parts_of_a_leaf_are_the_octets_of_the_record_and_hold_nothing_of_another_party() {
    let (octets, exchange) = (fixture("record-exchange"), values::full());
    assert_eq!(Exchange::key_in(SCHEMA, &octets).unwrap(), exchange.key);
    let (secret, rest) = octets.split_at(32);
    assert_eq!(secret, [2; 32]);
    let (common, rest) = measured(measured(rest).0);
    let (sender, recipients) = measured(rest);
    let (count, mut rest) = recipients.split_first_chunk().unwrap();
    let mut parts = vec![common, sender];
    for _ in 0..u32::from_le_bytes(*count) {
        let (part, behind) = measured(rest);
        parts.push(part);
        rest = behind;
    }
    assert!(rest.is_empty());
    assert_eq!(parts.len(), 2 + exchange.recipients.len());
    let has = |part: &[u8], text: &str| part.windows(text.len()).any(|it| it == text.as_bytes());
    for (nth, part) in parts.iter().enumerate() {
        assert_eq!(
            has(part, "post") && has(part, "items"),
            nth == 1,
            "part {nth}"
        );
        assert_eq!(has(part, "police"), nth == parts.len() - 1, "part {nth}");
        assert!(!has(part, "item-1"), "part {nth}");
    }
}

#[test]
fn a_part_under_a_key_that_is_not_here_is_kept_and_not_read() {
    let octets = fixture("record-exchange-sealed");
    let record = Record::decode(kind(Record::EXCHANGE, SCHEMA), &octets).unwrap();
    let Record::Exchange(exchange) = record else {
        panic!("no exchange: {record:?}");
    };
    let sealed = exchange.sealed;
    assert_eq!((sealed.key(), Confidential::read(&sealed)), (77, None));
}

#[test]
#[ignore = "writes fixtures that are missing"]
fn write_fixtures() {
    for (name, octets) in written() {
        let made = File::create_new(path(&name));
        if let Ok(mut file) = made {
            file.write_all(&octets).unwrap();
        }
    }
}
