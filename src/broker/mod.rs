//! The core, pure: a command is decided into a record; the record is made durable; then its effects
//! happen. Replay is the same `apply` over the same records.
//!
//! [`admit`](admit::admit) is the function to read first, [`committer::Committer::step`] the second,
//! [`core::Core::take`] the third.
//!
//! ```text
//! Publish -> admit -> Submission -> Lanes -> Core::take: Record -> apply -> Change -> dispatch
//!            (the connection's task)  (the committer thread: append) ... sync ... -> Effect
//! ```
//! Invariants: only [`ledger::Ledger::apply`] writes the ledger; an effect leaves after the sync of
//! the batch that decided it; each number of a unit is given once, without gaps; a redelivery never
//! shows more than the first.

pub mod admit;
pub(crate) mod arguments;
pub mod budget;
pub mod command;
pub mod committer;
pub mod core;
pub(crate) mod decide;
pub mod dedup;
pub mod delivery;
pub(crate) mod dispatch;
pub mod effect;
pub mod event;
pub mod exchange;
pub mod format;
pub mod governance;
pub mod ids;
pub mod input;
pub(crate) mod lanes;
pub mod ledger;
pub mod limits;
pub(crate) mod notice;
pub mod pace;
pub mod payload;
pub mod queue;
pub(crate) mod receipt;
pub mod record;
pub(crate) mod refusals;
pub mod register;
pub mod replay;
pub mod reply;
pub mod run;
pub(crate) mod topic;
pub(crate) mod weight;
