//! A record in words and as JSON. It sees no body, and nothing that is sealed.

mod governed;
mod measures;
mod trust;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::earlier::About;
use crate::broker::exchange::Decided;
use crate::broker::record::{
    CaseChange, CaseStep, Confidential, CountedRefusals, Exchange, Lost, Narrowed, Record,
    Rejected, Repeats, Settled, Settling, Topology,
};
use crate::journal::Lsn;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// The log's time and the clock's are shown apart from here on: less is the way to the disk.
const CLOCK_APART: Duration = Duration::from_secs(2);

/// A record, described.
pub(crate) struct Described {
    number: Option<u64>,
    lsn: Lsn,
    kind: &'static str,
    at: Option<Timestamp>,
    /// What the clock said when it was written.
    clock: Option<Timestamp>,
    /// Kind and what happened, as part of a line.
    says: String,
    /// A line for each recipient, or the like.
    below: Vec<String>,
    /// The record's fields, for programs.
    fields: Value,
    /// What the rules say that took part, each in lines of its own.
    law: Vec<String>,
}

impl Described {
    /// In full where the rulebook that decided is given.
    pub(crate) fn of(
        number: Option<u64>,
        lsn: Lsn,
        record: &Record,
        rulebook: Option<&Rulebook>,
    ) -> Self {
        let mut this = Self {
            number,
            lsn,
            kind: kind(record),
            at: None,
            clock: None,
            says: String::new(),
            below: Vec::new(),
            fields: Value::Null,
            law: Vec::new(),
        };
        match record {
            Record::Genesis(genesis) => this.genesis(genesis),
            Record::Activated(activated) => this.activated(activated),
            Record::Proposed(proposed) => this.proposed(proposed),
            Record::Approved(approved) => this.approved(approved),
            Record::Withdrawn(withdrawn) => this.withdrawn(withdrawn),
            Record::Scheduled(scheduled) => this.scheduled(scheduled),
            Record::Declared(declared) => this.declared(declared),
            Record::Confirmed(confirmed) => this.confirmed(confirmed),
            Record::MeasureEnded(ended) => this.measure_ended(ended),
            Record::Expiring(expiring) => this.expiring(expiring),
            Record::Revoked(revoked) => this.revoked(revoked),
            Record::NewKey(key) => this.new_key(key),
            Record::Accessed(accessed) => this.accessed(accessed),
            Record::Exchange(exchange) => this.exchange(exchange, rulebook),
            Record::Rejected(rejected) => this.rejected(rejected),
            Record::Case(change) => this.case(change),
            Record::Narrowed(narrowed) => this.narrowed(narrowed),
            Record::Repeats(repeats) => this.repeats(repeats),
            Record::RefusalsCounted(counted) => this.counted(counted),
            Record::Lost(lost) => this.lost(lost),
            other => this.bookkeeping(other),
        }
        this
    }

    fn narrowed(&mut self, narrowed: &Narrowed) {
        self.at = Some(narrowed.at);
        let (unit, left) = (&narrowed.unit, &narrowed.left);
        let data = if left.mask.is_empty() {
            "nothing is left".to_owned()
        } else {
            let (mask, days, onward) = (left.mask, left.retain_days, left.onward);
            format!("{mask} is left, kept {days} days at most, onward: {onward}")
        };
        self.says = format!("release of @{} to {unit}: {data}", narrowed.exchange);
        self.fields = json!({"exchange": narrowed.exchange, "unit": unit,
            "categories": left.mask, "retain_days": left.retain_days,
            "onward": left.onward, "policies": left.policies, "rulebook": left.rulebook});
    }

