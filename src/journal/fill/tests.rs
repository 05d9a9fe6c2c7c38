//! The spare, and zeros ahead, on a simulated disk and a real one.

use super::*;
use crate::journal::vfs::{DiskVfs, Pattern, SimVfs, make_folder};
use crate::journal::{Config, Journal, Kind, Lsn};

const WHOLE: u64 = 4096 + (256 << 20);

fn zeros(vfs: &SimVfs) -> Zeros<SimVfs> {
    Zeros::new(vfs, Path::new("/journal"), WHOLE, false, None).unwrap()
}

#[test]
fn each_piece_is_synced_beside_the_writer_and_an_order_once_at_a_start() {
    let vfs = SimVfs::new(1);
    let mut zeros = zeros(&vfs);
    zeros.keep().unwrap();
    assert_eq!(vfs.syncs(), 2, "its space, and its name");
    zeros.reach_at_start(Part::Spare, 3 * PIECE).unwrap();
    assert_eq!((zeros.spare, vfs.syncs()), (19 * PIECE, 3));
    zeros.reach(Part::Spare, 20 * PIECE).unwrap();
    assert_eq!((zeros.spare, vfs.syncs()), (36 * PIECE, 20));
    zeros.reach(Part::Spare, 36 * PIECE).unwrap();
    assert_eq!(vfs.syncs(), 20);
}

#[test]
fn zeros_go_to_the_active_segment_then_to_the_spare_and_no_further_than_their_bound() {
    let vfs = SimVfs::new(1);
    let mut zeros = zeros(&vfs);
    zeros.keep().unwrap();
    zeros.reach_at_start(Part::Spare, PIECE).unwrap();
    let active = Path::new("/journal/active");
    vfs.rename(Path::new(SPARE_PATH), active).unwrap();
    zeros.adopted().unwrap();
    zeros.keep().unwrap();
    let (mut used, mut in_spare) = (0, 0);
    while used < WHOLE - PIECE {
        zeros.consumed(8 << 10);
        used += 8 << 10;
        zeros.keep_ahead(used).unwrap();
        let ahead = zeros.active + zeros.spare - used;
        assert!((4 << 20..=64 << 20).contains(&ahead), "{ahead} at {used}");
        assert!(zeros.spare == 0 || zeros.active == WHOLE);
        in_spare = zeros.spare;
    }
    assert!(in_spare > 32 << 20, "{in_spare}");
}

#[test]
fn a_journal_with_its_thread_reads_back_whole_and_leaves_nothing_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        segment_bytes: 3 << 20,
        background: true,
        journal: [7; 16],
        stopped_kind: 12,
    };
    let open = || {
        Journal::open(DiskVfs, folder.path(), config.clone())
            .unwrap()
            .0
    };
    let text = |number: u32| [&number.to_le_bytes()[..], &[0xff; 9_000]].concat();
    for life in 0..2 {
        let mut journal = open();
        for number in 0..700 {
            let text = text(life * 700 + number);
            journal.reserve(text.len() + 64, 0).unwrap();
            journal.push(Kind { kind: 1, schema: 1 }, &text, None);
            journal.commit().unwrap();
        }
    }
    let journal = open();
    let found = journal.reader().scan(Lsn::START);
    let found: Vec<Vec<u8>> = found.map(|record| record.unwrap().body).collect();
    assert!(found == (0..1_400).map(text).collect::<Vec<_>>());
}

const SPARE_PATH: &str = "/journal/next.spare";

/// A folder whose name is durable.
fn disk() -> SimVfs {
    let vfs = SimVfs::new(1);
    make_folder(&vfs, Path::new("/journal")).unwrap();
    vfs
}

fn space(vfs: &SimVfs) -> u64 {
    let spare = vfs.open(Path::new(SPARE_PATH), Access::Read).unwrap();
    spare.allocated().unwrap()
}

#[test]
fn a_spare_is_kept_when_all_its_space_is_durable_long_before_its_zeros_are() {
    let vfs = disk();
    zeros(&vfs).keep().unwrap();
    let cut = vfs.crash(Pattern::Nothing, 1);
    assert_eq!(space(&cut), WHOLE);
    assert_eq!(vfs.used(), WHOLE);
    // What is kept needs no room that a full disk has not got.
    let calls = vfs.calls();
    vfs.fill();
    let mut zeros = zeros(&vfs);
    zeros.keep().unwrap();
    assert!(zeros.is_kept());
    assert_eq!(vfs.calls(), calls + 2, "two syncs");
    zeros.reach(Part::Spare, 3 * PIECE).unwrap();
}

#[test]
fn a_spare_that_found_too_little_room_is_gone_on_with_and_never_given_back() {
    let vfs = disk();
    vfs.limit(WHOLE / 2);
    let mut first = zeros(&vfs);
    for _ in 0..3 {
        assert!(is_full(&first.keep().unwrap_err()));
        assert!(!first.is_kept());
    }
    assert_eq!(space(&vfs), WHOLE / 2);
    drop(first);
    let mut second = zeros(&vfs);
    assert!(is_full(&second.keep().unwrap_err()));
    assert_eq!(space(&vfs), WHOLE / 2);
    // Exactly what it is short of, and it is whole.
    vfs.limit(WHOLE);
    second.keep().unwrap();
    assert_eq!((space(&vfs), vfs.used()), (WHOLE, WHOLE));
}

#[test]
fn where_space_is_taken_by_writing_alone_a_spare_is_kept_once_it_is_all_zeros() {
    const SMALL: u64 = 4096 + (3 << 20);
    let vfs = disk();
    vfs.cannot_allocate();
    let new = || Zeros::new(&vfs, Path::new("/journal"), SMALL, false, None).unwrap();
    vfs.limit(2 << 20);
    assert!(is_full(&new().keep().unwrap_err()));
    vfs.limit(SMALL);
    let mut zeros = new();
    zeros.keep().unwrap();
    assert_eq!((zeros.spare, space(&vfs)), (SMALL, SMALL));
    assert_eq!(space(&vfs.crash(Pattern::Nothing, 1)), SMALL);
}

#[test]
fn a_spare_of_larger_segments_is_cut_to_what_is_wanted_now() {
    const SMALL: u64 = 4096 + (3 << 20);
    let vfs = disk();
    let mut large = zeros(&vfs);
    large.keep().unwrap();
    large.reach(Part::Spare, SMALL + PIECE).unwrap();
    drop(large);
    let small = Zeros::new(&vfs, Path::new("/journal"), SMALL, false, None);
    let mut small = small.unwrap();
    small.keep().unwrap();
    assert_eq!((small.spare, vfs.used()), (SMALL, SMALL));
}
