//! Snapshots, and the files beside the journal that they stand in: octets are refused, or are read
//! as what is written again.

use std::path::Path;

use carnet::broker::format::PageName;
use carnet::broker::ledger::Ledger;
use carnet::journal::snapshot::Files;
use carnet::journal::vfs::{Vfs, VfsFile};
use carnet_disk::SimVfs;

/// The first octet where the rest is a whole file beside the journal, not what stands in it.
pub(crate) const WHOLE_FILE: u8 = 1;

/// The name of that file.
const NAME: &str = "0000000000010000";

/// Whether the octets are a snapshot, or a file beside the journal.
pub(crate) fn holds(octets: &[u8]) -> bool {
    match octets.split_first() {
        Some((&WHOLE_FILE, file)) => whole_file(file),
        Some((_, snapshot)) => ledger(snapshot),
        None => false,
    }
}

fn ledger(octets: &[u8]) -> bool {
    let Ok(ledger) = Ledger::of_snapshot(octets) else {
        return false;
    };
    let written = ledger.to_snapshot();
    let again = Ledger::of_snapshot(&written).expect("what is written is read");
    assert!(again == ledger, "it is read as another ledger");
    assert_eq!(again.to_snapshot(), written);
    // Who sweeps pages reads their names alone, and must find the same.
    let named = PageName::all_in(octets).expect("it is a snapshot");
    assert_eq!(named, PageName::all_in(&written).expect("it is a snapshot"));
    let pages: usize = ledger
        .queues()
        .map(|(_, it)| it.backlog.pages().count())
        .sum();
    assert_eq!(named.len(), pages);
    true
}

fn whole_file(octets: &[u8]) -> bool {
    let (vfs, data) = (SimVfs::new(1), Path::new("/data"));
    vfs.create_folder(data).expect("an empty disk");
    let files = Files::snapshots(vfs.clone(), data).expect("an empty disk");
    let file = vfs.create(&files.path(NAME)).expect("an empty disk");
    file.pwrite(&[octets], 0).expect("a disk with room");
    drop(file);
    let Some((of, content)) = files.read(NAME).expect("a disk that can be read") else {
        return false;
    };
    files.write(NAME, &of, &content).expect("a disk with room");
    let mut written = Vec::new();
    let read = vfs.edit(&files.path(NAME), |all| written.clone_from(all));
    read.expect("it was written");
    assert_eq!(written, octets);
    true
}
