//! Signed notes: a text, and lines that sign it (<https://c2sp.org/signed-note>).

use std::fmt;

use super::Malformed;
use super::key::VerifierKey;
use super::signature::{Signature, Signed};

/// Octets of a note, at most: more than sixteen signatures of any kind take.
pub const NOTE_BYTES_MAX: usize = 128 << 10;

/// A text and the signatures below it; none of them is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with its last newline.
    pub text: String,
    /// The signatures, as they stand.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// What is no signed note.
    pub fn read(note: &str) -> Result<Self, Malformed> {
        if note.len() > NOTE_BYTES_MAX {
            let says = format!("a note has {NOTE_BYTES_MAX} octets at most");
            return Err(Malformed::new(says));
        }
        if note.chars().any(|it| it < ' ' && it != '\n') {
            return Err(Malformed::new("a note has no control characters"));
        }
        let parts = note.rsplit_once("\n\n");
        let (text, lines) = parts.ok_or_else(|| {
            Malformed::new("a note is a text, an empty line and lines that sign it")
        })?;
        let lines = lines.strip_suffix('\n').filter(|lines| !lines.is_empty());
        let lines = lines.ok_or_else(|| Malformed::new("the last line of a note is not whole"))?;
        Ok(Self {
            text: format!("{text}\n"),
            signatures: lines
                .split('\n')
                .map(str::parse)
                .collect::<Result<_, _>>()?,
        })
    }

    /// With the lines alone that name one of these keys.
    #[must_use]
    pub fn signed_by_these(mut self, keys: &[VerifierKey]) -> Self {
        self.signatures
            .retain(|line| keys.iter().any(|key| key.is_named(line)));
        self
    }

    /// Whether this key signed it.
    pub fn signed_by(&self, key: &VerifierKey) -> Signed {
        let mut found = Signed::Not;
        for line in self.signatures.iter().filter(|line| key.is_named(line)) {
            found = key.verify(&self.text, &line.octets);
            if found == Signed::Forged {
                break;
            }
        }
        found
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::key::{Kind, Signer};
    use crate::message::time::Timestamp;

    /// The example of the documentation of Go's `golang.org/x/mod/sumdb/note`.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

    #[test]
    fn a_note_of_another_implementation_is_read_verified_and_written_again() {
        let (note, key): (Note, VerifierKey) = (Note::read(NOTE).unwrap(), KEY.parse().unwrap());
        assert_eq!(note.signed_by(&key), Signed::By(None));
        assert_eq!(
            (note.to_string(), key.to_string()),
            (NOTE.to_owned(), KEY.to_owned())
        );
        let altered = Note::read(&NOTE.replace("answer", "question")).unwrap();
        assert_eq!(altered.signed_by(&key), Signed::Forged);
    }

    #[test]
    fn a_line_is_of_a_key_by_name_and_number_alone() {
        let text = "a text\n\nwith an empty line\n";
        let at = Timestamp::from_millis(1_700_000_000_999);
        let signer = |name, kind, seed| Signer::new(name, kind, &[seed; 32]).unwrap();
        let own = signer("own.example", Kind::Note, 1);
        let others = [
            signer("own.example", Kind::Note, 2),
            signer("own.example", Kind::Cosignature, 1),
            signer("other.example", Kind::Note, 1),
        ];
        let signatures = others.iter().map(|it| it.sign(text, at)).collect();
        let text = text.to_owned();
        let mut note = Note { text, signatures };
        assert_eq!(note.signed_by(own.verifier()), Signed::Not);
        assert_eq!(
            note.signed_by(others[1].verifier()),
            Signed::By(Some(1_700_000_000))
        );
        note.signatures.push(own.sign(&note.text, at));
        assert_eq!(Note::read(&note.to_string()), Ok(note.clone()));
        assert_eq!(note.signed_by(own.verifier()), Signed::By(None));
        // A cosignature holds at its own time alone.
        note.signatures[1].octets[7] ^= 1;
        assert_eq!(note.signed_by(others[1].verifier()), Signed::Forged);
        note.signatures[1].octets.truncate(7);
        assert_eq!(note.signed_by(others[1].verifier()), Signed::Forged);
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_no_others() {
        let seed = [9; 32];
        let signer = Signer::new("own.example/log", Kind::Cosignature, &seed).unwrap();
        let again: Signer = signer.private(&seed).parse().unwrap();
        assert_eq!(again.verifier(), signer.verifier());
        for name in ["", "a b", "a+b", "a\u{a0}b"] {
            assert!(Signer::new(name, Kind::Note, &seed).is_none(), "{name}");
        }
        let public = signer.verifier().to_string();
        for wrong in [
            public.replace("own", "other"),
            public.replace('+', " "),
            format!("{public}="),
            KEY.replace("c74f20a3", "C74F20A3"),
        ] {
            assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let line = "\u{2014} a AAAAAAA=\n";
        for wrong in [
            String::new(),
            "text\n".to_owned(),
            "text\n\n".to_owned(),
            format!("text\n{line}"),
            format!("text\n\n{line}more"),
            format!("te\txt\n\n{line}"),
            "text\n\n- a AAAAAAA=\n".to_owned(),
            "text\n\n\u{2014} a AAA=\n".to_owned(),
            "text\n\n\u{2014}  AAAAAAA=\n".to_owned(),
            format!("{}\n\n{line}", "t".repeat(NOTE_BYTES_MAX)),
        ] {
            assert!(Note::read(&wrong).is_err(), "{wrong:.40}");
        }
        assert!(Note::read(&format!("text\n\n{line}")).is_ok());
    }
}
