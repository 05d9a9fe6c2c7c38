//! A disk with an end: what is confirmed stays, and however often the process dies there, at whatever
//! call, the next start needs no room that it has not got.

use std::path::{Path, PathBuf};

use carnet::journal::vfs::{Access, Vfs, VfsFile};
use carnet::journal::{Journal, Recovery};
use carnet_disk::{Fault, Pattern, SimVfs};

use super::{
    Batch, Item, Ran, SEGMENT, append, batch, bytes, config, folder, open, read, reserve, script,
    segments, whole_batches,
};

const WHOLE: u64 = 4096 + 96 * 1024;
/// One segment, its spare, and too little for a third.
const CAPACITY: u64 = 2 * WHOLE + 9_000;
/// Small ones that follow without a reservation.
const SETTLES: usize = 12;

fn settle(number: usize) -> Batch {
    vec![(6, bytes(number, 60), None)]
}

/// What is written while the disk fills, and when it is full, in order.
fn everything(reserved: usize) -> Vec<Batch> {
    let taken = script().into_iter().take(reserved);
    taken.chain((0..SETTLES).map(settle)).collect()
}

/// Writes until there is no room, then what goes on without a reservation. Returns how many were
/// taken by reservation, too.
fn fill(disk: &SimVfs) -> (Ran, usize) {
    disk.limit(CAPACITY);
    let mut ran = Ran {
        committed: 0,
        attempted: 0,
        out_of_room: 0,
    };
    let mut reserved = 0;
    let Ok((mut journal, _)) = Journal::open(disk.clone(), folder(), config(SEGMENT)) else {
        return (ran, reserved);
    };
    let mut put = |journal: &mut Journal<SimVfs>, batch: &Batch| {
        ran.attempted += 1;
        let committed = append(journal, batch);
        ran.committed += usize::from(committed);
        committed
    };
    for batch in script() {
        if !reserve(&mut journal, &batch) {
            break;
        }
        reserved += 1;
        if !put(&mut journal, &batch) {
            return (ran, reserved);
        }
    }
    if journal.poisoned().is_none() {
        (0..SETTLES).all(|number| put(&mut journal, &settle(number)));
    }
    (ran, reserved)
}

/// Names and sizes of the journal's files.
fn files(disk: &SimVfs) -> Vec<(String, u64)> {
    let names = disk.list(folder()).unwrap().into_iter();
    let sized = names.map(|name| {
        let file = disk.open(&folder().join(&name), Access::Read).unwrap();
        let size = file.size().unwrap();
        (name, size)
    });
    sized.collect()
}

fn spare() -> PathBuf {
    folder().join("next.spare")
}

fn has_spare(disk: &SimVfs) -> bool {
    disk.open(&spare(), Access::Read).is_ok()
}

/// A start on a disk that has no room to give, and one more small batch. What it shows is there for
/// good.
fn goes_on(disk: &SimVfs, expected: &[Batch], ran: Ran) -> Vec<Item> {
    let (found, mut journal) = open(disk, SEGMENT);
    let survived = whole_batches(&found, expected);
    assert!(
        (ran.committed..=ran.attempted).contains(&survived),
        "{ran:?}, and {survived} are there"
    );
    assert!(disk.used() <= CAPACITY, "{}", disk.used());
    let (again, _) = open(&disk.crash(Pattern::Nothing, 1), SEGMENT);
    assert!(
        again == found,
        "a start showed what the next one has not got"
    );
    let last = vec![(3, b"after".to_vec(), None)];
    assert!(append(&mut journal, &last));
    drop(journal);
    let (then, _) = open(&disk.crash(Pattern::Nothing, 2), SEGMENT);
    assert_eq!(then.len(), found.len() + 1);
    assert!(then.starts_with(&found) && then.ends_with(&last));
    found
}

fn calls_of_a_whole_life() -> (u64, usize) {
    let disk = SimVfs::new(1);
    let (ran, reserved) = fill(&disk);
    assert_eq!(ran.committed, reserved + SETTLES);
    assert!(reserved > 10 && reserved < script().len(), "{reserved}");
    assert_eq!(segments(&disk).len(), 2);
    (disk.calls(), reserved)
}

#[test]
fn killed_at_any_call_on_a_full_disk_it_starts_again_and_has_what_was_confirmed() {
    let (calls, reserved) = calls_of_a_whole_life();
    let mut in_place = 0;
    for fault in [Fault::Crash, Fault::Broken] {
        for call in 0..calls {
            let disk = SimVfs::new(call);
            disk.plan(call, fault);
            let (ran, taken) = fill(&disk);
            let expected = everything(taken.min(reserved));
            for pattern in Pattern::EACH {
                let left = disk.crash(pattern, call);
                let without = !has_spare(&left);
                goes_on(&left, &expected, ran);
                in_place += usize::from(without);
            }
        }
    }
    assert!(in_place > 100, "{in_place} starts without a spare only");
}

#[test]
fn killed_again_at_any_call_of_such_a_start_it_has_it_still() {
    let (calls, _) = calls_of_a_whole_life();
    let mut deaths = 0;
    for call in (0..calls).rev().step_by(5) {
        let disk = SimVfs::new(call);
        disk.plan(call, Fault::Crash);
        let (ran, taken) = fill(&disk);
        let expected = everything(taken);
        for (seed, pattern) in (call..).zip(Pattern::EACH) {
            let undisturbed = disk.crash(pattern, seed);
            drop(open(&undisturbed, SEGMENT));
            for again in 0..undisturbed.calls() {
                let left = disk.crash(pattern, seed);
                left.plan(again, Fault::Crash);
                drop(Journal::open(left.clone(), folder(), config(SEGMENT)));
                assert!(left.is_crashed());
                deaths += 1;
                for second in [Pattern::Nothing, Pattern::Random, Pattern::Killed] {
                    goes_on(&left.crash(second, seed + again), &expected, ran);
                }
            }
        }
    }
    assert!(deaths > 500, "{deaths}");
}

