//! What must be so when the broker starts again on what a crash left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use carnet::backbone::load::load;
use carnet::backbone::start::{Options, Recovered, recover};
use carnet::broker::command::{Ask, Command, Settle};
use carnet::broker::committer::Committer;
use carnet::broker::effect::{Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::governance::Governance;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::broker::input::Input;
use carnet::broker::ledger::Ledger;
use carnet::broker::record::{Outcome, QueueId, Record};
use carnet::journal::vfs::Vfs;
use carnet::journal::{Lsn, StoredRecord};
use carnet::message::id::{Digest, Mask, UnitId};
use carnet::message::time::Timestamp;
use carnet_disk::{Fault, Pattern, SimVfs};

use crate::border::{Admitted, Fact};

/// Room for what a step keeps for itself and a purge weighs, and little more: the script crosses
/// segments, and each step is one batch.
const SEGMENT_BYTES: usize = 704 << 10;

/// Bytes of a batch before its first record.
const BATCH_HEADER: u64 = 48;

pub(crate) fn data() -> &'static Path {
    Path::new("/data")
}

pub(crate) fn options() -> Options {
    crate::options::options(SEGMENT_BYTES)
}

/// What the world outside was told until now, and what it did.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) now: Timestamp,
    pub(crate) confirmed: BTreeSet<Fact>,
    /// Handed over, confirmed or not.
    pub(crate) submitted: Vec<Admitted>,
    /// Delivered to a client, with what of the message.
    pub(crate) delivered: BTreeMap<(QueueId, Lsn), Option<Mask>>,
    /// Acknowledged or rejected by a client.
    pub(crate) settled: BTreeSet<(QueueId, Lsn)>,
    /// What officers were shown last, where they were.
    pub(crate) governance: Option<Governance>,
    /// The ledger at every place where a batch may end.
    pub(crate) history: BTreeMap<Lsn, Ledger>,
}

/// The log as an auditor reads it.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) facts: BTreeMap<Fact, usize>,
    /// Addresses of all records; the last is the last.
    addresses: BTreeSet<Lsn>,
    releases: Vec<(Lsn, QueueId, Option<Timestamp>)>,
    moved: BTreeSet<(QueueId, Lsn)>,
    sent: BTreeMap<UnitId, u64>,
    received: BTreeMap<UnitId, u64>,
}

impl Log {
    pub(crate) fn read<V: Vfs>(committer: &Committer<V>) -> Self {
        let reader = committer.journal().reader();
        let mut log = Self::default();
        for stored in reader.scan(Lsn::START) {
            let at = stored.unwrap().lsn;
            let stored = load(&reader, at).unwrap();
            log.add(at, &stored.record, &stored.frame);
        }
        log
    }

    fn add(&mut self, at: Lsn, record: &Record, frame: &[u8]) {
        self.addresses.insert(at);
        let fact = match record {
            Record::Exchange(exchange) => {
                if let Some(number) = exchange.number {
                    next(&mut self.sent, &exchange.unit, number);
                }
                for recipient in &exchange.recipients {
                    if let Outcome::Released(released) = &recipient.outcome {
                        next(&mut self.received, &recipient.unit, released.number);
                        let queues = released.queues.iter();
                        self.releases
                            .extend(queues.map(|queue| (at, *queue, exchange.deadline)));
                    }
                }
                Fact::Exchange(exchange.key)
            }
            Record::Rejected(rejected) => {
                next(&mut self.sent, &rejected.unit, rejected.number);
                Fact::Rejected(rejected.body)
            }
            Record::Case(change) => Fact::of_case(change),
            Record::Placed(placed) => {
                self.moved
                    .extend(placed.from.as_ref().map(|from| (from.queue, from.entry)));
                if placed.source.is_some() {
                    return;
                }
                Fact::Private(Digest::of(frame))
            }
            _ => return,
        };
        *self.facts.entry(fact).or_default() += 1;
    }

    fn last(&self) -> Lsn {
        *self.addresses.last().unwrap()
    }
}

/// A unit's numbers count from 1 and have no gaps.
fn next(numbers: &mut BTreeMap<UnitId, u64>, unit: &UnitId, number: u64) {
    let last = numbers.entry(unit.clone()).or_default();
    assert_eq!(number, *last + 1, "{unit}");
    *last = number;
}

/// Starts on what a crash left and checks all that was promised.
pub(crate) fn check(disk: &SimVfs, told: &Told) {
    lives_on(disk, told, false);
}

/// The same with a second crash at each call of the recovery, and with a second life after it.
pub(crate) fn check_deeply(disk: &SimVfs, told: &Told) -> usize {
    let as_found = || disk.crash(Pattern::Killed, 0);
    let undisturbed = as_found();
    drop(begun(&undisturbed, told));
    let calls = undisturbed.calls();
    for call in 0..calls {
        let again = as_found();
        again.plan(call, Fault::Crash);
        let failed = recover(&again, data(), &options());
        let failed = failed.map(|mut it| it.committer.begin(&Record::Recovered));
        assert!(!matches!(failed, Ok(Ok(()))), "call {call} of {calls}");
        let pattern = Pattern::EACH[usize::try_from(call).unwrap() % 6];
        lives_on(&again.crash(pattern, call), told, false);
    }
    lives_on(disk, told, true);
    usize::try_from(calls).unwrap()
}

