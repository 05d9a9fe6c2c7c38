//! A machine that fails on demand: its disk's syncs, its space, its clock.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Faults of one broker, loaded into its process.
pub(crate) struct Faults {
    folder: TempDir,
    control: File,
}

impl Faults {
    /// Compiles what is loaded: a C compiler is there wherever this crate is built.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/faults.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("faults.so"))
            .arg(source)
            .status();
        assert!(compiled.expect("a C compiler").success());
        let control = folder.path().join("control");
        let control = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(control);
        let control = control.expect("a file");
        control.write_all_at(&[0; 72], 0).expect("written");
        Self { folder, control }
    }

    /// Loads them into a process that is to be started.
    pub(crate) fn load(&self, command: &mut Command) {
        let path = |name: &str| -> PathBuf { self.folder.path().join(name) };
        command
            .env("LD_PRELOAD", path("faults.so"))
            .env("CARNET_TEST_FAULTS", path("control"));
    }

    fn set(&self, place: u64, value: i64) {
        let bytes = value.to_ne_bytes();
        self.control
            .write_all_at(&bytes, place * 8)
            .expect("written");
    }

    /// Each sync fails from now on, as on a broken disk.
    pub(crate) fn break_syncs(&self) {
        self.set(0, 1);
    }

    /// Each sync takes so many milliseconds longer.
    pub(crate) fn slow_syncs(&self, ms: i64) {
        self.set(3, ms);
    }

    /// Syncs wait until they are let go on.
    pub(crate) fn hold_syncs(&self, held: bool) {
        self.set(6, i64::from(held));
    }

    /// Reads of files wait until they are let go on.
    pub(crate) fn hold_reads(&self, held: bool) {
        self.set(4, i64::from(held));
    }

    /// Returns once a read waits.
    pub(crate) fn wait_for_held_read(&self) {
        self.wait_for(5);
    }

    /// The committer's syncs wait until they are let go on.
    pub(crate) fn hold_commits(&self) {
        self.set(7, 1);
    }

    /// Returns once a sync of the committer waits: its step is decided, and none of it is told yet.
    pub(crate) fn wait_for_held_commit(&self) {
        self.wait_for(8);
    }

    /// Lets so many of the committer's syncs go on, the one that waits first. The next waits.
    pub(crate) fn let_commits(&self, count: i64) {
        self.set(7, self.wait_for(8) + count);
    }

    /// No sync of the committer waits any more.
    pub(crate) fn let_all_commits(&self) {
        self.set(7, 0);
    }

    /// The number at a place, once it is not zero.
    fn wait_for(&self, place: u64) -> i64 {
        loop {
            let mut told = [0; 8];
            let read = self.control.read_exact_at(&mut told, place * 8);
            read.expect("read");
            if told != [0; 8] {
                return i64::from_ne_bytes(told);
            }
            std::thread::yield_now();
        }
    }

    /// The wall clock is off by so many seconds.
    pub(crate) fn step_clock(&self, seconds: i64) {
        self.set(1, seconds);
    }

    /// New segments find no space, or do again.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.set(2, i64::from(full));
    }
}
