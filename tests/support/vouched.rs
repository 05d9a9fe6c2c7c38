//! An identity provider's keys, and tokens signed with them: good ones, and whatever else can be signed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// A key pair for one algorithm.
pub(crate) enum Signer {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

pub(crate) fn base64(octets: &[u8]) -> String {
    BASE64URL_NOPAD.encode(octets)
}

impl Signer {
    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().expect("a key"))
    }

    pub(crate) fn p256() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::P256(EcdsaKeyPair::generate(algorithm).expect("a key"))
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    /// The algorithm that it is used with.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
            Self::Rsa(_) => "PS256",
        }
    }

    /// Its public key as a set has it.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut key = match self {
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref())})
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": base64(n), "e": base64(e)})
            }
        };
        key["kid"] = kid.into();
        key["use"] = "sig".into();
        key
    }

    fn sign(&self, octets: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(pair) => pair.sign(octets).as_ref().to_vec(),
            Self::P256(pair) => pair
                .sign(&random, octets)
                .expect("signed")
                .as_ref()
                .to_vec(),
            Self::Rsa(pair) => {
                let scheme: &dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    _ => &RSA_PSS_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(scheme, &random, octets, &mut signature);
                signed.expect("signed");
                signature
            }
        }
    }

    /// A token with this header and these claims, signed whatever they say.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let signed = signed_part(header, claims);
        self.signed(&signed, algorithm)
    }

    /// What is signed with its signature behind it.
    pub(crate) fn signed(&self, signed: &str, algorithm: &str) -> String {
        let signature = self.sign(signed.as_bytes(), algorithm);
        format!("{signed}.{}", base64(&signature))
    }
}

/// What is signed of a token.
pub(crate) fn signed_part(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}
