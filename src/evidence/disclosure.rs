//! Disclosures: parts of a record, opened, with the proof that a log has the record.
//!
//! ```text
//! {"format":"carnet-disclosure/1","kind":3,"schema":9,
//!  "parts":[{"what":"common","octets":…,"salt":…,"place":5,"siblings":[…]},…],
//!  "proof":"c2sp.org/tlog-proof@v1\nindex …"}
//! ```
//! Octets, salts and siblings are in base64. It is checked offline: each part leads to the one leaf, by
//! what [`leaf`](super::leaf) says, and the proof leads from that leaf to a signed checkpoint. Parts that it does not
//! open stay closed.

use std::str::FromStr;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::leaf::{Leaf, Opened, Part, What};
use super::proof::{Proof, Unproved};
use super::tree::leaf_hash;
use super::trust::{Trust, Trusted};
use super::{HASHES_MAX, Malformed, hash};

/// What the format says.
const FORMAT: &str = "carnet-disclosure/1";

/// Parts of a record, opened, with the proof that a log has the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    format: String,
    kind: u8,
    schema: u16,
    parts: Vec<Disclosed>,
    proof: String,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disclosed {
    what: What,
    octets: String,
    salt: String,
    place: u64,
    siblings: Vec<String>,
}

/// A part that a log is proved to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// What it is.
    pub what: What,
    /// The kind of its record.
    pub kind: u8,
    /// The schema of its record.
    pub schema: u16,
    /// What the record has in it.
    pub octets: Vec<u8>,
}

/// Why a disclosure shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undisclosed {
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A part is of another leaf than the first.
    #[error("the parts are not of one record")]
    NotOne,
    /// No log is proved to have the record.
    #[error(transparent)]
    Unproved(#[from] Unproved),
}

