//! A cursor over octets that came from a peer.
//!
//! Never reads past its end, never allocates: strings and octets are borrowed.

use crate::amqp::reply::{Misbehaved, ReplyCode};

/// Why octets could not be read as what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field ends behind the end of what it is part of.
    #[error("a field is cut short")]
    Truncated,
    /// Something follows the last field.
    #[error("octets are left over after the last field")]
    LeftOver,
    /// A short string that is not UTF-8.
    #[error("a short string is not UTF-8")]
    NotUtf8,
    /// A field table with a value of a type that AMQP 0-9-1 does not have.
    #[error("a field table holds a value of unknown type {0:#04x}")]
    UnknownType(u8),
    /// Tables or arrays nested too deep.
    #[error("a field table is nested deeper than {0} levels")]
    TooDeep(u8),
    /// A table or array above the size limit.
    #[error("a field table takes {octets} octets, the limit is {limit}")]
    TableTooLarge {
        /// What the table says it takes.
        octets: u32,
        /// The limit that it exceeds.
        limit: u32,
    },
    /// Property flags that no property has.
    #[error("property flags without a meaning are set: {0:#06x}")]
    UnknownFlags(u16),
}

impl From<Malformed> for Misbehaved {
    fn from(malformed: Malformed) -> Self {
        let code = match malformed {
            Malformed::Truncated | Malformed::LeftOver | Malformed::NotUtf8 => {
                ReplyCode::FrameError
            }
            Malformed::UnknownType(_)
            | Malformed::TooDeep(_)
            | Malformed::TableTooLarge { .. }
            | Malformed::UnknownFlags(_) => ReplyCode::SyntaxError,
        };
        Self::new(code, malformed)
    }
}

/// The cursor.
#[derive(Debug)]
pub(in crate::amqp) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::amqp) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(in crate::amqp) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    pub(in crate::amqp) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading: nothing may be left.
    pub(in crate::amqp) fn finish(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::LeftOver)
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(in crate::amqp) fn octet(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(in crate::amqp) fn short(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(in crate::amqp) fn long(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(in crate::amqp) fn long_long(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(in crate::amqp) fn short_string(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.octet()?);
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed::NotUtf8)
    }

    pub(in crate::amqp) fn long_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.long()?;
        self.take(usize::try_from(length).map_err(|_| Malformed::Truncated)?)
    }

    /// Bit arguments in a row, which share one octet, lowest bit first.
    pub(in crate::amqp) fn bits<const N: usize>(&mut self) -> Result<[bool; N], Malformed> {
        const { assert!(N <= 8, "AMQP 0-9-1 has no more than five bits in a row") };
        let octet = self.octet()?;
        let mut mask = 1_u8;
        Ok([(); N].map(|()| {
            let bit = octet & mask != 0;
            mask = mask.wrapping_shl(1);
            bit
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_longer_than_what_is_there_is_cut_short_not_read() {
        assert_eq!(
            Reader::new(b"\x05abc").short_string(),
            Err(Malformed::Truncated)
        );
        assert_eq!(
            Reader::new(b"\xff\xff\xff\xffabc").long_string(),
            Err(Malformed::Truncated)
        );
    }

    #[test]
    fn bits_start_at_the_lowest() {
        assert_eq!(
            Reader::new(&[0b0000_0101]).bits::<3>(),
            Ok([true, false, true])
        );
    }

    #[test]
    fn octets_behind_the_last_field_are_noticed() {
        let mut reader = Reader::new(&[0, 1, 2]);
        assert_eq!(reader.short(), Ok(1));
        assert_eq!(reader.finish(), Err(Malformed::LeftOver));
    }
}
