//! Publishes: a ruling that still holds becomes a record; a repeat gets the first answer again.

use super::{Core, Turn};
use crate::agency::registry::{Party, Receipts};
use crate::broker::command::{Command, Private, holds};
use crate::broker::dedup::Use;
use crate::broker::effect::{Effect, NotTaken};
use crate::broker::exchange::{Returnable, Ruled, Submission, Verdict};
use crate::broker::governance::NotDone;
use crate::broker::ids::{EntryId, Origin};
use crate::broker::limits::BODY_BYTES;
use crate::broker::queue::Volume;
use crate::broker::record::{Again, CaseChange, Outcome, Placed, Recipient, Record, Rejected};
use crate::broker::register::{Barred, Step};
use crate::broker::reply::Refusal;
use crate::journal::Lsn;
use crate::message::id::UnitId;
use crate::message::rule;
use crate::message::time::Timestamp;

/// What is known of a submission before it is decided.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// A message to be recorded: its id was not used, or its sender is to see another answer than
    /// the first. The units that have got it by an earlier record.
    New(Vec<UnitId>),
    /// Neither memory nor the sender's search tells whether its id was used, or its verdict rests on
    /// what has changed since.
    Stale,
    /// A repeat of a message that was released.
    Same,
    /// A repeat of a message that was refused for all whom its sender may know of, and still is in
    /// the same words: the first record.
    Refused(Lsn),
    /// A repeat of a message that was refused for all whom its sender may know of, and what the
    /// refusal rested on has changed: it may reach units that its sender may not know of, but for
    /// those that have got it.
    RefusedAgain(Again, Vec<UnitId>),
    /// Its id was used for another message.
    OtherContent,
    /// Whether its id was used is not known: the files of used ids cannot be read.
    Unreadable,
}

/// How a submission is recorded, whatever the record is.
#[derive(Debug, Clone, Copy)]
struct How {
    receipts: Receipts,
    refusals_max: u32,
}

impl Core {
    pub(super) fn submit(&mut self, origin: Origin, submission: Submission, turn: &mut Turn) {
        if self.held.must_wait(&origin) {
            let again = Effect::Again(origin, Box::new(submission));
            turn.tell(origin.connection, again);
            return;
        }
        let now = turn.moment.now;
        let seen = self.seen(&submission, now);
        if seen == Seen::Stale {
            self.held.hold(&origin);
            let again = Effect::Again(origin, Box::new(submission));
            turn.tell(origin.connection, again);
            return;
        }
        self.held.taken(&origin);
        if seen == Seen::Unreadable {
            turn.nack(&origin, NotTaken::Unreadable);
            return;
        }
        let wire = submission.arrived.into_wire();
        let how = How {
            receipts: submission.receipts,
            refusals_max: submission.refusals_max,
        };
        let refusal = match submission.verdict {
            Verdict::Ruled(ruled) => match seen {
                Seen::Same => {
                    self.repeats.count(&ruled.exchange().sender.agency, now);
                    let refused = None;
                    turn.tell(origin.connection, Effect::Repeated { origin, refused });
                    return;
                }
                Seen::Refused(first) => {
                    self.repeats
                        .count_refused(&ruled.exchange().sender.agency, now);
                    turn.refused_again(&origin, first, wire);
                    return;
                }
                Seen::RefusedAgain(again, had) => {
                    self.repeats
                        .count_refused(&ruled.exchange().sender.agency, now);
                    turn.refused_again(&origin, again.first, wire);
                    return self.reach_others(ruled.without(had), again, how, turn);
                }
                Seen::OtherContent => {
                    let text = "message_id was used for another message: give each message its own";
                    let (code, text) = (406, text.to_owned());
                    let refusal = Refusal { code, text };
                    let rejected = ruled.rejected(&refusal, "property message_id", &rule::UNIQUE);
                    Some(self.reject(rejected, refusal, how, turn))
                }
                Seen::New(had) => self.exchange(ruled.without(had), how, turn),
                Seen::Stale | Seen::Unreadable => return,
            },
            Verdict::Rejected { rejected, refusal } => {
                Some(self.reject(*rejected, refusal, how, turn))
            }
            Verdict::Case { change, refused } => self.step_case(change, *refused, how, turn),
        };
        outcome(&origin, refusal, wire, turn);
    }

