//! The journal: the disk, and the only truth. It knows batches of records with payload frames, and
//! nothing of what they mean.
//!
//! [`Journal`] writes: one write and one sync make everything durable that arrived during the last.
//! [`Reader`] reads, anywhere, at any time; a [`Follower`] does beside the process that writes.
//! A start looks through what came since the newest snapshot; [`Reader::verify`] looks through what is
//! older, again and again, while the log is served.
//! [`Found::look`] is the function to read first: it tells a torn batch, which is cut, from
//! corruption, which stops the start and every command that reads.
//!
//! Invariants: batch k+1 is first written after the sync of k returned; a batch never spans
//! segments; after a failed write or sync nothing is ever written again by this process; a
//! reservation is given only while a whole spare segment stands by. After an unclean stop the last
//! segment is not written again; on a full disk without a spare it is, once zeros over what an
//! unfinished batch left are synced (`clear::clear_behind` says why that is safe). So a start
//! needs no room.
//!
//! Formats stand as diagrams in `batch` and `segment`.

mod batch;
mod clear;
mod error;
mod fill;
mod follower;
mod frame;
mod layout;
mod listing;
mod lsn;
mod pace;
mod reader;
mod recovery;
mod segment;
pub mod snapshot;
mod survey;
mod verify;
pub mod vfs;
mod writer;

pub use batch::{Kind, stride};
pub use error::{OpenError, ReadError};
pub use follower::Follower;
pub use frame::{Frame, FrameDigest};
pub use listing::vouches;
pub use lsn::Lsn;
pub use reader::{FrameRef, Reader, Scan, StoredRecord};
pub use recovery::{Extent, Found, Known, Recovery, first_record};
pub use segment::{End, Position};
pub use writer::{Config, Journal, NoRoom, Poisoned};
