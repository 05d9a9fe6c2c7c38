//! Proofs that an entry is in a log, checked offline (<https://c2sp.org/tlog-proof>).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use super::note::Note;
use super::tree::root_of;
use super::trust::{Distrust, Trust, Trusted};
use super::{Malformed, decimal, hashes};
use crate::message::id::Digest;

/// What the first line of a proof says.
const FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// An entry's path to the root of a checkpoint, and that checkpoint with who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Where the entry is in the log, from 0 on.
    pub index: u64,
    path: Vec<Digest>,
    note: Note,
}

/// Why an entry is not proved to be in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// The checkpoint does not count.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The entry is not at this place of the tree.
    #[error(
        "the path does not lead from the entry at {index} to the root of the checkpoint of {size} entries"
    )]
    NotThere {
        /// Where it should be.
        index: u64,
        /// Entries of the checkpoint's tree.
        size: u64,
    },
}

/// Reads a `.tlog-proof`. Its `extra` data, which no signature covers, are passed over. Errors are what is no
/// proof.
impl FromStr for Proof {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let says = |says: &str| Malformed::new(says);
        let parts = text.split_once("\n\n");
        let (head, note) =
            parts.ok_or_else(|| says("a proof is its lines, an empty line and the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FORMAT) {
            return Err(Malformed::new(format!(
                "the first line of a proof is {FORMAT}"
            )));
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.ok_or_else(|| says("a proof has a line `index N`"))?;
        let index = decimal("the index of a proof", index)?;
        let path = hashes("a path", lines)?;
        let note = Note::read(note)?;
        Ok(Self { index, path, note })
    }
}

/// As a `.tlog-proof`.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, path, note } = self;
        writeln!(f, "{FORMAT}\nindex {index}")?;
        let mut path = path.iter();
        path.try_for_each(|hash| writeln!(f, "{}", BASE64.encode(&hash.0)))?;
        write!(f, "\n{note}")
    }
}

impl Proof {
    /// An entry's path to the root of a signed checkpoint.
    pub const fn new(index: u64, path: Vec<Digest>, note: Note) -> Self {
        Self { index, path, note }
    }

    /// The checkpoint that vouches for an entry with this hash.
    ///
    /// # Errors
    /// Why none does.
    pub fn proves(&self, leaf: Digest, trust: &Trust) -> Result<Trusted, Unproved> {
        let trusted = trust.trusted(&self.note)?;
        let (index, head) = (self.index, trusted.checkpoint.head);
        let root = root_of(leaf, index, head.size, &self.path);
        if root != Some(head.root) {
            let size = head.size;
            return Err(Unproved::NotThere { index, size });
        }
        Ok(trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::checkpoint::Checkpoint;
    use crate::evidence::key::{Kind, Signer};
    use crate::evidence::tree::{Head, leaf_hash};
    use crate::message::time::Timestamp;

    /// A log of two entries, and the proof of the second.
    fn proof() -> (String, Trust) {
        let log = Signer::new("log.example", Kind::Note, &[1; 32]).unwrap();
        let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
        let root = root_of(second, 1, 2, &[first]).unwrap();
        let head = Head { size: 2, root };
        let origin = "log.example".to_owned();
        let text = Checkpoint { origin, head }.to_string();
        let signatures = vec![log.sign(&text, Timestamp::from_millis(0))];
        let note = Note { text, signatures };
        let path = BASE64.encode(&first.0);
        let trust = format!("log {}\nquorum none\n", log.verifier())
            .parse()
            .unwrap();
        (format!("{FORMAT}\nindex 1\n{path}\n\n{note}"), trust)
    }

    #[test]
    fn a_proof_is_written_as_it_was_read() {
        let (text, _) = proof();
        assert_eq!(text.parse::<Proof>().unwrap().to_string(), text);
    }

    #[test]
    fn an_entry_is_proved_at_its_place_and_nothing_else_is() {
        let (text, trust) = proof();
        let proved = |text: &str, entry: &[u8]| {
            let proof = text.parse::<Proof>().unwrap();
            proof.proves(leaf_hash(entry), &trust)
        };
        let trusted = proved(&text, b"second").unwrap();
        assert_eq!(trusted.checkpoint.head.size, 2);
        assert!(proved(&text.replace("index 1", "extra AAAA\nindex 1"), b"second").is_ok());
        for (text, entry) in [
            (text.clone(), &b"first"[..]),
            (text.replace("index 1", "index 0"), b"second"),
            (text.replace("index 1", "index 2"), b"second"),
        ] {
            let found = proved(&text, entry);
            assert!(matches!(found, Err(Unproved::NotThere { .. })), "{found:?}");
        }
        let found = proved(&text.replace("\n2\n", "\n3\n"), b"second");
        assert!(matches!(
            found,
            Err(Unproved::Distrust(Distrust::Forged(_)))
        ));
    }

    #[test]
    fn what_is_no_proof_is_refused_with_why() {
        let (text, _) = proof();
        for (from, to, says) in [
            ("@v1", "@v2", "the first line of a proof"),
            ("index 1", "place 1", "a proof has a line `index N`"),
            ("index 1", "index 01", "the index of a proof is a decimal"),
            (
                "index 1\n",
                "index 1\nAAAA\n",
                "a line of a path is 32 octets",
            ),
            ("\u{2014} ", "- ", "a line that signs"),
        ] {
            let found = text
                .replacen(from, to, 1)
                .parse::<Proof>()
                .unwrap_err()
                .to_string();
            assert!(found.starts_with(says), "{to}: {found}");
        }
        let found = FORMAT.parse::<Proof>().unwrap_err().to_string();
        assert!(
            found.starts_with("a proof is its lines, an empty line"),
            "{found}"
        );
    }
}