    /// What memory, and what the sender's task found in files, say of a submission. A refusal for all
    /// counts only until a fact that it rested on changes. A repeat of what was decided is never stale.
    fn seen(&self, submission: &Submission, now: Timestamp) -> Seen {
        let Verdict::Ruled(ruled) = &submission.verdict else {
            // The rulebook also says what a system may do and what is valid.
            let same = submission.rulebook_epoch == self.ledger.rulebook_epoch();
            return if same {
                Seen::New(Vec::new())
            } else {
                Seen::Stale
            };
        };
        let exchange = ruled.exchange();
        let used = self.ledger.known();
        let known = match used.find(exchange.key, &submission.looked, now) {
            Use::None => None,
            Use::Before(known) => Some(known),
            Use::Unsearched => return Seen::Stale,
            Use::Unreadable => return Seen::Unreadable,
        };
        if known.is_some_and(|known| known.content != exchange.content) {
            return Seen::OtherContent;
        }
        let refused = match known.map(|known| (known, &known.refused)) {
            None => None,
            Some((_, None)) => return Seen::Same,
            Some((known, Some(refused))) if holds(&refused.reads, &self.ledger, now) => {
                return Seen::Refused(known.first);
            }
            Some((known, Some(refused))) => Some((known, refused)),
        };
        if !holds(&exchange.reads, &self.ledger, now) {
            return Seen::Stale;
        }
        match refused {
            None => Seen::New(Vec::new()),
            Some((known, refused)) if refused.answer == exchange.answer => {
                let (first, until) = (known.first, known.until);
                Seen::RefusedAgain(Again { first, until }, refused.had.clone())
            }
            Some((_, refused)) => Seen::New(refused.had.clone()),
        }
    }

    /// Records a repeat of a refused message that reaches units that have not got it and that its sender
    /// may not know of: its sender gets the first answer, and no number.
    fn reach_others(&mut self, ruled: Ruled, again: Again, how: How, turn: &mut Turn) {
        let (mut exchange, frame) = ruled.into_record();
        exchange.again = Some(again);
        let reaches = |recipient: &Recipient| matches!(recipient.outcome, Outcome::Released(_));
        let anybody = exchange.recipients.iter().any(reaches);
        if !anybody || self.only_counts(&self.ledger.party(&exchange.unit), how, turn) {
            return;
        }
        self.ledger.complete(&mut exchange, false, turn.moment.now);
        self.store(Record::Exchange(exchange), &frame, turn);
    }

    /// Takes a step of a case, or refuses it; a refusal is evidence as that of a message is.
    fn step_case(
        &mut self,
        mut change: Box<CaseChange>,
        refused: Rejected,
        how: How,
        turn: &mut Turn,
    ) -> Option<Refusal> {
        let now = turn.moment.now;
        match self.ledger.register().step(&change) {
            Ok(Step::Changes) => {
                change.at = now;
                self.record(&Record::Case(*change), None, turn);
                None
            }
            Ok(Step::IsSo) => {
                self.repeats.count(&change.sender.agency, now);
                None
            }
            Err(Barred { rule, says }) => {
                let (code, text, rule) = (refused.code, says, rule.name.to_owned());
                // A name of no case is what its sender made up, and its receipt alone tells it.
                let case = refused.case.filter(|case| self.ledger.register().has(case));
                let refused = Rejected {
                    rule,
                    case,
                    said: Some(text.clone()),
                    ..refused
                };
                let refusal = self.reject(refused, Refusal { code, text }, how, turn);
                Some(refusal)
            }
        }
    }

    /// Whether a refusal is counted instead of recorded. A refused message then goes to no unit, not even
    /// to those that its sender may not know of and that would have got it: what a sender is told, and
    /// the numbers that it sees, must not depend on them.
    fn only_counts(&self, party: &Party, how: How, turn: &Turn) -> bool {
        let counts = self.ledger.refusals();
        counts.is_used_up(party, how.refusals_max, turn.moment.now)
    }

    /// Records a ruled message, or counts it where it was refused for all; gives what its sender is
    /// told.
    fn exchange(&mut self, ruled: Ruled, how: How, turn: &mut Turn) -> Option<Refusal> {
        let party = self.ledger.party(&ruled.exchange().unit);
        if let Err(barred) = self.ledger.register().may_order(ruled.exchange(), &party) {
            // A refused order changes no standing fact.
            let (code, text) = (403, barred.says);
            let refusal = Refusal { code, text };
            let rejected = ruled.rejected(&refusal, "/ID", barred.rule);
            return Some(self.reject(rejected, refusal, how, turn));
        }
        match ruled.refusal().cloned() {
            Some(refusal) if self.only_counts(&party, how, turn) => {
                Some(turn.count(party, refusal, how.refusals_max))
            }
            refusal => {
                let receipt = how.receipts.wants(ruled.is_exception());
                let (mut exchange, frame) = ruled.into_record();
                self.ledger
                    .complete(&mut exchange, receipt, turn.moment.now);
                self.store(Record::Exchange(exchange), &frame, turn);
                refusal
            }
        }
    }

