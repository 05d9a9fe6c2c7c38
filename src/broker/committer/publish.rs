//! Publishes: a ruling that still holds becomes a record; a repeat gets the first answer again.

use super::{Committer, Fatal, Turn};
use crate::broker::command::{
    Effect, NotTaken, Origin, Private, Refusal, Returnable, Submission, Verdict, holds,
};
use crate::broker::dedup::Use;
use crate::broker::record::{CaseChange, CountedRefusals, Exchange, Placed, Record, Rejected};
use crate::broker::register::{NotTheirs, Step};
use crate::journal::Lsn;
use crate::journal::vfs::Vfs;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

/// Whether an id was used before.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    /// It was not, or what it was refused on has changed, and this ruling rests on what is so.
    Never,
    /// Neither memory nor the sender's search says so, or the ruling rests on what is no longer so.
    Stale,
    /// For this very message; its record, where it was refused for all.
    Same(Option<Lsn>),
    /// For another message.
    OtherContent,
    /// It cannot be told: the files that say so cannot be read.
    Unreadable,
}

/// Publishes of one channel that went back to their task: none is taken out of its turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// The serial whose turn it is.
    next: u64,
    /// The highest that went back.
    last: u64,
}

impl<V: Vfs> Committer<V> {
    /// Whether a publish stands behind one of its channel that went back and is not taken yet. It
    /// goes back too, to come after it.
    fn must_wait(&mut self, origin: &Origin) -> bool {
        let held = self.held.get_mut(&(origin.connection, origin.channel));
        let Some(held) = held.filter(|held| held.next != origin.serial) else {
            return false;
        };
        held.last = held.last.max(origin.serial);
        true
    }

    /// A publish goes back: those behind it keep their place.
    fn hold(&mut self, origin: &Origin) {
        let serial = origin.serial;
        let place = (origin.connection, origin.channel);
        let held = self.held.entry(place).or_insert(Held {
            next: serial,
            last: serial,
        });
        held.next = serial;
    }

    /// A publish is taken: the next of its channel has its turn.
    fn taken(&mut self, origin: &Origin) {
        let place = (origin.connection, origin.channel);
        if let Some(held) = self.held.get_mut(&place) {
            held.next = origin.serial + 1;
            if held.next > held.last {
                self.held.remove(&place);
            }
        }
    }

    pub(super) fn submit(
        &mut self,
        origin: Origin,
        submission: Submission,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        if self.must_wait(&origin) {
            let again = Effect::Again(origin, Box::new(submission));
            turn.tell(origin.connection, again);
            return Ok(());
        }
        let seen = self.seen(&submission, now);
        if turn.room && seen == Seen::Stale {
            self.hold(&origin);
            let again = Effect::Again(origin, Box::new(submission));
            turn.tell(origin.connection, again);
            return Ok(());
        }
        self.taken(&origin);
        if !turn.room || seen == Seen::Unreadable {
            let why = if turn.room {
                NotTaken::Unreadable
            } else {
                NotTaken::DiskFull
            };
            turn.nack(&origin, why);
            return Ok(());
        }
        let wire = submission.wire;
        let how = (submission.receipt, submission.refusals_max, now);
        let refusal = match submission.verdict {
            Verdict::Ruled {
                exchange,
                frame,
                refusal,
                ..
            } => match seen {
                Seen::Same(refused) => {
                    self.repeats.count(&exchange.sender.agency, now);
                    let refused = refused.map(|lsn| (lsn, Box::new(wire)));
                    turn.tell(origin.connection, Effect::Repeated { origin, refused });
                    return Ok(());
                }
                Seen::OtherContent => {
                    let (rejected, refusal) = other_content(*exchange);
                    Some(self.reject(rejected, refusal, how, turn)?)
                }
                _ => self.exchange((exchange, frame), refusal, how, turn)?,
            },
            Verdict::Rejected { rejected, refusal } => {
                Some(self.reject(*rejected, refusal, how, turn)?)
            }
            Verdict::Case { change, refused } => self.step_case(change, *refused, how, turn)?,
        };
        outcome(&origin, refusal, wire, turn);
        Ok(())
    }

