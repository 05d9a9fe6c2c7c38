//! Trust policies: whose signatures make a checkpoint count (<https://c2sp.org/tlog-policy>).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::Malformed;
use super::checkpoint::Checkpoint;
use super::key::{Kind, VerifierKey};
use super::note::Note;
use super::signature::Signed;

/// Logs that are known, witnesses, and which of these must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<VerifierKey>,
    /// Witnesses and groups, by the names that they have in the policy.
    members: BTreeMap<String, Member>,
    quorum: Quorum,
}

/// Who must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Quorum {
    Nobody,
    /// The witness or group of this name.
    Of(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Witness(VerifierKey),
    /// At least so many of these.
    Group(usize, Vec<String>),
}

/// Why a checkpoint does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its log is not known, or did not sign it.
    #[error("no log of the policy with the origin {0} signed the checkpoint")]
    Unsigned(String),
    /// A signature is not of the key that it names.
    #[error("a signature that names {0} is not of its key")]
    Forged(String),
    /// Too few witnesses of the quorum have cosigned it.
    #[error("the quorum {quorum} is not met; cosigned: {}", in_words(cosigned))]
    NoQuorum {
        /// The quorum's name.
        quorum: String,
        /// The names of the witnesses that have.
        cosigned: Vec<String>,
    },
}

fn in_words(names: &[String]) -> String {
    match names {
        [] => "by nobody".to_owned(),
        names => names.join(", "),
    }
}

/// A checkpoint that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The policy's witnesses that cosigned it, by the names that they have there, with the time in seconds
    /// since 1970.
    pub cosigned: BTreeMap<String, u64>,
}

/// Errors are what is no policy, with its line.
impl FromStr for Trust {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut read = Reader::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.trim_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            read.line(line)
                .map_err(|says| Malformed::new(format!("line {number}: {says}")))?;
        }
        let quorum = read.quorum.ok_or_else(|| {
            Malformed::new("a policy has a line `quorum`: a witness, a group, or `none`")
        })?;
        Ok(Self {
            logs: read.logs,
            members: read.members,
            quorum,
        })
    }
}

impl Trust {
    /// The logs.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The checkpoint of a note, where its log signed it and the quorum cosigned it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn trusted(&self, note: &Note) -> Result<Trusted, Distrust> {
        let checkpoint = Checkpoint::read(&note.text)?;
        let mut is_signed = false;
        for log in self.logs.iter().filter(|it| it.name() == checkpoint.origin) {
            is_signed |= signed(note, log)?.is_some();
        }
        if !is_signed {
            return Err(Distrust::Unsigned(checkpoint.origin));
        }
        let mut cosigned = BTreeMap::new();
        for (name, member) in &self.members {
            if let Member::Witness(key) = member
                && let Some(time) = signed(note, key)?
            {
                cosigned.insert(name.clone(), time);
            }
        }
        match &self.quorum {
            Quorum::Of(quorum) if !self.is_met(quorum, &cosigned) => Err(Distrust::NoQuorum {
                quorum: quorum.clone(),
                cosigned: cosigned.into_keys().collect(),
            }),
            _ => Ok(Trusted {
                checkpoint,
                cosigned,
            }),
        }
    }

    fn is_met(&self, name: &str, cosigned: &BTreeMap<String, u64>) -> bool {
        match self.members.get(name) {
            Some(Member::Witness(_)) => cosigned.contains_key(name),
            Some(Member::Group(least, members)) => {
                let met = members.iter().filter(|name| self.is_met(name, cosigned));
                met.count() >= *least
            }
            None => false,
        }
    }
}

/// When this key cosigned a note, in seconds since 1970; 0 of a key that signs without a time.
fn signed(note: &Note, key: &VerifierKey) -> Result<Option<u64>, Distrust> {
    match note.signed_by(key) {
        Signed::By(time) => Ok(Some(time.unwrap_or_default())),
        Signed::Not => Ok(None),
        Signed::Forged => Err(Distrust::Forged(key.name().to_owned())),
    }
}

