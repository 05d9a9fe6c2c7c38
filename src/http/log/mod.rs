//! The log as it is told: its records one after the other, in words and as JSON, and what an officer sees
//! of them.
//!
//! [`look::Look`] is what an officer asks; read it first. [`sight::Sight`] is what he may know: `seen` has
//! what his own agency's auditor sees, `granted` what an oversight body's does.

mod cursor;
mod describe;
mod earlier;
mod entry;
mod granted;
mod keyed;
mod look;
mod past;
mod proving;
mod query;
mod seen;
mod sight;
mod sought;

pub(crate) use self::earlier::{About, InForce};
pub(crate) use self::entry::{Entry, Telling};
pub use self::granted::Opened;
pub use self::look::{Followed, Look, Rulebooks, Told};
pub use self::past::{Past, Untold};
pub use self::query::{Ending, Numbered, Query};
pub use self::sight::Sight;
pub(super) use self::sight::written_at;
pub(crate) use self::sought::CONSIGNMENT;
pub use self::sought::Sought;

#[cfg(test)]
mod tests;