impl Disclosure {
    /// What these parts of one record are shown by, with the proof of its leaf.
    pub fn of(parts: &[(Part<'_>, Opened)], proof: &Proof) -> Option<Self> {
        let (first, _) = parts.first()?;
        let disclosed = parts.iter().map(|(part, opened)| Disclosed {
            what: part.what,
            octets: BASE64.encode(part.octets),
            salt: BASE64.encode(&opened.salt),
            place: opened.place,
            siblings: opened
                .siblings
                .iter()
                .map(|it| BASE64.encode(&it.0))
                .collect(),
        });
        Some(Self {
            format: FORMAT.to_owned(),
            kind: first.kind,
            schema: first.schema,
            parts: disclosed.collect(),
            proof: proof.to_string(),
        })
    }

    /// The parts, and what vouches for their record, where they are of one that a log of the policy has; with the
    /// record's place in the log.
    ///
    /// # Errors
    /// Why none has it.
    pub fn proved(&self, trust: &Trust) -> Result<(Vec<Proved>, u64, Trusted), Undisclosed> {
        let (mut leaf, mut all) = (None, Vec::new());
        for part in &self.parts {
            let (proved, of) = self.opened(part)?;
            if leaf.is_some_and(|leaf| leaf != of) {
                return Err(Undisclosed::NotOne);
            }
            leaf = Some(of);
            all.push(proved);
        }
        let leaf = leaf.ok_or_else(|| Malformed::new("a disclosure opens a part at least"))?;
        let proof: Proof = self.proof.parse()?;
        let trusted = proof.proves(leaf_hash(&leaf.0), trust)?;
        Ok((all, proof.index, trusted))
    }

    /// A part, and the leaf that it leads to.
    fn opened(&self, part: &Disclosed) -> Result<(Proved, Leaf), Malformed> {
        let decoded = |what: &str, text: &str| {
            let octets = BASE64.decode(text.as_bytes());
            octets.map_err(|_| Malformed::new(format!("{what} of a part is base64")))
        };
        let octets = decoded("the content", &part.octets)?;
        let salt = decoded("the salt", &part.salt)?;
        let salt = salt
            .try_into()
            .map_err(|_| Malformed::new("the salt of a part has 16 octets"))?;
        if part.siblings.len() > HASHES_MAX {
            let says = format!("a part has {HASHES_MAX} siblings at most");
            return Err(Malformed::new(says));
        }
        let siblings = part.siblings.iter();
        let siblings = siblings.map(|text| hash("a sibling", text));
        let opened = Opened {
            salt,
            place: part.place,
            siblings: siblings.collect::<Result<_, _>>()?,
        };
        let (kind, schema) = (self.kind, self.schema);
        let read = Part {
            what: part.what,
            kind,
            schema,
            octets: &octets,
        };
        let leaf = opened.leaf(&read);
        let leaf = leaf.ok_or_else(|| Malformed::new("the siblings of a part lead to no root"))?;
        let proved = Proved {
            what: part.what,
            kind,
            schema,
            octets,
        };
        Ok((proved, leaf))
    }
}

/// Errors are what is no disclosure.
impl FromStr for Disclosure {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let read: Self = serde_json::from_str(text)
            .map_err(|error| Malformed::new(format!("is no disclosure: {error}")))?;
        if read.format != FORMAT {
            return Err(Malformed::new(format!("the format is not {FORMAT}")));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::checkpoint::Checkpoint;
    use crate::evidence::key::{Kind, Signer};
    use crate::evidence::leaf::{LeafSecret, Parts};
    use crate::evidence::note::Note;
    use crate::evidence::tree::Head;
    use crate::message::time::Timestamp;

    fn part(what: What, octets: &[u8]) -> Part<'_> {
        Part {
            what,
            kind: 3,
            schema: 9,
            octets,
        }
    }

    /// A log of one record with three parts, of which two are opened.
    fn disclosed() -> (Disclosure, Trust) {
        let all = [
            part(What::Common, b"common"),
            part(What::Sender, b"sent"),
            part(What::Recipient, b"given"),
        ];
        let parts = || {
            let mut parts = Parts::new(&LeafSecret::new([4; 32]));
            for part in &all {
                parts.add(part);
            }
            parts
        };
        let log = Signer::new("log.example", Kind::Note, &[1; 32]).unwrap();
        let root = leaf_hash(&parts().leaf(3).0);
        let head = Head { size: 1, root };
        let origin = "log.example".to_owned();
        let text = Checkpoint { origin, head }.to_string();
        let signatures = vec![log.sign(&text, Timestamp::from_millis(0))];
        let proof = Proof::new(0, Vec::new(), Note { text, signatures });
        let trust = format!("log {}\nquorum none\n", log.verifier());
        let open = |number: usize| (all[number], parts().close(3, number).1.unwrap());
        let disclosure = Disclosure::of(&[open(0), open(2)], &proof).unwrap();
        (disclosure, trust.parse().unwrap())
    }

    #[test]
    fn opened_parts_are_proved_as_text_too_and_the_closed_one_is_not_in_it() {
        let (disclosure, trust) = disclosed();
        let text = serde_json::to_string(&disclosure).unwrap();
        let read: Disclosure = text.parse().unwrap();
        assert_eq!(read, disclosure);
        let (parts, index, trusted) = read.proved(&trust).unwrap();
        let said: Vec<&[u8]> = parts.iter().map(|part| part.octets.as_slice()).collect();
        assert_eq!(said, [&b"common"[..], b"given"]);
        assert_eq!((index, trusted.checkpoint.head.size), (0, 1));
        assert!(!text.contains(&BASE64.encode(b"sent")));
    }

    #[test]
    fn whatever_is_altered_in_it_it_shows_nothing_more() {
        let (disclosure, trust) = disclosed();
        let other = BASE64.encode(b"another");
        let changes: [&dyn Fn(&mut Disclosure); 7] = [
            &|it| it.kind = 4,
            &|it| it.schema = 8,
            &|it| it.parts[0].octets.clone_from(&other),
            &|it| it.parts[1].what = What::Sender,
            &|it| it.parts[1].place ^= 1,
            &|it| it.parts[1].salt = BASE64.encode(&[0; 16]),
            &|it| it.parts.clear(),
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            let mut altered = disclosure.clone();
            change(&mut altered);
            assert!(altered.proved(&trust).is_err(), "{nth}");
        }
        assert!("{}".parse::<Disclosure>().is_err());
    }
}
