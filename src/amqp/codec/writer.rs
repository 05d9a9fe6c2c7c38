//! Appends AMQP's fields to a buffer.
//!
//! Owns nothing but the borrow of the buffer; never fails, because what it writes has been
//! bounded by who made it.

/// The longest short string, in octets.
const SHORT_STRING_MAX: usize = 255;

/// Appends fields.
#[derive(Debug)]
pub(in crate::amqp) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// A place where a length belongs that is not known yet.
#[derive(Clone, Copy, Debug)]
pub(in crate::amqp) struct LengthPlace(usize);

impl<'a> Writer<'a> {
    pub(in crate::amqp) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    pub(in crate::amqp) fn octets(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    pub(in crate::amqp) fn octet(&mut self, octet: u8) {
        self.out.push(octet);
    }

    pub(in crate::amqp) fn short(&mut self, number: u16) {
        self.octets(&number.to_be_bytes());
    }

    pub(in crate::amqp) fn long(&mut self, number: u32) {
        self.octets(&number.to_be_bytes());
    }

    pub(in crate::amqp) fn long_long(&mut self, number: u64) {
        self.octets(&number.to_be_bytes());
    }

    /// One bit argument, alone in its octet.
    pub(in crate::amqp) fn bit(&mut self, bit: bool) {
        self.octet(u8::from(bit));
    }

    /// Names and keys reached us as short strings, so the cut here only keeps a longer one from
    /// garbling the frame.
    pub(in crate::amqp) fn short_string(&mut self, text: &str) {
        debug_assert!(
            text.len() <= SHORT_STRING_MAX,
            "a short string holds 255 octets"
        );
        self.short_string_of(&[text]);
    }

    /// A short string of several parts, cut at a character where they are longer than it may be.
    pub(in crate::amqp) fn short_string_of(&mut self, parts: &[&str]) {
        let place = self.out.len();
        self.octet(0);
        let mut room = SHORT_STRING_MAX;
        for part in parts {
            let fitting = part.floor_char_boundary(room);
            self.octets(part.as_bytes().get(..fitting).unwrap_or_default());
            // After a cut nothing follows.
            room = if fitting < part.len() {
                0
            } else {
                room.saturating_sub(fitting)
            };
        }
        let written = self.out.len().saturating_sub(place).saturating_sub(1);
        if let Some(length) = self.out.get_mut(place) {
            *length = u8::try_from(written).unwrap_or(u8::MAX);
        }
    }

    pub(in crate::amqp) fn long_string(&mut self, octets: &[u8]) {
        self.long(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.octets(octets);
    }

    /// Leaves four octets for the length of what follows.
    pub(in crate::amqp) fn reserve_length(&mut self) -> LengthPlace {
        let place = LengthPlace(self.out.len());
        self.long(0);
        place
    }

    /// Writes the length of what followed `place`, and returns it.
    pub(in crate::amqp) fn fill_length(&mut self, place: LengthPlace) -> usize {
        let LengthPlace(at) = place;
        let Some((length, written)) = self
            .out
            .get_mut(at..)
            .and_then(<[u8]>::split_first_chunk_mut::<4>)
        else {
            return 0;
        };
        *length = u32::try_from(written.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        written.len()
    }
}
