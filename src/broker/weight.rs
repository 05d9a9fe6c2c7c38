//! What a command may become, in bytes: room for it is reserved before anything is decided.
//!
//! Pure. It knows what the command holds and never what the ledger makes of it: the committer
//! reserves more where more comes of it.

use super::command::{Ask, Command};
use super::exchange::{Returnable, Submission, Verdict};
use super::limits::{QUEUE_HEAD_ENTRIES, QUEUE_PAGE_ENTRIES};
use super::record::{
    Argument, CaseStep, Exchange, OrderChange, Outcome, QueueProperties, Recipient,
};

/// More than any record takes beside its parts of any length.
const RECORD_BYTES: usize = 4 << 10;

/// More than a recipient takes in a record beside the policies that decided.
const RECIPIENT_BYTES: usize = 1 << 10;

/// More than a keyed digest, and what a ruling read, take in a record.
const DIGEST_BYTES: usize = 40;
const READ_BYTES: usize = 192;

/// More than an acknowledgement takes in a record.
const ACK_BYTES: usize = 32;

/// More than a number or a length takes in a record.
const NUMBER_BYTES: usize = 16;

impl Command {
    /// At most how many bytes of record and of frame this becomes.
    pub fn weight(&self) -> (usize, usize) {
        let (more, frame) = match self {
            Self::Submit(_, submission) => submitted(submission),
            Self::Private(private) => (0, private.frame.len()),
            Self::Ask {
                ask: Ask::DeclareQueue { properties, .. },
                ..
            } => (declared(properties), 0),
            // Each is an address in a list. What is buried asks for more when it is.
            Self::Settle { deliveries, .. } => (ACK_BYTES * deliveries.len(), 0),
            Self::Ask {
                ask: Ask::Purge(_), ..
            } => (NUMBER_BYTES * (QUEUE_HEAD_ENTRIES + QUEUE_PAGE_ENTRIES), 0),
            Self::Activate(genesis) => {
                let files = genesis.bundle.files();
                let files = files.map(|(path, text)| path.len() + text.len() + NUMBER_BYTES);
                (files.sum(), 0)
            }
            _ => (0, 0),
        };
        (RECORD_BYTES + more, frame)
    }
}

impl Command {
    /// How many bytes it keeps in memory while it waits: its records and frame to be, and a body
    /// that a return would carry.
    pub fn held(&self) -> usize {
        let (record, frame) = self.weight();
        let wire = match self {
            Self::Submit(_, submission) => &submission.arrived.wire,
            Self::Private(private) => &private.wire,
            _ => return record + frame,
        };
        record + frame + wire.bytes()
    }
}

/// At most how many bytes a record takes that names so many entries of queues.
pub(super) fn entries_bytes(count: usize) -> usize {
    RECORD_BYTES + ACK_BYTES * count
}

impl Returnable {
    /// Its bytes in memory.
    pub fn bytes(&self) -> usize {
        self.raw_properties.len() + self.body.len()
    }
}

fn submitted(submission: &Submission) -> (usize, usize) {
    match &submission.verdict {
        Verdict::Ruled(it) => (ruled(it.exchange()), it.frame().len()),
        Verdict::Rejected { rejected, .. } => {
            let texts = rejected.place.len() + rejected.rule.len();
            (texts + rejected.sealed.sealed().len(), 0)
        }
        Verdict::Case { change, refused } => {
            let opened = match &change.what {
                CaseStep::Open { areas, invites } => {
                    let areas = areas.iter().map(|area| area.len() + NUMBER_BYTES);
                    let invites = invites.iter().map(|it| it.as_str().len() + NUMBER_BYTES);
                    areas.chain(invites).sum()
                }
                CaseStep::Join | CaseStep::Close => 0,
            };
            (opened + refused.sealed.sealed().len(), 0)
        }
    }
}