/// A start of which one read fails ends with an error, or has read the same again; the log is as it was.
pub(crate) fn check_unread(disk: &SimVfs, number: u64) {
    let as_found = || disk.crash(Pattern::Killed, 0);
    let undisturbed = as_found();
    let ledger = recover(&undisturbed, data(), &options()).unwrap();
    let ledger = ledger.committer.ledger().clone();
    let disturbed = as_found();
    disturbed.fail_read(number % undisturbed.reads().max(1));
    if let Ok(recovered) = recover(&disturbed, data(), &options()) {
        assert!(*recovered.committer.ledger() == ledger, "read {number}");
    }
}

/// The committer after a start, where the log had begun; its ledger is the one that lived.
fn begun(disk: &SimVfs, told: &Told) -> Option<Committer<SimVfs>> {
    let Recovered {
        recovery,
        mut committer,
        ..
    } = recover(disk, data(), &options()).unwrap();
    committer.ledger().governance().active()?;
    let clean = recovery.clean;
    if !clean {
        committer.begin(&Record::Recovered).unwrap();
    }
    // Whoever starts after a crash says so first; more than one did where recoveries crashed.
    let records = committer.journal().reader().scan(Lsn::START);
    let records: Vec<StoredRecord> = records.map(|stored| stored.unwrap()).collect();
    let marks = records
        .iter()
        .filter(|stored| stored.kind.kind == Record::Recovered.kind())
        .map(|stored| stored.lsn);
    let end = marks
        .clone()
        .next()
        .map_or(recovery.end, |mark| Lsn(mark.0 - BATCH_HEADER));
    // A step whose batch finds its segment full ends it, and goes on in another one.
    let (from, base) = told.history.range(..=end).next_back().unwrap();
    let mut expected = base.clone();
    for stored in records.iter().filter(|it| (*from..end).contains(&it.lsn)) {
        let record = Record::decode(stored.kind, &stored.body).unwrap();
        expected.apply(&record, stored.lsn);
    }
    for mark in marks {
        expected.apply(&Record::Recovered, mark);
    }
    assert!(
        *committer.ledger() == expected,
        "the replayed ledger is not the one that lived"
    );
    Some(committer)
}

fn lives_on(disk: &SimVfs, told: &Told, deeply: bool) {
    let Some(mut committer) = begun(disk, told) else {
        assert!(told.confirmed.is_empty() && told.delivered.is_empty());
        return;
    };
    measures_stand(committer.ledger(), told);
    let log = Log::read(&committer);
    for fact in &told.confirmed {
        assert_eq!(log.facts.get(fact), Some(&1), "confirmed: {fact:?}");
    }
    assert!(log.facts.values().all(|count| *count == 1), "logged twice");
    for (queue, entry) in told.delivered.keys() {
        assert!(log.addresses.contains(entry), "{queue:?} {entry} unlogged");
    }
    let now = told.now.plus(Duration::from_secs(1));
    let delivered = consume_all(&mut committer, now);
    keeps_order_and_flags(&delivered, &committer, told);
    misses_nothing(&delivered, &log, &committer, (told, now));
    if deeply {
        repeats_make_no_second_record(&mut committer, told, now);
        second_life_replays(disk, &mut committer, &delivered, now);
    }
}

/// Each measure that officers were told of is known, confirmed where it was.
fn measures_stand(ledger: &Ledger, told: &Told) {
    let told = told.governance.iter().flat_map(Governance::open_measures);
    for (agency, told) in told {
        let it = ledger.governance().measure(agency, told.number);
        let is = it.is_some_and(|it| told.confirmed.is_none() || it.confirmed == told.confirmed);
        assert!(is, "told: {told:?}, found: {it:?}");
    }
}

fn consume_all(committer: &mut Committer<SimVfs>, now: Timestamp) -> Vec<Deliver> {
    let queues = committer.ledger().queues();
    let queues: Vec<_> = queues
        .map(|(_, q)| (q.unit.clone(), q.name.clone()))
        .collect();
    let mut commands = Vec::new();
    for ((unit, queue), number) in queues.into_iter().zip(0..) {
        let connection = ConnectionId(1_000 + number);
        commands.push(Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        });
        let ask = Ask::Consume {
            number,
            queue,
            priority: 0,
            exclusive: false,
            may_read: true,
        };
        commands.push(Command::Ask {
            connection,
            channel: 1,
            ask,
        });
    }
    // What expires at a head is buried by one step and, in `dead`, delivered by the next.
    let mut effects = stepped(committer, commands, now);
    effects.extend(stepped(committer, vec![Event::Tick], now));
    let delivers = effects.into_iter().filter_map(|(_, effect)| match effect {
        Effect::Deliver(deliver) => Some(*deliver),
        _ => None,
    });
    delivers.collect()
}

