//! The journal on a disk that loses what was not synced: stopped, broken or full at every call.
//!
//! The law, whatever happens when: a batch whose commit returned is there, whole and in its place;
//! of the one whose commit did not return, all or nothing is there; nothing else ever is.
#![cfg(test)]

#[path = "journal_crash/full.rs"]
mod full;

use std::path::{Path, PathBuf};

use carnet::journal::vfs::{Access, Vfs, VfsFile};
use carnet::journal::{Config, Follower, Frame, Journal, Kind, Known, OpenError, Reader};
use carnet_disk::{Fault, Pattern, SimVfs};

const STOPPED: u8 = 12;
/// Octets of a segment's header, and on which batches begin and end.
const BLOCK: usize = 4096;
/// Octets of a disk's sectors, as there are.
const SECTORS: [usize; 2] = [512, 4096];

/// A record to be: kind, body, frame.
type Item = (u8, Vec<u8>, Option<Vec<u8>>);
type Batch = Vec<Item>;

fn config(segment_bytes: usize) -> Config {
    Config {
        segment_bytes,
        background: false,
        journal: [7; 16],
        stopped_kind: STOPPED,
    }
}

fn folder() -> &'static Path {
    Path::new("/data/journal")
}

/// Bytes that tell where they belong.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((seed * 31 + at * 7 + 1) % 251).unwrap();
    (0..length).map(byte).collect()
}

fn batch(number: usize) -> Batch {
    let item = |place: usize| {
        let seed = number * 10 + place;
        let frame = (!seed.is_multiple_of(3)).then(|| bytes(seed + 1, seed * 97 % 2_500));
        (1, bytes(seed, 20 + seed * 61 % 1_500), frame)
    };
    (0..=number % 4).map(item).collect()
}

fn script() -> Vec<Batch> {
    (0..40).map(batch).collect()
}

/// What a run came to: batches whose commit returned, and whether one more was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ran {
    committed: usize,
    attempted: usize,
    out_of_room: usize,
}

fn reserve(journal: &mut Journal<SimVfs>, batch: &Batch) -> bool {
    let record = |(_, body, _): &Item| body.len() + 72;
    let frame = |(_, _, frame): &Item| frame.as_ref().map_or(0, Vec::len);
    let (records, frames) = (batch.iter().map(record), batch.iter().map(frame));
    journal.reserve(records.sum(), frames.sum()).is_ok()
}

fn of(kind: u8) -> Kind {
    Kind { kind, schema: 1 }
}

fn append(journal: &mut Journal<SimVfs>, batch: &Batch) -> bool {
    for (kind, body, frame) in batch {
        let frame = frame.clone().map(Frame::new);
        journal.push(of(*kind), body, frame.as_ref());
    }
    journal.commit().is_ok()
}

/// Runs the script until something fails; makes room where only that is wanting.
fn run(vfs: &SimVfs, batches: &[Batch], segment_bytes: usize) -> Ran {
    let mut ran = Ran {
        committed: 0,
        attempted: 0,
        out_of_room: 0,
    };
    let Ok((mut journal, _)) = Journal::open(vfs.clone(), folder(), config(segment_bytes)) else {
        return ran;
    };
    for batch in batches {
        if !reserve(&mut journal, batch) {
            if journal.poisoned().is_some() {
                break;
            }
            ran.out_of_room += 1;
            // It is tried again with each batch, and goes on once there is room.
            let room = reserve(&mut journal, batch);
            vfs.make_room();
            if !room && !reserve(&mut journal, batch) {
                break;
            }
        }
        ran.attempted += 1;
        if !append(&mut journal, batch) {
            break;
        }
        ran.committed += 1;
    }
    if journal.poisoned().is_some() {
        stays_poisoned(vfs, &mut journal);
    }
    ran
}

/// After a failed write or sync nothing is ever written again by this process.
fn stays_poisoned(vfs: &SimVfs, journal: &mut Journal<SimVfs>) {
    let calls = vfs.calls();
    journal.push(of(1), b"more", None);
    assert!(journal.commit().is_err());
    assert!(journal.reserve(10, 0).is_err());
    assert_eq!(vfs.calls(), calls, "a poisoned journal writes");
}