    /// Whether this id was used before, by memory and what the sender's task found in files. A
    /// refusal for all counts only while what it rested on is so. A repeat of what was decided is
    /// never stale.
    fn seen(&self, submission: &Submission, now: Timestamp) -> Seen {
        let Verdict::Ruled { exchange, .. } = &submission.verdict else {
            return Seen::Never;
        };
        let used = self.ledger.known();
        let known = match used.find(exchange.key, &submission.looked, now) {
            Use::None => None,
            Use::Before(known) => Some(known),
            Use::Unsearched => return Seen::Stale,
            Use::Unreadable => return Seen::Unreadable,
        };
        if let Some(known) = known {
            let refused = known.refused.as_ref();
            if known.content != exchange.content {
                return Seen::OtherContent;
            }
            if refused.is_none_or(|reads| holds(reads, &self.ledger, now)) {
                return Seen::Same(refused.map(|_| known.lsn));
            }
        }
        if holds(&exchange.reads, &self.ledger, now) {
            Seen::Never
        } else {
            Seen::Stale
        }
    }

    /// Takes a step of a case, or refuses it; a refusal is evidence as that of a message is.
    fn step_case(
        &mut self,
        mut change: Box<CaseChange>,
        refused: Rejected,
        how: (bool, u32, Timestamp),
        turn: &mut Turn,
    ) -> Result<Option<Refusal>, Fatal> {
        let (_, _, now) = how;
        match self.ledger.register().step(&change) {
            Ok(Step::Changes) => {
                change.at = now;
                self.record(&Record::Case(*change), None, turn)?;
                Ok(None)
            }
            Ok(Step::IsSo) => {
                self.repeats.count(&change.sender.agency, now);
                Ok(None)
            }
            Err(NotTheirs { rule, says }) => {
                let (code, text, rule) = (refused.code, says, rule.to_owned());
                let refused = Rejected { rule, ..refused };
                let refusal = self.reject(refused, Refusal { code, text }, how, turn)?;
                Ok(Some(refusal))
            }
        }
    }

    /// Whether a refusal is counted instead of recorded. A refused message goes to nobody then, also
    /// where units that its sender may not know of would have got it: what a sender is told, and the
    /// numbers that it sees, must not depend on them.
    fn only_counts(&self, agency: &AgencyId, refusals_max: u32, now: Timestamp) -> bool {
        let counts = self.ledger.refusals();
        counts.is_used_up(agency, refusals_max, now)
    }

    /// Records a ruled message, or counts it where it was refused for all; gives what its sender is
    /// told.
    fn exchange(
        &mut self,
        (mut exchange, frame): (Box<Exchange>, Vec<u8>),
        refusal: Option<Refusal>,
        (receipt, refusals_max, now): (bool, u32, Timestamp),
        turn: &mut Turn,
    ) -> Result<Option<Refusal>, Fatal> {
        let agency = &exchange.sender.agency;
        match refusal {
            Some(refusal) if self.only_counts(agency, refusals_max, now) => {
                Ok(Some(turn.count(agency, refusal, refusals_max)))
            }
            refusal => {
                self.ledger.complete(&mut exchange, receipt, now);
                self.store(Record::Exchange(exchange), frame, turn)?;
                Ok(refusal)
            }
        }
    }

    /// Records a rejection, or counts it; gives what its sender is told.
    fn reject(
        &mut self,
        mut rejected: Rejected,
        refusal: Refusal,
        (receipt, refusals_max, now): (bool, u32, Timestamp),
        turn: &mut Turn,
    ) -> Result<Refusal, Fatal> {
        let agency = &rejected.sender.agency;
        if self.only_counts(agency, refusals_max, now) {
            return Ok(turn.count(agency, refusal, refusals_max));
        }
        self.ledger.complete_rejected(&mut rejected, receipt, now);
        self.record(&Record::Rejected(Box::new(rejected)), None, turn)?;
        Ok(refusal)
    }

