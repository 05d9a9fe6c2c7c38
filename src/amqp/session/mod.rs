//! One connection, as a pure state machine.
//!
//! The shell feeds it ([`Session::receive`], [`Session::tick`]), asks what happened
//! ([`Session::next_event`], the function to read first) and drains what is to be written
//! ([`Session::output`]). The broker answers through the methods of `delivering`.
//!
//! A channel owns all of its own: what was asked on it and is not answered, its consumers, what is
//! out to them, its publishes that have no outcome. The shell keeps none of it.
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
mod load;
mod offer;
mod outbox;
mod outgoing;
mod owed;
mod requests;
mod running;
#[cfg(test)]
mod tests;
mod tuned;

use super::frame::Inbound;
use connection::Connection;
use event::Step;
pub use event::{
    Answer, ConsumerNumber, End, Event, Gone, Leftover, Message, Outcome, Place, Publish,
    PublishTag, Request, Sending, Sent, Settlement, Ticket,
};
pub use offer::Offer;

/// The state machine. `D` is the broker's name for a delivery.
#[derive(Debug)]
pub struct Session<D> {
    inbound: Inbound,
    connection: Connection<D>,
    // Whether all that has come was looked at, and the next frame is not whole.
    wants_octets: bool,
}

impl<D: Copy + Eq + std::fmt::Debug> Session<D> {
    /// A session for a peer that has just connected.
    pub fn new(offer: Offer, now_ms: u64) -> Self {
        Self {
            inbound: Inbound::default(),
            connection: Connection::new(offer, now_ms),
            wants_octets: true,
        }
    }

    /// Takes octets from the peer. Any octet is a sign of life.
    pub fn receive(&mut self, octets: &[u8], now_ms: u64) {
        self.connection.heard(now_ms);
        if !self.connection.is_deaf() {
            self.inbound.push(octets);
        }
    }

    /// What happens next in what has been received. `None`: it needs more octets
    /// ([`Self::wants_octets`]), or an answer, or is finished.
    pub fn next_event(&mut self) -> Option<Event<D>> {
        self.wants_octets = false;
        loop {
            if let Some(event) = self.connection.take_event() {
                return Some(event);
            }
            let step = if self.connection.is_deaf() {
                self.inbound.discard();
                self.wants_octets = true;
                return None;
            } else if self.connection.awaits_protocol_header() {
                let Some(header) = self.inbound.protocol_header() else {
                    self.wants_octets = true;
                    return None;
                };
                self.inbound.advance(header.len());
                self.connection.protocol_header(header)
            } else {
                match self.inbound.frame(self.connection.frame_bytes_max()) {
                    Ok(None) => {
                        self.wants_octets = true;
                        self.connection.frame_arrives(self.inbound.arriving());
                        return None;
                    }
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
                Step::Hold => return None,
            }
        }
    }

    /// Whether nothing can happen before more octets come. While whole frames wait to be looked at, or
    /// for an answer of the broker, reading on would only fill the buffer.
    pub fn wants_octets(&self) -> bool {
        self.wants_octets
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

    /// Whether the peer has said goodbye and waits for the answer.
    pub fn is_peer_closing(&self) -> bool {
        self.connection.is_peer_closing()
    }

    /// How it ended; `None` while it has not.
    pub fn end(&self) -> Option<End> {
        self.connection.end()
    }
}
