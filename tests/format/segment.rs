//! A segment of the journal: its header, a batch with frames and one without records; and a file
//! beside the journal, which names the place in it that it was made of.

use std::path::{Path, PathBuf};

use carnet::journal::snapshot::Files;
use carnet::journal::vfs::{Vfs, VfsFile};
use carnet::journal::{Config, End, Follower, Frame, Journal, Kind, Known, Lsn, Position};
use carnet_disk::SimVfs;

const BLOCK: usize = 4096;
const JOURNAL: [u8; 16] = [0xa7; 16];
/// What the clock said when the batches were closed, in milliseconds since 1970.
const CLOCK: i64 = 1_764_500_000_000;

fn data() -> &'static Path {
    Path::new("/data")
}

fn folder() -> PathBuf {
    data().join("journal")
}

fn first() -> PathBuf {
    folder().join("0000000000000000.segment")
}

/// Kind, body and frame of each record.
fn records() -> Vec<(Kind, Vec<u8>, Option<Vec<u8>>)> {
    let kind = |kind, schema| Kind { kind, schema };
    vec![
        (
            kind(3, 4),
            b"a body with a frame".to_vec(),
            Some(b"a frame".to_vec()),
        ),
        (kind(6, 4), Vec::new(), None),
        (kind(5, 4), b"and an empty one".to_vec(), Some(Vec::new())),
    ]
}

/// The octets of the segment up to the end of its last batch.
pub(crate) fn octets() -> Vec<u8> {
    let vfs = SimVfs::new(1);
    let config = Config {
        segment_bytes: 16 * BLOCK,
        background: false,
        journal: JOURNAL,
        stopped_kind: 12,
    };
    let (mut journal, _) = Journal::open(vfs.clone(), &folder(), config).unwrap();
    journal.read_clock(CLOCK);
    journal.reserve(BLOCK, BLOCK).unwrap();
    for (kind, body, frame) in records() {
        journal.push(kind, &body, frame.map(Frame::new).as_ref());
    }
    journal.commit().unwrap();
    journal.mark_end().unwrap();
    let end = BLOCK + usize::try_from(journal.end().0).unwrap();
    let mut octets = Vec::new();
    vfs.edit(&first(), |all| octets = all[..end].to_vec())
        .unwrap();
    octets
}

fn put(vfs: &SimVfs, path: &Path, octets: &[u8]) {
    vfs.create_folder(data()).unwrap();
    vfs.create_folder(path.parent().unwrap()).unwrap();
    let file = vfs.create(path).unwrap();
    file.pwrite(&[octets], 0).unwrap();
    file.fdatasync().unwrap();
}

/// Reads a segment that was written, and finds in it what was written.
pub(crate) fn reads_as_it_was_written(octets: &[u8]) {
    let vfs = SimVfs::new(1);
    put(&vfs, &first(), octets);
    let read = Follower::open(vfs, &folder(), &Known::default()).unwrap();
    assert_eq!(read.extent().journal, Some(JOURNAL));
    assert_eq!(read.extent().end.batch, 2);
    let stored = read.reader().scan(Lsn::START).map(|stored| stored.unwrap());
    let stored = stored.map(|stored| {
        assert_eq!(stored.clock, Some(CLOCK));
        let frame = stored
            .frame
            .map(|frame| read.reader().frame(&frame).unwrap());
        (stored.kind, stored.body, frame.map(|frame| frame.to_vec()))
    });
    assert_eq!(stored.collect::<Vec<_>>(), records());
}

fn made_of() -> Position {
    let end = End {
        lsn: Lsn(0x1_0000),
        batch: 7,
        chain: 0xdead_beef,
    };
    Position {
        journal: JOURNAL,
        end,
    }
}

const NAME: &str = "0000000000010000";
const CONTENT: &[u8] = b"what a snapshot holds";

/// The octets of a file beside the journal.
pub(crate) fn beside() -> Vec<u8> {
    let vfs = SimVfs::new(1);
    let files = Files::snapshots(vfs.clone(), data()).unwrap();
    files.write(NAME, &made_of(), CONTENT).unwrap();
    let mut octets = Vec::new();
    vfs.edit(&files.path(NAME), |all| octets.clone_from(all))
        .unwrap();
    octets
}

/// Reads a file beside the journal that was written.
pub(crate) fn beside_reads_as_it_was_written(octets: &[u8]) {
    let vfs = SimVfs::new(1);
    let files = Files::of_snapshots(vfs.clone(), data());
    put(&vfs, &files.path(NAME), octets);
    let read = files.read(NAME).unwrap();
    assert_eq!(read, Some((made_of(), CONTENT.to_vec())));
}
