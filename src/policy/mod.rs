//! Who may receive what: sharing policies in Cedar over agencies, catalogue and standing.
//!
//! A [`rulebook`] is one immutable value with one digest: agencies, message types, policies,
//! agreements. [`standing`] is what changes between messages. [`rule::rule`] is the function to
//! read first: pure, it says for each candidate what is released and what is refused, by which
//! policies, and what it read to say so.
//!
//! Invariants: the default is to refuse; a forbid beats every permit; a policy that cannot be evaluated
//! withholds the actions that it names; an unknown, unlisted or hidden addressee gets one answer.
//!
//! ```text
//!   policies/*.cedar -> source -> check -> Rulebook ---+
//!   agencies/, messages/ ------------------^           |
//!                        Standing, RuleRequest, now ---+--> entities -> slice -> Ruling
//! ```
//!
//! Never here: clocks, randomness, disk; and no decision that the policies' text does not give.

pub(crate) mod agreement;
mod annotation;
pub mod change;
pub(crate) mod check;
pub mod checked;
mod condition;
pub mod contract;
pub mod difference;
mod entities;
pub mod explain;
mod facts;
pub(crate) mod given;
pub(crate) mod head;
pub mod headings;
mod known;
pub mod lints;
pub mod measures;
mod names;
pub mod office;
pub mod owner;
mod parts;
pub(crate) mod possible;
pub mod recovery;
pub mod reference;
pub mod request;
pub mod rule;
pub mod rulebook;
pub mod ruling;
pub mod schema;
mod slice;
pub(crate) mod source;
pub mod standing;
pub mod table;
pub mod vocabulary;
mod wording;
pub mod words;
