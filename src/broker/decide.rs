//! Decisions: what record a command becomes. Reads the ledger, never writes it.

use super::arguments;
use super::command::{Ask, ExchangeTraits};
use super::effect::Answer;
use super::ids::EntryAddress;
use super::ledger::{Died, Ledger, Queue, QueueKind, is_standing_name, standing_name};
use super::limits::{DELIVERY_LIMIT, QUEUE_BINDINGS, UNIT_BINDINGS, UNIT_QUEUES};
use super::queue::Entry;
use super::record::{
    Argument, Binding, Cause, Exchange, Moved, Outcome, Placed, QueueId, QueueProperties, Record,
    Rejected, Topology,
};
use super::reply::Refusal;
use crate::agency::registry::InboxMode;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

/// What is decided about a request that concerns queues.
#[derive(Debug, PartialEq)]
pub enum Decided {
    /// A fact, and the answer once it is durable.
    Record(Record, Answer),
    /// An answer alone: nothing changes.
    Reply(Answer),
}

/// What dispatch knows of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// How many consumers it has.
    pub consumers: usize,
    /// Messages that are out: in the queue still, and not ready.
    pub out: u64,
}

fn refused(code: u16, text: String) -> Decided {
    Decided::Reply(Answer::refused(code, text))
}

/// The standing topic exchanges of a unit's namespace that a client may declare as they are.
fn standing_exchange(unit: &UnitId, name: &str) -> bool {
    name == "carnet" || name == standing_name(unit, QueueKind::Inbox)
}

impl Ledger {
    /// Fills in what only the ledger knows of an exchange: time, numbers, queues.
    pub fn complete(&self, exchange: &mut Exchange, receipt: bool, now: Timestamp) {
        exchange.at = now;
        if let Some(sender) = self.unit(&exchange.unit) {
            exchange.number = exchange.again.is_none().then_some(sender.sent + 1);
            exchange.receipt = receipt.then_some(sender.receipts);
        }
        let key = format!("{}.{}", exchange.message_type, exchange.sender.agency);
        for recipient in &mut exchange.recipients {
            let Outcome::Released(released) = &mut recipient.outcome else {
                continue;
            };
            let Some(state) = self.unit(&recipient.unit) else {
                continue;
            };
            released.number = state.received + 1;
            let inbox = standing_name(&recipient.unit, QueueKind::Inbox);
            let mut queues = self.routed(&recipient.unit, &inbox, &key);
            let durable = queues.iter().filter_map(|id| self.queue(*id));
            let taken = durable.into_iter().any(|queue| !queue.properties.exclusive);
            match state.inbox_mode {
                InboxMode::Off => {}
                InboxMode::Unbound if taken => {}
                InboxMode::All | InboxMode::Unbound => queues.insert(0, state.inbox),
            }
            released.queues = queues;
        }
    }

    /// Fills in what only the ledger knows of a rejection.
    pub fn complete_rejected(&self, rejected: &mut Rejected, receipt: bool, now: Timestamp) {
        rejected.at = now;
        if let Some(sender) = self.unit(&rejected.unit) {
            rejected.number = sender.sent + 1;
            rejected.receipt = receipt.then_some(sender.receipts);
        }
    }

