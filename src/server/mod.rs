//! The shell: it listens, shakes hands, moves bytes. It decides nothing.
//!
//! [`listen::serve`] is the function to read first, then `connection`.

pub mod bind;
pub mod certificate;
mod chatter;
pub mod clock;
mod connection;
pub mod descriptors;
pub mod desk;
mod door;
mod handshake;
mod house;
pub mod listen;
pub mod notices;
mod placement;
mod places;
mod probes;
pub mod refusals;
pub mod renewal;
mod shell;
pub mod tls;
mod translate;
mod turns;
mod verifier;
mod worker;
