//! A token of an agency's identity provider, and whether it counts: [`verify`] is all of it.
//!
//! It is a JSON Web Token, held to RFC 8725: three algorithms, each with keys of its own kind alone; one
//! issuer, the agency's; an audience; a certificate that it is bound to (RFC 8705), which is the one that
//! the peer has shown in TLS. A stolen token is of no use without that certificate's key. What a token
//! says of where its key may be found (`jku`, `x5u`, `jwk`, `x5c`) is never read.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;

use super::jwks::{Jwks, KID_MAX, name_of};
use super::refusal::quoted;
use super::registry::IdentityProvider;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// How far the provider's clock may be from this one's.
pub const LEEWAY: Duration = Duration::from_mins(1);
/// Octets of a token, at most.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Characters of a subject, at most.
const SUBJECT_MAX: usize = 255;

/// What a token that counts says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whom it is about: `sub`.
    pub subject: String,
    /// What it is restricted to, where it has `scope`.
    pub scope: Option<String>,
    /// The last instant at which it counts, the leeway included.
    pub until: Timestamp,
    /// Thumbprint (RFC 7638) of the key that signed it.
    pub key: Digest,
}

/// A token that counts, and since when its key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// What it says.
    pub claims: Claims,
    /// Since when the key that signed it is known here.
    pub key_since: Timestamp,
}

/// Why a token does not count. None of the sentences holds anything of it that is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It is no token, or not of the form.
    #[error("it is no JSON Web Token of the form that is taken: {0}")]
    Malformed(&'static str),
    /// It is signed with what is not taken, or with nothing.
    #[error("it is signed with {0}: EdDSA, ES256 and PS256 are taken")]
    Algorithm(String),
    /// It asks for what is not held to here.
    #[error("it has critical headers (crit), and none is known here")]
    CriticalHeader,
    /// It is of another kind, such as a proof or a logout.
    #[error("it is of type {0}: an access token is JWT or at+jwt")]
    Type(String),
    /// The provider's set has no key of its id.
    #[error("the provider's key set has no key {0}: is it one of this agency's provider?")]
    UnknownKey(String),
    /// The key is for another algorithm.
    #[error("key {0} is for {1} alone")]
    KeyConfusion(String, &'static str),
    /// The signature is not by that key.
    #[error("its signature is not by key {0}")]
    Signature(String),
    /// It is of another issuer.
    #[error("its issuer is {0}, and not the agency's identity provider")]
    Issuer(String),
    /// It is for others.
    #[error("its audience (aud) is not {0}")]
    Audience(String),
    /// It has ended.
    #[error("it ended at {0}: fetch a new one")]
    Expired(Timestamp),
    /// It has not begun.
    #[error("it begins at {0}: compare the clocks")]
    NotYetValid(Timestamp),
    /// It is bound to no certificate.
    #[error("it is bound to no certificate (cnf.x5t#S256): have the provider bind it (RFC 8705)")]
    Unbound,
    /// It is bound to another certificate.
    #[error("it is bound to another certificate than the one that was shown")]
    OtherCertificate,
    /// It has no subject.
    #[error("it has no subject (sub) of 1 to 255 characters")]
    Subject,
    /// The keys of the provider are not known.
    #[error(
        "the keys of the agency's identity provider are not known: the operator's log says why"
    )]
    KeysUnknown,
    /// The agency has no identity provider.
    #[error("the agency has no identity provider: log in by certificate alone")]
    NoProvider,
}

impl TokenRefusal {
    /// The stable code in logs and answers; a code that is no longer used is not used again.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "token.malformed",
            Self::Algorithm(_) => "token.algorithm",
            Self::CriticalHeader => "token.critical-header",
            Self::Type(_) => "token.type",
            Self::UnknownKey(_) => "token.unknown-key",
            Self::KeyConfusion(..) => "token.key-confusion",
            Self::Signature(_) => "token.signature",
            Self::Issuer(_) => "token.issuer",
            Self::Audience(_) => "token.audience",
            Self::Expired(_) => "token.expired",
            Self::NotYetValid(_) => "token.not-yet-valid",
            Self::Unbound => "token.unbound",
            Self::OtherCertificate => "token.other-certificate",
            Self::Subject => "token.subject",
            Self::KeysUnknown => "token.keys-unknown",
            Self::NoProvider => "token.no-provider",
        }
    }
}

/// The header: nothing else of it is read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

/// The claims that are read.
#[derive(Deserialize)]
struct Written {
    iss: String,
    aud: Audience,
    sub: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    scope: Option<String>,
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: Option<String>,
}

