//! The log as it is told: its records one after the other, in words and as JSON, and what of them an
//! agency's auditor sees, and an oversight body's.

mod describe;
mod earlier;
mod entry;
pub(super) mod granted;
mod item;
pub(super) mod seen;

pub(crate) use self::describe::Described;
pub(crate) use self::earlier::{About, InForce};
pub(crate) use self::entry::{Entry, Telling};
pub(crate) use self::item::Item;