    fn exchange(&mut self, exchange: &Exchange, rulebook: Option<&Rulebook>) {
        self.at = Some(exchange.at);
        let (message_type, sender) = (&exchange.message_type, &exchange.sender);
        let number = match exchange.number {
            Some(number) => format!("its number {number}"),
            None => "sent again, of which it is told nothing".to_owned(),
        };
        self.says = format!("{message_type} from {sender}, {number}");
        if let Some(case) = &exchange.case {
            _ = write!(self.says, ", in case {case}");
        }
        self.fields = json!({"id": exchange.id, "sender": sender, "type": message_type,
            "sender_number": exchange.number, "case": exchange.case,
            "rulebook": exchange.rulebook, "body_bytes": exchange.body_bytes});
        let Exchange {
            recipients,
            holds,
            errors,
            sealed,
            ..
        } = exchange;
        let secret = Confidential::read(sealed);
        let decided = match rulebook {
            Some(rulebook) => {
                self.below.push(format!("rulebook  {}", exchange.rulebook));
                Decided::in_full(recipients, *holds, secret.as_ref(), errors, rulebook)
            }
            None => Decided::briefly(recipients, *holds),
        };
        self.below.extend(decided.lines());
        self.law = decided.law();
        if let Value::Object(more) = json!(decided) {
            more.into_iter()
                .for_each(|(name, value)| self.add(&name, value));
        }
    }

    fn rejected(&mut self, rejected: &Rejected) {
        self.at = Some(rejected.at);
        let Rejected {
            sender, code, rule, ..
        } = rejected;
        let place = match rejected.place.as_str() {
            "" => "the message",
            place => place,
        };
        let message_type = Some(&rejected.message_type).filter(|name| !name.is_empty());
        let shown = message_type.map_or("a message of no type", String::as_str);
        let number = rejected.number;
        self.says = format!("{shown} from {sender}, its number {number}: {code}");
        if let Some(case) = &rejected.case {
            _ = write!(self.says, ", of case {case}");
        }
        self.below.push(format!("x  {place}: {rule}"));
        self.fields = json!({"sender": sender, "type": message_type,
            "sender_number": rejected.number, "code": code, "place": rejected.place,
            "rule": rule, "case": rejected.case});
    }

    /// With what is confidential between sender and broker of a rejection: its id. Of an exchange
    /// that is told with the rulebook.
    pub(crate) fn with_its_id(mut self, record: &Record) -> Self {
        let Record::Rejected(rejected) = record else {
            return self;
        };
        let message_id = Confidential::read(&rejected.sealed).map(|told| told.message_id);
        if let Some(line) = self.below.last_mut() {
            match message_id {
                None => line.push_str("  message_id cannot be read"),
                Some("") => {}
                Some(id) => _ = write!(line, "  message_id {}", id.escape_debug()),
            }
        }
        self.add("message_id", json!(message_id));
        self
    }

    /// With what earlier records say of it.
    pub(crate) fn with_earlier(mut self, about: Option<&About>) -> Self {
        match about {
            None => {}
            Some(About::Rulebook(in_force)) => {
                let changes = &in_force.changes;
                self.below.extend(changes.lines());
                self.add("new", json!(changes.new));
                self.add("changed", json!(changes.changed));
                self.add("gone", json!(changes.gone));
            }
            Some(About::Order(number)) => {
                _ = write!(self.says, "; it was given by {number}");
                self.add("order", json!(number));
            }
        }
        self
    }

    fn counted(&mut self, counted: &CountedRefusals) {
        self.at = Some(counted.to);
        let (agency, count) = (&counted.party, counted.count);
        self.says = format!("{count} of {agency} beyond its limit, without records of their own");
        self.below
            .push(format!("from {} to {}", counted.from, counted.to));
        self.fields = json!({"agency": agency.to_string(), "count": count,
            "from": counted.from, "to": counted.to});
    }

    fn lost(&mut self, lost: &Lost) {
        self.at = Some(lost.at);
        let (left, jump) = (lost.evidence, lost.jump);
        let known = match lost.evidence_known {
            Some(known) => format!("of {known} pieces of evidence at least, {left} are left"),
            None => format!("{left} pieces of evidence are left"),
        };
        self.says = format!("the end of the log, from @{} on: {known}", lost.from);
        self.below
            .push(format!("the numbers of every unit jump by {jump}"));
        let units = lost
            .units
            .iter()
            .map(|last| json!({"unit": last.unit, "sent": last.sent, "received": last.received}));
        self.fields = json!({"from": lost.from, "known": lost.known, "evidence": left,
            "evidence_known": lost.evidence_known, "jump": jump,
            "units": units.collect::<Value>()});
    }

