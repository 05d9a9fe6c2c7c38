//! An exchange, from its ruling to the disk to its delivery: one value, made by admission alone.

mod submission;

pub use submission::{Returnable, Submission, Verdict};
