//! The socket of one connection: what is written to it, what is read from it, how it is closed.
//!
//! It never waits for a write before it reads. The buffer that is read into is the worker's, so that
//! a silent connection keeps none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::broker::limits::{LINGER, OUTPUT_BYTES, UNREAD_GOODBYE};
use crate::server::clock::millis;

/// A socket and how far it got. Times are milliseconds of the process's monotonic clock.
pub(super) struct Socket<S> {
    stream: S,
    /// Octets at the front of the output that are written.
    written: usize,
    /// Since when the peer has read nothing of what is to be written.
    unread_since_ms: Option<u64>,
    peer_has_closed: bool,
    /// Until when the peer may take what it was told last and close, once the connection is over.
    lingers_until_ms: Option<u64>,
    /// Whether our side is shut down.
    is_shut: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            written: 0,
            unread_since_ms: None,
            peer_has_closed: false,
            lingers_until_ms: None,
            is_shut: false,
        }
    }

    /// Octets of `output` that are not written yet.
    pub(super) fn waiting(&self, output: &[u8]) -> usize {
        output.len().saturating_sub(self.written)
    }

    /// Writes of `output` what the peer takes, and takes out of it what is written: all of it at once,
    /// or [`OUTPUT_BYTES`] and more where the peer lags and never takes all. True where something was
    /// written.
    pub(super) fn write(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut Vec<u8>,
        now_ms: u64,
    ) -> io::Result<bool> {
        let mut moved = false;
        while let Some(rest) = output.get(self.written..).filter(|rest| !rest.is_empty()) {
            let Poll::Ready(count) = Pin::new(&mut self.stream).poll_write(cx, rest) else {
                break;
            };
            self.written += count?;
            moved = true;
        }
        if self.waiting(output) == 0 || self.written >= OUTPUT_BYTES {
            output.drain(..self.written);
            self.written = 0;
        }
        if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) {
            flushed?;
        }
        if moved || output.is_empty() {
            self.unread_since_ms = None;
        } else if self.unread_since_ms.is_none() {
            self.unread_since_ms = Some(now_ms);
        }
        Ok(moved)
    }

    /// Reads into `buffer`: what came, which is empty where the peer has closed; nothing where
    /// nothing comes now.
    pub(super) fn read<'b>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &'b mut [u8],
    ) -> io::Result<Option<&'b [u8]>> {
        let mut into = ReadBuf::new(buffer);
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut into) else {
            return Ok(None);
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => other?,
        }
        let count = into.filled().len();
        self.peer_has_closed |= count == 0;
        Ok(buffer.get(..count))
    }

    /// Whether the peer has closed its side, or the whole.
    pub(super) fn peer_has_closed(&self) -> bool {
        self.peer_has_closed
    }

    /// When a peer that reads nothing is given up, its goodbye included.
    pub(super) fn given_up_ms(&self) -> Option<u64> {
        self.unread_since_ms
            .map(|since| since.saturating_add(millis(UNREAD_GOODBYE)))
    }

    /// How long the peer may still take to read what it was told last and to close, from the first
    /// time that this is asked.
    pub(super) fn lingers_for(&mut self, now_ms: u64) -> Duration {
        let until = now_ms.saturating_add(millis(LINGER));
        let until = *self.lingers_until_ms.get_or_insert(until);
        Duration::from_millis(until.saturating_sub(now_ms))
    }

    /// Tells the peer that we are done, if it can be told at once.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>) {
        drop(Pin::new(&mut self.stream).poll_shutdown(cx));
    }

    /// Shuts the writing side down once all of `output` is written, and reads over what still comes: a
    /// socket closed with unread input is reset, and the peer would lose what it was told last. One
    /// that `closes_first` ends the socket itself: some clients take an end of ours, when it comes
    /// first, for a loss of the connection. True once that is done; false where more may come at once.
    pub(super) fn part(
        &mut self,
        cx: &mut Context<'_>,
        output: &[u8],
        closes_first: bool,
        buffer: &mut [u8],
    ) -> Poll<io::Result<bool>> {
        if !self.is_shut && !closes_first {
            // The turn has written what the peer takes; from here it is woken to write the rest.
            if self.waiting(output) > 0 && !self.peer_has_closed {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        if self.peer_has_closed {
            return Poll::Ready(Ok(true));
        }
        let mut into = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into));
        Poll::Ready(Ok(read.is_err() || into.filled().is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::duplex;

    use super::*;

    #[test]
    fn a_peer_that_reads_and_never_catches_up_costs_no_more_memory_than_one_that_reads_nothing() {
        let (ours, mut peer) = duplex(64 << 10);
        let mut socket = Socket::new(ours);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut output, mut sent, mut came) = (Vec::new(), 0_u8, Vec::new());
        let mut buffer = vec![0; 48 << 10];
        for _ in 0..300 {
            while socket.waiting(&output) < OUTPUT_BYTES {
                output.extend((0..4_096).map(|_| {
                    sent = sent.wrapping_add(1);
                    sent
                }));
            }
            assert!(socket.write(&mut cx, &mut output, 0).unwrap());
            assert!(output.len() <= 2 * OUTPUT_BYTES + 4_096, "{}", output.len());
            let mut into = ReadBuf::new(&mut buffer);
            assert!(Pin::new(&mut peer).poll_read(&mut cx, &mut into).is_ready());
            came.extend_from_slice(into.filled());
        }
        assert!(came.len() > 10 * OUTPUT_BYTES);
        let in_order = came
            .windows(2)
            .all(|pair| pair[0].wrapping_add(1) == pair[1]);
        assert!(in_order);
    }
}