    fn case(&mut self, change: &CaseChange) {
        self.at = Some(change.at);
        let (case, sender) = (&change.case, &change.sender);
        self.fields = json!({"case": case, "sender": sender});
        let (done, more) = match &change.what {
            CaseStep::Open { areas, invites } => {
                let invites: Vec<String> = invites.iter().map(ToString::to_string).collect();
                self.add("areas", json!(areas));
                self.add("invites", json!(invites));
                (
                    "opened",
                    format!(" for {}, inviting {}", areas.join(" "), invites.join(" ")),
                )
            }
            CaseStep::Join => ("joined", String::new()),
            CaseStep::Close => ("closed", String::new()),
        };
        self.add("step", json!(done));
        self.says = format!("{case} {done} by {sender}{more}");
    }

    fn repeats(&mut self, repeats: &Repeats) {
        self.at = Some(repeats.at);
        let total: u64 = repeats.counts.iter().map(|(_, count)| count).sum();
        self.says = format!("{total} since {}, answered from the first", repeats.since);
        let mut counts = Map::new();
        for (agency, count) in &repeats.counts {
            self.below.push(format!("=  {agency}  {count}"));
            counts.insert(agency.to_string(), json!(count));
        }
        self.fields = json!({"since": repeats.since, "counts": counts});
    }

    fn bookkeeping(&mut self, record: &Record) {
        self.says = match record {
            Record::Placed(placed) => {
                self.at = Some(placed.at);
                let what = if placed.private { "private" } else { "moved" };
                let (queues, unit) = (placed.queues.len(), &placed.unit);
                format!("{what}, to {queues} queues of {unit}")
            }
            Record::Settled(settled) => settled_text(settled),
            Record::Topology(topology) => topology_text(topology),
            Record::Lease { queue, up_to } => format!("queue {} up to @{up_to}", queue.0),
            Record::OrderEnded { order, .. } => {
                format!("an order of {}: its deadline has passed", order.owner)
            }
            Record::Probed { .. } => "the log takes records".to_owned(),
            Record::Checkpoint(checkpoint) => {
                self.at = Some(checkpoint.at);
                format!("signed a tree of {}", checkpoint.tree.size())
            }
            Record::Stopped { out } => format!("cleanly, {} entries out", out.len()),
            Record::RefusalsNoted(noted) => {
                format!("{} of {} in this batch", noted.count, noted.party)
            }
            _ => "after a stop that was not clean".to_owned(),
        };
        self.fields = json!({"says": self.says});
        if let Record::Probed { at } = record {
            self.at = Some(*at);
        }
        if let Record::OrderEnded { at, order } = record {
            self.at = Some(*at);
            self.add("owner", json!(order.owner.to_string()));
        }
        if let Record::RefusalsNoted(noted) = record {
            self.at = Some(noted.to);
            self.add("agency", json!(noted.party.to_string()));
            self.add("count", json!(noted.count));
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        if let Some(fields) = self.fields.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    }

    /// That there was such a record, and nothing of what it says.
    pub(crate) fn bare(self) -> Self {
        Self {
            says: String::new(),
            below: Vec::new(),
            fields: json!({}),
            law: Vec::new(),
            ..self
        }
    }

    /// With a field more.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.add(name, value);
        self
    }

    /// This description, with what the clock said when the record was written.
    pub(crate) fn at_clock(mut self, clock: Option<Timestamp>) -> Self {
        self.clock = clock;
        self
    }

    /// What the clock said, where that is not the log's time.
    fn clock_apart(&self) -> Option<Timestamp> {
        let (at, clock) = (self.at?, self.clock?);
        let apart = at.since(clock).max(clock.since(at));
        (apart > CLOCK_APART).then_some(clock)
    }

    /// A line, and one below it for each recipient.
    pub(crate) fn to_text(&self) -> String {
        let number = self
            .number
            .map_or("-".to_owned(), |number| number.to_string());
        // A record without a time of its own was written when the clock said so.
        let at = self.at.or(self.clock);
        let mut at = at.map_or(String::new(), |at| format!("  {at}"));
        if let Some(clock) = self.clock_apart() {
            _ = write!(at, "  (clock {clock})");
        }
        let (lsn, kind, says) = (self.lsn, self.kind, &self.says);
        let mut text = format!("{number:>5}  @{lsn}{at}  {kind}  {says}\n");
        for line in &self.below {
            _ = writeln!(text, "       {line}");
        }
        text
    }

