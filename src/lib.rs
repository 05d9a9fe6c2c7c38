//! Carnet: the message broker that border agencies connect to.
//!
//! A system publishes a message over AMQP 0-9-1. The broker knows it by its certificate, validates
//! the message, rules by policy who receives what of it, writes that down, syncs, and only then
//! confirms and delivers. Nothing confirmed is lost; no recipient sees what policy does not give; both can
//! be proved from the log.
//!
//! # One message, by the functions that it passes
//!
//! ```text
//!  a connection's task                         the committer's thread
//!  server::connection  Connection::turn        backbone::embedded  Run::run
//!   | bytes  -> amqp::Session -> Event          ^      |
//!   |                                           |      |
//!   | connection/incoming: rights, pace         |      v
//!   | broker::admit  admit -> Submission --> mailbox  broker::committer  Committer::step
//!   |   message: is it valid                           | Lanes: agencies take turns; reserve
//!   |   policy::rule: who gets what -> Ruled           | Core::take: does the ruling hold -> Record
//!   |                                                  |   -> Ledger::apply -> Change -> Dispatch
//!   | connection/outgoing:                             | append; one sync for all of the step
//!   |   Outcome  -> confirm, return     <-- mailbox <-- Run::release: Effect
//!   |   Deliver  -> broker::delivery  prepare: rule again, withhold -> frames
//! ```
//! Read them in this order: [`broker::admit::admit`], [`broker::committer::Committer::step`],
//! [`broker::core::Core::take`], [`broker::ledger::Ledger::apply`], [`broker::delivery::prepare`]. A start is the same `apply` over
//! the records of the journal: [`backbone::start::recover`].
//!
//! # Modules, each using those below it alone
//!
//! - [`cli`]: one file a command; prints, and ends with an exit code
//! - [`config`]: file, environment and flags; the folders as one bundle
//! - [`server`]: sockets, TLS, time; decides nothing
//! - [`http`]: the interface of officers: the rulebook, proposals and their approval, the log
//! - [`backbone`]: threads; carries commands to the core and effects back
//! - [`broker`]: the core, pure
//! - [`policy`]: Cedar rules become rulings
//! - [`agency`]: who: agencies, units, systems, certificates, keys
//! - [`evidence`]: proof that a log only grows: trees, checkpoints, cosignatures
//! - [`message`]: what: types, schemas, categories of data, withholding
//! - [`journal`], [`amqp`]: the disk and the wire; they know nothing of the others
//!
//! `docs/` has the manual, `tests/tidy.rs` holds the code to this map.
#![warn(missing_docs)]

// The simulated disk names this crate from outside and from its own tests.
#[cfg(test)]
extern crate self as carnet;

pub mod agency;
pub mod amqp;
pub mod backbone;
pub mod broker;
pub mod cli;
pub mod config;
pub mod evidence;
pub mod http;
pub mod journal;
pub mod message;
pub mod policy;
pub mod server;
