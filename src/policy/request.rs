//! What a ruling is asked: one message of one sender, and what its headers say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::agency::registry::Unit;
use crate::message::catalogue::MessageEntry;
use crate::message::envelope::Asked;
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, KeyedDigest, UnitId};

/// What is asked: one message of one sender.
#[derive(Debug, Clone, Copy)]
pub struct RuleRequest<'a> {
    /// The sending unit.
    pub sender: &'a Unit,
    /// The message's type.
    pub entry: &'a MessageEntry,
    /// Its facts, as admission extracted them.
    pub facts: &'a Facts,
    /// What is asked beside them.
    pub question: &'a Question<'a>,
}

/// What is asked beside the facts of a message, by its headers and by what it refers to: with these,
/// a ruling is asked again. It borrows from the message while that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question<'a> {
    /// What its headers ask.
    pub asked: Cow<'a, Asked>,
    /// Units whose message it replies to.
    pub answers: BTreeSet<UnitId>,
    /// Originators of quoted tokens.
    pub quotes: Cow<'a, BTreeSet<AgencyId>>,
    /// Digests of the message's own keys, as orders are found by.
    pub own_keys: Vec<KeyedDigest>,
}