    /// Its fields, for readers of whom no number of the evidence is known.
    pub(crate) fn without_number(&self) -> Value {
        let mut told = self.to_json();
        if let Some(fields) = told.as_object_mut() {
            fields.remove("number");
        }
        told
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut all = Map::new();
        all.insert("number".to_owned(), json!(self.number));
        all.insert("lsn".to_owned(), json!(self.lsn));
        all.insert("kind".to_owned(), json!(self.kind));
        all.insert("at".to_owned(), json!(self.at));
        all.insert("clock".to_owned(), json!(self.clock));
        if let Value::Object(fields) = &self.fields {
            all.extend(fields.clone());
        }
        Value::Object(all)
    }

    /// What each policy is that took part, in the words of the rulebook that decided.
    pub(crate) fn law_as_text(&self) -> String {
        let mut text = String::new();
        for line in self.law.iter().flat_map(|law| law.lines()) {
            _ = writeln!(text, "       {line}");
        }
        text
    }
}

/// The name of a record's kind.
pub(super) const fn kind(record: &Record) -> &'static str {
    match record {
        Record::Genesis(_) => "genesis",
        Record::Activated(_) => "activated",
        Record::Proposed(_) => "proposed",
        Record::Approved(_) => "approved",
        Record::Withdrawn(_) => "withdrawn",
        Record::Scheduled(_) => "scheduled",
        Record::Declared(_) => "declared",
        Record::Confirmed(_) => "confirmed",
        Record::MeasureEnded(_) => "measure-ended",
        Record::Expiring(_) => "expiring",
        Record::Revoked(_) => "certificate-withdrawn",
        Record::NewKey(_) => "new-key",
        Record::Accessed(_) => "accessed",
        Record::Exchange(_) => "exchange",
        Record::Rejected(_) => "rejected",
        Record::Case(_) => "case",
        Record::Narrowed(_) => "narrowed",
        Record::Lost(_) => "lost",
        Record::Repeats(_) => "repeats",
        Record::RefusalsNoted(_) => "refusals-noted",
        Record::RefusalsCounted(_) => "refusals-counted",
        Record::OrderEnded { .. } => "order-ended",
        Record::Placed(_) => "placed",
        Record::Settled(_) => "settled",
        Record::Topology(_) => "topology",
        Record::Lease { .. } => "lease",
        Record::Probed { .. } => "probed",
        Record::Checkpoint(_) => "checkpoint",
        Record::Recovered => "recovered",
        Record::Stopped { .. } => "stopped",
    }
}

/// How many entries were settled in which way.
fn settled_text(settled: &Settled) -> String {
    let mut counts: BTreeMap<Settling, usize> = BTreeMap::new();
    for line in settled.lines() {
        *counts.entry(line.how).or_default() += line.entries.len();
    }
    let counts = counts.iter();
    let counts = counts.map(|(how, count)| format!("{count} {}", how.name()));
    counts.collect::<Vec<_>>().join(", ")
}

fn topology_text(topology: &Topology) -> String {
    match topology {
        Topology::Declared {
            queue, unit, name, ..
        } => format!(
            "queue {} of {unit} declared: {}",
            queue.0,
            name.escape_debug()
        ),
        Topology::Deleted(queue) => format!("queue {} deleted", queue.0),
        Topology::Purged { queue, .. } => format!("queue {} purged", queue.0),
        Topology::Bound { queue, .. } => format!("queue {} bound", queue.0),
        Topology::Unbound { queue, .. } => format!("queue {} unbound", queue.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_shown_by_agency() {
        let repeats = Repeats {
            at: Timestamp::from_millis(3_600_000),
            since: Timestamp::from_millis(60_000),
            counts: vec![
                ("customs".parse().unwrap(), 2),
                ("post".parse().unwrap(), 3),
            ],
        };
        let record = Record::Repeats(repeats);
        let described = Described::of(None, Lsn(4_144), &record, None);
        insta::assert_snapshot!(described.to_text(), @r"
            -  @4144  1970-01-01T01:00:00.000Z  repeats  5 since 1970-01-01T00:01:00.000Z, answered from the first
               =  customs  2
               =  post  3
        ");
        assert_eq!(
            described.to_json()["counts"],
            json!({"customs": 2, "post": 3})
        );
    }
}
