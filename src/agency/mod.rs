//! Who takes part: the agencies with their units, systems and officers; who is connecting; keys.
//!
//! Pure: bundles, certificate chains, dates and random bytes come in as values, and the same values
//! give the same answer. It never opens a file or a socket, and it decides nothing about messages.
//!
//! - [`registry`] has the words. `Registry::parse` reads `agencies/` strictly: every fault with its
//!   line and cure. Dates are [`expiry`]'s, so that a rulebook of last year still parses.
//! - [`identity::identify`] is the function to read first: a certificate chain in, a system or a
//!   [`refusal`] out. A name counts only under an issuer that its own agency lists.
//! - [`revocation`]: which certificates are withdrawn by the lists of their issuers ([`crl`]).
//! - [`token`]: whether a token of an agency's identity provider counts, by its keys ([`jwks`]).
//! - [`keys`]: reference tokens, ids of deliveries, keyed digests, payload frames.

pub(crate) mod board;
pub mod certificate;
mod chain;
pub mod crl;
mod duration;
mod entries;
pub(crate) mod expiry;
mod file;
mod flaw;
pub mod identity;
mod issuers;
pub mod jwks;
pub mod keys;
pub(crate) mod network;
pub mod officer;
mod parse;
pub(crate) mod profile;
pub(crate) mod public_key;
mod reduced;
pub mod refusal;
pub mod registry;
pub mod revocation;
pub mod scope;
pub(crate) mod signature;
pub mod source;
pub mod token;

pub(crate) use self::file::officers_alone;
pub(crate) use self::parse::drafts;
