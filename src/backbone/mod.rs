//! What carries commands to the core and effects back. Embedded: a thread of this process.
//!
//! [`embedded::Embedded::open`] is the function to read first.

pub mod basis;
mod deeds;
pub mod embedded;
pub mod end_file;
pub mod error;
pub(crate) mod fetch;
#[cfg(test)]
#[path = "fetch/tests.rs"]
mod fetch_tests;
mod govern;
pub mod ids;
pub mod index;
pub mod keeper;
pub mod load;
pub mod loss;
pub(crate) mod mailbox;
pub(crate) mod port;
mod recent;
pub mod replay;
pub mod ring;
mod room;
mod runs;
pub mod scrub;
pub mod signing;
pub mod start;
mod steps;
mod sync;
mod tell;
#[cfg(test)]
mod threads;
pub mod tiles;
pub mod tree;
mod watch;