    /// Where a private publish goes, each queue once; none when no queue takes it. Standing objects are
    /// refused, and so is what would look like the broker's own in a queue that takes what the unit is
    /// sent: a consumer could not tell the two apart.
    pub fn route_private<'k>(
        &self,
        unit: &UnitId,
        exchange: &str,
        keys: impl IntoIterator<Item = &'k str>,
        marked: bool,
    ) -> Result<Vec<QueueId>, Refusal> {
        let refuse = |code, text: String| Err(Refusal { code, text });
        if exchange.is_empty() {
            let mut queues = Vec::new();
            for key in keys {
                let Some(id) = self.queue_named(unit, key) else {
                    continue;
                };
                let Some(queue) = self.queue(id).filter(|queue| queue.kind == QueueKind::Own)
                else {
                    return refuse(403, format!("queue '{key}' is filled by the broker alone"));
                };
                if marked && queue.is_bound() {
                    let says =
                        "takes what its unit is sent: headers 'x-carnet-*' in it are the broker's";
                    return refuse(403, format!("queue '{key}' {says}"));
                }
                if !queues.contains(&id) {
                    queues.push(id);
                }
            }
            return Ok(queues);
        }
        if standing_exchange(unit, exchange) {
            return refuse(
                403,
                format!("exchange '{exchange}' is filled by the broker alone"),
            );
        }
        refuse(404, format!("no exchange '{exchange}' in vhost '/'"))
    }

    /// Decides a request that concerns a unit's queues. Credit and consumers are the caller's part.
    pub fn ask(&self, unit: &UnitId, ask: &Ask, in_use: impl Fn(QueueId) -> InUse) -> Decided {
        match ask {
            Ask::DeclareExchange {
                name,
                kind,
                traits,
                argument,
            } => declare_exchange(unit, name, kind, *traits, argument.as_deref()),
            Ask::DeclareQueue {
                name,
                passive,
                properties,
            } => {
                let declared = (!passive).then_some(properties);
                self.declare_queue(unit, name, declared, in_use)
            }
            Ask::Bind {
                queue,
                exchange,
                key,
                remove,
            } => {
                let binding = Binding {
                    exchange: exchange.clone(),
                    key: key.clone(),
                };
                self.bind(unit, queue, binding, *remove)
            }
            Ask::Purge(name) => match self.own_queue(unit, name) {
                Ok(id) => {
                    let held = self.queue(id).map_or(0, |queue| queue.backlog.len());
                    let count = held.saturating_sub(in_use(id).out);
                    if count == 0 {
                        return Decided::Reply(Answer::Count(0));
                    }
                    // Entries that are out stay; the committer knows which they are.
                    let out = Vec::new();
                    let purged = Topology::Purged { queue: id, out };
                    Decided::Record(Record::Topology(purged), Answer::Count(count))
                }
                Err(answer) => Decided::Reply(answer),
            },
            Ask::Delete {
                queue,
                if_unused,
                if_empty,
            } => {
                let only = OnlyIf {
                    unused: *if_unused,
                    empty: *if_empty,
                };
                self.delete(unit, queue, only, in_use)
            }
            Ask::Consume { .. }
            | Ask::Cancel(_)
            | Ask::Get { .. }
            | Ask::Prefetch { .. }
            | Ask::Fence(_) => Decided::Reply(Answer::Done),
        }
    }

    /// Looks for a queue, and makes it where it is declared with properties.
    fn declare_queue(
        &self,
        unit: &UnitId,
        name: &str,
        declared: Option<&QueueProperties>,
        in_use: impl Fn(QueueId) -> InUse,
    ) -> Decided {
        if let Some((id, queue)) = self.find(unit, name) {
            return match declared.and_then(|it| queue.differs(name, it)) {
                Some(text) => refused(406, text),
                None => Decided::Reply(Answer::Queue {
                    name: name.to_owned(),
                    messages: queue.backlog.len().saturating_sub(in_use(id).out),
                    consumers: in_use(id).consumers,
                }),
            };
        }
        let Some(properties) = declared else {
            return refused(404, no_queue(unit, name));
        };
        if name.starts_with("amq.") && !name.starts_with("amq.gen-") {
            return refused(
                403,
                format!("queue name '{name}' contains reserved prefix 'amq.*'"),
            );
        }
        if is_standing_name(name) {
            let inbox = standing_name(unit, QueueKind::Inbox);
            let says = format!(
                "queue names 'inbox', 'receipts', 'dead' and those that begin so with a dot are the broker's; this unit's inbox is '{inbox}'"
            );
            return refused(403, says);
        }
        if let Some(text) = arguments::refused(properties) {
            return refused(406, text);
        }
        if self.queue_count(unit) >= UNIT_QUEUES {
            return refused(406, format!("a unit has at most {UNIT_QUEUES} queues"));
        }
        let declared = Topology::Declared {
            queue: self.next_queue(),
            unit: unit.clone(),
            name: name.to_owned(),
            properties: properties.clone(),
        };
        let answer = Answer::Queue {
            name: name.to_owned(),
            messages: 0,
            consumers: 0,
        };
        Decided::Record(Record::Topology(declared), answer)
    }

    fn bind(&self, unit: &UnitId, name: &str, binding: Binding, remove: bool) -> Decided {
        let Some((queue, state)) = self.find(unit, name) else {
            return refused(404, no_queue(unit, name));
        };
        let inbox = standing_name(unit, QueueKind::Inbox);
        if state.kind != QueueKind::Own {
            // kombu binds what it consumes to the exchange of that name, always.
            let harmless = state.kind == QueueKind::Inbox && binding.exchange == inbox && !remove;
            return if harmless {
                Decided::Reply(Answer::Done)
            } else {
                refused(
                    403,
                    format!("queue '{name}' stands: it is not bound or unbound"),
                )
            };
        }
        if binding.exchange.is_empty() {
            return refused(403, "the default exchange takes no bindings".to_owned());
        }
        if binding.exchange == "carnet" {
            let text = format!("what exchange 'carnet' takes is ruled; bind to '{inbox}' instead");
            return refused(403, text);
        }
        if binding.exchange != inbox {
            return refused(
                404,
                format!("no exchange '{}' in vhost '/'", binding.exchange),
            );
        }
        let bound = state.bindings();
        if bound.contains(&binding) != remove {
            return Decided::Reply(Answer::Done);
        }
        if !remove && state.may_hold_marked() {
            let says = "holds messages whose headers 'x-carnet-*' its own systems set: take them out first";
            return refused(403, format!("queue '{name}' {says}"));
        }
        if !remove && self.binding_count(unit) >= UNIT_BINDINGS {
            return refused(
                406,
                format!("queues of a unit have at most {UNIT_BINDINGS} bindings"),
            );
        }
        if !remove && bound.len() >= QUEUE_BINDINGS {
            return refused(
                406,
                format!("a queue has at most {QUEUE_BINDINGS} bindings"),
            );
        }
        let topology = if remove {
            Topology::Unbound { queue, binding }
        } else {
            Topology::Bound { queue, binding }
        };
        Decided::Record(Record::Topology(topology), Answer::Done)
    }

    fn delete(
        &self,
        unit: &UnitId,
        name: &str,
        only: OnlyIf,
        in_use: impl Fn(QueueId) -> InUse,
    ) -> Decided {
        if self.queue_named(unit, name).is_none() {
            return Decided::Reply(Answer::Count(0));
        }
        let id = match self.own_queue(unit, name) {
            Ok(id) => id,
            Err(answer) => return Decided::Reply(answer),
        };
        let messages = self.queue(id).map_or(0, |queue| queue.backlog.len());
        if only.unused && in_use(id).consumers > 0 {
            return refused(406, format!("queue '{name}' in vhost '/' in use"));
        }
        if only.empty && messages > 0 {
            return refused(406, format!("queue '{name}' in vhost '/' is not empty"));
        }
        Decided::Record(
            Record::Topology(Topology::Deleted(id)),
            Answer::Count(messages),
        )
    }

    fn find(&self, unit: &UnitId, name: &str) -> Option<(QueueId, &Queue)> {
        let id = self.queue_named(unit, name)?;
        Some((id, self.queue(id)?))
    }

    fn own_queue(&self, unit: &UnitId, name: &str) -> Result<QueueId, Answer> {
        let refused = |code, text| Err(Answer::refused(code, text));
        match self.find(unit, name) {
            None => refused(404, no_queue(unit, name)),
            Some((_, queue)) if queue.kind != QueueKind::Own => refused(
                403,
                format!("queue '{name}' stands: it is not purged or deleted"),
            ),
            Some((id, _)) => Ok(id),
        }
    }

    /// How an entry leaves its queue for another reason than an acknowledgement: to its queue's
    /// dead-letter queue; to its unit's `dead` where others sent it and that queue does not take it;
    /// none where it goes away.
    pub fn bury(&self, address: EntryAddress, cause: Cause, now: Timestamp) -> Option<Placed> {
        let EntryAddress {
            queue: id,
            entry: lsn,
        } = address;
        let queue = self.queue(id)?;
        let entry = queue.backlog.get(lsn)?;
        let target = self.dead_letter_queue(queue, entry, cause)?;
        let source = queue.overlay(lsn).and_then(|overlay| overlay.source);
        Some(Placed {
            at: now,
            unit: queue.unit.clone(),
            queues: vec![target],
            source: Some(source.unwrap_or(lsn)),
            private: entry.is_private(),
            marked: entry.is_marked(),
            from: Some(Moved {
                queue: id,
                entry: lsn,
                cause,
                by: None,
            }),
            deadline: None,
            octets: entry.octets(),
        })
    }

    fn dead_letter_queue(&self, queue: &Queue, entry: &Entry, cause: Cause) -> Option<QueueId> {
        let unit = self.unit(&queue.unit)?;
        match queue.kind {
            QueueKind::Inbox => Some(unit.dead),
            QueueKind::Receipts | QueueKind::Dead => None,
            QueueKind::Own => {
                let own = self.own_dead_letter_queue(queue, entry, cause);
                own.or((!entry.is_private()).then_some(unit.dead))
            }
        }
    }

    /// The dead-letter queue that an own queue was declared with, where it takes the message. A
    /// standing queue takes none: what is in there is the broker's own. Neither does a queue where
    /// the message was before and was not rejected since: else it would go round for ever without any
    /// client's doing.
    fn own_dead_letter_queue(&self, queue: &Queue, entry: &Entry, cause: Cause) -> Option<QueueId> {
        let default = queue.properties.text("x-dead-letter-exchange");
        default.filter(|exchange| exchange.is_empty())?;
        // Without a key of its own the key by which it came, which of a private message is the name of
        // the queue that it is in; no queue has the name of a release's key.
        let key = queue.properties.text("x-dead-letter-routing-key");
        let key = key.or_else(|| entry.is_private().then_some(&*queue.name))?;
        let (id, target) = self.find(&queue.unit, key)?;
        let died = queue.overlay(entry.lsn).map(|overlay| &overlay.died);
        let goes_round = match died {
            Some(died) => died.goes_round(&queue.name, cause, key),
            None => Died::default().goes_round(&queue.name, cause, key),
        };
        let takes = target.kind == QueueKind::Own
            && !(entry.is_marked() && target.is_bound())
            && !goes_round;
        takes.then_some(id)
    }

    /// How often a message may come back to a queue; none for any number of times.
    pub fn delivery_limit(&self, id: QueueId) -> Option<u32> {
        let queue = self.queue(id);
        let own = queue.and_then(|queue| queue.properties.integer("x-delivery-limit"));
        let limit = match queue {
            Some(queue) if queue.kind == QueueKind::Own => own,
            Some(queue) => {
                let unit = self.unit(&queue.unit);
                unit.and_then(|unit| unit.delivery_limit).map(i64::from)
            }
            None => None,
        };
        match limit {
            None => Some(DELIVERY_LIMIT),
            Some(limit) if limit < 0 => None,
            Some(limit) => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        }
    }
}