fn read(journal: &Journal<SimVfs>) -> Vec<Item> {
    all_of(&journal.reader())
}

fn all_of(reader: &Reader<SimVfs>) -> Vec<Item> {
    let item = |stored: carnet::journal::StoredRecord| {
        let frame = stored.frame.as_ref().map(|at| reader.frame(at).unwrap());
        (
            stored.kind.kind,
            stored.body,
            frame.map(|frame| frame.to_vec()),
        )
    };
    let records = reader.scan(carnet::journal::Lsn::START);
    records.map(|record| item(record.unwrap())).collect()
}

fn open(disk: &SimVfs, segment_bytes: usize) -> (Vec<Item>, Journal<SimVfs>) {
    let (journal, _) = Journal::open(disk.clone(), folder(), config(segment_bytes)).unwrap();
    (read(&journal), journal)
}

/// How many batches of the script are there, which must be all of so many and nothing more.
fn whole_batches(found: &[Item], batches: &[Batch]) -> usize {
    let mut rest = found;
    let mut count = 0;
    while !rest.is_empty() {
        let batch = batches.get(count).expect("records that nobody wrote");
        assert!(
            rest.starts_with(batch),
            "batch {count} is not whole, or not next"
        );
        rest = &rest[batch.len()..];
        count += 1;
    }
    count
}

/// Paths of segments, in order.
fn segments(disk: &SimVfs) -> Vec<PathBuf> {
    let names = disk.list(folder()).unwrap().into_iter();
    let segments = names.filter(|name| name.ends_with(".segment"));
    segments.map(|name| folder().join(name)).collect()
}

fn block() -> u64 {
    u64::try_from(BLOCK).unwrap()
}

/// Every segment but the last ends where the next one's name says: nobody reads behind that, and the
/// space is given back.
fn sealed_are_cut(disk: &SimVfs) {
    let sized = segments(disk).into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let first = u64::from_str_radix(name, 16).unwrap();
        let file = disk.open(&path, Access::Read).unwrap();
        (first, file.size().unwrap())
    });
    let sized: Vec<(u64, u64)> = sized.collect();
    for ((first, size), (next, _)) in sized.iter().zip(sized.iter().skip(1)) {
        assert_eq!(*size, block() + next - first, "{sized:?}");
    }
}

/// Opens what a crash left and goes on with it. Returns how many batches survived.
fn survives(disk: &SimVfs, batches: &[Batch], ran: Ran, segment_bytes: usize) -> usize {
    let (found, mut journal) = open(disk, segment_bytes);
    sealed_are_cut(disk);
    let survived = whole_batches(&found, batches);
    assert!(
        (ran.committed..=ran.attempted).contains(&survived),
        "{ran:?}, and {survived} are there"
    );
    // What a start has shown is there for good, whatever happens next.
    let (again, _) = open(&disk.crash(Pattern::Nothing, 1), segment_bytes);
    assert!(
        again == found,
        "a start showed what the next one has not got"
    );
    let last = vec![(3, b"after".to_vec(), None)];
    assert!(reserve(&mut journal, &last) && append(&mut journal, &last));
    drop(journal);
    let (then, _) = open(&disk.crash(Pattern::Nothing, 2), segment_bytes);
    assert_eq!(then.len(), found.len() + 1);
    assert!(then.starts_with(&found) && then.ends_with(&last));
    survived
}

const SEGMENT: usize = 96 << 10;

fn calls_of_a_whole_run() -> u64 {
    let vfs = SimVfs::with_sectors(1, 512);
    let ran = run(&vfs, &script(), SEGMENT);
    assert_eq!(ran.committed, script().len());
    let segments = segments(&vfs).len();
    assert!(segments >= 3, "the script crosses segments: {segments}");
    vfs.calls()
}

