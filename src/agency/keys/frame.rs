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

/// A frame that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload frame is damaged, another exchange's, or written by a newer release")]
pub struct BadFrame;

/// Seals `body` (properties kept, spans, facts and body) as the frame of `exchange`.
pub fn seal_frame(exchange: ExchangeId, class: RetentionClass, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len());
    // The broker's limits are far below; a cut length would be a frame that never opens.
    assert!(length.is_ok(), "a payload of {} bytes", body.len());
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.extend_from_slice(&additional_data(
        exchange,
        class,
        length.unwrap_or_default(),
    ));
    frame.extend_from_slice(body);
    frame
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
/// [`BadFrame`] where it is damaged or not that exchange's.
pub fn open_frame(exchange: ExchangeId, frame: &[u8]) -> Result<&[u8], BadFrame> {
    let class = frame_class(frame).ok_or(BadFrame)?;
    let (header, body) = frame.split_first_chunk::<HEADER_BYTES>().ok_or(BadFrame)?;
    let length = u32::try_from(body.len()).map_err(|_| BadFrame)?;
    // The header is what sealing this body would write, or something in it is wrong.
    let is_right = *header == additional_data(exchange, class, length);
    if is_right { Ok(body) } else { Err(BadFrame) }
}

/// The class that a frame names, readable without its key; `None` where it is cut off.
pub fn frame_class(frame: &[u8]) -> Option<RetentionClass> {
    let [_, _, high, low] = frame.first_chunk::<4>()?;
    Some(RetentionClass(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: ExchangeId = ExchangeId([0xee; 16]);

    #[test]
    fn a_frame_has_the_documented_bytes_and_opens_for_its_exchange() {
        let class = RetentionClass::of(Duration::from_hours(24 * 1095));
        let frame = seal_frame(EXCHANGE, class, b"body");
        let mut expected = vec![1, 0, 0x04, 0x47, 0, 0, 0, 0, 0, 0, 0, 0];
        expected.extend([0xee; 16]);
        expected.extend([0, 0, 0, 4]);
        expected.extend(b"body");
        assert_eq!(frame, expected);
        assert_eq!(open_frame(EXCHANGE, &frame), Ok(&b"body"[..]));
        assert_eq!(open_frame(ExchangeId([0; 16]), &frame), Err(BadFrame));
        assert_eq!(frame_class(&frame), Some(class));
    }

    #[test]
    fn a_frame_that_is_cut_or_longer_or_has_another_header_does_not_open() {
        let frame = seal_frame(EXCHANGE, RetentionClass::PRIVATE, b"body");
        for cut in 0..frame.len() {
            assert_eq!(open_frame(EXCHANGE, &frame[..cut]), Err(BadFrame));
        }
        assert_eq!(
            open_frame(EXCHANGE, &[&frame[..], b"x"].concat()),
            Err(BadFrame)
        );
        // The class is sealed with the body; while nothing is sealed it stands for itself.
        for at in (0..HEADER_BYTES).filter(|at| ![2, 3].contains(at)) {
            let mut changed = frame.clone();
            changed[at] ^= 2;
            assert_eq!(open_frame(EXCHANGE, &changed), Err(BadFrame), "byte {at}");
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
