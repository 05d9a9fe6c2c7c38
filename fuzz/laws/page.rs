//! Pages of queues and files of used ids: octets are refused, or are the very octets that are
//! written of what was read.

use std::collections::BTreeMap;

use carnet::broker::dedup::run::{self, Run};
use carnet::broker::queue::Entry;
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
    let Ok(read) = Run::parse(octets) else {
        return false;
    };
    let ids = plainly(octets);
    assert_eq!(run::encode(&ids), octets);
    for (key, lsn) in ids {
        let block = read.block_of(key).and_then(|block| octets.get(block));
        assert_eq!(
            run::find(block.expect("it is in the run"), key),
            Ok(Some(lsn))
        );
    }
    true
}

/// The ids of a file, by where they stand.
fn plainly(octets: &[u8]) -> BTreeMap<KeyedDigest, Lsn> {
    let blocks = octets.chunks(BLOCK);
    let entries = blocks.flat_map(|block| block.as_chunks::<ENTRY>().0);
    let ids = entries.filter_map(|entry| {
        let (key, lsn) = entry.split_first_chunk::<16>()?;
        let lsn = u64::from_le_bytes(*lsn.first_chunk()?);
        Some((KeyedDigest(*key), Lsn(lsn)))
    });
    ids.collect()
}