#[test]
fn every_committed_batch_survives_a_crash_at_any_call() {
    let batches = script();
    let mut points = 0;
    let mut survived_unconfirmed = 0;
    let calls = 0..calls_of_a_whole_run();
    for (call, sector) in calls.flat_map(|call| SECTORS.map(|sector| (call, sector))) {
        let vfs = SimVfs::with_sectors(call, sector);
        vfs.plan(call, Fault::Crash);
        let ran = run(&vfs, &batches, SEGMENT);
        assert!(vfs.is_crashed());
        for pattern in Pattern::EACH {
            let disk = vfs.crash(pattern, call);
            let survived = survives(&disk, &batches, ran, SEGMENT);
            survived_unconfirmed += usize::from(survived > ran.committed);
            points += 1;
        }
    }
    assert!(points >= 500, "{points} crashes only");
    assert!(
        survived_unconfirmed > 0,
        "no pattern ever kept an unsynced batch"
    );
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    let batches = script();
    let calls = (0..calls_of_a_whole_run()).step_by(22);
    for (call, sector) in calls.flat_map(|call| SECTORS.map(|sector| (call, sector))) {
        let vfs = SimVfs::with_sectors(call, sector);
        vfs.plan(call, Fault::Crash);
        let ran = run(&vfs, &batches, SEGMENT);
        for (seed, pattern) in (call..).zip(Pattern::EACH) {
            let undisturbed = vfs.crash(pattern, seed);
            drop(open(&undisturbed, SEGMENT));
            for again in 0..undisturbed.calls() {
                let disk = vfs.crash(pattern, seed);
                disk.plan(again, Fault::Crash);
                drop(Journal::open(disk.clone(), folder(), config(SEGMENT)));
                assert!(disk.is_crashed());
                for second in [Pattern::Nothing, Pattern::Random, Pattern::Killed] {
                    survives(&disk.crash(second, seed + again), &batches, ran, SEGMENT);
                }
            }
        }
    }
}

#[test]
fn a_read_that_fails_while_it_starts_stops_the_start_and_takes_nothing_away() {
    let batches = script();
    let (mut stopped, mut went_on) = (0, 0);
    for call in (0..calls_of_a_whole_run()).step_by(9) {
        let vfs = SimVfs::new(call);
        vfs.plan(call, Fault::Crash);
        let ran = run(&vfs, &batches, SEGMENT);
        for (seed, pattern) in (call..).zip(Pattern::EACH) {
            let undisturbed = vfs.crash(pattern, seed);
            drop(Journal::open(
                undisturbed.clone(),
                folder(),
                config(SEGMENT),
            ));
            for number in 0..undisturbed.reads() {
                let disk = vfs.crash(pattern, seed);
                disk.fail_read(number);
                match Journal::open(disk.clone(), folder(), config(SEGMENT)) {
                    Err(OpenError::Io(_) | OpenError::NotMade(_)) => stopped += 1,
                    Err(other) => panic!("call {call}, read {number}: {other}"),
                    // What is only put in order waits for another start.
                    Ok(_) => went_on += 1,
                }
                let survived = survives(&disk.crash(Pattern::Killed, seed), &batches, ran, SEGMENT);
                assert!(survived >= ran.committed);
            }
        }
    }
    assert!(stopped > 300, "{stopped} stopped, {went_on} went on");
}

#[test]
fn a_failed_call_ends_the_writing_and_loses_nothing_committed() {
    let batches = script();
    let mut poisoned = 0;
    for (call, sector) in (0..calls_of_a_whole_run()).zip(SECTORS.into_iter().cycle()) {
        let vfs = SimVfs::with_sectors(call, sector);
        vfs.plan(call, Fault::Broken);
        let ran = run(&vfs, &batches, SEGMENT);
        poisoned += usize::from(ran.committed < batches.len());
        for pattern in Pattern::EACH {
            survives(&vfs.crash(pattern, call), &batches, ran, SEGMENT);
        }
    }
    assert!(poisoned > 80, "{poisoned} failures only stopped it");
}

#[test]
fn a_full_disk_is_waited_out() {
    let batches = script();
    let mut waited = 0;
    for (call, sector) in (0..calls_of_a_whole_run()).zip(SECTORS.into_iter().cycle()) {
        let vfs = SimVfs::with_sectors(call, sector);
        vfs.plan(call, Fault::Full);
        let ran = run(&vfs, &batches, SEGMENT);
        if ran.out_of_room > 0 && ran.committed == batches.len() {
            waited += 1;
        }
        vfs.make_room();
        for pattern in Pattern::EACH {
            survives(&vfs.crash(pattern, call), &batches, ran, SEGMENT);
        }
    }
    assert!(waited >= 4, "waited out {waited} times only");
}

