//! Ed25519 keys of notes and of cosignatures (<https://c2sp.org/signed-note>, <https://c2sp.org/tlog-cosignature>).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::BASE64;

use super::Malformed;
use super::signature::{Signature, Signed, is_name};
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// What the text of a private key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs, by its number in `signed-note`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The text of a note: 0x01.
    Note,
    /// A checkpoint as it was seen at a time, `cosignature/v1`: 0x04.
    Cosignature,
}

/// A public key that verifies lines of notes; as text a *vkey*, `name+number+base64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    public: [u8; 32],
}

/// A key that signs notes; as text `PRIVATE+KEY+name+number+base64`.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Note, Self::Cosignature];

    const fn number(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }

    /// What is signed under a text: of a cosignature also when it was seen.
    fn message(self, text: &str, seconds: u64) -> Vec<u8> {
        match self {
            Self::Note => text.as_bytes().to_vec(),
            Self::Cosignature => format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes(),
        }
    }
}

impl VerifierKey {
    /// The name, such as the origin of a log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The octets of the key.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether a line says to be of this key.
    pub(super) fn is_named(&self, line: &Signature) -> bool {
        line.key == self.id() && line.name == self.name
    }

    /// Its number: the first four octets of a digest of name, kind and key.
    fn id(&self) -> u32 {
        let kind = [b'\n', self.kind.number()];
        let digest = Digest::of(&[self.name.as_bytes(), &kind, &self.public].concat());
        let [a, b, c, d, ..] = digest.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether the octets of a line that names this key sign the text.
    pub(super) fn verify(&self, text: &str, octets: &[u8]) -> Signed {
        let (time, signature) = match self.kind {
            Kind::Note => (None, octets),
            Kind::Cosignature => match octets.split_first_chunk() {
                Some((time, signature)) => (Some(u64::from_be_bytes(*time)), signature),
                None => return Signed::Forged,
            },
        };
        let message = self.kind.message(text, time.unwrap_or_default());
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        match key.verify(&message, signature) {
            Ok(()) => Signed::By(time),
            Err(_) => Signed::Forged,
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&[self.kind.number()], &self.public[..]].concat();
        let (name, id) = (&self.name, self.id());
        write!(f, "{name}+{id:08x}+{}", BASE64.encode(&octets))
    }
}

impl FromStr for VerifierKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = Parts::read(text)?;
        let (kind, public) = (parts.kind, parts.octets);
        let name = parts.name.to_owned();
        parts.checked(Self { name, kind, public })
    }
}

impl FromStr for Signer {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let key = text.trim_end().strip_prefix(PRIVATE);
        let says = "a private key is PRIVATE+KEY+name+number+base64";
        let parts = Parts::read(key.ok_or_else(|| Malformed::new(says))?)?;
        let signer = Self::new(parts.name, parts.kind, &parts.octets);
        let signer = signer.ok_or_else(|| Malformed::new(says))?;
        parts.checked(signer.verifier.clone())?;
        Ok(signer)
    }
}

/// The parts of a key's text.
struct Parts<'t> {
    name: &'t str,
    id: &'t str,
    kind: Kind,
    octets: [u8; 32],
}

impl<'t> Parts<'t> {
    fn read(text: &'t str) -> Result<Self, Malformed> {
        let mut parts = text.splitn(3, '+');
        let parts = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(id), Some(octets)) = parts else {
            return Err(Malformed::new("a verifier key is name+number+base64"));
        };
        let (kind, octets) = of_kind(octets)?;
        Ok(Self {
            name,
            id,
            kind,
            octets,
        })
    }

    /// The key that was made of these, where they have its number.
    fn checked(&self, key: VerifierKey) -> Result<VerifierKey, Malformed> {
        if !is_name(&key.name) || format!("{:08x}", key.id()) != self.id {
            let says = "the number of the key is not that of its name and octets";
            return Err(Malformed::new(says));
        }
        Ok(key)
    }
}

/// The kind of a key and its 32 octets.
fn of_kind(text: &str) -> Result<(Kind, [u8; 32]), Malformed> {
    let octets = BASE64.decode(text.as_bytes()).ok();
    let read = octets.and_then(|octets| {
        let (number, key) = octets.split_first()?;
        let kind = Kind::ALL.into_iter().find(|it| it.number() == *number)?;
        Some((kind, key.try_into().ok()?))
    });
    read.ok_or_else(|| {
        Malformed::new("only Ed25519 keys of notes (1) and of cosignatures (4) are known")
    })
}

impl Signer {
    /// A key of this name whose 32 octets were drawn. None where the name is none of a key.
    pub fn new(name: &str, kind: Kind, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        let verifier = VerifierKey {
            name: name.to_owned(),
            kind,
            public,
        };
        is_name(name).then_some(Self { pair, verifier })
    }

    /// As text, of the octets that were drawn for it.
    pub fn private(&self, seed: &[u8; 32]) -> String {
        let VerifierKey { name, kind, .. } = &self.verifier;
        let octets = [&[kind.number()], &seed[..]].concat();
        let id = self.verifier.id();
        format!("{PRIVATE}{name}+{id:08x}+{}", BASE64.encode(&octets))
    }

    /// The key that verifies what this one signs.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The line that signs a text, of a cosignature at this time.
    pub fn sign(&self, text: &str, now: Timestamp) -> Signature {
        let kind = self.verifier.kind;
        let seconds = u64::try_from(now.as_millis() / 1000).unwrap_or_default();
        let signature = self.pair.sign(&kind.message(text, seconds));
        let time = match kind {
            Kind::Note => &[][..],
            Kind::Cosignature => &seconds.to_be_bytes(),
        };
        Signature {
            name: self.verifier.name.clone(),
            key: self.verifier.id(),
            octets: [time, signature.as_ref()].concat(),
        }
    }
}
