//! What takes more than a minute: `tests/run.sh long` runs it.
//!
//! A log of 20 GiB whose payloads were given back: its segments are sparse files, so that it takes
//! less than 1 GiB of a disk.
#![cfg(test)]

#[path = "support/options.rs"]
mod options;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carnet::agency::keys::KeyCheck;
use carnet::backbone::keeper::{Pages, Snapshots, snapshot};
use carnet::backbone::scrub::{Scrub, ScrubFile, Stepped};
use carnet::backbone::start::{Options, Replay, recover};
use carnet::broker::record::{Genesis, LeafSecret, QueueId, Record, SCHEMA};
use carnet::journal::vfs::DiskVfs;
use carnet::journal::{Config, Frame, Journal, Kind, Lsn, Reader};
use carnet::message::bundle::Bundle;
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use rustix::fs::FallocateFlags;

const SEGMENT: usize = 256 << 20;
const FRAME: usize = 4 << 20;
const LOG: u64 = 20 << 30;

fn kind(record: &Record) -> Kind {
    let (kind, schema) = (record.kind(), SCHEMA);
    Kind { kind, schema }
}

fn segment(data: &Path, first: Lsn) -> PathBuf {
    data.join(format!("journal/{:016x}.segment", first.0))
}

/// Makes holes of the frames of a sealed segment.
fn give_back(data: &Path, reader: &Reader<DiskVfs>, first: Lsn) {
    let path = segment(data, first);
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "a file of this test's own"
    )]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let until = reader.segments().into_iter().find(|next| *next > first);
    for stored in reader.scan(first) {
        let stored = stored.unwrap();
        if until.is_some_and(|until| stored.lsn >= until) {
            break;
        }
        let Some(frame) = stored.frame else { continue };
        let (at, length) = frame.place();
        let place = 4096 + at.bytes_since(first);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&file, flags, place, u64::try_from(length).unwrap()).unwrap();
    }
}

/// A log of at least 20 GiB in `data`, with a snapshot up to its newest segment.
fn write(data: &Path) {
    let Options { journal, .. } = options::options(SEGMENT);
    let config = Config {
        segment_bytes: SEGMENT,
        background: false,
        journal,
        stopped_kind: Record::STOPPED,
    };
    let (mut journal, _) = Journal::open(DiskVfs, &data.join("journal"), config).unwrap();
    let genesis = Record::Genesis(Genesis {
        at: Timestamp::default(),
        bundle: Bundle::default(),
        digest: Digest([0; 32]),
        development: false,
        units: Vec::new(),
        key_check: KeyCheck([0; 16]),
    });
    let lease = Record::Lease {
        queue: QueueId(u64::MAX),
        up_to: Lsn::START,
    };
    let frame = Frame::new(
        (0..FRAME)
            .map(|at| u8::try_from(at % 255 + 1).unwrap())
            .collect(),
    );
    let mut body = Vec::new();
    genesis.encode(&LeafSecret::new([7; 32]), &mut body);
    journal.reserve(4096, 0).unwrap();
    journal.push(kind(&genesis), &body, None);
    journal.commit().unwrap();
    let reader = journal.reader();
    let mut given_back = Lsn::START;
    while journal.end().0 < LOG {
        journal.reserve(4096, 4 * FRAME).unwrap();
        for _ in 0..4 {
            body.clear();
            lease.encode(&LeafSecret::new([7; 32]), &mut body);
            journal.push(kind(&lease), &body, Some(&frame));
        }
        journal.commit().unwrap();
        let sealed = reader.sealed_end().end.lsn;
        if sealed > given_back {
            give_back(data, &reader, given_back);
            given_back = sealed;
        }
    }
    let snapshots = Snapshots::open(DiskVfs, data).unwrap();
    let pages = Pages::open(DiskVfs, data, reader.journal()).unwrap();
    snapshot(&reader, &snapshots, &pages, &reader.sealed_end()).unwrap();
}

fn memory_kib() -> u64 {
    let mut status = String::new();
    let mut file = File::open("/proc/self/status").unwrap();
    file.read_to_string(&mut status).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "told, and nothing rests on it")]
fn clock() -> Instant {
    Instant::now()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[ignore = "writes 20 GiB: tests/run.sh long"]
fn a_log_of_20_gib_starts_as_a_short_one_and_the_scrub_finds_one_bit_of_its_oldest_segment() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    write(data);
    let before = (memory_kib(), open_files());
    let began = clock();
    let options = Options {
        replay: Replay::FromSnapshot,
        ..options::options(SEGMENT)
    };
    let committer = recover(&DiskVfs, data, &options).unwrap().committer;
    let took = began.elapsed();
    let reader = committer.journal().reader();
    let records = reader.scan(Lsn::START).map(|stored| stored.unwrap());
    let records = records.count();
    println!(
        "{} segments, {records} records, start {took:?}, {} files open, {} KiB more at most",
        reader.segments().len(),
        open_files(),
        memory_kib() - before.0
    );
    assert!(open_files() < before.1 + 64);
    let oldest = segment(data, Lsn::START);
    let mut octet = [0];
    File::open(&oldest)
        .unwrap()
        .read_exact_at(&mut octet, 8192 + 60)
        .unwrap();
    let flipped = [octet[0] ^ 1];
    let file = File::options().write(true).open(&oldest).unwrap();
    file.write_all_at(&flipped, 8192 + 60).unwrap();
    drop(file);
    let file = ScrubFile::new(DiskVfs, data);
    let mut scrub = Scrub::new(reader, file.clone(), None);
    let mut now = Timestamp::default();
    let began = clock();
    while scrub.step(now, &mut |_| true) == Stepped::Looked {
        now = now.plus(Duration::from_secs(1));
    }
    let progress = file.read().unwrap().unwrap();
    println!(
        "the scrub, unpaced: {:?}, {:?}",
        began.elapsed(),
        progress.last
    );
    assert!(progress.last.unwrap().octets >= LOG - 2 * u64::try_from(SEGMENT).unwrap());
    assert_eq!(progress.findings.len(), 1, "{:?}", progress.findings);
    assert!(
        progress.findings[0]
            .says
            .contains("0000000000000000.segment")
    );
}
