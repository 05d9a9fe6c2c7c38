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
//! A leaf commits to each part by its octets and a salt of its own, which follows from the secret as
//! `docs/log.md` says: so a party opens the common part and its own, and learns nothing of another. What
//! no leaf commits to stands beside them: the id's digest first, which look-ups of ids read alone.

use super::form::{Form, form, put_count, put_measured};
use super::take::{Malformed, Take};
use crate::broker::record::{
    Again, Exchange, Identifier, LeafSecret, Outcome, Recipient, Released,
};
use crate::journal::Lsn;
use crate::message::id::{Category, Digest, KeyedDigest, Mask};
use crate::message::spans::Shown;
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

form!(Identifier {
    kind: String,
    digest: KeyedDigest,
    category: Category,
    shown: Shown,
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
    /// The digest of a message's facts: HMAC-SHA-256 under the secret, of `carnet facts` and their
    /// octets. Every party opens the common part, in which it stands, and facts are few and short:
    /// under a plain digest a recipient could try all that it was not given.
    pub fn facts_digest(&self, facts: &[u8]) -> Digest {
        self.derived(&[b"carnet facts", facts])
    }
}

/// A record of an exchange, taken apart as far as all are alike.
pub(super) struct Whole<'a> {
    pub(super) secret: LeafSecret,
    pub(super) parts: Take<'a>,
    pub(super) beside: Take<'a>,
}

impl<'a> Whole<'a> {
    pub(super) fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            secret: LeafSecret::take(from)?,
            parts: from.part()?,
            beside: *from,
        })
    }
}

/// A recipient's part, with what stands of it beside the parts: whether the sender may know of it,
/// and the queues of a release.
pub(super) fn recipient(mut part: Take<'_>, beside: &mut Take<'_>) -> Result<Recipient, Malformed> {
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

fn put_recipient(recipient: &Recipient, out: &mut Vec<u8>) {
    recipient.unit.put(out);
    recipient.outcome.put(out);
}

fn put_beside(recipient: &Recipient, out: &mut Vec<u8>) {
    recipient.known.put(out);
    if let Outcome::Released(released) = &recipient.outcome {
        released.queues.put(out);
    }
}

/// The layout of an exchange: the fields of the common part, of the sender's, and those beside them
/// in their order. The key stands before what is beside them of the recipients, the rest behind.
macro_rules! exchange {
    (
        common { $($common:ident),+ $(,)? }
        sender { $($sender:ident),+ $(,)? }
        beside { $key:ident; $($beside:ident),+ $(,)? }
    ) => {
        impl<'a> Form<'a> for Exchange {
            const LEAST: usize = 32;

            fn put(&self, out: &mut Vec<u8>) {
                let Self { secret, recipients, $key, $($common,)+ $($sender,)+ $($beside,)+ } = self;
                secret.put(out);
                put_measured(out, |out| {
                    put_measured(out, |out| { $($common.put(out);)+ });
                    put_measured(out, |out| { $($sender.put(out);)+ });
                    put_count(recipients.len(), out);
                    for recipient in recipients {
                        put_measured(out, |out| put_recipient(recipient, out));
                    }
                });
                $key.put(out);
                for recipient in recipients {
                    put_beside(recipient, out);
                }
                $($beside.put(out);)+
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                let Whole { secret, mut parts, .. } = Whole::take(from)?;
                let (mut common, mut sender) = (parts.part()?, parts.part()?);
                let count = parts.count(4)?;
                let $key = Form::take(from)?;
                let recipients = (0..count).map(|_| recipient(parts.part()?, from));
                let exchange = Self {
                    secret,
                    $key,
                    recipients: recipients.collect::<Result<_, _>>()?,
                    $($common: Form::take(&mut common)?,)+
                    $($sender: Form::take(&mut sender)?,)+
                    $($beside: Form::take(from)?,)+
                };
                common.end()?;
                sender.end()?;
                parts.end()?;
                Ok(exchange)
            }
        }
    };
}

exchange! {
    common { at, rulebook, facts }
    sender { sender, unit, message_type, body_bytes, frame, confidential, number }
    beside {
        key; id, content, answer, again, had, window, reads, holds, case, case_shown, keys, deadline,
        order, receipt, errors, sealed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_facts_is_what_other_software_computes() {
        let mut drawn = [0; 32];
        drawn.iter_mut().zip(0..).for_each(|(octet, n)| *octet = n);
        let secret = LeafSecret::new(drawn);
        // Python: hmac.new(bytes(range(32)), b"carnet facts" + b"octets", sha256)
        let facts = "7b19de7574a0d74873481bf0701a02cf58e1aa50e5b56c17fda32cb9f111d212";
        assert_eq!(secret.facts_digest(b"octets").to_string(), facts);
        assert_eq!(format!("{secret:?}"), "LeafSecret(..)");
    }
}
