//! Governance: how the officers of its owners change the rulebook, from proposal to activation.
//!
//! ```text
//! Propose -> Proposed -> Approve -> Approved, as often as it needs -> due -> Activate -> Activated
//!                |          Schedule -> Scheduled: when it is due               (by the broker itself)
//!                +-> Withdraw -> Withdrawn
//!                +-> superseded, once another activation takes away the rulebook that it rests on
//! ```
//! What is asked for is a [`Deed`], decided by `decide` alone; what was done is a record, from which
//! [`Governance`] follows. Who may do what, by his role, is decided before a deed is handed over.
//!
//! Invariants: a pending proposal rests on the rulebook in force; a closed one is never opened again,
//! so that no approval counts twice; a number is given once.

mod decide;
mod deed;
mod not_done;
mod state;

pub use self::deed::{Deed, Done, Statement, Ticket};
pub use self::not_done::NotDone;
pub use self::state::{Activation, Governance, Proposal, State, Vote};
pub use super::record::{Act, Approval, Draft, Needs, When};

#[cfg(test)]
mod tests;