    /// What this turn counted, durable with what it tells.
    pub(super) fn write_noted(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Fatal> {
        for (agency, count) in std::mem::take(&mut turn.refused) {
            let (from, to) = (now, now);
            let noted = CountedRefusals {
                agency,
                from,
                to,
                count,
            };
            self.record(&Record::RefusalsNoted(noted), None, turn)?;
        }
        Ok(())
    }

    /// Counts become evidence.
    pub(super) fn write_counted(
        &mut self,
        counts: Vec<CountedRefusals>,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        for counted in counts {
            self.record(&Record::RefusalsCounted(counted), None, turn)?;
        }
        Ok(())
    }

    pub(super) fn place(
        &mut self,
        private: Private,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let origin = private.origin;
        let Some(unit) = self.dispatch.unit(origin.connection).cloned() else {
            return Ok(());
        };
        if self.must_wait(&origin) {
            let again = Effect::AgainPrivate(Box::new(private));
            turn.tell(origin.connection, again);
            return Ok(());
        }
        self.taken(&origin);
        if !turn.room {
            turn.nack(&origin, NotTaken::DiskFull);
            return Ok(());
        }
        let routed = {
            let wire = &private.wire;
            self.ledger
                .route_private(&unit, &wire.exchange, &wire.routing_key)
        };
        let queues = match routed {
            Ok(queues) => queues,
            Err(Refusal { code, text }) => {
                let effect = Effect::PublishRefused { origin, code, text };
                turn.tell(origin.connection, effect);
                return Ok(());
            }
        };
        let unroutable = queues.is_empty();
        if !unroutable && self.ledger.kept_by(&unit.agency) >= u64::from(private.quota) {
            turn.nack(&origin, NotTaken::Quota);
            return Ok(());
        }
        if !unroutable {
            let placed = Placed {
                at: now,
                unit,
                queues,
                source: None,
                private: true,
                from: None,
                deadline: private.ttl.map(|ttl| now.plus(ttl)),
                deaths: Vec::new(),
                narrowed: None,
            };
            self.store(Record::Placed(Box::new(placed)), private.frame, turn)?;
        }
        let refusal = (unroutable && private.mandatory).then(|| Refusal {
            code: 312,
            text: format!("no queue '{}' in vhost '/'", private.wire.routing_key),
        });
        outcome(&origin, refusal, private.wire, turn);
        Ok(())
    }
}

impl Turn {
    /// No responsibility is taken.
    fn nack(&mut self, origin: &Origin, why: NotTaken) {
        let origin = *origin;
        self.tell(origin.connection, Effect::Nacked { origin, why });
    }

    /// Counts a refusal; what its sender is told says so.
    fn count(&mut self, agency: &AgencyId, refusal: Refusal, refusals_max: u32) -> Refusal {
        let counted = self.refused.entry(agency.clone()).or_default();
        *counted = counted.saturating_add(1);
        refusal.beyond(refusals_max)
    }
}

fn outcome(origin: &Origin, refusal: Option<Refusal>, wire: Returnable, turn: &mut Turn) {
    let returned = refusal.map(|refusal| Box::new((refusal, wire)));
    let origin = *origin;
    turn.tell(origin.connection, Effect::Outcome { origin, returned });
}

/// The same id with other content: refusal and evidence, the first message stays as it was.
fn other_content(exchange: Exchange) -> (Rejected, Refusal) {
    let text = "message_id was used for another message: give each message its own";
    let rejected = Rejected {
        at: exchange.at,
        sender: exchange.sender,
        unit: exchange.unit,
        message_type: exchange.message_type.to_string(),
        code: 406,
        place: "message_id".to_owned(),
        rule: "unique".to_owned(),
        body: exchange.content,
        number: 0,
        receipt: None,
        sealed: exchange.sealed,
        case: None,
    };
    (
        rejected,
        Refusal {
            code: 406,
            text: text.to_owned(),
        },
    )
}
