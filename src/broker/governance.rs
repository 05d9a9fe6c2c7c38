//! Governance: how the officers of its owners change the rulebook, from proposal to activation.
//!
//! ```text
//! Propose -> Proposed -> Approve -> Approved, as often as it needs -> due -> Activate -> Activated
//!                |          Schedule -> Scheduled: when it is due               (by the broker itself)
//!                +-> Withdraw -> Withdrawn
//!                +-> superseded, once another activation takes away the rulebook that it rests on
//! ```
//! An agency's officers also declare measures, which change no rule: see [`Measure`].
//!
//! ```text
//! Declare -> Declared: a suspension holds from here on -> Confirm -> Confirmed: all others hold
//!                         +-> its time is over, or its permits are gone -> MeasureEnded
//!                         +-> Undeclare, while it waits                 -> MeasureEnded
//!                         +-> ended by the confirmation of another, or with what it was to lift
//! ```
//! What is asked for is a [`Deed`], decided by `decide` alone; what was done is a record, from which
//! [`Governance`] follows. Who may do what, by his role, is decided before a deed is handed over.
//!
//! Invariants: a pending proposal rests on the rulebook in force; a closed one is never opened again,
//! so that no approval counts twice; a number is given once.

mod decide;
mod declare;
mod declared;
mod deed;
mod measures;
mod not_done;
mod spent;
mod state;
mod told;
mod vote;

pub use self::deed::{Declaring, Deed, Done, Gone, Noted, Statement, Ticket};
pub use self::measures::{Declaration, Declarations, MeasureStatement, Stage};
pub use self::not_done::NotDone;
pub(in crate::broker) use self::spent::{Budgets, Spent};
pub use self::state::{Activation, Governance, Proposal, State};
pub(in crate::broker) use self::told::Told;
pub use self::vote::Vote;
pub use super::record::{Act, Approval, Confirmation, Draft, Measure, Needs, SignedText, When};

#[cfg(test)]
mod tests;