/// What was read of a policy so far.
#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    members: BTreeMap<String, Member>,
    /// Members of groups: each is of one at most.
    grouped: BTreeSet<String>,
    quorum: Option<Quorum>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let words = line.split([' ', '\t']).filter(|it| !it.is_empty());
        let words: Vec<&str> = words.collect();
        match words[..] {
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, least, ref members @ ..] if !members.is_empty() => {
                self.group(name, least, members)
            }
            ["quorum", name] => self.quorum(name),
            _ => {
                let says = "is none of `log KEY [URL]`, `witness NAME KEY [URL]`, \
                    `group NAME all|any|N MEMBER...`, `quorum NAME|none`";
                Err(says.to_owned())
            }
        }
    }

    fn log(&mut self, key: &str) -> Result<(), String> {
        let key = read_key(key)?;
        if self.logs.iter().any(|it| it.public() == key.public()) {
            return Err("the key of this log stands above already".to_owned());
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), String> {
        let key = read_key(key)?;
        if key.kind() != Kind::Cosignature {
            return Err("the key of a witness is one of cosignatures (4)".to_owned());
        }
        let is_its = |it: &Member| matches!(it, Member::Witness(it) if it.public() == key.public());
        if self.members.values().any(is_its) {
            return Err("the key of this witness stands above already".to_owned());
        }
        self.name(name, Member::Witness(key))
    }

    fn group(&mut self, name: &str, least: &str, members: &[&str]) -> Result<(), String> {
        let least = match least {
            "all" => Some(members.len()),
            "any" => Some(1),
            number => number.parse().ok(),
        };
        let least = least.filter(|least| (1..=members.len()).contains(least));
        let least = least.ok_or("a group has `all`, `any`, or from 1 to as many as its members")?;
        for member in members {
            self.known(member)?;
            if !self.grouped.insert((*member).to_owned()) {
                return Err(format!("{member} is of one group at most, once"));
            }
        }
        let members = members.iter().map(|it| (*it).to_owned()).collect();
        self.name(name, Member::Group(least, members))
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a policy has one line `quorum`".to_owned());
        }
        self.quorum = Some(match name {
            "none" => Quorum::Nobody,
            name => {
                self.known(name)?;
                Quorum::Of(name.to_owned())
            }
        });
        Ok(())
    }

    fn known(&self, name: &str) -> Result<(), String> {
        let is_known = self.members.contains_key(name);
        let says = || format!("{name} is no witness or group of a line above");
        is_known.then_some(()).ok_or_else(says)
    }

    fn name(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.members.contains_key(name) {
            return Err(format!("{name} is a name that is taken"));
        }
        self.members.insert(name.to_owned(), member);
        Ok(())
    }
}

