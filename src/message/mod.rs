//! What is exchanged: names, catalogue, validation, data categories, projection.
//!
//! The lowest module of the domain: it knows nothing of agencies, policies, disks or sockets, and
//! holds no clock. [`id`] has the words everything above speaks.

pub mod bundle;
pub mod catalogue;
pub mod facts;
pub mod id;
pub mod time;
