//! A log that is long: what a start reads of it, how many files it holds open, and what becomes of rot
//! in what no start reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use carnet::backbone::error::StartError;
use carnet::backbone::keeper::{Pages, Snapshots, snapshot};
use carnet::backbone::scrub::{Progress, Scrub, ScrubFile, Stepped};
use carnet::backbone::start::{Options, Replay, recover};
use carnet::broker::committer::Committer;
use carnet::broker::limits::SCRUB_REST;
use carnet::broker::record::{LeafSecret, QueueId, Record, SCHEMA};
use carnet::journal::vfs::{Vfs, VfsFile};
use carnet::journal::{Config, Frame, Journal, Kind, Lsn};
use carnet::message::time::Timestamp;
use carnet_disk::{Pattern, SimVfs};

use crate::border::{Border, noon};
use crate::options::options;

const SEGMENT: usize = 64 << 10;
const FRAME: usize = 9_000;

fn data() -> &'static Path {
    Path::new("/data")
}

fn config() -> Config {
    let Options {
        segment_bytes,
        journal,
        ..
    } = options(SEGMENT);
    Config {
        segment_bytes,
        background: false,
        journal,
        stopped_kind: Record::STOPPED,
    }
}

fn kind(record: &Record) -> Kind {
    let (kind, schema) = (record.kind(), SCHEMA);
    Kind { kind, schema }
}

/// A log of so many segments, most of it frames, and a snapshot up to the last of them.
fn long(segments: usize) -> SimVfs {
    let disk = SimVfs::with_sectors(1, 4096);
    let folder = data().join("journal");
    let (mut journal, _) = Journal::open(disk.clone(), &folder, config()).unwrap();
    let mut write = |record: &Record, frame: Option<&Frame>| {
        let mut body = Vec::new();
        record.encode(&LeafSecret::new([7; 32]), &mut body);
        let length = frame.map_or(0, Frame::len);
        journal.reserve(body.len() + 512, length).unwrap();
        journal.push(kind(record), &body, frame);
        journal.commit().unwrap();
        journal.reader()
    };
    let mut reader = write(&Border::read().genesis(), None);
    let lease = Record::Lease {
        queue: QueueId(u64::MAX),
        up_to: Lsn::START,
    };
    let mut number = 0_usize;
    while reader.segments().len() < segments {
        number += 1;
        let octets = (0..FRAME).map(|at| u8::try_from((at * 7 + number) % 250 + 1).unwrap());
        reader = write(&lease, Some(&Frame::new(octets.collect())));
    }
    let snapshots = Snapshots::open(disk.clone(), data()).unwrap();
    let pages = Pages::open(disk.clone(), data(), reader.journal()).unwrap();
    snapshot(&reader, &snapshots, &pages, &reader.sealed_end()).unwrap();
    drop(journal);
    disk.crash(Pattern::Killed, 1)
}

fn segments(disk: &SimVfs) -> Vec<PathBuf> {
    let folder = data().join("journal");
    let names = disk.list(&folder).unwrap().into_iter();
    let names = names.filter(|name| name.ends_with(".segment"));
    names.map(|name| folder.join(name)).collect()
}

fn start(disk: &SimVfs, replay: Replay) -> Result<Committer<SimVfs>, StartError> {
    let options = Options {
        replay,
        ..options(SEGMENT)
    };
    recover(disk, data(), &options).map(|recovered| recovered.committer)
}

#[test]
fn a_start_reads_what_came_since_the_snapshot_however_long_the_log_is() {
    let octets = [40, 160].map(|count| {
        let disk = long(count);
        drop(start(&disk, Replay::FromSnapshot).unwrap());
        disk.octets_read()
    });
    let [short, long] = octets;
    assert!(
        long < short + 4096 * 8,
        "{short} octets, {long} of a longer log"
    );
    assert!(long < 4 * u64::try_from(SEGMENT).unwrap(), "{long}");
}

#[test]
fn fewer_than_64_files_are_open_however_long_the_log_is_and_whoever_reads_it() {
    let disk = long(160);
    for replay in [
        Replay::FromSnapshot,
        Replay::FromSnapshotVerified,
        Replay::FromStart,
    ] {
        let disk = disk.crash(Pattern::Killed, 2);
        let committer = start(&disk, replay).unwrap();
        let records = committer.journal().reader().scan(Lsn::START);
        let frames = records.filter(|stored| stored.as_ref().unwrap().frame.is_some());
        assert!(frames.count() > 600);
        let most = disk.most_open();
        assert!(most < 64, "{replay:?}: {most} open at once");
    }
}

#[test]
fn rot_in_what_no_start_reads_is_found_by_who_looks_at_all_and_by_who_reads_it() {
    let disk = long(40);
    let oldest = segments(&disk).remove(0);
    disk.edit(&oldest, |octets| octets[12_000] ^= 1).unwrap();
    drop(start(&disk.crash(Pattern::Killed, 1), Replay::FromSnapshot).unwrap());
    for replay in [Replay::FromSnapshotVerified, Replay::FromStart] {
        let refused = start(&disk.crash(Pattern::Killed, 1), replay)
            .err()
            .unwrap();
        assert!(
            refused.is_damage() && refused.to_string().contains("0000000000000000.segment"),
            "{refused}"
        );
    }
    let committer = start(&disk, Replay::FromSnapshot).unwrap();
    let reader = committer.journal().reader();
    let read = reader.scan(Lsn::START).map(|stored| {
        let frame = stored?.frame;
        frame.map(|frame| reader.frame(&frame)).transpose()
    });
    assert!(read.into_iter().any(|read| read.is_err()));
}

