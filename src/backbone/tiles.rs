//! The files of the tree, below `log` in the data folder: as any static server can publish them.
//!
//! ```text
//! <data>/log/checkpoint            the last checkpoint that was shown
//! <data>/log/tile/…                see `evidence::tile`
//! <data>/tree                      {"journal":"<32 hex digits>","filled":…,"from":…,"before":…}
//! ```
//! All of it can be made again from the journal. Full tiles are synced before [`Mark`] says so; what stands at the
//! edge of the tree is written again at each start.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::evidence::Malformed;
use crate::evidence::tile::{Name, Tile};
use crate::journal::Lsn;
use crate::journal::vfs::{Vfs, put_in_place, put_unsynced, read_whole};

/// Octets of a file of the tree, at most: 256 entries of 65,535 octets, behind their lengths.
const BYTES_MAX: u64 = 256 * 65_537;

/// Up to where all full tiles are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The journal's name, in hexadecimal digits.
    pub journal: String,
    /// Leaves in full tiles: a multiple of 256.
    pub filled: u64,
    /// Where the batch begins in which the last of them is.
    pub from: Lsn,
    /// Leaves before that batch.
    pub before: u64,
}

/// Why a file of the tree is not there as it must be.
#[derive(Debug, thiserror::Error)]
pub enum NoTile {
    /// It cannot be read, or is not there.
    #[error("{0} of the log's tree: {1}")]
    Read(String, io::Error),
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The files of the tree.
#[derive(Debug, Clone)]
pub struct Tiles<V> {
    vfs: V,
    folder: PathBuf,
    mark: PathBuf,
}

impl<V: Vfs> Tiles<V> {
    /// Those below a data folder.
    pub fn of(vfs: V, data: &Path) -> Self {
        let (folder, mark) = (data.join("log"), data.join("tree"));
        Self { vfs, folder, mark }
    }

    /// What a file of the log says, by its name below `log`; nothing where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        read_whole(&self.vfs, &self.folder.join(name), BYTES_MAX)
    }

    /// What a tile holds: of one that is full by now, its first hashes or entries are not looked for apart.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn tile(&self, name: Name) -> Result<Vec<u8>, NoTile> {
        let read = |name: Name| {
            let file = self.file(&name.to_string());
            file.map_err(|error| NoTile::Read(name.to_string(), error))
        };
        if let Some(octets) = read(name)? {
            return Ok(octets);
        }
        let absent = || NoTile::Read(name.to_string(), io::ErrorKind::NotFound.into());
        read(name.full())?.ok_or_else(absent)
    }

    /// Puts a full tile in its place; durable when this returns.
    pub(super) fn put_full(&self, tile: &Tile) -> io::Result<()> {
        let path = self.folder.join(tile.name.to_string());
        put_in_place(&self.vfs, &path, &tile.octets)?;
        self.drop_parts(&path)
    }

    /// Puts a tile at the edge in its place.
    pub(super) fn put_part(&self, tile: &Tile) -> io::Result<()> {
        let path = self.folder.join(tile.name.to_string());
        put_unsynced(&self.vfs, &path, &tile.octets)
    }

    /// Takes away what stood for a tile before it was full.
    fn drop_parts(&self, path: &Path) -> io::Result<()> {
        let mut parts = path.as_os_str().to_owned();
        parts.push(".p");
        let parts = PathBuf::from(parts);
        let dropped = self.vfs.list(&parts).and_then(|names| {
            let mut paths = names.iter().map(|name| parts.join(name));
            paths.try_for_each(|path| self.vfs.unlink(&path))?;
            self.vfs.remove_folder(&parts)
        });
        match dropped {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            dropped => dropped,
        }
    }

    /// Shows a checkpoint.
    pub(super) fn show(&self, note: &str) -> io::Result<()> {
        put_in_place(&self.vfs, &self.folder.join("checkpoint"), note.as_bytes())
    }

    /// Up to where all full tiles are on disk; nothing where that is not known.
    pub(super) fn mark(&self) -> Option<Mark> {
        let read = read_whole(&self.vfs, &self.mark, BYTES_MAX).ok()??;
        serde_json::from_slice(&read).ok()
    }

    pub(super) fn put_mark(&self, mark: &Mark) -> io::Result<()> {
        let text = serde_json::to_vec(mark).map_err(io::Error::other)?;
        put_in_place(&self.vfs, &self.mark, &text)
    }
}
