//! The record of an exchange, field by field in the order in which they stand on disk.

use std::time::Duration;

use super::form::form;
use crate::broker::record::{Again, Exchange, OrderChange, Outcome, QueueId, Recipient, Released};
use crate::journal::Lsn;
use crate::message::id::{Digest, ExchangeId, KeyedDigest, Mask, MessageType, SystemId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::standing::{CaseId, Reads, StandingKey};
use crate::policy::words::{Onward, PolicyId};

form!(Exchange {
    id: ExchangeId,
    at: Timestamp,
    sender: SystemId,
    unit: UnitId,
    message_type: MessageType,
    holds: Mask,
    number: Option<u64>,
    rulebook: Digest,
    reads: Reads,
    case: Option<CaseId>,
    case_shown: bool,
    facts: Digest,
    frame: Digest,
    body_bytes: u64,
    key: KeyedDigest,
    content: KeyedDigest,
    answer: Option<KeyedDigest>,
    again: Option<Again>,
    had: Vec<UnitId>,
    window: Duration,
    keys: Vec<(String, KeyedDigest)>,
    deadline: Option<Timestamp>,
    order: Option<OrderChange>,
    recipients: Vec<Recipient>,
    receipt: Option<QueueId>,
    sealed: Vec<u8>,
    errors: Vec<PolicyId>,
});

form!(Reads {
    rulebook_epoch: u64,
    keys: Vec<(StandingKey, u64)>,
    valid_until: Option<Timestamp>,
});

form!(Again {
    first: Lsn,
    until: Timestamp,
});

form!(Recipient {
    unit: UnitId,
    known: bool,
    outcome: Outcome,
});

form!(Released {
    number: u64,
    mask: Mask,
    policies: Vec<PolicyId>,
    retain_days: u32,
    onward: Onward,
    queues: Vec<QueueId>,
    withholding: Vec<PolicyId>,
});
