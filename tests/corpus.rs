//! The laws of `fuzz/` on the inputs of `fuzz/corpus/`: what fuzzing began from, and what it found.
//!
//! `tests/run.sh long` looks for more. An input that breaks a law belongs into the corpus of its
//! target, under a name that says what it broke. Inputs to begin from are written by
//!
//! ```sh
//! cargo nextest run --test corpus --run-ignored only -E 'test(write_corpus)'
//! ```
//!
//! which writes those that are missing and no other.
#![cfg(test)]

#[path = "../fuzz/laws/frame.rs"]
mod frame;
#[path = "../fuzz/laws/json.rs"]
mod json;
#[path = "../fuzz/laws/page.rs"]
mod page;
#[path = "../fuzz/laws/project.rs"]
mod project;
#[path = "../fuzz/laws/record.rs"]
mod record;
#[path = "../fuzz/laws/said.rs"]
mod said;
#[path = "corpus/seeds.rs"]
mod seeds;
#[path = "../fuzz/laws/segment.rs"]
mod segment;
#[path = "../fuzz/laws/session.rs"]
mod session;
#[path = "../fuzz/laws/snapshot.rs"]
mod snapshot;

use std::fs::{DirBuilder, File, read_dir};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    top.join("fuzz/corpus").join(target)
}

pub(crate) fn octets(path: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    let opened = File::open(path);
    let mut file = opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.read_to_end(&mut octets).unwrap();
    octets
}

/// Holds a law to all inputs of its target: some are taken, some are refused.
fn replay(target: &str, law: fn(&[u8]) -> bool) {
    let files = read_dir(corpus(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let (mut taken, mut refused) = (0, 0);
    for path in paths {
        // Where it panics, this is the last line.
        println!("{}", path.display());
        *(if law(&octets(&path)) {
            &mut taken
        } else {
            &mut refused
        }) += 1;
    }
    assert!(
        taken >= 2,
        "{taken} inputs are taken: the law says next to nothing"
    );
    assert!(refused >= 2, "{refused} inputs are refused");
}

#[test]
fn properties_are_refused_or_written_as_they_were_read() {
    replay("frame", frame::holds);
}

#[test]
fn bodies_are_refused_or_read_as_another_reader_reads_them() {
    replay("json", json::holds);
}

#[test]
fn pages_and_ids_are_refused_or_written_as_they_were_read() {
    replay("page", page::holds);
}

#[test]
fn a_projection_is_what_the_schema_leaves_and_nothing_that_is_withheld() {
    replay("project", project::holds);
}

#[test]
fn records_and_frames_are_refused_or_written_as_they_were_read() {
    replay("record", record::holds);
}

#[test]
fn recovery_accepts_what_was_written_and_nothing_else() {
    replay("segment", segment::holds);
}

#[test]
fn a_session_means_the_same_however_it_is_cut_and_is_silent_behind_its_close() {
    replay("session", session::holds);
}

#[test]
fn snapshots_are_refused_or_written_as_they_were_read() {
    replay("snapshot", snapshot::holds);
}

#[test]
#[ignore = "writes inputs that are missing"]
fn write_corpus() {
    for seed in seeds::all() {
        let folder = DirBuilder::new()
            .recursive(true)
            .create(corpus(seed.target));
        folder.unwrap();
        let made = File::create_new(corpus(seed.target).join(&seed.name));
        if let Ok(mut file) = made {
            file.write_all(&seed.octets).unwrap();
        }
    }
}
