//! What a witness asks of a checkpoint before it cosigns it (<https://c2sp.org/tlog-witness>).

use super::checkpoint::Checkpoint;
use super::key::VerifierKey;
use super::note::{NOTE_BYTES_MAX, Note};
use super::signature::Signed;
use super::tree::{Head, is_consistent};
use super::{HASHES_MAX, Malformed, decimal, hashes};
use crate::message::id::Digest;

/// Octets of a request, at most.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (HASHES_MAX + 1) * 64;

/// A log's wish to have a checkpoint cosigned: `add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    old: u64,
    proof: Vec<Digest>,
    /// The checkpoint, as its log signed it.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The request is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The log is not one that this witness looks after.
    #[error("no log of this origin is looked after here")]
    UnknownLog,
    /// The log did not sign it.
    #[error("no key of the log signed the checkpoint")]
    Unsigned,
    /// The log has shown a tree of another size last.
    #[error("the checkpoint that was cosigned last has {0} entries")]
    Moved(u64),
    /// It does not continue what was cosigned last.
    #[error("the checkpoint is not shown to continue the one that was cosigned last")]
    Inconsistent,
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// What is none.
    pub fn read(body: &str) -> Result<Self, Malformed> {
        let parts = body.split_once("\n\n");
        let (head, note) = parts.ok_or_else(|| {
            Malformed::new(
                "a request is `old N`, the lines of a proof, an empty line and a checkpoint",
            )
        })?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.ok_or_else(|| Malformed::new("the first line of a request is `old N`"))?;
        let old = decimal("the old size", old)?;
        let proof = hashes("a proof", lines)?;
        let note = Note::read(note)?;
        let checkpoint = Checkpoint::read(&note.text)?;
        Ok(Self {
            old,
            proof,
            note,
            checkpoint,
        })
    }

    /// Whether it continues what was cosigned last of its log, whose keys are among `logs`.
    ///
    /// # Errors
    /// Why it is not to be cosigned.
    pub fn continues(&self, last: Option<Head>, logs: &[VerifierKey]) -> Result<(), Declined> {
        let new = self.checkpoint.head;
        let keys = logs
            .iter()
            .filter(|key| key.name() == self.checkpoint.origin);
        let mut signed = keys.map(|key| self.note.signed_by(key)).peekable();
        if signed.peek().is_none() {
            return Err(Declined::UnknownLog);
        }
        let signed: Vec<Signed> = signed.collect();
        let is_signed = signed.iter().any(|it| matches!(it, Signed::By(_)));
        if !is_signed || signed.contains(&Signed::Forged) {
            return Err(Declined::Unsigned);
        }
        if self.old > new.size {
            let says = "the old size is more than the checkpoint's";
            return Err(Malformed::new(says).into());
        }
        let last = last.unwrap_or_else(Head::empty);
        if self.old != last.size {
            return Err(Declined::Moved(last.size));
        }
        let is_empty = new.size == 0 && new != Head::empty();
        if is_empty || !is_consistent(last, new, &self.proof) {
            return Err(Declined::Inconsistent);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use data_encoding::BASE64;
    use sha2::Sha256;

    use super::*;
    use crate::evidence::key::{Kind, Signer};
    use crate::message::time::Timestamp;

    const ORIGIN: &str = "log.example/carnet";

    fn signer(seed: u8) -> Signer {
        Signer::new(ORIGIN, Kind::Note, &[seed; 32]).unwrap()
    }

    /// Trees of another implementation, as a log shows them.
    struct Log {
        tree: MemoryBackedTree<Sha256, Vec<u8>>,
        signer: Signer,
    }

    impl Log {
        fn of(size: u8) -> Self {
            let mut tree = MemoryBackedTree::new();
            (0..size).for_each(|n| tree.push(vec![n]));
            let signer = signer(1);
            Self { tree, signer }
        }

        fn head(&self) -> Head {
            let root = Digest(self.tree.root().as_bytes().as_slice().try_into().unwrap());
            let size = self.tree.len();
            Head { size, root }
        }

        /// Asks to have its tree cosigned by one who saw `old` entries.
        fn asks(&self, old: u64) -> String {
            let more = usize::try_from(self.tree.len() - old).unwrap();
            let proof = match old {
                0 => Vec::new(),
                _ => self.tree.prove_consistency(more).as_bytes().to_vec(),
            };
            let lines = proof.chunks(32).map(|hash| BASE64.encode(hash) + "\n");
            let (origin, head) = (ORIGIN.to_owned(), self.head());
            let text = Checkpoint { origin, head }.to_string();
            let signatures = vec![self.signer.sign(&text, Timestamp::from_millis(0))];
            let note = Note { text, signatures };
            format!("old {old}\n{}\n{note}", lines.collect::<String>())
        }
    }

    fn answer(body: &str, last: Option<Head>) -> Result<(), Declined> {
        let request = Request::read(body)?;
        request.continues(last, &[signer(1).verifier().clone()])
    }

    #[test]
    fn a_checkpoint_that_continues_the_last_is_cosigned() {
        assert_eq!(answer(&Log::of(5).asks(0), None), Ok(()));
        for old in 1..20 {
            for new in old..20 {
                let last = Log::of(old).head();
                let asked = Log::of(new).asks(old.into());
                assert_eq!(answer(&asked, Some(last)), Ok(()), "{old} to {new}");
            }
        }
    }

    #[test]
    fn what_does_not_continue_the_last_is_declined_by_why() {
        let last = Some(Log::of(8).head());
        let (five, twelve) = (Log::of(5).head(), Log::of(12));
        // It says to go on from another size than was seen: smaller, larger, or none.
        assert_eq!(answer(&twelve.asks(5), last), Err(Declined::Moved(8)));
        assert_eq!(answer(&twelve.asks(9), last), Err(Declined::Moved(8)));
        assert_eq!(answer(&twelve.asks(0), last), Err(Declined::Moved(8)));
        assert_eq!(answer(&twelve.asks(3), None), Err(Declined::Moved(0)));
        // A smaller tree, or one of the same size with other entries.
        assert_eq!(answer(&Log::of(5).asks(5), last), Err(Declined::Moved(8)));
        let other = Head {
            size: 8,
            root: five.root,
        };
        assert_eq!(
            answer(&Log::of(8).asks(8), Some(other)),
            Err(Declined::Inconsistent)
        );
        assert_eq!(
            answer(&twelve.asks(8), Some(other)),
            Err(Declined::Inconsistent)
        );
        let cut = twelve.asks(8);
        let line = cut.lines().nth(1).unwrap();
        let cut = cut.replacen(&format!("{line}\n"), "", 1);
        assert_eq!(answer(&cut, last), Err(Declined::Inconsistent));
        let first = twelve
            .asks(0)
            .replacen("old 0\n", &format!("old 0\n{line}\n"), 1);
        assert_eq!(answer(&first, None), Err(Declined::Inconsistent));
    }

    #[test]
    fn who_did_not_sign_is_not_looked_after() {
        let log = Log {
            signer: signer(2),
            ..Log::of(5)
        };
        assert_eq!(answer(&log.asks(0), None), Err(Declined::Unsigned));
        let asked = Log::of(5).asks(0);
        let forged = asked.replace("\n5\n", "\n6\n");
        assert_eq!(answer(&forged, None), Err(Declined::Unsigned));
        let other = asked.replacen(ORIGIN, "log.example/other", 1);
        assert_eq!(answer(&other, None), Err(Declined::UnknownLog));
    }

    #[test]
    fn what_is_no_request_is_told() {
        let asked = Log::of(5).asks(0);
        let many = format!(
            "old 0\n{}",
            format!("{}\n", BASE64.encode(&[0; 32])).repeat(64)
        );
        for (from, to, says) in [
            ("old 0", "new 0", "the first line of a request"),
            ("old 0", "old 00", "the old size is a decimal"),
            (
                "old 0",
                "old 6",
                "the old size is more than the checkpoint's",
            ),
            ("old 0\n", "old 0\nAAAA\n", "a line of a proof is 32 octets"),
            ("old 0\n", &many, "a proof has 63 lines"),
            ("\n5\n", "\n+5\n", "the size of a checkpoint is a decimal"),
        ] {
            let found = answer(&asked.replacen(from, to, 1), None);
            let Err(Declined::Malformed(found)) = found else {
                panic!("{to}: {found:?}");
            };
            assert!(found.to_string().starts_with(says), "{to}: {found}");
        }
    }
}