fn ruled(exchange: &Exchange) -> usize {
    let recipients: usize = exchange.recipients.iter().map(decided).sum();
    let keys = exchange.keys.iter();
    let keys: usize = keys.map(|(name, _)| name.len() + DIGEST_BYTES).sum();
    let subjects = match &exchange.order {
        Some(OrderChange::Opens { subjects, .. }) => subjects.len(),
        Some(OrderChange::Withdraws { .. } | OrderChange::Reports { .. }) | None => 0,
    };
    let reads = exchange.reads.keys.len() * READ_BYTES;
    let errors = exchange
        .errors
        .iter()
        .map(|it| it.as_str().len() + NUMBER_BYTES);
    let errors: usize = errors.sum();
    recipients + keys + subjects * DIGEST_BYTES + reads + errors + exchange.sealed.sealed().len()
}

fn decided(recipient: &Recipient) -> usize {
    let (policies, withholding) = match &recipient.outcome {
        Outcome::Released(released) => (&released.policies, released.withholding.as_slice()),
        Outcome::Refused { policies } => (policies, [].as_slice()),
    };
    let policies = policies
        .iter()
        .chain(withholding)
        .map(|it| it.as_str().len() + NUMBER_BYTES);
    RECIPIENT_BYTES + policies.sum::<usize>()
}

fn declared(properties: &QueueProperties) -> usize {
    let arguments = properties.arguments.iter().map(|(name, value)| {
        let value = match value {
            Argument::Bool(_) | Argument::Integer(_) => 0,
            Argument::Text(text) | Argument::Other(text) => text.len(),
        };
        name.len() + value + 2 * NUMBER_BYTES
    });
    arguments.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::command::{Private, Unroutable};
    use crate::broker::ids::{ConnectionId, Origin};
    use crate::broker::record::{QueueId, Record, Topology};
    use crate::journal::Frame;

    #[test]
    fn a_declaration_weighs_at_least_what_it_becomes() {
        for (count, length) in [(0, 0), (1, 60_000), (2_000, 0), (3_000, 1), (40, 100)] {
            let argument = |n: usize| match n % 4 {
                0 => Argument::Bool(true),
                1 => Argument::Integer(i64::MIN),
                2 => Argument::Text("x".repeat(length)),
                _ => Argument::Other("x".repeat(length)),
            };
            let arguments = (0..count).map(|n| (n.to_string(), argument(n + 2)));
            let properties = QueueProperties {
                arguments: arguments.collect(),
                ..QueueProperties::default()
            };
            let name = "q".repeat(255);
            let record = Record::Topology(Topology::Declared {
                queue: QueueId(u64::MAX),
                unit: "post/main".parse().unwrap(),
                name: name.clone(),
                properties: properties.clone(),
            });
            let mut encoded = Vec::new();
            record.encode(&mut encoded);
            let passive = false;
            let ask = Ask::DeclareQueue {
                name,
                passive,
                properties,
            };
            let (connection, channel) = (ConnectionId(1), 1);
            let command = Command::Ask {
                connection,
                channel,
                ask,
            };
            assert!(encoded.len() <= command.weight().0, "{count} {length}");
        }
    }

    #[test]
    fn a_publish_keeps_the_body_that_a_return_would_carry() {
        let body = bytes::Bytes::from(vec![0; 1 << 20]);
        let private = Private {
            read_over: None,
            marked: false,
            origin: Origin {
                connection: ConnectionId(1),
                channel: 1,
                serial: 1,
                confirm: None,
            },
            wire: Returnable {
                exchange: "".into(),
                routing_key: "q".into(),
                raw_properties: bytes::Bytes::from_static(&[0, 0]),
                body,
            },
            unroutable: Unroutable::of(true),
            copies: Vec::new(),
            frame: Frame::new(vec![0; 100]),
            ttl: None,
            quota: 1,
        };
        let command = Command::Private(Box::new(private));
        let (record, frame) = command.weight();
        assert_eq!(frame, 100);
        assert_eq!(command.held(), record + frame + 2 + (1 << 20));
        assert_eq!(Command::Tick.held(), Command::Tick.weight().0);
    }
}
