//! Short values sealed into text: AES-256-SIV, deterministic, so that equal values give equal text
//! under one key and nothing can be told from the text under another.
//!
//! ```text
//! <prefix> <epoch: 2 letters> <base32( SIV: 16 bytes ‖ ciphertext )>
//! plain text: parts, each with its length (2 bytes, big-endian) before it; zeros up to 16 bytes
//! ```
//! The zeros keep a text's length from telling the lengths of its parts. Prefix and epoch are
//! additional data. Base32 is RFC 4648's, capitals, without `=`: it survives systems that know
//! only capitals and digits.

use aes_siv::KeyInit;
use aes_siv::aead::array::Array;
use aes_siv::siv::Aes256Siv;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

const BLOCK_BYTES: usize = 16;

/// How often keys were rotated: 0 for the first, at most 1023.
///
/// Tokens and ids carry it, so that those of an earlier epoch still open after a rotation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u16);

impl Epoch {
    /// The first.
    pub const FIRST: Self = Self(0);

    /// `None` beyond 1023.
    pub const fn new(number: u16) -> Option<Self> {
        if number < 1024 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A key that seals.
pub(super) struct SealingKey(pub(super) Zeroizing<[u8; 64]>);

impl SealingKey {
    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new(&Array(*self.0))
    }

    /// Seals parts; `None` where one has more than 65,535 bytes.
    pub(super) fn seal(&self, prefix: &str, epoch: Epoch, parts: &[&[u8]]) -> Option<String> {
        let mut plain = Zeroizing::new(Vec::new());
        for part in parts {
            plain.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            plain.extend_from_slice(part);
        }
        let padded = plain.len().next_multiple_of(BLOCK_BYTES);
        plain.resize(padded, 0);
        let mut text = format!("{prefix}{}", epoch_text(epoch));
        let sealed = self.cipher().encrypt([text.as_bytes()], &plain).ok()?;
        text.push_str(&BASE32_NOPAD.encode(&sealed));
        Some(text)
    }

    /// The `N` parts of a text that this key sealed.
    pub(super) fn open<const N: usize>(&self, sealed: &Sealed<'_>) -> Option<[Vec<u8>; N]> {
        let header = [sealed.header.as_bytes()];
        let plain = self
            .cipher()
            .decrypt(header, &sealed.bytes)
            .ok()
            .map(Zeroizing::new)?;
        let mut rest = plain.as_slice();
        let mut parts = Vec::with_capacity(N);
        for _ in 0..N {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (part, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
            parts.push(part.to_vec());
            rest = behind;
        }
        let is_padding = rest.len() < BLOCK_BYTES && rest.iter().all(|byte| *byte == 0);
        if is_padding {
            parts.try_into().ok()
        } else {
            None
        }
    }
}

/// A sealed text taken apart, not opened.
pub(super) struct Sealed<'t> {
    header: &'t str,
    pub(super) epoch: Epoch,
    bytes: Vec<u8>,
}

impl<'t> Sealed<'t> {
    /// `None` where the text is not of this kind at all.
    pub(super) fn parse(prefix: &str, text: &'t str) -> Option<Self> {
        let (header, sealed) = text.split_at_checked(prefix.len() + 2)?;
        let epoch = read_epoch(header.strip_prefix(prefix)?)?;
        let bytes = BASE32_NOPAD.decode(sealed.as_bytes()).ok()?;
        Some(Self {
            header,
            epoch,
            bytes,
        })
    }
}

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn epoch_text(epoch: Epoch) -> String {
    let digits = [epoch.0 / 32, epoch.0 % 32].map(usize::from);
    digits
        .iter()
        .filter_map(|digit| LETTERS.get(*digit))
        .map(|b| char::from(*b))
        .collect()
}

fn read_epoch(text: &str) -> Option<Epoch> {
    let mut number = 0;
    for byte in text.bytes() {
        let digit = LETTERS.iter().position(|letter| *letter == byte)?;
        number = number * 32 + u16::try_from(digit).ok()?;
    }
    Epoch::new(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_two_letters_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..1024 {
            let epoch = Epoch::new(number).unwrap();
            let text = epoch_text(epoch);
            assert_eq!(text.len(), 2);
            assert_eq!(read_epoch(&text), Some(epoch));
            assert!(seen.insert(text));
        }
    }
}
