//! Pages of queues and files of used ids: octets are refused, or are the very octets that are
//! written of what was read.

use std::ops::Range;

use carnet::broker::queue::Entry;
use carnet::broker::run::{self, DamagedRun, Run};
use carnet::journal::Lsn;
use carnet::message::id::KeyedDigest;

/// The first octet where the rest is a file of ids, not a page.
pub(crate) const IDS: u8 = 1;

/// Octets of an id in its file, and how many stand before a checksum.
const ENTRY: usize = 24;
const BLOCK: usize = ENTRY * 170 + 4;

/// Whether the octets are a page, or a file of ids.
pub(crate) fn holds(octets: &[u8]) -> bool {
    match octets.split_first() {
        Some((&IDS, ids)) => used(ids),
        Some((_, page)) => entries(page),
        None => false,
    }
}

fn entries(octets: &[u8]) -> bool {
    let Ok(entries) = Entry::of_page(octets) else {
        return false;
    };
    assert_eq!(Entry::to_page(&entries), octets);
    true
}

fn used(octets: &[u8]) -> bool {
    if Run::parse(octets).is_err() {
        return false;
    }
    let entries = plainly(octets);
    assert_eq!(run::encode(entries.clone()), octets);
    let part =
        |part: Range<usize>| Ok::<_, DamagedRun>(octets.get(part).unwrap_or_default().to_vec());
    for (key, lsn) in entries {
        let found = run::find_all(octets.len(), key, part);
        assert!(found.is_ok_and(|found| found.contains(&lsn)));
    }
    true
}

/// The entries of a file, as they stand.
fn plainly(octets: &[u8]) -> Vec<(KeyedDigest, Lsn)> {
    let blocks = octets.chunks(BLOCK);
    let entries = blocks.flat_map(|block| block.as_chunks::<ENTRY>().0);
    let ids = entries.filter_map(|entry| {
        let (key, lsn) = entry.split_first_chunk::<16>()?;
        let lsn = u64::from_le_bytes(*lsn.first_chunk()?);
        Some((KeyedDigest(*key), Lsn(lsn)))
    });
    ids.collect()
}
