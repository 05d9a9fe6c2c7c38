//! Replay: what was recorded is ruled once more, by the rulebook that was in force then or by another.
//!
//! A ruling rests on the facts of its message, which its frame keeps, and on what was in force when it
//! was committed: rulebook, standing facts and the record's time. [`History`] reads the records in
//! order and has these for each; [`Replayed`] is one exchange with its facts, ruled by them again.
//!
//! Invariant: it reads records of any origin, altered ones too, and none of them stops it.

mod differs;
mod history;
mod impact;
mod replayed;

pub use differs::{Differs, outcome_in_words};
pub use history::{Basis, History, Texts};
pub use impact::{Change, Changes, Example, Impact, Often};
pub use replayed::{Replayed, Unrepeatable};
