//! Cursors of looks into the log: a place in what one officer sees, by its times alone.
//!
//! ```text
//! direction u8 | of which look, 8 | time in milliseconds, i64 | items of that time that were told, u32
//! ```
//! in base64url. It says nothing of the log that the officer has not been told: what he may not know of
//! moves no item of his to another time. One that is made up is a time that he may ask for anyway.

use data_encoding::BASE64URL_NOPAD;

use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// Items of one time that may have been told, at most: more than a log has in a millisecond.
const TOLD_MAX: u32 = 1 << 20;
/// Octets of a cursor.
const OCTETS: usize = 21;

/// The way that a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Back from the newest.
    Back,
    /// On to what came since.
    On,
}

/// A place between two items of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) way: Way,
    /// The time of the item before it.
    pub(super) at: Timestamp,
    /// How many items of that time are before it.
    pub(super) told: u32,
}

/// Which look a cursor is of: whose, by which grant, for what.
#[derive(Clone, Copy)]
pub(super) struct Mark([u8; 8]);

impl Mark {
    /// The mark of the look that these words name.
    pub(super) fn of(words: &str) -> Self {
        let digest = Digest::of(words.as_bytes());
        let mut mark = [0; 8];
        mark.iter_mut()
            .zip(&digest.0)
            .for_each(|(octet, of)| *octet = *of);
        Self(mark)
    }
}

impl Cursor {
    pub(super) fn written(self, mark: Mark) -> String {
        let mut octets = Vec::with_capacity(OCTETS);
        octets.push(match self.way {
            Way::Back => 0,
            Way::On => 1,
        });
        octets.extend_from_slice(&mark.0);
        octets.extend_from_slice(&self.at.as_millis().to_be_bytes());
        octets.extend_from_slice(&self.told.to_be_bytes());
        BASE64URL_NOPAD.encode(&octets)
    }

    /// None where it was not given by the look of this mark.
    pub(super) fn read(text: &str, mark: Mark) -> Option<Self> {
        let octets = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (way, rest) = octets.split_first()?;
        let (of, rest) = rest.split_first_chunk::<8>()?;
        let (at, told) = rest.split_first_chunk::<8>()?;
        let way = match way {
            0 => Way::Back,
            1 => Way::On,
            _ => return None,
        };
        let told = u32::from_be_bytes(told.try_into().ok()?);
        (*of == mark.0 && told <= TOLD_MAX).then_some(())?;
        let at = Timestamp::from_millis(i64::from_be_bytes(*at));
        Some(Self { way, at, told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_by_its_own_look_alone() {
        let at = Timestamp::from_millis(1_794_000_000_123);
        for way in [Way::Back, Way::On] {
            let cursor = Cursor { way, at, told: 3 };
            let text = cursor.written(Mark::of("post"));
            assert_eq!(Cursor::read(&text, Mark::of("post")), Some(cursor));
            assert_eq!(Cursor::read(&text, Mark::of("customs")), None);
        }
    }

    #[test]
    fn what_is_made_up_is_none() {
        let mark = Mark::of("post");
        let whole = Cursor {
            way: Way::Back,
            at: Timestamp::default(),
            told: TOLD_MAX + 1,
        };
        for text in ["", "A", "%", "AAAA", &whole.written(mark)] {
            assert_eq!(Cursor::read(text, mark), None, "{text}");
        }
    }
}
