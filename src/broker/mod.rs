//! The core, pure: a command is decided into a record; the record is made durable; then its effects
//! happen.

pub mod limits;
pub mod queue;
