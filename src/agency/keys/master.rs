//! The master key and the file it is kept in.
//!
//! ```text
//! carnet master key 1
//! 8f0c…                                  64 hexadecimal digits
//! check 1f2e3d4c                         CRC-32C of the two lines above, line ends included
//! ```
//! The check finds a digit that was copied wrong from paper; it protects against nothing else.

use std::fmt;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::derive::{KeyCheck, check};

const HEADER: &str = "carnet master key 1";

/// The key that opens the key ring, from which all others come. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why a text is no master key. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMasterKey {
    /// The first line is another.
    #[error("the file does not begin with \"{HEADER}\": name the master key's file")]
    Header,
    /// The second line is not 64 hexadecimal digits, or lines are missing or too many.
    #[error("the file is not whole: it has three lines, the second of 64 hexadecimal digits")]
    Digits,
    /// The check differs.
    #[error("the check differs: a digit was copied wrong")]
    Check,
}

impl MasterKey {
    /// A new one from 32 random bytes of the operating system.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the text of a key file; blanks at line ends do not count.
    ///
    /// # Errors
    /// [`BadMasterKey`] where it is none.
    pub fn parse(text: &str) -> Result<Self, BadMasterKey> {
        let mut lines = text.trim_end().lines().map(str::trim_end);
        if lines.next() != Some(HEADER) {
            return Err(BadMasterKey::Header);
        }
        let (Some(digits), Some(check), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(BadMasterKey::Digits);
        };
        let bytes = HEXLOWER.decode(digits.as_bytes()).map(Zeroizing::new);
        let bytes = bytes
            .ok()
            .and_then(|b| <[u8; 32]>::try_from(b.as_slice()).ok());
        let key = Self::new(bytes.ok_or(BadMasterKey::Digits)?);
        if key.check() == check {
            Ok(key)
        } else {
            Err(BadMasterKey::Check)
        }
    }

    /// The text of its file, which only the operator of the broker may read (0400).
    pub fn to_file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}\n", *self.body(), self.check()))
    }

    fn body(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{HEADER}\n{}\n",
            HEXLOWER.encode(self.0.as_slice())
        ))
    }

    fn check(&self) -> String {
        format!("check {:08x}", crc32c::crc32c(self.body().as_bytes()))
    }

    /// What tells this key from another, and nothing about it.
    pub fn key_check(&self) -> KeyCheck {
        check(self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Shows no key.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_file() {
        let key = MasterKey::new(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        let text = key.to_file();
        assert_eq!(
            *text,
            "carnet master key 1\n\
             000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\
             check a688d388\n"
        );
        assert_eq!(MasterKey::parse(&text), Ok(key.clone()));
        assert_eq!(
            MasterKey::parse(&text.replace('\n', " \r\n"))
                .unwrap()
                .bytes(),
            key.bytes()
        );
    }

    #[test]
    fn a_key_check_is_the_keys_own_and_no_other_key_derived_from_it() {
        let check = MasterKey::new([9; 32]).key_check();
        assert_eq!(check, MasterKey::new([9; 32]).key_check());
        assert_ne!(check, MasterKey::new([8; 32]).key_check());
        let (first, second) = check.0.split_at(8);
        assert_ne!(first, second);
        assert_ne!(check.0, [9; 16]);
    }

    #[test]
    fn a_wrong_digit_and_a_broken_file_are_found() {
        let text = MasterKey::new([9; 32]).to_file();
        for (broken, why) in [
            (text.replace("carnet", "other"), BadMasterKey::Header),
            (String::new(), BadMasterKey::Header),
            (text.replacen("09", "08", 1), BadMasterKey::Check),
            (text.replacen("0909", "", 1), BadMasterKey::Digits),
            (text.replacen("09", "0g", 1), BadMasterKey::Digits),
            (text.replace("check", "0"), BadMasterKey::Check),
            (format!("{}more\n", *text), BadMasterKey::Digits),
            (HEADER.to_owned(), BadMasterKey::Digits),
        ] {
            assert_eq!(MasterKey::parse(&broken).unwrap_err(), why);
        }
    }
}