/// Takes the octets of all frames away, as a sparse file has them.
fn give_back_frames(disk: &SimVfs, segment: &Path) -> usize {
    let mut given = 0;
    disk.edit(segment, |octets| {
        // Frames are the only octets here of which none is zero for so long.
        for at in 4096..octets.len().saturating_sub(FRAME) {
            let frame = &mut octets[at..at + FRAME];
            if frame[0] != 0 && frame[FRAME - 1] != 0 && frame.iter().all(|octet| *octet != 0) {
                frame.fill(0);
                given += 1;
            }
        }
    })
    .unwrap();
    given
}

#[test]
fn a_sealed_segment_whose_frames_were_given_back_starts_and_verifies() {
    let disk = long(12);
    let given: usize = segments(&disk)[..6]
        .iter()
        .map(|segment| give_back_frames(&disk, segment))
        .sum();
    assert!(given >= 24, "{given}");
    for replay in [
        Replay::FromSnapshot,
        Replay::FromSnapshotVerified,
        Replay::FromStart,
    ] {
        let committer = start(&disk.crash(Pattern::Killed, 1), replay).unwrap();
        let reader = committer.journal().reader();
        let records = reader.scan(Lsn::START).map(|stored| stored.unwrap());
        let gone = records
            .filter_map(|stored| stored.frame)
            .filter(|frame| reader.frame(frame).is_err());
        assert_eq!(gone.count(), given);
        for first in reader.sealed_from(Lsn::START) {
            reader.verify(first, &mut |_| true).unwrap();
        }
    }
    // A part of a frame is damage, as ever.
    let newest = segments(&disk).remove(8);
    disk.edit(&newest, |octets| octets[20_000..20_512].fill(0))
        .unwrap();
    assert!(
        start(&disk, Replay::FromSnapshotVerified)
            .err()
            .unwrap()
            .is_damage()
    );
}

/// What the scrub has written down for the next start and for the operator.
fn told(file: &ScrubFile<SimVfs>) -> Progress {
    file.read().unwrap().expect("a scrub file")
}

/// Steps until the scrub rests; the clock goes on with it.
fn round(scrub: &mut Scrub<SimVfs>, now: &mut Timestamp) {
    while scrub.step(*now, &mut |_| true) == Stepped::Looked {
        *now = now.plus(Duration::from_mins(1));
    }
}

#[test]
fn the_scrub_looks_at_every_sealed_segment_goes_on_after_a_restart_and_tells_what_is_damaged() {
    let disk = long(12);
    let (oldest, file) = (
        segments(&disk).remove(0),
        ScrubFile::new(disk.clone(), data()),
    );
    let committer = start(&disk, Replay::FromSnapshot).unwrap();
    let begin = || Scrub::new(committer.journal().reader(), file.clone(), None);
    let mut now = noon();
    // A restart in the middle of a round.
    let mut scrub = begin();
    for _ in 0..5 {
        assert_eq!(scrub.step(now, &mut |_| true), Stepped::Looked);
    }
    assert_eq!(scrub.step(now, &mut |_| false), Stepped::Ends);
    let before = told(&file);
    assert!(before.last.is_none() && before.began == Some(noon().as_millis()));
    now = now.plus(Duration::from_mins(1));
    let mut scrub = begin();
    round(&mut scrub, &mut now);
    let last = told(&file).last.unwrap();
    let sealed = committer.journal().reader().sealed_end().end.lsn.0;
    assert_eq!(last.octets, sealed);
    assert_eq!(last.began, noon().as_millis(), "the round began anew");
    assert_eq!(told(&file).began, None);
    // It rests for a week; what rots then is found in the next round, and known after a restart.
    disk.edit(&oldest, |octets| octets[20_000] ^= 1).unwrap();
    round(&mut scrub, &mut now);
    assert!(told(&file).findings.is_empty());
    now = now.plus(SCRUB_REST);
    round(&mut scrub, &mut now);
    let found = told(&file).findings;
    assert_eq!(found.len(), 1);
    assert!(
        found[0].says.contains("0000000000000000.segment"),
        "{found:?}"
    );
    // Restored, it is found to be whole again.
    disk.edit(&oldest, |octets| octets[20_000] ^= 1).unwrap();
    now = now.plus(SCRUB_REST);
    round(&mut scrub, &mut now);
    assert!(told(&file).findings.is_empty());
}

#[test]
fn what_another_log_was_scrubbed_is_nothing_to_this_one_and_a_whole_look_is_a_round() {
    let disk = long(4);
    let committer = start(&disk, Replay::FromSnapshotVerified).unwrap();
    let (reader, file) = (
        committer.journal().reader(),
        ScrubFile::new(disk.clone(), data()),
    );
    let mut scrub = Scrub::new(reader.clone(), file.clone(), Some(noon()));
    let sealed = reader.sealed_end().end.lsn.0;
    assert_eq!(told(&file).last.unwrap().octets, sealed);
    assert_eq!(scrub.step(noon(), &mut |_| true), Stepped::Rests);
    let other =
        "{\"journal\":\"00\",\"next\":9,\"began\":1,\"octets\":9,\"last\":null,\"findings\":[]}";
    disk.create(&data().join("scrub"))
        .unwrap()
        .pwrite(&[other.as_bytes()], 0)
        .unwrap();
    let (mut scrub, mut now) = (Scrub::new(reader, file.clone(), None), noon());
    round(&mut scrub, &mut now);
    let last = told(&file).last.unwrap();
    assert_eq!((last.began, last.octets), (noon().as_millis(), sealed));
}
