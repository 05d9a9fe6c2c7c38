//! What a command or an event may become, in bytes: room for it is reserved before it is decided.
//!
//! Pure. It knows what the command holds and never what the ledger makes of it: what a publish takes
//! in many queues of one unit comes out of the reserve.

use super::command::{Ask, Command, Fence, Settle};
use super::event::Event;
use super::exchange::{Returnable, Submission, Verdict};
use super::governance::{Deed, Noted};
use super::limits::{LEFT_TOGETHER, QUEUE_HEAD_ENTRIES, QUEUE_PAGE_ENTRIES};
use super::record::{
    Activated, Argument, CaseStep, Exchange, Measure, OrderChange, Outcome, QueueProperties,
    Recipient, Revoked, SignedText, octets,
};
use crate::policy::measures::Permits;

/// More than the record of a message takes beside its parts of any length.
const MESSAGE_BYTES: usize = 4 << 10;

/// More than any other record takes beside these.
const RECORD_BYTES: usize = 1 << 10;

/// More than a recipient takes in a record beside the policies that decided.
const RECIPIENT_BYTES: usize = 1 << 10;

/// More than a keyed digest, and what a ruling read, take in a record.
const DIGEST_BYTES: usize = 40;
const READ_BYTES: usize = 192;

/// More than an acknowledgement takes in a record.
const ACK_BYTES: usize = 32;

/// Bytes that a number or a length takes in a record, at most.
const NUMBER_BYTES: usize = 16;

/// Bytes of the largest record by which an entry leaves its queue, its header included.
pub(super) const ENTRY_BYTES: usize = 512;

/// The room of a command or an event in the journal and, while it waits, in memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes of records, at most.
    pub records: usize,
    /// Bytes of a payload frame.
    pub frame: usize,
    /// Bytes of memory: its frame, and a body that a return would carry.
    pub held: usize,
}

impl Weight {
    /// Bytes of journal.
    pub fn bytes(&self) -> usize {
        self.records.saturating_add(self.frame)
    }

    /// The weight of a command.
    pub(super) fn of(command: &Command) -> Self {
        let held = size_of::<Command>();
        match command {
            Command::Attach { .. } => Self::none(held),
            Command::Submit(_, submission) => {
                let (records, frame) = submitted(submission);
                let held = held + records + frame + submission.arrived.bytes();
                Self::records(MESSAGE_BYTES + records, frame, held)
            }
            Command::Private(private) => {
                let frame = private.frame.len();
                let queues = NUMBER_BYTES * (1 + private.copies.len());
                Self::records(queues, frame, held + frame + private.wire.bytes())
            }
            Command::Ask { ask, .. } => match ask {
                Ask::DeclareQueue { properties, .. } => {
                    let arguments = declared(properties);
                    Self::records(arguments, 0, held + arguments)
                }
                Ask::Purge(_) => {
                    let out = NUMBER_BYTES * (QUEUE_HEAD_ENTRIES + QUEUE_PAGE_ENTRIES);
                    Self::records(out, 0, held)
                }
                Ask::Fence(Fence::CloseChannel) => {
                    Self::records(ENTRY_BYTES * LEFT_TOGETHER, 0, held)
                }
                _ => Self::records(0, 0, held),
            },
            Command::Settle { deliveries, how } => {
                let each = match how {
                    Settle::Ack | Settle::Unsent => ACK_BYTES,
                    // Each may have to leave its queue.
                    Settle::Requeue | Settle::Reject => ENTRY_BYTES,
                };
                let kept = size_of_val(&**deliveries);
                Self::records(each * deliveries.len(), 0, held + kept)
            }
            Command::Narrow { narrowed, .. } => {
                let record = &narrowed.record;
                let queues = NUMBER_BYTES * record.queues.len();
                let policies = record.left.policies.iter();
                let policies = policies.map(|it| it.as_str().len() + NUMBER_BYTES);
                let more = queues + policies.sum::<usize>();
                Self::records(more, 0, held + more)
            }
            Command::Govern(_, deed) => {
                let bytes = governed(deed);
                Self::records(bytes, 0, held + bytes)
            }
            Command::Show(_, checkpoint) => {
                let bytes = checkpoint.note.len() + checkpoint.tree.nodes().len() * 32;
                Self::records(bytes, 0, held + bytes)
            }
        }
    }

    /// The weight of an event.
    pub(super) fn of_event(event: &Event) -> Self {
        let held = size_of::<Command>();
        match event {
            Event::Gone(_) | Event::Ended(_) => Self::records(ENTRY_BYTES * LEFT_TOGETHER, 0, held),
            Event::PageLoaded(..)
            | Event::PageWritten(..)
            | Event::Outstanding(..)
            | Event::Tick
            | Event::Stop => Self::none(held),
        }
    }

    const fn none(held: usize) -> Self {
        Self {
            records: 0,
            frame: 0,
            held,
        }
    }

