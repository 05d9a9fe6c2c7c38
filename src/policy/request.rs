//! What a ruling is asked: one message of one sender, and what its headers say.

use std::collections::BTreeSet;

use crate::agency::registry::Unit;
use crate::message::catalogue::MessageEntry;
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, KeyedDigest, Purpose, UnitId};

use super::words::Onward;

/// What is asked: one message of one sender.
#[derive(Debug, Clone, Copy)]
pub struct RuleRequest<'a> {
    /// The sending unit.
    pub sender: &'a Unit,
    /// The message's type.
    pub entry: &'a MessageEntry,
    /// Its facts, as admission extracted them.
    pub facts: &'a Facts,
    /// Header `to`: addressees as they were written. `None`: not set, all candidates.
    pub to: Option<&'a [String]>,
    /// Header `purpose`: only units of this purpose.
    pub purpose: Option<&'a Purpose>,
    /// Header `case`, as it was written.
    pub case: Option<&'a str>,
    /// Units whose message this replies to.
    pub answers: &'a BTreeSet<UnitId>,
    /// Originators of tokens quoted in it.
    pub quotes: &'a BTreeSet<AgencyId>,
    /// Digests of the message's own keys, as orders are found by.
    pub own_keys: &'a [KeyedDigest],
    /// Header `handling`: what the sender allows recipients at most.
    pub handling: Onward,
}

/// What is asked beside the facts of a message, by its headers and by what it refers to: with these,
/// a ruling is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Addressees as written; `None` where there were none.
    pub to: Option<Vec<String>>,
    /// Only units of this purpose.
    pub purpose: Option<Purpose>,
    /// The case as quoted.
    pub case: Option<String>,
    /// Units whose message it replies to.
    pub answers: BTreeSet<UnitId>,
    /// Originators of quoted tokens.
    pub quotes: BTreeSet<AgencyId>,
    /// Digests of the message's own keys.
    pub own_keys: Vec<KeyedDigest>,
    /// What the sender asks of recipients.
    pub handling: Onward,
}

impl Question {
    /// The request for a ruling on a message of `sender` with these facts.
    pub fn request<'a>(
        &'a self,
        sender: &'a Unit,
        entry: &'a MessageEntry,
        facts: &'a Facts,
    ) -> RuleRequest<'a> {
        RuleRequest {
            sender,
            entry,
            facts,
            to: self.to.as_deref(),
            purpose: self.purpose.as_ref(),
            case: self.case.as_deref(),
            answers: &self.answers,
            quotes: &self.quotes,
            own_keys: &self.own_keys,
            handling: self.handling,
        }
    }
}
