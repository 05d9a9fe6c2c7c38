//! Recovery of a journal: it never accepts what was not written, never gives up a batch that another
//! one follows, and finds at the next start what it found at the last.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use carnet::journal::vfs::{Vfs, VfsFile};
use carnet::journal::{Config, Follower, Frame, Journal, Kind, Known, Lsn, Reader};
use carnet_disk::SimVfs;

/// The first octet where the rest is the first segment's file, not a list of changes to a journal.
pub(crate) const WHOLE_FILE: u8 = 1;

const BLOCK: usize = 4_096;
const STOPPED: Kind = Kind {
    kind: 12,
    schema: 4,
};
/// Batches of the journal that is changed: they take more than one segment.
const BATCHES: u8 = 6;
/// Octets of one change: the segment, the place in it, the value.
const CHANGE: usize = 4;

fn config() -> Config {
    Config {
        segment_bytes: 4 * BLOCK,
        background: false,
        journal: [0xa7; 16],
        stopped_kind: STOPPED.kind,
    }
}

fn folder() -> &'static Path {
    Path::new("/data/journal")
}

/// A record as it is read: kind, body, frame.
type Read = (Kind, Vec<u8>, Option<Vec<u8>>);

/// A journal as it was written.
struct Written {
    segments: Vec<(PathBuf, Vec<u8>)>,
    records: Vec<Read>,
    /// Where the last batch begins in the file of the last segment.
    last: usize,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let vfs = SimVfs::new(1);
    let opened = Journal::open(vfs.clone(), folder(), config());
    let (mut journal, _) = opened.expect("an empty disk");
    let (mut records, mut last) = (Vec::new(), Lsn::START);
    for batch in 0..BATCHES {
        journal.reserve(BLOCK, BLOCK).expect("a disk with room");
        last = journal.end();
        for nth in 0..=batch % 3 {
            let kind = Kind {
                kind: nth + 1,
                schema: 4,
            };
            let body = vec![batch; usize::from(nth) * 100];
            let frame = (nth == 1).then(|| vec![batch; 900]);
            journal.push(kind, &body, frame.clone().map(Frame::new).as_ref());
            records.push((kind, body, frame));
        }
        journal.commit().expect("a disk that writes");
    }
    let firsts = journal.reader().segments();
    let first = firsts.last().expect("one is written");
    let last = usize::try_from(last.0 - first.0).expect("it is small");
    drop(journal);
    let names = vfs.list(folder()).expect("it is there").into_iter();
    let segments = names.filter(|name| name.ends_with(".segment")).map(|name| {
        let path = folder().join(name);
        let mut octets = Vec::new();
        let read = vfs.edit(&path, |all| octets.clone_from(all));
        read.expect("it is there");
        (path, octets)
    });
    Written {
        segments: segments.collect(),
        records,
        last: BLOCK + last,
    }
});

/// Whether the octets are a journal that is accepted, or changes after which one is.
pub(crate) fn holds(octets: &[u8]) -> bool {
    match octets.split_first() {
        Some((&WHOLE_FILE, file)) => whole_file(file),
        Some((_, changes)) => changed(changes.as_chunks::<CHANGE>().0),
        None => false,
    }
}

/// A disk with the journal's folder, which is empty.
fn disk() -> SimVfs {
    let vfs = SimVfs::new(1);
    for folder in [Path::new("/data"), folder()] {
        vfs.create_folder(folder).expect("an empty disk");
    }
    vfs
}

fn put(vfs: &SimVfs, path: &Path, octets: &[u8]) {
    let file = vfs.create(path).expect("a disk with room");
    file.pwrite(&[octets], 0).expect("a disk with room");
    file.fdatasync().expect("a disk that syncs");
}

/// All records, or `None` where one cannot be read.
fn records(reader: &Reader<SimVfs>) -> Option<Vec<Read>> {
    let all = reader.scan(Lsn::START).map(|stored| {
        let stored = stored.ok()?;
        let frame = match stored.frame {
            Some(frame) => Some(reader.frame(&frame).ok()?.to_vec()),
            None => None,
        };
        Some((stored.kind, stored.body, frame))
    });
    all.collect()
}

fn changed(changes: &[[u8; CHANGE]]) -> bool {
    let vfs = disk();
    let mut before_the_last = true;
    for (number, (path, octets)) in (0_u8..).zip(&WRITTEN.segments) {
        let mut octets = octets.clone();
        for [_, high, low, value] in changes.iter().filter(|[segment, ..]| *segment == number) {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % octets.len();
            let place = octets.get_mut(at).expect("it is within");
            let is_earlier = usize::from(number) + 1 < WRITTEN.segments.len();
            before_the_last &= is_earlier || at < WRITTEN.last || place == value;
            *place = *value;
        }
        put(&vfs, path, &octets);
    }
    accepts_what_was_written_alone(&vfs, before_the_last)
}

fn accepts_what_was_written_alone(vfs: &SimVfs, before_the_last: bool) -> bool {
    let followed = Follower::open(vfs.clone(), folder(), &Known::default());
    let followed = followed.ok().map(|it| records(it.reader()));
    let Ok((journal, _)) = Journal::open(vfs.clone(), folder(), config()) else {
        return false;
    };
    let found = records(&journal.reader()).expect("what a start accepts can be read");
    assert_eq!(
        followed,
        Some(Some(found.clone())),
        "who looks on sees another journal"
    );
    assert!(
        WRITTEN.records.starts_with(&found),
        "it accepts what was not written"
    );
    let is_whole = found.len() == WRITTEN.records.len();
    assert!(
        is_whole || !before_the_last,
        "it gives up what another batch follows"
    );
    goes_on(vfs, journal, found);
    true
}

/// What is written behind an accepted journal is found behind it at the next start.
fn goes_on(vfs: &SimVfs, mut journal: Journal<SimVfs>, mut found: Vec<Read>) {
    if journal.reserve(BLOCK, 0).is_err() {
        return;
    }
    let added = (Kind { kind: 7, schema: 4 }, b"behind it".to_vec(), None);
    journal.push(added.0, &added.1, None);
    journal.commit().expect("a disk that writes");
    drop(journal);
    found.push(added);
    let opened = Journal::open(vfs.clone(), folder(), config());
    let (journal, recovery) = opened.expect("what a start has accepted, the next one accepts");
    assert_eq!(recovery.cut, None);
    assert_eq!(records(&journal.reader()), Some(found));
}

fn whole_file(octets: &[u8]) -> bool {
    let vfs = disk();
    put(&vfs, &folder().join("0000000000000000.segment"), octets);
    let Ok((journal, _)) = Journal::open(vfs.clone(), folder(), config()) else {
        return false;
    };
    let found = records(&journal.reader()).expect("what a start accepts can be read");
    goes_on(&vfs, journal, found);
    true
}