fn read_key(text: &str) -> Result<VerifierKey, String> {
    text.parse()
        .map_err(|malformed: Malformed| malformed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::key::Signer;
    use crate::evidence::tree::Head;
    use crate::message::time::Timestamp;

    fn signer(name: &str, kind: Kind, seed: u8) -> Signer {
        Signer::new(name, kind, &[seed; 32]).unwrap()
    }

    fn log() -> Signer {
        signer("log.example/carnet", Kind::Note, 1)
    }

    fn witness(seed: u8) -> Signer {
        signer(&format!("witness.example/{seed}"), Kind::Cosignature, seed)
    }

    fn policy(rest: &str) -> String {
        let witnesses = (11..=15).map(|seed| {
            let key = witness(seed).verifier().to_string();
            format!("witness w{seed} {key} https://w{seed}.example/\n")
        });
        let (log, witnesses) = (log(), witnesses.collect::<String>());
        format!("# who counts\n\nlog {}\n{witnesses}{rest}", log.verifier())
    }

    fn note(log: &Signer, witnesses: &[u8]) -> Note {
        let origin = log.verifier().name().to_owned();
        let head = Head::empty();
        let text = Checkpoint { origin, head }.to_string();
        let at = Timestamp::from_millis(5_999);
        let cosigners = witnesses.iter().map(|seed| witness(*seed));
        let lines = cosigners.map(|it| it.sign(&text, at));
        let signatures = [log.sign(&text, at)].into_iter().chain(lines).collect();
        Note { text, signatures }
    }

    #[test]
    fn a_checkpoint_counts_once_its_log_signed_it_and_the_quorum_cosigned_it() {
        let two_of_three = "group x 2 w11 w12 w13\ngroup y any w14 w15\ngroup both all x y\n";
        let trust = policy(&format!("{two_of_three}quorum both\n"))
            .parse::<Trust>()
            .unwrap();
        for (witnesses, counts) in [
            (&[][..], false),
            (&[11, 12], false),
            (&[11, 14], false),
            (&[11, 13, 15], true),
            (&[11, 12, 13, 14, 15], true),
            // One that the policy does not have says nothing.
            (&[11, 16, 14], false),
        ] {
            let found = trust.trusted(&note(&log(), witnesses));
            assert_eq!(found.is_ok(), counts, "{witnesses:?}: {found:?}");
        }
        let found = trust.trusted(&note(&log(), &[11, 12, 14])).unwrap();
        let cosigned = ["w11", "w12", "w14"].map(|name| (name.to_owned(), 5));
        assert_eq!(found.cosigned, cosigned.into_iter().collect());
        let says = trust.trusted(&note(&log(), &[12])).unwrap_err().to_string();
        assert_eq!(says, "the quorum both is not met; cosigned: w12");
    }

    #[test]
    fn another_logs_checkpoint_and_a_forged_line_do_not_count() {
        let trust = policy("quorum none\n").parse::<Trust>().unwrap();
        assert!(trust.trusted(&note(&log(), &[])).is_ok());
        for other in [
            signer("log.example/carnet", Kind::Note, 2),
            signer("log.example/other", Kind::Note, 1),
            signer("log.example/carnet", Kind::Cosignature, 1),
        ] {
            let found = trust.trusted(&note(&other, &[]));
            assert!(matches!(found, Err(Distrust::Unsigned(_))), "{found:?}");
        }
        // Also the line of a witness that nobody asks for.
        for place in 0..2 {
            let mut note = note(&log(), &[11]);
            note.signatures[place].octets[20] ^= 1;
            let found = trust.trusted(&note);
            assert!(matches!(found, Err(Distrust::Forged(_))), "{found:?}");
        }
    }

    #[test]
    fn what_is_no_policy_is_told_with_its_line() {
        let key = witness(11).verifier().to_string();
        for (rest, says) in [
            ("", "a policy has a line `quorum`"),
            ("quorum w11\nquorum w11\n", "line 10: a policy has one line"),
            ("quorum w16\n", "line 9: w16 is no witness"),
            ("group a 3 w11 w12\nquorum a\n", "line 9: a group has"),
            ("group a 0 w11\nquorum a\n", "line 9: a group has"),
            (
                "group a all w11 w11\nquorum a\n",
                "line 9: w11 is of one group",
            ),
            (
                "group a all w11\ngroup b any a w11\n",
                "line 10: w11 is of one group",
            ),
            (
                "group none all w11\n",
                "line 9: none is a name that is taken",
            ),
            ("group w12 all w11\n", "line 9: w12 is a name that is taken"),
            (
                &format!("witness w16 {key}\n"),
                "line 9: the key of this witness stands above",
            ),
            (
                &format!("log {}\n", log().verifier()),
                "line 9: the key of this log stands above",
            ),
            ("quorum\n", "line 9: is none of"),
            ("witness w16 a+b\n", "line 9: a verifier key is"),
        ] {
            let found = policy(rest).parse::<Trust>().unwrap_err().to_string();
            assert!(found.starts_with(says), "{rest}: {found}");
        }
        let wrong = format!("witness w {}\nquorum none\n", log().verifier());
        let found = wrong.parse::<Trust>().unwrap_err().to_string();
        assert_eq!(
            found,
            "line 1: the key of a witness is one of cosignatures (4)"
        );
    }
}