/// The text that a unit has no queue of this name. Where the name is that of another unit's standing
/// queue, the text names the asking unit's own: that follows from the name alone, not from which units
/// there are.
pub(super) fn no_queue(unit: &UnitId, name: &str) -> String {
    let absent = format!("no queue '{name}' in vhost '/'");
    let standing = [QueueKind::Inbox, QueueKind::Receipts, QueueKind::Dead];
    let mut own = standing.map(|kind| standing_name(unit, kind)).into_iter();
    let first = |name: &str| name.split('.').next().map(str::to_owned);
    match own.find(|own| first(own) == first(name)) {
        Some(own) => format!("{absent}; your unit's is '{own}'"),
        None => absent,
    }
}

/// Which queues alone a delete takes.
#[derive(Clone, Copy)]
struct OnlyIf {
    unused: bool,
    empty: bool,
}

fn declare_exchange(
    unit: &UnitId,
    name: &str,
    kind: &str,
    traits: ExchangeTraits,
    argument: Option<&str>,
) -> Decided {
    let ExchangeTraits {
        passive,
        durable,
        auto_delete,
        internal,
    } = traits;
    let predeclared = [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ];
    let standing = standing_exchange(unit, name).then_some("topic");
    let standing = standing.or(predeclared
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, kind)| *kind));
    let Some(current) = standing else {
        if name.is_empty() || (name.starts_with("amq.") && !passive) {
            return refused(403, format!("exchange name '{name}' is reserved"));
        }
        if passive {
            return refused(404, format!("no exchange '{name}' in vhost '/'"));
        }
        return refused(
            403,
            format!(
                "exchange '{name}': this broker has no exchanges of your own yet; bind queues to 'inbox'"
            ),
        );
    };
    let inequivalent = |what: &str, received: &str, current: &str| {
        let text = format!(
            "inequivalent arg '{what}' for exchange '{name}' in vhost '/': received '{received}' but current is '{current}'"
        );
        refused(406, text)
    };
    if passive {
        Decided::Reply(Answer::Done)
    } else if kind != current {
        inequivalent("type", kind, current)
    } else if !durable {
        inequivalent("durable", "false", "true")
    } else if auto_delete {
        inequivalent("auto_delete", "true", "false")
    } else if internal {
        inequivalent("internal", "true", "false")
    } else if let Some(argument) = argument {
        inequivalent(argument, "a value", "none")
    } else {
        Decided::Reply(Answer::Done)
    }
}

