//! The borrowing reader of what `form` writes.

/// Octets that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what was written, at octet {at}")]
pub struct Malformed {
    /// Where reading stopped, counted from the first octet.
    pub at: usize,
}

/// What is left of octets that are being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Take<'a> {
    /// Octets before `rest`, from the first of the whole.
    at: usize,
    rest: &'a [u8],
}

impl<'a> Take<'a> {
    /// All of `octets`.
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        let at = 0;
        Self { at, rest: octets }
    }

    /// The error of this place.
    pub(crate) fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    /// Holds that nothing is left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        self.rest
            .is_empty()
            .then_some(())
            .ok_or_else(|| self.malformed())
    }

    fn go_on(&mut self, rest: &'a [u8]) {
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
    }

    /// What is left, which ends the reading.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The reader of a part that stands here behind its length in 32 bits.
    pub(crate) fn part(&mut self) -> Result<Self, Malformed> {
        let rest = self.long()?;
        let at = self.at - rest.len();
        Ok(Self { at, rest })
    }

    /// The next `N` octets.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.malformed())?;
        self.go_on(rest);
        Ok(*array)
    }

    /// The next octet.
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let [octet] = self.array()?;
        Ok(octet)
    }

    /// The next `count` octets.
    pub(crate) fn octets(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (octets, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.malformed())?;
        self.go_on(rest);
        Ok(octets)
    }

    /// Octets behind their length in 32 bits.
    pub(crate) fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let before = self.malformed();
        let length = u32::from_le_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| before)?;
        self.octets(length)
    }

    /// A text behind its length in 32 bits.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let before = self.malformed();
        std::str::from_utf8(self.long()?).map_err(|_| before)
    }

    /// A text of at most 255 octets behind its length in 8 bits.
    pub(crate) fn short(&mut self) -> Result<&'a str, Malformed> {
        let before = self.malformed();
        let length = self.u8()?;
        std::str::from_utf8(self.octets(length.into())?).map_err(|_| before)
    }

    /// The count of a list whose items have `least` octets each: no more than there is room for in
    /// what is left, so that what is allocated for them follows from what was read.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let before = self.malformed();
        let count = u32::from_le_bytes(self.array()?);
        let count = usize::try_from(count).map_err(|_| before)?;
        let octets = count.checked_mul(least.max(1)).ok_or(before)?;
        (octets <= self.rest.len()).then_some(count).ok_or(before)
    }
}
