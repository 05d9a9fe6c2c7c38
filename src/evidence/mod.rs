//! Proof that a log only grows, in formats that other software reads: Merkle trees of RFC 6962 and the notes,
//! checkpoints, cosignatures, proofs and trust policies of C2SP (<https://c2sp.org>). Read [`proof`] first.
//!
//! A *checkpoint* is what a log signs: its origin, its size and the root over so many entries. A *witness*
//! cosigns checkpoints that continue those that it cosigned before, so that a log cannot show two
//! histories. A *proof* is one entry's path to the root of a checkpoint; a *trust policy* says whose
//! signatures count.
//!
//! Never here: disk, sockets, the clock, what an entry means.

pub mod checkpoint;
pub mod disclosure;
pub mod key;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod signature;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod witness;

use crate::message::id::Digest;

/// Hashes of a proof, at most: a tree has no more levels.
const HASHES_MAX: usize = 63;

/// Text that is not of its format: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    pub(crate) fn new(says: impl Into<String>) -> Self {
        Self(says.into())
    }
}

/// A decimal number without sign and leading zeroes.
fn decimal(what: &str, text: &str) -> Result<u64, Malformed> {
    let number = text.parse().ok();
    let is_plain = |number: &u64| number.to_string() == text;
    number
        .filter(is_plain)
        .ok_or_else(|| Malformed::new(format!("{what} is a decimal number without leading zeroes")))
}

/// A SHA-256 digest in base64.
fn hash(what: &str, text: &str) -> Result<Digest, Malformed> {
    let octets = data_encoding::BASE64.decode(text.as_bytes()).ok();
    let octets = octets.and_then(|octets| octets.try_into().ok());
    octets
        .map(Digest)
        .ok_or_else(|| Malformed::new(format!("{what} is 32 octets in base64")))
}

/// The hashes of a proof, a line each.
fn hashes<'t>(what: &str, lines: impl Iterator<Item = &'t str>) -> Result<Vec<Digest>, Malformed> {
    let of = format!("a line of {what}");
    let hashes: Vec<Digest> = lines
        .map(|line| hash(&of, line))
        .collect::<Result<_, _>>()?;
    if hashes.len() > HASHES_MAX {
        let says = format!("{what} has {HASHES_MAX} lines at most");
        return Err(Malformed::new(says));
    }
    Ok(hashes)
}