#[test]
fn twenty_unclean_stops_leave_twenty_small_files() {
    let mut disk = SimVfs::new(4);
    let mut written = 0_u64;
    for life in 0..20 {
        let (found, mut journal) = open(&disk, SEGMENT);
        let batch = batch(life);
        assert!(reserve(&mut journal, &batch) && append(&mut journal, &batch));
        written = journal.end().0;
        drop(journal);
        assert_eq!(found, (0..life).flat_map(self::batch).collect::<Vec<_>>());
        disk = disk.crash(Pattern::Random, u64::try_from(life).unwrap());
    }
    drop(open(&disk, SEGMENT));
    assert_eq!(segments(&disk).len(), 21);
    // Headers, what was written, one segment and the spare.
    let whole = block() + u64::try_from(SEGMENT).unwrap();
    let all = disk.used();
    assert!(
        all <= 20 * block() + written + 2 * whole,
        "{all} for {written}"
    );
}

/// What the committer writes without a reservation: settles, the record of a clean stop.
#[test]
fn a_full_disk_leaves_room_for_small_batches_and_a_clean_stop() {
    const LARGE: usize = 320 << 10;
    let batches: Vec<Batch> = (0..120).map(batch).collect();
    let small: Batch = vec![(6, bytes(1, 60), None)];
    let (mut filled, mut whole) = (0, 0);
    for call in 0..320 {
        let vfs = SimVfs::new(call);
        vfs.plan(call, Fault::Full);
        let Ok((mut journal, _)) = Journal::open(vfs.clone(), folder(), config(LARGE)) else {
            continue;
        };
        // What failed once for want of space may need none any more: a folder's sync.
        let taken = batches.iter().position(|batch| {
            let room = reserve(&mut journal, batch) || reserve(&mut journal, batch);
            !room || !append(&mut journal, batch)
        });
        let Some(taken) = taken else {
            continue;
        };
        // Only within a batch a want of space is a fault: there nobody knows what was written.
        if journal.poisoned().is_some() {
            continue;
        }
        filled += 1;
        let before = journal.left() / BLOCK;
        let kept = 50;
        assert!(before > kept, "call {call}: {before} blocks");
        for _ in 1..kept {
            assert!(!reserve(&mut journal, &batches[taken]));
            assert!(append(&mut journal, &small), "call {call}");
        }
        assert!(append(&mut journal, &vec![(STOPPED, Vec::new(), None)]));
        drop(journal);
        let (journal, recovery) =
            Journal::open(vfs.clone(), folder(), config(LARGE)).expect("opens on a full disk");
        assert!(recovery.clean && recovery.cut.is_none());
        let found = read(&journal);
        let expected = batches[..taken].concat().len() + kept;
        assert_eq!(found.len(), expected);
        whole += 1;
    }
    assert!(filled >= 8 && whole == filled, "{whole} of {filled}");
}

/// The stated limit, narrowed: with an empty batch behind it the last one is as safe as any other.
#[test]
fn damage_before_the_mark_of_an_idle_phase_is_corruption() {
    let vfs = SimVfs::new(6);
    let (_, mut journal) = open(&vfs, SEGMENT);
    let batch = batch(5);
    assert!(reserve(&mut journal, &batch) && append(&mut journal, &batch));
    let end = usize::try_from(journal.end().0).unwrap();
    journal.mark_end().unwrap();
    let (marked, calls) = (journal.end(), vfs.calls());
    assert_eq!(marked.0, u64::try_from(end + BLOCK).unwrap());
    // Once: a second one would be a sync for nothing.
    journal.mark_end().unwrap();
    assert_eq!((journal.end(), vfs.calls()), (marked, calls));
    drop(journal);
    let segment = folder().join("0000000000000000.segment");
    let (mut refused, mut cut) = (0, 0);
    for at in BLOCK..BLOCK + end + BLOCK {
        let disk = vfs.crash(Pattern::Nothing, 0);
        disk.edit(&segment, |content| content[at] ^= 1 << (at % 8))
            .unwrap();
        match Journal::open(disk, folder(), config(SEGMENT)) {
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok((journal, recovery)) => {
                assert!(read(&journal) == batch, "byte {at}");
                assert!(at >= BLOCK + end || recovery.cut.is_none(), "byte {at}");
                cut += usize::from(recovery.cut.is_some());
            }
        }
    }
    assert!(
        refused > end - BLOCK && cut > 50,
        "{refused} of {end}, {cut}"
    );
}