/// The effects of as many steps as these inputs take.
fn stepped<I: Into<Input>>(
    committer: &mut Committer<SimVfs>,
    inputs: impl IntoIterator<Item = I>,
    now: Timestamp,
) -> Vec<(ConnectionId, Effect)> {
    let mut effects = committer.step(inputs, now).unwrap().effects;
    while committer.has_more() {
        let step = committer.step(Vec::<Input>::new(), now).unwrap();
        effects.extend(step.effects);
    }
    effects
}

fn keeps_order_and_flags(delivered: &[Deliver], committer: &Committer<SimVfs>, told: &Told) {
    let mut last: BTreeMap<QueueId, Lsn> = BTreeMap::new();
    let found = committer.journal().reader();
    for deliver in delivered {
        let (queue, entry) = (deliver.delivery.queue, deliver.delivery.entry);
        let before = last.insert(queue, entry).unwrap_or_default();
        assert!(before < entry, "{queue:?}: {entry} after {before}");
        let Some(mask) = told.delivered.get(&(queue, entry)) else {
            continue;
        };
        assert!(deliver.redelivered, "{queue:?} {entry}: sent again unsaid");
        let source = deliver.source().at();
        let unit = &committer.ledger().queue(queue).unwrap().unit;
        if let (Some(before), Some(now)) =
            (mask, released(&load(&found, source).unwrap().record, unit))
        {
            let narrowed = deliver.overlay.narrowed.as_ref();
            let now = narrowed.map_or(now, |left| left.mask);
            assert!(now.without(*before).is_empty(), "{unit} {entry}: wider");
        }
    }
}

/// What a record released to a unit.
pub(crate) fn released(record: &Record, unit: &UnitId) -> Option<Mask> {
    let Record::Exchange(exchange) = record else {
        return None;
    };
    let own = exchange.recipients.iter().find(|r| r.unit == *unit)?;
    match &own.outcome {
        Outcome::Released(released) => Some(released.mask),
        Outcome::Refused { .. } => None,
    }
}

/// Everything that was released is delivered, or was done with before.
fn misses_nothing(
    delivered: &[Deliver],
    log: &Log,
    committer: &Committer<SimVfs>,
    (told, now): (&Told, Timestamp),
) {
    let delivered: BTreeSet<_> = delivered
        .iter()
        .map(|d| (d.delivery.queue, d.delivery.entry))
        .collect();
    for (at, queue, deadline) in &log.releases {
        let place = (*queue, *at);
        let Some(queue) = committer.ledger().queue(*queue) else {
            continue;
        };
        let over = deadline.is_some_and(|deadline| deadline <= now);
        // A queue with a length or a time of its own drops by these.
        let own = !queue.properties.arguments.is_empty();
        assert!(
            over || own
                || delivered.contains(&place)
                || told.settled.contains(&place)
                || log.moved.contains(&place),
            "{}/{}: {at} is lost",
            queue.unit,
            queue.name
        );
    }
}

/// A publisher that was not confirmed sends again; one that was may do so too.
fn repeats_make_no_second_record(committer: &mut Committer<SimVfs>, told: &Told, now: Timestamp) {
    let sent = told.submitted.iter().filter(|sent| sent.is_released());
    let sent: Vec<&Admitted> = sent.collect();
    let commands = sent.iter().zip(1_u16..).map(|(admitted, channel)| {
        let origin = Origin {
            connection: ConnectionId(1_000),
            channel,
            serial: 1,
            confirm: Some(1),
        };
        Command::Submit(origin, admitted.submission())
    });
    let mut expected = BTreeSet::new();
    for (_, effect) in stepped(committer, commands, now) {
        if let Effect::Outcome { origin, .. } | Effect::Repeated { origin, .. } = effect {
            expected.insert(sent[usize::from(origin.channel) - 1].fact());
        }
    }
    let log = Log::read(committer);
    for fact in told.confirmed.iter().chain(&expected) {
        assert_eq!(log.facts.get(fact), Some(&1), "after a repeat: {fact:?}");
    }
}

fn second_life_replays(
    disk: &SimVfs,
    committer: &mut Committer<SimVfs>,
    delivered: &[Deliver],
    now: Timestamp,
) {
    let deliveries = delivered.iter().map(|deliver| deliver.delivery).collect();
    let settle = Command::Settle {
        deliveries,
        how: Settle::Ack,
    };
    stepped(committer, vec![settle], now);
    let later = now.plus(Duration::from_millis(60));
    stepped(committer, vec![Event::Tick], later);
    assert!(committer.journal().is_batch_empty());
    let again = recover(&disk.crash(Pattern::Nothing, 3), data(), &options()).unwrap();
    assert!(again.committer.ledger() == committer.ledger());
    assert_eq!(
        Log::read(&again.committer).last(),
        Log::read(committer).last()
    );
}
