//! Hostile and broken clients against the real binary, octet by octet.
//!
//! What a client may do wrong, what it is told, and that nobody else notices. The client here keeps
//! no rule that a test wants broken; stock clients are `tests/interop.rs`'s.
#![cfg(test)]

#[path = "wire/activating.rs"]
mod activating;
#[path = "wire/answering.rs"]
mod answering;
#[path = "wire/blanked.rs"]
mod blanked;
#[path = "wire/broker.rs"]
mod broker;
#[path = "wire/budgets.rs"]
mod budgets;
#[path = "wire/cases.rs"]
mod cases;
#[path = "wire/certificates.rs"]
mod certificates;
#[path = "wire/client.rs"]
mod client;
#[path = "wire/clock.rs"]
mod clock;
#[path = "wire/consuming.rs"]
mod consuming;
#[path = "wire/crowds.rs"]
mod crowds;
#[path = "wire/disk.rs"]
mod disk;
#[path = "wire/dying.rs"]
mod dying;
#[path = "wire/excluded.rs"]
mod excluded;
#[path = "wire/faults.rs"]
mod faults;
#[path = "support/files.rs"]
mod files;
#[path = "wire/forged.rs"]
mod forged;
#[path = "wire/frames.rs"]
mod frames;
#[path = "wire/hidden.rs"]
mod hidden;
#[path = "wire/kills.rs"]
mod kills;
#[path = "wire/limits.rs"]
mod limits;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/lists.rs"]
mod lists;
#[path = "wire/message.rs"]
mod message;
#[path = "wire/narrowed.rs"]
mod narrowed;
#[path = "wire/octets.rs"]
mod octets;
#[path = "wire/opening.rs"]
mod opening;
#[path = "wire/oversized.rs"]
mod oversized;
#[path = "wire/publishing.rs"]
mod publishing;
#[path = "wire/queues.rs"]
mod queues;
#[path = "wire/revoked.rs"]
mod revoked;
#[path = "support/served.rs"]
mod served;
#[path = "wire/settings.rs"]
mod settings;
#[path = "wire/standing.rs"]
mod standing;
#[path = "wire/stopping.rs"]
mod stopping;
#[path = "support/strangers.rs"]
mod strangers;
#[path = "wire/syncs.rs"]
mod syncs;
#[path = "wire/times.rs"]
mod times;
#[path = "wire/tokens.rs"]
mod tokens;
#[path = "wire/trust.rs"]
mod trust;
#[path = "wire/unread.rs"]
mod unread;
#[path = "support/vouched.rs"]
mod vouched;
#[path = "wire/waiting.rs"]
mod waiting;
