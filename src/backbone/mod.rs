//! What carries commands to the core and effects back. Embedded: a thread of this process.
//!
//! [`embedded::Embedded::open`] is the function to read first.

pub mod embedded;
pub mod end_file;
pub mod error;
pub mod fetch;
#[cfg(test)]
#[path = "fetch/tests.rs"]
mod fetch_tests;
pub mod ids;
pub mod keeper;
pub mod loss;
pub mod mailbox;
pub mod port;
mod recent;
mod room;
pub mod scrub;
pub mod start;
mod sync;
mod tell;
#[cfg(test)]
mod threads;
mod watch;
