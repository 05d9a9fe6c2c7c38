//! What the broker offers a peer, and the bounds that it holds it to.

use crate::amqp::codec::TableLimits;

/// What the broker offers and allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Channels open at a time, at most; 0 counts as 65,535.
    pub channels_max: u16,
    /// Octets of a frame, at most, its eight octets of head and end included. Below 4,096 it
    /// counts as 4,096, which the specification asks of every peer.
    pub frame_bytes_max: u32,
    /// The heartbeat interval that is proposed; 0 proposes none.
    pub heartbeat_s: u16,
    /// Octets of a message's body that is handed over, at most.
    pub body_bytes_max: u64,
    /// Octets of a body, at most, that is read over where it is larger than that: its channel goes on,
    /// and what came of it is dropped as it comes.
    pub read_over_bytes_max: u64,
    /// Octets of a message's properties, headers included, at most.
    pub properties_bytes_max: u32,
    /// Octets of memory that messages under way may take, at most, over all channels: what has come
    /// of their bodies and what is reserved for them, and their properties.
    pub assembly_bytes_max: usize,
    /// How long a message may be under way, at most, in milliseconds.
    pub message_ms_max: u64,
    /// Bounds of every field table.
    pub tables: TableLimits,
    /// SASL mechanisms, separated by spaces.
    pub mechanisms: &'static str,
    /// Server property `product`.
    pub product: String,
    /// Server property `version`.
    pub version: String,
    /// Server property `platform`.
    pub platform: String,
}
