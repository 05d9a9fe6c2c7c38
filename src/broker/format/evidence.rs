//! Records of evidence beside the exchange, field by field in the order in which they stand on disk.

use super::form::{Form, form, put_list};
use super::take::{Malformed, Take};
use crate::agency::keys::SealedPart;
use crate::agency::registry::Party;
use crate::broker::record::{
    CaseChange, CaseStep, Checkpoint, CountedRefusals, LastNumbers, Lost, Narrowed, QueueId,
    Rejected, Repeats, Terms,
};
use crate::evidence::tree::Frontier;
use crate::journal::Lsn;
use crate::message::id::{AgencyId, Digest, ExchangeId, KeyedDigest, Mask, SystemId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::standing::CaseId;
use crate::policy::words::{Onward, PolicyId};

form!(Rejected {
    id: ExchangeId,
    at: Timestamp,
    sender: SystemId,
    unit: UnitId,
    message_type: String,
    code: u16,
    place: String,
    rule: String,
    body: KeyedDigest,
    number: u64,
    receipt: Option<QueueId>,
    sealed: SealedPart,
    said: Option<String>,
    case: Option<CaseId>,
});

form!(CaseChange {
    at: Timestamp,
    sender: SystemId,
    unit: UnitId,
    case: CaseId,
    what: CaseStep,
    key: Option<KeyedDigest>,
});

form!(Narrowed {
    at: Timestamp,
    exchange: Lsn,
    unit: UnitId,
    queues: Vec<QueueId>,
    left: Terms,
});

form!(Terms {
    mask: Mask,
    retain_days: u32,
    onward: Onward,
    policies: Vec<PolicyId>,
    rulebook: Digest,
});

form!(CountedRefusals {
    party: Party,
    from: Timestamp,
    to: Timestamp,
    count: u64,
});

form!(Repeats {
    at: Timestamp,
    since: Timestamp,
    counts: Vec<(AgencyId, u64)>,
});

form!(Lost {
    at: Timestamp,
    from: Lsn,
    known: Lsn,
    evidence: u64,
    evidence_known: Option<u64>,
    jump: u64,
    units: Vec<LastNumbers>,
});

form!(Checkpoint {
    at: Timestamp,
    tree: Frontier,
    next: Lsn,
    note: String,
});

// size u64 | roots of full parts: list of 32 octets, as many as the size has ones
impl<'a> Form<'a> for Frontier {
    const LEAST: usize = 12;

    fn put(&self, out: &mut Vec<u8>) {
        self.size().put(out);
        put_list(self.nodes().iter(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let (size, nodes) = (u64::take(from)?, Vec::take(from)?);
        Self::of(size, nodes).ok_or(before)
    }
}

form!(LastNumbers {
    unit: UnitId,
    sent: u64,
    received: u64,
    receipts: QueueId,
});
