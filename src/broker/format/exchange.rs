//! The record of an exchange: the parts that its leaf commits to, and what stands beside them.
//!
//! ```text
//! secret 32 | length u32 | parts | beside
//!                          └ common part     length u32 | time, rulebook, facts' digest
//!                            sender's part   length u32 | system, unit, type, octets of the body, digests of
//!                                            frame and sealed part, the unit's own number or none
//!                            recipients      count u32 | for each: length u32 | unit, outcome
//! outcome   1 released: number, mask, permits, days, onward, forbids | 2 refused: forbids
//! ```
//! A leaf commits to each part by its octets and a salt of its own, see [`LeafSecret`]: so a party
//! opens the common part and its own, and learns nothing of another. What no leaf commits to stands
//! beside them: the id's digest first, for who looks for ids alone.

use aws_lc_rs::hmac;

use super::form::{Form, form, put_count, put_measured};
use super::take::{Malformed, Take};
use crate::broker::record::{Again, Exchange, LeafSecret, Outcome, Recipient, Released};
use crate::journal::Lsn;
use crate::message::id::{Digest, KeyedDigest, Mask};
use crate::message::time::Timestamp;
use crate::policy::standing::{Reads, StandingKey};
use crate::policy::words::{Onward, PolicyId};

form!(Reads {
    rulebook_epoch: u64,
    keys: Vec<(StandingKey, u64)>,
    valid_until: Option<Timestamp>,
});

form!(Again {
    first: Lsn,
    until: Timestamp,
});

// The queues stand beside the parts.
form!(Released {
    number: u64,
    mask: Mask,
    policies: Vec<PolicyId>,
    retain_days: u32,
    onward: Onward,
    withholding: Vec<PolicyId>;
    queues,
});

impl<'a> Form<'a> for LeafSecret {
    const LEAST: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        self.octets().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::new(from.array()?))
    }
}

impl LeafSecret {
    /// The salt of the part of this number: 0 the common part, 1 the sender's, from 2 on the
    /// recipients' in the order of the record, then what fills the tree up. The first 16 octets of
    /// HMAC-SHA-256 under the secret, of `carnet leaf salt` and the number (u32, little endian).
    pub fn salt(&self, part: u32) -> [u8; 16] {
        let tag = self.tag(b"carnet leaf salt", &part.to_le_bytes());
        let mut salt = [0; 16];
        salt.iter_mut().zip(tag.0).for_each(|(to, from)| *to = from);
        salt
    }

    /// The digest of a message's facts: HMAC-SHA-256 under the secret, of `carnet facts` and their
    /// octets. Every party opens the common part, in which it stands, and facts are few and short:
    /// under a plain digest a recipient could try all that it was not given.
    pub fn facts_digest(&self, facts: &[u8]) -> Digest {
        self.tag(b"carnet facts", facts)
    }

    fn tag(&self, label: &[u8], content: &[u8]) -> Digest {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.octets());
        let mut tag_of = hmac::Context::with_key(&key);
        tag_of.update(label);
        tag_of.update(content);
        let mut tag = Digest([0; 32]);
        let signed = tag_of.sign();
        let octets = tag.0.iter_mut().zip(signed.as_ref());
        octets.for_each(|(to, from)| *to = *from);
        tag
    }
}

/// A record of an exchange, taken apart and not copied.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeRef<'a> {
    secret: LeafSecret,
    parts: Take<'a>,
    beside: Take<'a>,
}

impl<'a> ExchangeRef<'a> {
    /// The record of these octets, of schema 4.
    ///
    /// # Errors
    /// Where they end too early. What stands in the parts is held to its form when it is read.
    pub(super) fn of(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::take(&mut Take::new(body))
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let secret = LeafSecret::take(from)?;
        let parts = from.part()?;
        let beside = *from;
        Ok(Self {
            secret,
            parts,
            beside,
        })
    }

    /// The secret that the salts of its parts come from.
    pub fn secret(&self) -> LeafSecret {
        self.secret
    }