impl Queue {
    /// How a declaration differs from what the queue is, as clients know the text.
    fn differs(&self, name: &str, declared: &QueueProperties) -> Option<String> {
        let text = |what: &str, received: &str, current: &str| {
            Some(format!(
                "inequivalent arg '{what}' for queue '{name}' in vhost '/': received '{received}' but current is '{current}'"
            ))
        };
        let is = &self.properties;
        let pairs = [
            (
                "durable",
                declared.durable,
                is.durable || declared.exclusive && is.exclusive,
            ),
            ("auto_delete", declared.auto_delete, is.auto_delete),
            ("exclusive", declared.exclusive, is.exclusive),
        ];
        for (what, received, current) in pairs {
            if received != current && !(what == "durable" && is.exclusive) {
                return text(what, &received.to_string(), &current.to_string());
            }
        }
        let names = declared
            .arguments
            .iter()
            .chain(&is.arguments)
            .map(|(name, _)| name);
        for argument in names {
            let (received, current) = (declared.argument(argument), is.argument(argument));
            let standing_may = self.kind != QueueKind::Own && argument == "x-queue-type";
            if received != current && !standing_may {
                let show = |value: Option<&Argument>| {
                    value.map_or_else(|| "none".to_owned(), ToString::to_string)
                };
                return text(argument, &show(received), &show(current));
            }
        }
        None
    }
}
