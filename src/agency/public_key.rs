//! A certificate's public key and signature algorithm: of what kind, and whether TLS takes them here.
//!
//! What is taken is webpki's list, the same that the handshake offers: nothing is listed twice.

use rustls_pki_types::AlgorithmIdentifier;
use x509_parser::asn1_rs::{FromDer, Oid, Sequence};
use x509_parser::certificate::X509Certificate;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The shortest RSA key that is taken, in bits: what webpki's algorithms take.
pub(crate) const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
/// The shortest RSA key of the profile, in bits.
const RSA_BITS_ADVISED: usize = 3072;
const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const CURVES_ADVISED: [&str; 2] = ["P-256", "P-384"];

/// What a public key, or a signature, is good for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As the profile has it.
    Advised,
    /// Taken, and not what the profile has.
    Taken,
    /// Not taken.
    Refused,
}

/// A kind of key or of signature, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name, with the size where that counts: `RSA of 2048 bits`, `P-256`, `sha1WithRSAEncryption`.
    pub name: String,
    /// Whether it is taken.
    pub standing: Standing,
}

impl Kind {
    /// A public key's.
    pub(crate) fn of_key(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = key.algorithm.algorithm.to_id_string();
        if oid == RSA {
            return Self::of_rsa(key);
        }
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.and_then(|parameters| parameters.as_oid().ok());
        let name = match curve {
            Some(curve) => name_of(&curve),
            None if oid == RSA_PSS => "RSA-PSS".to_owned(),
            None => name_of(&key.algorithm.algorithm),
        };
        let identifier = algorithm_of(key.raw);
        let is_taken = webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|known| identifier == Some(known.public_key_alg_id().as_ref()));
        let standing = match is_taken {
            true if CURVES_ADVISED.contains(&name.as_str()) => Standing::Advised,
            true => Standing::Taken,
            false => Standing::Refused,
        };
        Self { name, standing }
    }

    fn of_rsa(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let bits = match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => bits_of(rsa.modulus),
            _ => 0,
        };
        let standing = match bits {
            RSA_BITS_ADVISED..=RSA_BITS_MAX => Standing::Advised,
            RSA_BITS_MIN..RSA_BITS_ADVISED => Standing::Taken,
            _ => Standing::Refused,
        };
        Self {
            name: format!("RSA of {bits} bits"),
            standing,
        }
    }

    /// Of the signature on a certificate.
    pub(super) fn of_signature(certificate: &X509Certificate<'_>) -> Self {
        let oid = &certificate.signature_algorithm.algorithm;
        let starts_with_it = |known: AlgorithmIdentifier| {
            Oid::from_der(known.as_ref()).is_ok_and(|(_, its)| its == *oid)
        };
        let is_taken = webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|known| starts_with_it(known.signature_alg_id()));
        Self {
            name: name_of(oid),
            standing: if is_taken {
                Standing::Advised
            } else {
                Standing::Refused
            },
        }
    }

    /// Whether it is taken at all.
    pub fn is_taken(&self) -> bool {
        self.standing != Standing::Refused
    }
}

/// Whether `signed`, as it stands in `whole`, a DER sequence of it, an algorithm and a signature, is signed
/// with `key`.
pub(crate) fn is_signed_by(
    key: &SubjectPublicKeyInfo<'_>,
    whole: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> bool {
    let Some(algorithm) = algorithm_behind_first(whole) else {
        return false;
    };
    let known = webpki::ALL_VERIFICATION_ALGS.iter().filter(|known| {
        known.signature_alg_id().as_ref() == algorithm
            && algorithm_of(key.raw) == Some(known.public_key_alg_id().as_ref())
    });
    let point = &key.subject_public_key.data;
    { known }.any(|known| known.verify_signature(point, signed, signature).is_ok())
}

/// The content of the algorithm identifier that stands second in a DER sequence.
fn algorithm_behind_first(whole: &[u8]) -> Option<&[u8]> {
    let (rest, _) = Sequence::from_der(content_of(whole)?).ok()?;
    content_of(rest)
}

/// The content of a DER sequence.
fn content_of(sequence: &[u8]) -> Option<&[u8]> {
    match Sequence::from_der(sequence).ok()?.1.content {
        std::borrow::Cow::Borrowed(content) => Some(content),
        std::borrow::Cow::Owned(_) => None,
    }
}

/// The content of the algorithm identifier in a DER public key.
fn algorithm_of(spki: &[u8]) -> Option<&[u8]> {
    content_of(content_of(spki)?)
}

fn bits_of(modulus: &[u8]) -> usize {
    let modulus = modulus.iter().skip_while(|octet| **octet == 0);
    let octets = modulus.clone().count();
    let unused = modulus.copied().next().map_or(0, u8::leading_zeros);
    (octets * 8).saturating_sub(usize::try_from(unused).unwrap_or(0))
}

/// A name that people know, or the number.
pub(super) fn name_of(oid: &Oid<'_>) -> String {
    let dotted = oid.to_id_string();
    let known = match dotted.as_str() {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    oid2sn(oid, oid_registry()).map_or(dotted, str::to_owned)
}