/// What `token` says, where it counts for the bearer of the certificate of this SHA-256 at `now`.
///
/// # Errors
/// A [`TokenRefusal`]: the token gives nothing then.
pub fn verify(
    token: &str,
    jwks: &Jwks,
    provider: &IdentityProvider,
    certificate: Digest,
    now: Timestamp,
) -> Result<Claims, TokenRefusal> {
    let header = header(token)?;
    let kid = header.kid.unwrap_or_default();
    let shown = quoted(&kid);
    let key = jwks.get(&kid).filter(|_| kid.chars().count() <= KID_MAX);
    let key = key.ok_or_else(|| TokenRefusal::UnknownKey(shown.clone()))?;
    let its = name_of(key.algorithm);
    if header.alg != its {
        return Err(TokenRefusal::KeyConfusion(shown, its));
    }
    let mut held_to = Validation::new(key.algorithm);
    // Times and names are judged below, by the time that is given.
    held_to.required_spec_claims.clear();
    (held_to.validate_exp, held_to.validate_aud) = (false, false);
    let decoded = decode::<serde_json::Value>(token, &key.decoding, &held_to);
    let claims = decoded.map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenRefusal::Signature(shown),
        _ => TokenRefusal::Malformed("it does not decode"),
    })?;
    // Read from the octets that were signed, and not from what was made of them: a name that stands
    // there twice is a fault.
    drop(claims);
    let written: Written = part(token, 1)
        .and_then(|octets| serde_json::from_slice(&octets).ok())
        .ok_or(TokenRefusal::Malformed(
            "a claim is missing or of another kind",
        ))?;
    let until = written.holds_for(provider, now)?;
    written.is_bound_to(certificate)?;
    let subject = written
        .sub
        .filter(|sub| (1..=SUBJECT_MAX).contains(&sub.chars().count()));
    Ok(Claims {
        subject: subject.ok_or(TokenRefusal::Subject)?,
        scope: written.scope,
        until,
        key: key.thumbprint,
    })
}

/// The header of a token whose algorithm and type are taken.
fn header(token: &str) -> Result<Header, TokenRefusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenRefusal::Malformed("it is longer than 16 KiB"));
    }
    if token.split('.').count() != 3 {
        return Err(TokenRefusal::Malformed("it has not three parts"));
    }
    let header = part(token, 0).and_then(|octets| serde_json::from_slice::<Header>(&octets).ok());
    let header = header.ok_or(TokenRefusal::Malformed("its header does not read"))?;
    if !["EdDSA", "ES256", "PS256"].contains(&header.alg.as_str()) {
        return Err(TokenRefusal::Algorithm(quoted(&header.alg)));
    }
    if header.crit.is_some() {
        return Err(TokenRefusal::CriticalHeader);
    }
    let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if !["jwt", "at+jwt", "application/at+jwt"].contains(&typ.as_str()) {
        return Err(TokenRefusal::Type(quoted(&typ)));
    }
    Ok(header)
}

/// The octets of one of the three parts.
fn part(token: &str, place: usize) -> Option<Vec<u8>> {
    let part = token.split('.').nth(place)?;
    BASE64URL_NOPAD.decode(part.as_bytes()).ok()
}

impl Written {
    /// The last instant at which it counts, if it is the provider's, for here, and for now.
    fn holds_for(
        &self,
        provider: &IdentityProvider,
        now: Timestamp,
    ) -> Result<Timestamp, TokenRefusal> {
        if self.iss != provider.issuer {
            return Err(TokenRefusal::Issuer(quoted(&self.iss)));
        }
        let audience = &provider.audience;
        let is_for_here = match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.contains(audience),
        };
        if !is_for_here {
            return Err(TokenRefusal::Audience(quoted(audience)));
        }
        let at = |seconds: f64| instant(seconds).ok_or(TokenRefusal::Malformed("a time is none"));
        let ends = at(self.exp)?;
        let until = ends.plus(LEEWAY);
        if now > until {
            return Err(TokenRefusal::Expired(ends));
        }
        for begins in [self.nbf, self.iat].into_iter().flatten() {
            let begins = at(begins)?;
            if begins > now.plus(LEEWAY) {
                return Err(TokenRefusal::NotYetValid(begins));
            }
        }
        Ok(until)
    }

    fn is_bound_to(&self, certificate: Digest) -> Result<(), TokenRefusal> {
        let bound = self.cnf.as_ref().and_then(|cnf| cnf.certificate.as_ref());
        let bound = bound.ok_or(TokenRefusal::Unbound)?;
        let bound = BASE64URL_NOPAD.decode(bound.as_bytes());
        if bound.is_ok_and(|bound| bound == certificate.0) {
            Ok(())
        } else {
            Err(TokenRefusal::OtherCertificate)
        }
    }
}

/// Seconds since 1970 with their fractions, as RFC 7519 has times: none beyond the year 9999.
fn instant(seconds: f64) -> Option<Timestamp> {
    const END: f64 = 253_402_300_799.0;
    if !(0.0..=END).contains(&seconds) {
        return None;
    }
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    Some(Timestamp::default().plus(since))
}