    /// One record, with so many bytes in its parts of any length.
    const fn records(more: usize, frame: usize, held: usize) -> Self {
        Self {
            records: RECORD_BYTES + more,
            frame,
            held,
        }
    }
}

impl Returnable {
    /// Its bytes in memory.
    pub fn bytes(&self) -> usize {
        self.raw_properties.len() + self.body.len()
    }
}

fn governed(deed: &Deed) -> usize {
    let files = |octets, files| octets + NUMBER_BYTES * files;
    match deed {
        Deed::Propose(draft) => {
            let agencies = draft.needs.of().iter();
            let agencies = agencies.map(|it| it.as_str().len() + NUMBER_BYTES);
            let changes = files(octets(&draft.changes), draft.changes.files().count());
            changes + draft.title.len() + agencies.sum::<usize>()
        }
        Deed::Approve(approval) => signed(&approval.signed),
        Deed::Confirm(confirmation) => signed(&confirmation.signed),
        Deed::Declare(declaring) => {
            let permits = match &declaring.measure {
                Measure::Suspend(Permits::Named(named)) => {
                    let named = named.iter().map(|it| it.as_str().len() + NUMBER_BYTES);
                    named.sum()
                }
                Measure::Suspend(Permits::All) | Measure::Level(_) | Measure::Lift(_) => 0,
            };
            let names = declaring.board.iter();
            let names = names.map(|it| it.as_str().len() + NUMBER_BYTES);
            permits + declaring.reason.len() + names.sum::<usize>()
        }
        Deed::Tell(expiring) => expiring.whose.len(),
        Deed::Note(Noted::Revoked(revoked)) => {
            let Revoked {
                whose,
                serial,
                remote,
                ..
            } = &**revoked;
            whose.len() + serial.len() + remote.len()
        }
        Deed::Note(Noted::NewKey(key)) => key.issuer.len() + key.kid.len(),
        Deed::Access { asked, .. } => asked.sealed().len(),
        Deed::Withdraw { .. }
        | Deed::Schedule { .. }
        | Deed::Undeclare { .. }
        | Deed::Gone(_)
        | Deed::Probe => 0,
        Deed::Activate(activated) => {
            let Activated {
                text, units, tells, ..
            } = activated;
            files(text.octets(), text.files()) + (units.len() + tells.len()) * ENTRY_BYTES
        }
    }
}

fn signed(signed: &SignedText) -> usize {
    let SignedText {
        statement,
        scheme,
        signature,
        certificate,
    } = signed;
    statement.len() + scheme.len() + signature.len() + certificate.len()
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
    let keys: usize = keys.map(|key| key.kind.len() + DIGEST_BYTES).sum();
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
    use crate::broker::command::Private;
    use crate::broker::ids::{ConnectionId, Origin};
    use crate::broker::record::{Cause, Moved, Placed};
    use crate::broker::record::{LeafSecret, QueueId, Record, Topology};
    use crate::journal::Frame;
    use crate::journal::{Lsn, stride};
    use crate::message::time::Timestamp;

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
            record.encode(&LeafSecret::new([7; 32]), &mut encoded);
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
            assert!(
                encoded.len() <= Weight::of(&command).records,
                "{count} {length}"
            );
        }
    }

    #[test]
    fn a_publish_keeps_the_body_that_a_return_would_carry() {
        let body = bytes::Bytes::from(vec![0; 1 << 20]);
        let origin = Origin {
            connection: ConnectionId(1),
            channel: 1,
            serial: 1,
            confirm: None,
        };
        let mut private = Private::to("q", origin, Frame::new(vec![0; 100]));
        private.wire.raw_properties = bytes::Bytes::from_static(&[0, 0]);
        private.wire.body = body;
        let command = Command::from(private);
        let weight = Weight::of(&command);
        assert_eq!(weight.frame, 100);
        assert!(weight.held > 100 + 2 + (1 << 20));
    }

    #[test]
    fn no_record_by_which_an_entry_leaves_its_queue_is_larger_than_is_said() {
        let longest = format!("{0}/{0}", "a".repeat(48));
        let placed = Placed {
            at: Timestamp::from_millis(i64::MAX),
            unit: longest.parse().unwrap(),
            queues: vec![QueueId(u64::MAX)],
            source: Some(Lsn(u64::MAX)),
            private: true,
            marked: true,
            from: Some(Moved {
                queue: QueueId(u64::MAX),
                entry: Lsn(u64::MAX),
                cause: Cause::DeliveryLimit,
                by: Some(
                    format!("{}/{}", "a".repeat(32), "b".repeat(32))
                        .parse()
                        .unwrap(),
                ),
            }),
            deadline: Some(Timestamp::from_millis(i64::MAX)),
            octets: u32::MAX,
        };
        let mut encoded = Vec::new();
        Record::Placed(Box::new(placed)).encode(&LeafSecret::new([7; 32]), &mut encoded);
        assert!(
            stride(encoded.len(), false) <= ENTRY_BYTES,
            "{}",
            encoded.len()
        );
    }
}
