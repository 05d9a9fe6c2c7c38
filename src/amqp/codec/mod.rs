//! The codec: octets to typed methods, tables and properties, and back.
//!
//! Pure functions over slices. Every length is compared with what is there before anything is
//! allocated, and nesting is bounded, so that no input costs more than a small multiple of its own
//! size. Types come from `amq-protocol`; the code here exists because that crate's parsers
//! recurse without bound, do not say why they failed, and allocate for every flag.

mod client;
pub(super) mod method;
mod properties;
mod reader;
mod table;
pub(super) mod writer;

pub(super) use client::{ClientMethod, Close, PublishHead, decode, split_method};
pub use client::{Login, Secret};
pub use method::MethodId;
pub use properties::{decode_properties, encode_properties, encode_unexpiring};
pub use reader::Malformed;
pub(super) use reader::Reader;
pub use table::TableLimits;
pub(super) use writer::Writer;

#[cfg(test)]
pub(super) mod tests {
    pub(in crate::amqp) use super::properties::tests::any_properties;
}
