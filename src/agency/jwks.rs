//! The keys of an identity provider: a JSON Web Key Set (RFC 7517), read strictly.
//!
//! What is taken is what a token may be signed with: Ed25519, P-256, and RSA from 2048 bits for PS256.
//! A key that is of no use is left out and told; the others count. A set is refused only where it is
//! none, or where it holds nothing of use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::refusal::quoted;
use crate::message::id::Digest;

/// Octets of a set, at most.
pub const JWKS_BYTES_MAX: usize = 256 << 10;
/// Keys of a set, at most.
pub const KEYS_MAX: usize = 64;
/// Characters of a key's id, at most.
pub(super) const KID_MAX: usize = 256;

/// An identity provider's keys by their ids.
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    keys: BTreeMap<String, Key>,
}

/// A public key with which tokens are signed.
#[derive(Clone)]
pub struct Key {
    /// The one algorithm that it is used with.
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    /// Its thumbprint (RFC 7638): the same key has the same under any id.
    pub thumbprint: Digest,
}

/// Shows the thumbprint alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// Why a set is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeySet {
    /// It is no JSON of the form.
    #[error("it is no key set: {0}")]
    Malformed(String),
    /// It has no key that is of use.
    #[error("none of its keys is of use: {0}")]
    NoKey(String),
}

/// A set with what was left out of it, in sentences.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The keys that count.
    pub keys: Jwks,
    /// Why others do not.
    pub left_out: Vec<String>,
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<serde_json::Value>,
}

/// A key as it is written; what is not read here means nothing.
#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// The private part.
    d: Option<serde_json::Value>,
}

impl Jwks {
    /// Reads a set.
    ///
    /// # Errors
    /// [`NotAKeySet`] where there is nothing in it to verify a token with.
    pub fn parse(octets: &[u8]) -> Result<Parsed, NotAKeySet> {
        let malformed = |says: &str| NotAKeySet::Malformed(says.to_owned());
        if octets.len() > JWKS_BYTES_MAX {
            return Err(malformed("it is longer than 256 KiB"));
        }
        let written: Written =
            serde_json::from_slice(octets).map_err(|error| malformed(&error.to_string()))?;
        if written.keys.len() > KEYS_MAX {
            return Err(malformed("it has more than 64 keys"));
        }
        let mut parsed = Parsed {
            keys: Self::default(),
            left_out: Vec::new(),
        };
        let mut twice = BTreeSet::new();
        for (place, value) in written.keys.into_iter().enumerate() {
            match read_key(value) {
                Ok((kid, key)) => {
                    if parsed.keys.keys.insert(kid.clone(), key).is_some() {
                        twice.insert(kid);
                    }
                }
                Err(says) => parsed.left_out.push(format!("key {}: {says}", place + 1)),
            }
        }
        // Which of the two is meant is the guess that an attacker wants to be made.
        for kid in twice {
            parsed.keys.keys.remove(&kid);
            let says = format!(
                "id {} stands at several keys, and counts for none",
                quoted(&kid)
            );
            parsed.left_out.push(says);
        }
        if parsed.keys.keys.is_empty() {
            return Err(NotAKeySet::NoKey(parsed.left_out.join("; ")));
        }
        Ok(parsed)
    }

    /// The key of an id.
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }

    /// Leaves out the keys of whose thumbprints `is_kept` says no.
    pub fn retain(&mut self, is_kept: impl Fn(Digest) -> bool) {
        self.keys.retain(|_, key| is_kept(key.thumbprint));
    }

    /// Thumbprints of all keys, each with its id.
    pub fn thumbprints(&self) -> impl Iterator<Item = (&str, Digest)> {
        let keys = self.keys.iter();
        keys.map(|(kid, key)| (kid.as_str(), key.thumbprint))
    }
}

/// A key with its id; or why it is of no use.
fn read_key(value: serde_json::Value) -> Result<(String, Key), String> {
    let key: WrittenKey = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if key.d.is_some() {
        return Err("it shows its private part, and is no secret any more: replace it".to_owned());
    }
    let Some(kid) = key.kid.clone().filter(|kid| !kid.is_empty()) else {
        return Err("it has no id (kid)".to_owned());
    };
    if kid.chars().count() > KID_MAX {
        return Err("its id is longer than 256 characters".to_owned());
    }
    if key.purpose.as_deref().is_some_and(|it| it != "sig") {
        return Err(format!("{} is not for signatures (use)", quoted(&kid)));
    }
    let verifies = |operations: &Vec<String>| operations.iter().any(|it| it == "verify");
    if !key.key_ops.as_ref().is_none_or(verifies) {
        return Err(format!("{} is not for signatures (key_ops)", quoted(&kid)));
    }
    let made = match (key.kty.as_str(), key.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => ed25519(&key),
        ("EC", Some("P-256")) => p256(&key),
        ("RSA", None) => rsa(&key),
        _ => None,
    };
    let named = |it: &Key| {
        key.alg
            .as_ref()
            .is_none_or(|alg| *alg == name_of(it.algorithm))
    };
    let made = made.filter(named).ok_or_else(|| {
        let kid = quoted(&kid);
        format!("{kid} is not for EdDSA (Ed25519), ES256, or PS256 with 2048 to 8192 bits")
    })?;
    Ok((kid, made))
}

/// An algorithm as tokens and sets name it.
pub(super) fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "EdDSA",
        Algorithm::ES256 => "ES256",
        Algorithm::PS256 => "PS256",
        _ => "",
    }
}

/// Octets in base64url, as many as `count` says.
fn octets(text: Option<&String>, count: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    let octets = BASE64URL_NOPAD.decode(text?.as_bytes()).ok()?;
    count.contains(&octets.len()).then_some(octets)
}

fn ed25519(key: &WrittenKey) -> Option<Key> {
    octets(key.x.as_ref(), 32..=32)?;
    let x = key.x.as_ref()?;
    Some(Key {
        algorithm: Algorithm::EdDSA,
        decoding: DecodingKey::from_ed_components(x).ok()?,
        thumbprint: thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)),
    })
}

fn p256(key: &WrittenKey) -> Option<Key> {
    octets(key.x.as_ref(), 32..=32)?;
    octets(key.y.as_ref(), 32..=32)?;
    let (x, y) = (key.x.as_ref()?, key.y.as_ref()?);
    Some(Key {
        algorithm: Algorithm::ES256,
        decoding: DecodingKey::from_ec_components(x, y).ok()?,
        thumbprint: thumbprint(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
        )),
    })
}

fn rsa(key: &WrittenKey) -> Option<Key> {
    octets(key.n.as_ref(), 256..=1024)?;
    // 3 and its like are odd and small; the large ones cost time.
    octets(key.e.as_ref(), 1..=4)?;
    let (n, e) = (key.n.as_ref()?, key.e.as_ref()?);
    Some(Key {
        algorithm: Algorithm::PS256,
        decoding: DecodingKey::from_rsa_components(n, e).ok()?,
        thumbprint: thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)),
    })
}

/// Of the members that RFC 7638 counts, in its order. What stands in them was base64url.
fn thumbprint(members: &str) -> Digest {
    Digest::of(members.as_bytes())
}
