//! One connection, as a pure state machine.
//!
//! The shell feeds it ([`Session::receive`], [`Session::tick`]), asks what happened
//! ([`Session::next_event`], the function to read first) and drains what is to be written
//! ([`Session::output`]). The broker answers through the methods of `answering`, `delivering` and
//! `ending`. An answer that comes too late, for a channel that is closed by then, is dropped
//! without harm.
//!
//! Invariants:
//! - nothing is parsed beyond a login or an unnamed queue whose answer is awaited;
//! - answers of a channel go out in the order of its requests;
//! - a delivery tag and a confirm tag are settled once;
//! - nothing of a channel follows its ending, and nothing of the connection follows its own but
//!   the endings of channels that came before.

mod answering;
mod answers;
mod channel;
mod connection;
mod content;
mod delivering;
mod ending;
mod event;
mod handshake;
mod outbox;
mod outgoing;
mod requests;
mod running;
#[cfg(test)]
mod tests;

use super::codec::TableLimits;
use super::frame::{ChannelId, Inbound};
use connection::Connection;
pub use event::{
    ConsumerTag, End, Event, Gone, Leftover, Message, Properties, Publish, PublishTag, Request,
    Sending, Settled, Settlement,
};

/// What the broker offers and allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Channels open at a time, at most; 0 counts as 65,535.
    pub channels_max: u16,
    /// Octets of a frame, at most, its eight octets of head and end included. Below 4,096 it
    /// counts as 4,096, which the specification asks of everybody.
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

/// What became of a frame.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the hot one; a box would cost it an allocation"
)]
enum Step<D> {
    /// It is dealt with.
    Done,
    /// It is dealt with, and this is what it means.
    Event(Event<D>),
    /// It waits for an answer of the broker, untouched.
    Hold,
}

/// The state machine. `D` is the broker's name for a delivery.
#[derive(Debug)]
pub struct Session<D> {
    inbound: Inbound,
    connection: Connection<D>,
    // Whether the last look at the input ended with a frame that waits for an answer.
    holding: bool,
}

impl<D: Copy + Eq + std::fmt::Debug> Session<D> {
    /// A session for a peer that has just connected.
    pub fn new(offer: Offer, now_ms: u64) -> Self {
        Self {
            inbound: Inbound::default(),
            connection: Connection::new(offer, now_ms),
            holding: false,
        }
    }

    /// Takes octets from the peer. Any octet is a sign of life.
    pub fn receive(&mut self, octets: &[u8], now_ms: u64) {
        self.connection.heard(now_ms);
        if !self.connection.is_deaf() {
            self.inbound.push(octets);
        }
    }

    /// What happens next in what has been received. `None`: it needs more octets, or an answer
    /// ([`Self::is_holding`]), or is finished.
    pub fn next_event(&mut self) -> Option<Event<D>> {
        self.holding = false;
        loop {
            if let Some(event) = self.connection.take_event() {
                return Some(event);
            }
            let step = if self.connection.is_deaf() {
                self.inbound.discard();
                return None;
            } else if self.connection.awaits_protocol_header() {
                let header = self.inbound.protocol_header()?;
                self.inbound.advance(header.len());
                self.connection.protocol_header(header);
                Step::Done
            } else {
                match self.inbound.frame(self.connection.frame_bytes_max()) {
                    Ok(None) => return None,
                    Ok(Some(frame)) => {
                        let step = self.connection.frame(&frame);
                        let size = if matches!(step, Step::Hold) {
                            0
                        } else {
                            frame.size()
                        };
                        self.inbound.advance(size);
                        step
                    }
                    Err(misbehaved) => {
                        self.connection.garbled(misbehaved);
                        Step::Done
                    }
                }
            };
            match step {
                Step::Done => {}
                Step::Event(event) => return Some(event),
                Step::Hold => {
                    self.holding = true;
                    return None;
                }
            }
        }
    }

    /// Whether what has been received waits for an answer of the broker: reading on would only
    /// fill the buffer.
    pub fn is_holding(&self) -> bool {
        self.holding
    }

    /// What is to be written. The shell takes it out.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.connection.out.octets
    }

    /// Gives back the memory of buffers that are empty: for a connection that falls silent.
    pub fn shed(&mut self) {
        self.inbound.shed();
        self.connection.out.shed();
    }

    /// Time passes: sends a heartbeat that is due, ends what took too long.
    pub fn tick(&mut self, now_ms: u64) {
        self.connection.tick(now_ms);
    }

    /// When `tick` is due next, in the milliseconds of `now_ms`; in the past where it is due at
    /// once.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.connection.next_deadline_ms()
    }

    /// The shell stops reading, or reads again: silence that we cause ourselves is not held
    /// against the peer.
    pub fn set_paused(&mut self, paused: bool, now_ms: u64) {
        self.connection.set_paused(paused, now_ms);
    }

    /// Whether nothing more comes in or goes out. The shell flushes the output, shuts down the
    /// writing side, drains the socket for a while, and drops it; in this order, or the peer loses
    /// what it was told last.
    pub fn is_finished(&self) -> bool {
        self.connection.is_finished()
    }

    /// How it ended; `None` while it has not.
    pub fn end(&self) -> Option<End> {
        self.connection.end()
    }
}
