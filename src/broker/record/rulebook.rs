//! Records of the rulebook: how it changes, and by whom.

use std::collections::BTreeSet;

use super::draft::{Act, Approval, Draft};
use crate::agency::keys::KeyCheck;
use crate::agency::registry::InboxMode;
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{AgencyId, Digest, UnitId};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;

/// The rulebook with which a log begins, and what is so of the log as long as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Genesis {
    /// When.
    pub at: Timestamp,
    /// Its whole text.
    pub bundle: Bundle,
    /// Its digest.
    pub digest: Digest,
    /// Whether it came about by `--dev`: such a log is never served without that option.
    pub development: bool,
    /// Its units, for their standing queues.
    pub units: Vec<UnitEntry>,
    /// The master key's check: another key is found before anything is done with it.
    pub key_check: KeyCheck,
}

impl Genesis {
    /// A digest that names the log: of its master key's check, its beginning and its first rulebook.
    pub fn log(&self) -> Digest {
        let mut text = b"carnet log".to_vec();
        text.extend_from_slice(&self.key_check.0);
        text.extend_from_slice(&self.at.as_millis().to_be_bytes());
        text.extend_from_slice(&self.digest.0);
        Digest::of(&text)
    }
}

/// The part of a rulebook's unit that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitEntry {
    /// Its address.
    pub id: UnitId,
    /// Which releases its inbox takes.
    pub inbox: InboxMode,
    /// Whether others may know of it.
    pub listed: bool,
    /// How often a message comes back to its inbox before it goes to `dead`; none for the broker's
    /// own limit.
    pub delivery_limit: Option<u32>,
}

/// Another rulebook that came into force, with what the ledger needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Activated {
    /// When; set as it is committed.
    pub at: Timestamp,
    /// The proposal that it came from; none in a development log, whose folders are its rulebook.
    pub proposal: Option<u64>,
    /// Agencies whose files it changes in the board's name: each is told.
    pub tells: BTreeSet<AgencyId>,
    /// Its digest.
    pub digest: Digest,
    /// Its text.
    pub text: Text,
    /// Its units, for their standing queues.
    pub units: Vec<UnitEntry>,
}

/// The text of a rulebook, as its record has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    /// All of it.
    Whole(Bundle),
    /// The files in which it differs from one before it.
    Since {
        /// The record with the whole text of that one.
        whole: Lsn,
        /// The files.
        changes: Changes,
    },
}

impl Text {
    /// The text of `next` where `whole` stands whole in the record at `at`: by its changes, so that an
    /// activation writes little, unless these are most of it.
    pub fn since(at: Lsn, whole: &Bundle, next: &Bundle) -> Self {
        let changes = Changes::between(whole, next);
        let written: usize = changes
            .files()
            .filter_map(|(_, text)| Some(text?.len()))
            .sum();
        let all: usize = next.files().map(|(_, text)| text.len()).sum();
        if written.saturating_mul(2) > all {
            Self::Whole(next.clone())
        } else {
            Self::Since { whole: at, changes }
        }
    }

    /// Octets of its files and their paths.
    pub fn octets(&self) -> usize {
        match self {
            Self::Whole(bundle) => {
                let files = bundle.files();
                files.map(|(path, text)| path.len() + text.len()).sum()
            }
            Self::Since { changes, .. } => octets(changes),
        }
    }

    /// How many files it has.
    pub fn files(&self) -> usize {
        match self {
            Self::Whole(bundle) => bundle.files().count(),
            Self::Since { changes, .. } => changes.files().count(),
        }
    }
}

/// Octets of changed files and of their paths.
pub fn octets(changes: &Changes) -> usize {
    let files = changes.files();
    files
        .map(|(path, text)| path.len() + text.map_or(0, <[u8]>::len))
        .sum()
}

/// A proposal to change the rulebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// When.
    pub at: Timestamp,
    /// Counts proposals from 1.
    pub number: u64,
    /// As it was handed over.
    pub draft: Draft,
}

/// An approval of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// When.
    pub at: Timestamp,
    /// As it was handed over.
    pub approval: Approval,
}

/// The withdrawal of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// When.
    pub at: Timestamp,
    /// Who withdrew it.
    pub act: Act,
    /// Its number.
    pub proposal: u64,
}

/// The time at which a proposal takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// When that was said.
    pub at: Timestamp,
    /// Who said so.
    pub act: Act,
    /// Its number.
    pub proposal: u64,
    /// When it takes effect; none for as soon as it has its approvals.
    pub until: Option<Timestamp>,
}
