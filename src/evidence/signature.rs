//! Signatures of notes: a line each (<https://c2sp.org/signed-note>).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use super::Malformed;

/// What a line of a signature begins with.
const DASH: &str = "\u{2014} ";

/// A line that signs a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of its key.
    pub name: String,
    /// The number of its key: the first octets of a digest, so that equal ones happen.
    pub key: u32,
    /// The octets of the signature.
    pub octets: Vec<u8>,
}

/// What a key has to do with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It signed it; a cosignature has its time, in seconds since 1970.
    By(Option<u64>),
    /// No line is of this key.
    Not,
    /// A line that says to be of this key is not: the whole note is to be refused.
    Forged,
}

impl FromStr for Signature {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let parts = line.strip_prefix(DASH).and_then(|it| it.split_once(' '));
        let read = parts.and_then(|(name, signature)| {
            let octets = BASE64.decode(signature.as_bytes()).ok()?;
            let (key, octets) = octets.split_first_chunk()?;
            is_name(name).then(|| Self {
                name: name.to_owned(),
                key: u32::from_be_bytes(*key),
                octets: octets.to_vec(),
            })
        });
        read.ok_or_else(|| {
            let says = "a line that signs is a dash (U+2014), a key's name and octets in base64, with blanks between";
            Malformed::new(says)
        })
    }
}

/// With its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&self.key.to_be_bytes(), &self.octets[..]].concat();
        writeln!(f, "{DASH}{} {}", self.name, BASE64.encode(&octets))
    }
}

/// Whether a key may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let is_none = |it: char| it.is_whitespace() || it == '+';
    !name.is_empty() && !name.contains(is_none)
}
