//! The scrub: a thread that looks through sealed segments of the journal again and again, slowly.
//!
//! A start reads what came since the newest snapshot; whatever is older was whole then, and may rot
//! since. The scrub finds that while a backup still has what was there. What it has come to stands in
//! a file of the data folder, so that a restart goes on where it was:
//!
//! ```text
//! <data>/scrub    {"journal":"<32 hex digits>","next":<address>,"began":…,"octets":…,"last":…,"findings":[…]}
//! ```
//! It finds and tells; it changes nothing of the log, and holds up nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::end_file::hex;
use crate::broker::limits::{SCRUB_FINDINGS, SCRUB_OCTETS_A_SECOND, SCRUB_REST};
use crate::journal::vfs::{Vfs, put_in_place, read_whole};
use crate::journal::{Lsn, OpenError, Reader};
use crate::message::time::Timestamp;

/// How often a new sealed segment is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Octets after which the scrub rests, for as long as its pace asks.
const PIECE: u64 = 1 << 20;
/// More than the file ever has.
const BYTES_MAX: u64 = 1 << 20;

/// How far the scrub has come, and what it has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The journal's name, in hexadecimal digits.
    pub journal: String,
    /// Everything before this address was looked through in the round that is under way.
    pub next: Lsn,
    /// When that round began, in milliseconds since 1970; none between two rounds.
    pub began: Option<i64>,
    /// Octets of it so far.
    pub octets: u64,
    /// The last round that came to its end.
    pub last: Option<Round>,
    /// Damage that was found and not gone at a later look, by its place.
    pub findings: Vec<Finding>,
}

/// A whole round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// When it began, in milliseconds since 1970.
    pub began: i64,
    /// When it ended.
    pub ended: i64,
    /// Octets that were looked through.
    pub octets: u64,
}

/// A segment that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Where the segment begins.
    pub segment: Lsn,
    /// What is wrong, with its file and place.
    pub says: String,
    /// When that was found, in milliseconds since 1970.
    pub at: i64,
}

/// The file in a data folder.
#[derive(Debug, Clone)]
pub struct ScrubFile<V> {
    vfs: V,
    path: PathBuf,
}

impl<V: Vfs> ScrubFile<V> {
    /// The scrub file of a data folder.
    pub fn new(vfs: V, data: &Path) -> Self {
        let path = data.join("scrub");
        Self { vfs, path }
    }

    /// What it says; nothing where there is none, or it is none.
    pub fn read(&self) -> io::Result<Option<Progress>> {
        let text = read_whole(&self.vfs, &self.path, BYTES_MAX)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    fn write(&self, progress: &Progress) -> io::Result<()> {
        let text = serde_json::to_vec(progress).map_err(io::Error::other)?;
        put_in_place(&self.vfs, &self.path, &text)
    }
}

/// Reads what the clock says.
pub type ReadClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The scrub of one journal.
pub struct Scrub<V: Vfs> {
    reader: Reader<V>,
    file: ScrubFile<V>,
    progress: Progress,
}

/// What a step of the scrub came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// A segment was looked through; there may be another.
    Looked,
    /// There is nothing to look at for now.
    Rests,
    /// It was told to end.
    Ends,
}

impl<V: Vfs> Scrub<V> {
    /// Goes on where the last one was. `verified`, where all of the log was looked through just now.
    pub fn new(reader: Reader<V>, file: ScrubFile<V>, verified: Option<Timestamp>) -> Self {
        let journal = hex(reader.journal());
        let known = match file.read() {
            Ok(known) => known.filter(|known| known.journal == journal),
            Err(error) => {
                tracing::warn!(%error, "the scrub begins anew");
                None
            }
        };
        let mut progress = known.unwrap_or_default();
        if let Some(now) = verified {
            let (began, ended) = (now.as_millis(), now.as_millis());
            let octets = reader.sealed_end().end.lsn.0;
            progress = Progress {
                last: Some(Round {
                    began,
                    ended,
                    octets,
                }),
                ..Progress::default()
            };
        }
        progress.journal = journal;
        for finding in &progress.findings {
            alarm(finding);
        }
        let scrub = Self {
            reader,
            file,
            progress,
        };
        if verified.is_some() {
            scrub.keep();
        }
        scrub
    }

