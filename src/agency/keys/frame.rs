//! Payload frames: the sealed content of an exchange as the journal keeps it.
//!
//! The layout is final; what seals is one byte of it. Algorithm 0 keeps the body as it is.
//!
//! ```text
//!  0  1   2     4        12            28        32
//! ┌───┬───┬─────┬────────┬─────────────┬─────────┬──────────────┬──────────────────────┐
//! │ 1 │alg│class│ key id │ exchange id │ length  │ key material │ body                 │
//! └───┴───┴─────┴────────┴─────────────┴─────────┴──────────────┴──────────────────────┘
//! └─────────── additional data ────────────────┘
//! alg 0  identity      key id 0     no key material                          body
//! alg 1  AES-256-GCM   data key's   segment 8, nonce 12, wrapped 32, tag 16  body, tag 16
//! ```
//! Numbers are big-endian; `length` counts the body in clear, in bytes. The key id names the data
//! key and stays; the segment whose key wraps it is key material and outside of the additional
//! data, so that a frame is wrapped again without sealing its body again.

use std::time::Duration;

use crate::message::id::ExchangeId;

const VERSION: u8 = 1;
const IDENTITY: u8 = 0;
const HEADER_BYTES: usize = 32;

/// How long a payload is kept, in days: payloads of one class are destroyed by one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionClass(u16);

impl RetentionClass {
    /// What an agency publishes to queues of its own: freed when settled everywhere.
    pub const PRIVATE: Self = Self(0);

    /// The class of a duration: its days, rounded up, from 1 to 65,535.
    pub fn of(kept: Duration) -> Self {
        let days = kept.as_secs().div_ceil(86_400).max(1);
        Self(u16::try_from(days).unwrap_or(u16::MAX))
    }

    /// The days.
    pub const fn days(self) -> u16 {
        self.0
    }
}

/// Why a frame does not open. All of them mean damage, or a newer Carnet's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The body is longer than a frame can be.
    #[error("a body of {0} bytes is longer than a frame can hold")]
    TooLong(usize),
    /// The frame ends too early or too late.
    #[error("the frame has {0} bytes, which is not what its header says")]
    Length(usize),
    /// The version is another.
    #[error("the frame has version {0}, which this release cannot read")]
    Version(u8),
    /// The algorithm is another.
    #[error("the frame is sealed by algorithm {0}, which this release cannot open")]
    Algorithm(u8),
    /// It is the frame of another exchange.
    #[error("the frame is another exchange's")]
    OtherExchange,
}

/// An opened frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'f> {
    /// How long it is kept.
    pub class: RetentionClass,
    /// Properties, spans, facts and body, as they were sealed.
    pub body: &'f [u8],
}

/// Seals `body` as the frame of `exchange`.
///
/// # Errors
/// [`FrameFault::TooLong`] from 4 GiB upwards; the broker's limits are far below.
pub fn seal_frame(
    exchange: ExchangeId,
    class: RetentionClass,
    body: &[u8],
) -> Result<Vec<u8>, FrameFault> {
    let too_long = |_| FrameFault::TooLong(body.len());
    let length = u32::try_from(body.len()).map_err(too_long)?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.extend_from_slice(&additional_data(exchange, class, length));
    frame.extend_from_slice(body);
    Ok(frame)
}

/// What is sealed with the body and readable without its key: the whole header.
fn additional_data(exchange: ExchangeId, class: RetentionClass, length: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (class, length) = (class.0.to_be_bytes(), length.to_be_bytes());
    let key_id = [0; 8];
    let fields = [VERSION, IDENTITY]
        .into_iter()
        .chain(class)
        .chain(key_id)
        .chain(exchange.0)
        .chain(length);
    header
        .iter_mut()
        .zip(fields)
        .for_each(|(to, from)| *to = from);
    header
}

/// Opens the frame of `exchange`.
///
/// # Errors
/// [`FrameFault`] where it is damaged or not that exchange's.
pub fn open_frame(frame: &[u8], exchange: ExchangeId) -> Result<Frame<'_>, FrameFault> {
    let damaged = FrameFault::Length(frame.len());
    let (header, body) = frame.split_first_chunk::<HEADER_BYTES>().ok_or(damaged)?;
    let [version, algorithm, class @ .., _, _, _, _] = header;
    match (*version, *algorithm) {
        (VERSION, IDENTITY) => {}
        (VERSION, other) => return Err(FrameFault::Algorithm(other)),
        (other, _) => return Err(FrameFault::Version(other)),
    }
    let [high, low, ..] = class;
    let class = RetentionClass(u16::from_be_bytes([*high, *low]));
    let length = u32::try_from(body.len()).map_err(|_| damaged)?;
    // The header is what sealing this body would write, or something in it is wrong.
    if *header == additional_data(exchange, class, length) {
        return Ok(Frame { class, body });
    }
    let [.., a, b, c, d] = header;
    let is_whole = u32::from_be_bytes([*a, *b, *c, *d]) == length;
    Err(if is_whole {
        FrameFault::OtherExchange
    } else {
        damaged
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: ExchangeId = ExchangeId([0xee; 16]);

    #[test]
    fn a_frame_has_the_documented_bytes_and_opens_for_its_exchange() {
        let class = RetentionClass::of(Duration::from_hours(24 * 1095));
        let frame = seal_frame(EXCHANGE, class, b"body").unwrap();
        let mut expected = vec![1, 0, 0x04, 0x47, 0, 0, 0, 0, 0, 0, 0, 0];
        expected.extend([0xee; 16]);
        expected.extend([0, 0, 0, 4]);
        expected.extend(b"body");
        assert_eq!(frame, expected);
        assert_eq!(
            open_frame(&frame, EXCHANGE).unwrap(),
            Frame {
                class,
                body: b"body"
            }
        );
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_or_anothers_does_not_open() {
        let frame = seal_frame(EXCHANGE, RetentionClass::PRIVATE, b"body").unwrap();
        let open = |frame: &[u8]| open_frame(frame, EXCHANGE).unwrap_err();
        for cut in 0..frame.len() {
            assert_eq!(open(&frame[..cut]), FrameFault::Length(cut));
        }
        assert_eq!(open(&[&frame[..], b"x"].concat()), FrameFault::Length(37));
        for (at, fault) in [
            (0, FrameFault::Version(3)),
            (1, FrameFault::Algorithm(2)),
            (4, FrameFault::OtherExchange),
            (12, FrameFault::OtherExchange),
            (31, FrameFault::Length(36)),
        ] {
            let mut changed = frame.clone();
            changed[at] ^= 2;
            assert_eq!(open(&changed), fault, "byte {at}");
        }
    }

    #[test]
    fn a_class_counts_whole_days_upwards() {
        for (hours, days) in [
            (0, 1),
            (24, 1),
            (25, 2),
            (24 * 1095, 1095),
            (24 * 70_000, 65_535),
        ] {
            assert_eq!(RetentionClass::of(Duration::from_hours(hours)).days(), days);
        }
    }
}