    /// The octets that its leaf commits to: the common part, the sender's, each recipient's.
    pub fn parts(&self) -> Result<Vec<&'a [u8]>, Malformed> {
        let parts = self.taken_apart()?;
        let all = [parts.common, parts.sender];
        let all = all.into_iter().chain(parts.recipients);
        Ok(all.map(Take::rest).collect())
    }

    fn taken_apart(&self) -> Result<Parts<'a>, Malformed> {
        let mut from = self.parts;
        let (common, sender) = (from.part()?, from.part()?);
        let count = from.count(4)?;
        let recipients = (0..count).map(|_| from.part());
        let recipients = recipients.collect::<Result<_, _>>()?;
        from.end()?;
        Ok(Parts {
            common,
            sender,
            recipients,
        })
    }

    /// The digest by which a repeat of it is recognised.
    pub fn key(&self) -> Result<KeyedDigest, Malformed> {
        Form::take(&mut self.beside.clone())
    }

    fn read(&self, beside: &mut Take<'a>) -> Result<Exchange, Malformed> {
        let Parts {
            mut common,
            mut sender,
            recipients,
        } = self.taken_apart()?;
        let key = Form::take(beside)?;
        let exchange = Exchange {
            secret: self.secret,
            at: Form::take(&mut common)?,
            rulebook: Form::take(&mut common)?,
            facts: Form::take(&mut common)?,
            sender: Form::take(&mut sender)?,
            unit: Form::take(&mut sender)?,
            message_type: Form::take(&mut sender)?,
            body_bytes: Form::take(&mut sender)?,
            frame: Form::take(&mut sender)?,
            confidential: Form::take(&mut sender)?,
            number: Form::take(&mut sender)?,
            recipients: recipients
                .into_iter()
                .map(|part| recipient(part, beside))
                .collect::<Result<_, _>>()?,
            key,
            id: Form::take(beside)?,
            content: Form::take(beside)?,
            answer: Form::take(beside)?,
            again: Form::take(beside)?,
            had: Form::take(beside)?,
            window: Form::take(beside)?,
            reads: Form::take(beside)?,
            holds: Form::take(beside)?,
            case: Form::take(beside)?,
            case_shown: Form::take(beside)?,
            keys: Form::take(beside)?,
            deadline: Form::take(beside)?,
            order: Form::take(beside)?,
            receipt: Form::take(beside)?,
            errors: Form::take(beside)?,
            sealed: Form::take(beside)?,
        };
        common.end()?;
        sender.end()?;
        Ok(exchange)
    }
}

/// The parts that a leaf commits to.
struct Parts<'a> {
    common: Take<'a>,
    sender: Take<'a>,
    recipients: Vec<Take<'a>>,
}

/// A recipient's part, with what stands of it beside the parts: whether the sender may know of it,
/// and the queues of a release.
fn recipient(mut part: Take<'_>, beside: &mut Take<'_>) -> Result<Recipient, Malformed> {
    let mut recipient = Recipient {
        unit: Form::take(&mut part)?,
        outcome: Form::take(&mut part)?,
        known: Form::take(beside)?,
    };
    part.end()?;
    if let Outcome::Released(released) = &mut recipient.outcome {
        released.queues = Form::take(beside)?;
    }
    Ok(recipient)
}

impl<'a> Form<'a> for Exchange {
    const LEAST: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        self.secret.put(out);
        put_measured(out, |out| self.put_parts(out));
        self.put_beside(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let read = ExchangeRef::take(from)?;
        read.read(from)
    }
}

impl Exchange {
    fn put_parts(&self, out: &mut Vec<u8>) {
        put_measured(out, |out| {
            self.at.put(out);
            self.rulebook.put(out);
            self.facts.put(out);
        });
        put_measured(out, |out| {
            self.sender.put(out);
            self.unit.put(out);
            self.message_type.put(out);
            self.body_bytes.put(out);
            self.frame.put(out);
            self.confidential.put(out);
            self.number.put(out);
        });
        put_count(self.recipients.len(), out);
        for recipient in &self.recipients {
            put_measured(out, |out| {
                recipient.unit.put(out);
                recipient.outcome.put(out);
            });
        }
    }

    fn put_beside(&self, out: &mut Vec<u8>) {
        self.key.put(out);
        for recipient in &self.recipients {
            recipient.known.put(out);
            if let Outcome::Released(released) = &recipient.outcome {
                released.queues.put(out);
            }
        }
        self.id.put(out);
        self.content.put(out);
        self.answer.put(out);
        self.again.put(out);
        self.had.put(out);
        self.window.put(out);
        self.reads.put(out);
        self.holds.put(out);
        self.case.put(out);
        self.case_shown.put(out);
        self.keys.put(out);
        self.deadline.put(out);
        self.order.put(out);
        self.receipt.put(out);
        self.errors.put(out);
        self.sealed.put(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_and_the_digest_of_facts_are_what_other_software_computes() {
        let mut drawn = [0; 32];
        drawn.iter_mut().zip(0..).for_each(|(octet, n)| *octet = n);
        let secret = LeafSecret::new(drawn);
        // Python: hmac.new(bytes(range(32)), b"carnet leaf salt" + n.to_bytes(4, "little"), sha256)
        for (part, salt) in [
            (0, "4459025acb7af35184c2934c251182d9"),
            (1, "7e9697d1c3cd9cdf9e09fed50428565e"),
            (2, "17f48a92ce40590abce2b25f9f9e3b96"),
            (300, "d0b93ac3bf8c5749590a6fadf7000dfb"),
        ] {
            assert_eq!(data_encoding::HEXLOWER.encode(&secret.salt(part)), salt);
        }
        let facts = "7b19de7574a0d74873481bf0701a02cf58e1aa50e5b56c17fda32cb9f111d212";
        assert_eq!(secret.facts_digest(b"octets").to_string(), facts);
        assert_eq!(format!("{secret:?}"), "LeafSecret(..)");
    }
}
