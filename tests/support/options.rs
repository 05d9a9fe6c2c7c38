//! With what a committer is started on a disk in memory.

use carnet::agency::keys::KeyCheck;
use carnet::backbone::loss::OnLoss;
use carnet::backbone::start::{Options, Replay};
use carnet::broker::limits::KNOWN_IDS;
use carnet::broker::record::LeafSecret;

/// Segments of so many bytes, nothing in the background, no rulebook to begin with.
pub(crate) fn options(segment_bytes: usize) -> Options {
    Options {
        genesis: None,
        development: false,
        key_check: KeyCheck([0; 16]),
        segment_bytes,
        journal: [9; 16],
        secret: LeafSecret::new([9; 32]),
        background: false,
        replay: Replay::FromSnapshot,
        known_ids: KNOWN_IDS,
        end_file: None,
        on_loss: OnLoss::Refuse,
    }
}
