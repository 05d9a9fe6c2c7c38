//! An exchange from its ruling to the disk to its delivery.
//!
//! ```text
//! Arrived -> admit -> Valid -> Ruled::by -> Submission -> committer -> record
//! ```
//! A [`Ruled`] is made by ruling alone, and a [`Submission`] carries either one or a refusal: what was
//! not ruled can be neither recorded as an exchange nor delivered.

mod admission;
mod ruled;
mod submission;
mod told;
mod view;

pub(in crate::broker) use admission::Admission;
pub use admission::{Draw, View};
pub(crate) use ruled::Quoted;
pub use ruled::{Recorded, Ruled};
pub use submission::{Arrived, Returnable, Submission, Verdict};
pub(in crate::broker) use told::{fault, sentences};
pub use view::{Decided, Place, places};