    /// Looks through the next segment that is due. `beat` is told of octets as they are read, and ends
    /// it by saying no.
    pub fn step(&mut self, now: Timestamp, beat: &mut dyn FnMut(usize) -> bool) -> Stepped {
        if !self.is_due(now) {
            return Stepped::Rests;
        }
        let Some(first) = self.reader.sealed_from(self.progress.next).first().copied() else {
            return self.end_round(now);
        };
        self.progress.began.get_or_insert(now.as_millis());
        let mut octets = 0;
        let mut ended = false;
        let looked = self.reader.verify(first, &mut |read| {
            octets += u64::try_from(read).unwrap_or(u64::MAX);
            ended = !beat(read);
            !ended
        });
        if ended {
            return Stepped::Ends;
        }
        self.progress.octets += octets;
        self.note(first, looked, now);
        self.progress.next = Lsn(first.0.saturating_add(1));
        self.keep();
        Stepped::Looked
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let rested = |last: &Round| now.since(Timestamp::from_millis(last.ended)) >= SCRUB_REST;
        self.progress.began.is_some() || self.progress.last.as_ref().is_none_or(rested)
    }

    fn note(&mut self, segment: Lsn, looked: Result<(), OpenError>, now: Timestamp) {
        let findings = &mut self.progress.findings;
        findings.retain(|finding| finding.segment != segment);
        if let Err(error) = looked {
            let (says, at) = (error.to_string(), now.as_millis());
            let finding = Finding { segment, says, at };
            alarm(&finding);
            if findings.len() < SCRUB_FINDINGS {
                findings.push(finding);
            }
        }
    }

    /// A log without a sealed segment has had no round.
    fn end_round(&mut self, now: Timestamp) -> Stepped {
        if let Some(began) = self.progress.began.take() {
            let (ended, octets) = (now.as_millis(), self.progress.octets);
            tracing::info!(
                octets,
                findings = self.progress.findings.len(),
                "a round of the scrub is over: all sealed segments were looked through"
            );
            self.progress.last = Some(Round {
                began,
                ended,
                octets,
            });
            (self.progress.next, self.progress.octets) = (Lsn::START, 0);
            self.keep();
        }
        Stepped::Rests
    }

    /// What cannot be written down is looked at again.
    fn keep(&self) {
        if let Err(error) = self.file.write(&self.progress) {
            tracing::debug!(%error, "the scrub's progress is not written down");
        }
    }
}

fn alarm(finding: &Finding) {
    let Finding { segment, says, .. } = finding;
    tracing::error!(
        journal.lsn = %segment,
        says,
        "a sealed segment of the log is damaged: restore that file from a backup (docs/operating.md)"
    );
}

/// Starts the thread; it ends when `Sender` is dropped.
pub(super) fn start<V: Vfs>(scrub: Scrub<V>, clock: ReadClock) -> io::Result<Sender<()>> {
    let (sender, stopped) = mpsc::channel::<()>();
    let run = move || keep_on(scrub, &clock, &stopped);
    std::thread::Builder::new()
        .name("scrub".into())
        .spawn(run)?;
    Ok(sender)
}

fn keep_on<V: Vfs>(mut scrub: Scrub<V>, clock: &ReadClock, stopped: &Receiver<()>) {
    let pause = |wait| stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
    let mut unpaid = 0;
    while pause(LOOK) {
        loop {
            let came_to = scrub.step(clock(), &mut |octets| {
                unpaid += u64::try_from(octets).unwrap_or(u64::MAX);
                let rests = unpaid >= PIECE;
                let wait = Duration::from_millis(unpaid * 1_000 / SCRUB_OCTETS_A_SECOND);
                unpaid = if rests { 0 } else { unpaid };
                !rests || pause(wait)
            });
            match came_to {
                Stepped::Looked => {}
                Stepped::Rests => break,
                Stepped::Ends => return,
            }
        }
    }
}