    /// Records a rejection, or counts it; gives what its sender is told.
    fn reject(
        &mut self,
        mut rejected: Rejected,
        refusal: Refusal,
        how: How,
        turn: &mut Turn,
    ) -> Refusal {
        let party = self.ledger.party(&rejected.unit);
        if self.only_counts(&party, how, turn) {
            return turn.count(party, refusal, how.refusals_max);
        }
        let receipt = how.receipts.wants(true);
        self.ledger
            .complete_rejected(&mut rejected, receipt, turn.moment.now);
        self.record(&Record::Rejected(Box::new(rejected)), None, turn);
        refusal
    }

    /// Takes no responsibility for a publish for which there is no room, in its turn on its channel; does
    /// not do a deed.
    pub fn not_stored(&mut self, command: Command, turn: &mut Turn) {
        let (origin, again) = match command {
            Command::Submit(origin, submission) => (origin, Effect::Again(origin, submission)),
            Command::Private(private) => (private.origin, Effect::AgainPrivate(private)),
            Command::Govern(ticket, _) | Command::Show(ticket, _) => {
                turn.out.governed.push((ticket, Err(NotDone::DiskFull)));
                return;
            }
            _ => return,
        };
        if self.held.must_wait(&origin) {
            turn.tell(origin.connection, again);
        } else {
            self.held.taken(&origin);
            turn.nack(&origin, NotTaken::DiskFull);
        }
    }

    pub(super) fn place(&mut self, private: Private, turn: &mut Turn) {
        let origin = private.origin;
        let Some(unit) = self.dispatch.unit(origin.connection).cloned() else {
            return;
        };
        if self.held.must_wait(&origin) {
            let again = Effect::AgainPrivate(Box::new(private));
            turn.tell(origin.connection, again);
            return;
        }
        self.held.taken(&origin);
        let routed = {
            let wire = &private.wire;
            let copies = private.copies.iter().map(String::as_str);
            let keys = std::iter::once(&*wire.routing_key).chain(copies);
            self.ledger
                .route_private(&unit, &wire.exchange, keys, private.marked)
        };
        let queues = match routed {
            Ok(queues) => queues,
            Err(refusal) => {
                let effect = Effect::PublishRefused { origin, refusal };
                turn.tell(origin.connection, effect);
                return;
            }
        };
        if let Some(octets) = private.read_over {
            outcome(&origin, Some(too_large(octets)), private.wire, turn);
            return;
        }
        let unroutable = queues.is_empty();
        let kept = self.ledger.kept_by(&self.ledger.party(&unit));
        let octets = u32::try_from(private.frame.octets().len()).unwrap_or(u32::MAX);
        let messages = u64::try_from(queues.len()).unwrap_or(u64::MAX);
        let more = Volume {
            messages,
            octets: messages.saturating_mul(octets.into()),
        };
        if !unroutable && !kept.and(more).is_within(private.quota) {
            turn.nack(&origin, NotTaken::Quota);
            return;
        }
        if !unroutable {
            let placed = Placed {
                at: turn.moment.now,
                unit,
                queues,
                source: None,
                private: true,
                marked: private.marked,
                from: None,
                deadline: private.ttl.map(|ttl| turn.moment.now.plus(ttl)),
                octets,
            };
            self.store(Record::Placed(Box::new(placed)), &private.frame, turn);
        }
        let key = &private.wire.routing_key;
        let refusal = unroutable
            .then(|| private.unroutable.refusal(key))
            .flatten();
        outcome(&origin, refusal, private.wire, turn);
    }
}

impl Turn {
    /// Tells the publisher that no responsibility is taken for a publish.
    fn nack(&mut self, origin: &Origin, why: NotTaken) {
        let origin = *origin;
        self.tell(origin.connection, Effect::Nacked { origin, why });
    }

    /// Answers a repeat of a message that was refused for all as the first was answered.
    fn refused_again(&mut self, origin: &Origin, first: Lsn, wire: Returnable) {
        let first = EntryId::new(first);
        let (origin, refused) = (*origin, Some((first, Box::new(wire))));
        self.tell(origin.connection, Effect::Repeated { origin, refused });
    }

    /// Counts a refusal. Returns it with a text that tells the sender so.
    fn count(&mut self, party: Party, refusal: Refusal, refusals_max: u32) -> Refusal {
        let counted = self.refused.entry(party).or_default();
        *counted = counted.saturating_add(1);
        refusal.beyond(refusals_max)
    }
}

fn outcome(origin: &Origin, refusal: Option<Refusal>, wire: Returnable, turn: &mut Turn) {
    let returned = refusal.map(|refusal| Box::new((refusal, wire)));
    let origin = *origin;
    turn.tell(origin.connection, Effect::Outcome { origin, returned });
}

/// The refusal of a publish whose body was read over.
fn too_large(octets: u64) -> Refusal {
    let text = format!("the body has {octets} octets, and none may have more than {BODY_BYTES}");
    Refusal { code: 406, text }
}