fn start(disk: &SimVfs) -> (Journal<SimVfs>, Recovery) {
    Journal::open(disk.clone(), folder(), config(SEGMENT)).expect("a start on a full disk")
}

#[test]
fn ten_kills_in_a_row_on_a_full_disk_and_room_again() {
    for seed in 0..20 {
        let mut disk = SimVfs::new(seed);
        let (_, reserved) = fill(&disk);
        let mut expected = everything(reserved).concat();
        for (life, pattern) in (0..10).zip(Pattern::EACH.into_iter().cycle()) {
            disk = disk.crash(pattern, seed + life);
            let (mut journal, recovery) = start(&disk);
            assert!(!recovery.clean);
            assert!(read(&journal) == expected, "life {life}");
            assert!(!reserve(&mut journal, &batch(1)), "life {life}");
            // Twice: the second is not synced when the next one dies.
            let more = settle(usize::try_from(life).unwrap());
            assert!(append(&mut journal, &more), "life {life}");
            expected.extend(more);
            assert!(disk.used() <= CAPACITY);
        }
        assert_eq!(segments(&disk).len(), 2, "no start made another file");
        let (mut journal, _) = start(&disk.crash(Pattern::Killed, 1));
        drop(start(&disk.crash(Pattern::Nothing, 1)));
        assert!(!reserve(&mut journal, &batch(1)));
        drop(journal);
        disk.make_room();
        let (mut journal, _) = start(&disk);
        for number in 0..40 {
            let batch = batch(number);
            assert!(reserve(&mut journal, &batch) && append(&mut journal, &batch));
            expected.extend(batch);
        }
        assert!(read(&journal) == expected);
        drop(journal);
        assert!(open(&disk.crash(Pattern::Nothing, 1), SEGMENT).0 == expected);
    }
}

#[test]
fn a_start_without_room_adds_nothing_however_many_follow() {
    let mut disk = SimVfs::new(3);
    fill(&disk);
    disk = disk.crash(Pattern::Random, 1);
    let end = start(&disk).1.end;
    let before = (files(&disk), disk.used());
    for life in 0..10 {
        disk = disk.crash(Pattern::Killed, life);
        assert_eq!(start(&disk).1.end, end);
        assert_eq!((files(&disk), disk.used()), before);
    }
}

#[test]
fn a_disk_that_others_filled_leaves_the_spare_and_the_next_start_uses_it() {
    let disk = SimVfs::new(1);
    let (mut journal, _) = start(&disk);
    let put = |journal: &mut Journal<SimVfs>, number| {
        let batch = batch(number);
        reserve(journal, &batch) && append(journal, &batch)
    };
    assert!((0..5).all(|number| put(&mut journal, number)));
    disk.limit(disk.used());
    // Its room is its own: publishes are taken to the end of the segment.
    assert!((5..10).all(|number| put(&mut journal, number)));
    drop(journal);
    let disk = disk.crash(Pattern::Killed, 1);
    // What the old segment did not use is given back, and somebody else is there first.
    disk.limit(0);
    let (mut journal, _) = start(&disk);
    assert_eq!(segments(&disk).len(), 2);
    assert!(!has_spare(&disk));
    assert!(!reserve(&mut journal, &batch(1)));
    assert!(journal.left() > 40 << 10, "{}", journal.left());
    assert!(append(&mut journal, &settle(1)));
    drop(journal);
    let disk = disk.crash(Pattern::Nothing, 1);
    let found = read(&start(&disk).0);
    let expected: Vec<Item> = (0..10).flat_map(batch).chain(settle(1)).collect();
    assert!(found == expected);
    assert_eq!(segments(&disk).len(), 2);
}

/// What an unfinished batch left is in the page cache alone, or on the disk alone.
#[test]
fn what_an_unfinished_batch_left_is_nowhere_once_a_start_goes_on_in_its_segment() {
    let (calls, _) = calls_of_a_whole_life();
    let mut left_something = 0;
    for fault in [Fault::Crash, Fault::Broken] {
        for call in calls - 20..calls {
            for pattern in Pattern::EACH {
                let disk = SimVfs::new(call);
                disk.plan(call, fault);
                fill(&disk);
                let disk = disk.crash(pattern, call);
                let path = segments(&disk).pop().unwrap();
                let behind = |disk: &SimVfs, end: u64| nonzero_behind(disk, &path, end);
                let before = disk.crash(Pattern::Killed, 0);
                let end = start(&disk).1.end.0;
                left_something += usize::from(behind(&before, end));
                assert_eq!(segments(&disk).pop().unwrap(), path);
                for after in [Pattern::Nothing, Pattern::Random, Pattern::Killed] {
                    assert!(!behind(&disk.crash(after, call), end), "{call} {pattern:?}");
                }
            }
        }
    }
    assert!(left_something > 5, "{left_something}");
}

fn nonzero_behind(disk: &SimVfs, path: &Path, end: u64) -> bool {
    use carnet::journal::vfs::Through;
    let first = path.file_stem().unwrap().to_str().unwrap();
    let place = 4096 + end - u64::from_str_radix(first, 16).unwrap();
    let file = disk.open(path, Access::Read).unwrap();
    [Through::Disk, Through::Cache].into_iter().any(|through| {
        let size = usize::try_from(file.size().unwrap()).unwrap();
        let mut rest = vec![0; size];
        let read = file.pread(&mut rest, place, through).unwrap();
        rest[..read].iter().any(|byte| *byte != 0)
    })
}
