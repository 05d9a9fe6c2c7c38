//! What is exchanged: names, catalogue, validation, data categories, projection.
//!
//! The lowest module of the domain: it knows nothing of agencies, policies, disks or sockets, and
//! holds no clock. [`id`] has the words everything above speaks.
//!
//! From bytes to a proof: [`envelope::Publish`] is what came in; [`valid::Valid::parse`] reads the
//! envelope, scans the body ([`json`]), holds it to its type's schema ([`schema`]) and classifies
//! it ([`fields`]) into spans, facts and keys. [`project::project`] is what goes out. Read
//! [`fields::read`] first.

pub mod bundle;
pub mod catalogue;
mod content;
mod entry;
pub mod envelope;
pub mod facts;
mod faults;
pub mod fields;
#[cfg(test)]
mod fixture;
pub mod id;
pub(crate) mod identifier;
pub mod json;
pub(crate) mod onward;
pub mod project;
pub(crate) mod rule;
pub mod schema;
pub mod spans;
mod spelling;
pub(crate) mod strict;
pub mod time;
pub(crate) mod valid;

pub use spelling::nearest;
