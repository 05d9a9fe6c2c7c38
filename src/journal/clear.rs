//! Zeros over what an unfinished batch left behind the end of a segment.

use std::io;

use super::layout::{narrow, wide};
use super::vfs::{Through, VfsFile};

/// Overwrites with zeros what an unfinished batch may have left behind the end at `place`, and
/// syncs: the segment is then as a clean stop leaves one, but for the record of that.
///
/// Why it may be written on, on a full disk, where otherwise a new one is begun. What can lie behind
/// the end is of the one unfinished batch k, on the disk or in the page cache: a later one would have
/// stopped the start. Both are looked at, since after a failed sync the cache calls clean what no
/// disk has. Once the sync of the zeros has returned, no sector of k is anywhere, so the next batch
/// k, other than the first, meets zeros as every batch does; and only then is anything of this start
/// shown or written. A crash before that leaves less of k, or all of it, which is what the start
/// found too: no publisher was told of k. What was confirmed lies before `place`, and is not touched.
pub(super) fn clear_behind<F: VfsFile>(file: &F, mut place: u64) -> io::Result<()> {
    let size = file.size()?;
    let zeros = vec![0; PIECE];
    let mut found = vec![0; PIECE];
    while place < size {
        let length = narrow(size - place).min(PIECE);
        let (Some(zeros), Some(found)) = (zeros.get(..length), found.get_mut(..length)) else {
            break;
        };
        for through in [Through::Disk, Through::Cache] {
            file.pread(found, place, through)?;
            if found != zeros {
                file.pwrite(&[zeros], place)?;
                break;
            }
        }
        place += wide(length);
    }
    file.fdatasync()
}

/// What is read at once where a segment is cleared.
const PIECE: usize = 1 << 20;
