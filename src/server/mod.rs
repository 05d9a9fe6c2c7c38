//! The shell: it listens, shakes hands, moves bytes. It decides nothing.
//!
//! [`listen::serve`] is the function to read first, then `connection`.

pub(crate) mod bind;
pub(crate) mod certificate;
mod chatter;
pub mod clock;
mod connection;
pub(crate) mod descriptors;
pub(crate) mod desk;
mod door;
pub(crate) mod ends;
mod entrance;
mod fetch;
mod greeting;
mod handshake;
mod health;
mod house;
mod in_time;
pub(crate) mod jwks;
pub(crate) mod listen;
pub(crate) mod notices;
mod placement;
mod places;
mod plain;
mod probes;
pub(crate) mod refusals;
pub(crate) mod renewal;
pub(crate) mod revocation;
mod rounds;
mod shell;
pub(crate) mod tls;
mod translate;
pub(crate) mod trust;
mod turns;
mod verifier;
mod visit;
mod web;
pub(crate) mod witness;
mod worker;
