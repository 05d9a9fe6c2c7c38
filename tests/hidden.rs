//! What a system may not know of changes nothing that it sees.
//!
//! Scripts are played twice on a small border in memory, [`world::World`]: the real admission, pace,
//! committer and rendering on a simulated disk, in virtual time. Once something hidden happens
//! meanwhile, once it does not. Whoever may not know of it must have been told the same: each answer,
//! return, receipt and delivery, at the same millisecond, after as many syncs. Blank are ids that
//! differ between any two runs, of which the length counts, and the rulebook's digest where an agency
//! or a rule is what is hidden.
//!
//! A file beside this one is a hidden thing: what it is, who may know of it, and a test for each of
//! [`scripts`]. `shown` proves that each script would see what is not hidden.
#![cfg(test)]

#[path = "hidden/adapter.rs"]
mod adapter;
#[path = "hidden/addressee.rs"]
mod addressee;
#[path = "hidden/border.rs"]
mod border;
#[path = "hidden/budgets.rs"]
mod budgets;
#[path = "hidden/case.rs"]
mod case;
#[path = "hidden/colleague.rs"]
mod colleague;
#[path = "hidden/deadline.rs"]
mod deadline;
#[path = "hidden/exchange.rs"]
mod exchange;
#[path = "hidden/failed.rs"]
mod failed;
#[path = "hidden/letter.rs"]
mod letter;
#[path = "support/options.rs"]
mod options;
#[path = "hidden/order.rs"]
mod order;
#[path = "hidden/parties.rs"]
mod parties;
#[path = "hidden/play.rs"]
mod play;
#[path = "hidden/raced.rs"]
mod raced;
#[path = "support/ring.rs"]
mod ring;
#[path = "hidden/rule.rs"]
mod rule;
#[path = "hidden/scripts/mod.rs"]
mod scripts;
#[path = "hidden/sender.rs"]
mod sender;
#[path = "support/shipped.rs"]
mod shipped;
#[path = "hidden/shown.rs"]
mod shown;
#[path = "hidden/transcript.rs"]
mod transcript;
#[path = "hidden/unit.rs"]
mod unit;
#[path = "hidden/world.rs"]
mod world;