/// A small journal of two segments, ended cleanly or not, and its segment files.
fn small(clean: bool) -> (SimVfs, Vec<Batch>, Vec<PathBuf>) {
    const SMALL: usize = 4 * BLOCK;
    let vfs = SimVfs::new(5);
    let mut batches: Vec<Batch> = (0..5)
        .map(|n| {
            vec![
                (1, bytes(n, 300), Some(bytes(n + 50, 400))),
                (2, bytes(n + 9, 80), None),
            ]
        })
        .collect();
    if clean {
        batches.push(vec![(STOPPED, b"stopped".to_vec(), None)]);
    }
    assert_eq!(run(&vfs, &batches, SMALL).committed, batches.len());
    let segments = segments(&vfs);
    assert_eq!(segments.len(), 2);
    (vfs, batches, segments)
}

/// Flips one bit of each byte in turn, of long runs of zeros in every sixteenth: every record is as written, or the start is refused, or,
/// where damage looks like a torn write, the last batch is gone, and never without being told.
fn flip_each_byte(clean: bool) -> (usize, usize) {
    let (vfs, batches, segments) = small(clean);
    let all = batches.concat();
    let but_last = batches[..batches.len() - 1].concat();
    let (mut refused, mut cut) = (0, 0);
    for (place, segment) in segments.iter().enumerate() {
        let mut content = Vec::new();
        let whole = vfs.crash(Pattern::All, 0);
        whole
            .edit(segment, |octets| content.clone_from(octets))
            .unwrap();
        let is_told = |at: &usize| content[*at] != 0 || at.is_multiple_of(16);
        for at in (0..content.len()).filter(is_told) {
            let disk = vfs.crash(Pattern::All, 0);
            disk.edit(segment, |content| content[at] ^= 1 << (at % 8))
                .unwrap();
            // Who reads is told the same as who would serve it.
            let follow = || Follower::open(disk.clone(), folder(), &Known::default());
            let followed = at.is_multiple_of(5).then(follow);
            match Journal::open(disk.clone(), folder(), config(4 * BLOCK)) {
                Err(OpenError::Corrupt { file, .. }) => {
                    let told = followed.map(|it| it.err().map(|error| error.to_string()));
                    let is_told = told.is_none_or(|it| it.is_some_and(|it| it.contains(&file)));
                    assert!(is_told, "byte {at} of {file}");
                    refused += 1;
                }
                Err(other) => panic!("byte {at} of {}: {other}", segment.display()),
                Ok((journal, recovery)) => {
                    let found = read(&journal);
                    let is_same = |it: &Follower<SimVfs>| all_of(it.reader()) == found;
                    assert!(followed.is_none_or(|it| is_same(&it.unwrap())), "byte {at}");
                    if found == but_last {
                        assert_eq!(place, 1, "byte {at}: cut in a segment that is named");
                        assert!(recovery.cut.is_some() && !recovery.clean);
                        cut += 1;
                    } else {
                        assert!(found == all, "byte {at} of {}", segment.display());
                    }
                }
            }
        }
    }
    (refused, cut)
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_cuts_the_last_batch_of_an_unclean_stop() {
    let (refused, cut) = flip_each_byte(false);
    assert!(refused > 3_000, "{refused} refused");
    assert!(cut > 800, "{cut} cut");
}

#[test]
fn a_flipped_bit_in_a_cleanly_stopped_journal_costs_no_more_than_the_word_that_it_was() {
    let (refused, cut) = flip_each_byte(true);
    assert!(refused > 3_900, "{refused} refused");
    assert!((50..300).contains(&cut), "{cut} cut");
}

#[test]
fn another_process_is_kept_out() {
    let vfs = SimVfs::new(1);
    let (first, _) = Journal::open(vfs.clone(), folder(), config(SEGMENT)).unwrap();
    let second = Journal::open(vfs.clone(), folder(), config(SEGMENT));
    assert!(matches!(second, Err(OpenError::InUse)));
    drop(first);
    assert!(Journal::open(vfs, folder(), config(SEGMENT)).is_ok());
}
