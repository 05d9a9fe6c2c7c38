//! The only door to the disk: a trait as small as what the journal needs, with two
//! implementations, the operating system's ([`DiskVfs`]) and the simulated one of `tests/disk`.
//!
//! Nothing here retries, caches or interprets an error: a failed sync is the caller's to judge, and
//! its only right judgement is to stop.

mod calls;
mod disk;
#[cfg(test)]
#[path = "../../../tests/disk/lib.rs"]
pub mod sim;

pub use calls::{Access, Through, Vfs, VfsFile, is_full, put_in_place, put_unsynced, read_whole};
pub(super) use calls::{UNFINISHED, make_folder};
pub use disk::{DiskFile, DiskVfs};
#[cfg(test)]
pub use sim::{Fault, Pattern, SimVfs};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_synced_in_new_folders_outlives_a_power_cut() {
        let disk = SimVfs::new(1);
        let (folder, path) = (Path::new("/a/b/c"), Path::new("/a/b/c/file"));
        make_folder(&disk, folder).unwrap();
        disk.create(path).unwrap().fdatasync().unwrap();
        disk.fsync_dir(folder).unwrap();
        assert!(
            disk.crash(Pattern::Nothing, 1)
                .open(path, Access::Read)
                .is_ok()
        );
    }

    #[test]
    fn a_folder_whose_maker_died_before_it_was_durable_is_made_so() {
        let disk = SimVfs::new(1);
        let (folder, path) = (Path::new("/a"), Path::new("/a/file"));
        disk.create_folder(folder).unwrap();
        disk.create(path).unwrap().fdatasync().unwrap();
        disk.fsync_dir(folder).unwrap();
        let cut = |disk: &SimVfs| {
            let left = disk.crash(Pattern::Nothing, 1);
            left.open(path, Access::Read).is_err()
        };
        assert!(cut(&disk), "a folder that is lost takes its files along");
        let disk = disk.crash(Pattern::Killed, 1);
        make_folder(&disk, folder).unwrap();
        assert!(!cut(&disk));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let real = tempfile::TempDir::new().unwrap();
        let file = real.path().join("file");
        DiskVfs.create(&file).unwrap();
        assert!(make_folder(&DiskVfs, &file.join("below")).is_err());
        let deep = real.path().join("a").join("b");
        make_folder(&DiskVfs, &deep).unwrap();
        make_folder(&DiskVfs, &deep).unwrap();
        assert!(deep.is_dir());
    }
}
