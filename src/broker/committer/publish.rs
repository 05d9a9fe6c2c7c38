//! Publishes: a ruling that still holds becomes a record; a repeat gets the first answer again.

use std::time::Duration;

use super::{Committer, Fatal, Turn};
use crate::broker::command::{
    Effect, Origin, Private, Refusal, Returnable, Submission, Verdict, holds,
};
use crate::broker::dedup::Use;
use crate::broker::record::{CaseChange, Exchange, Placed, Record, Rejected};
use crate::journal::Lsn;
use crate::journal::vfs::Vfs;
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

impl<V: Vfs> Committer<V> {
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        submission: Submission,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let place = (origin.connection, origin.channel);
        if self
            .held
            .get(&place)
            .is_some_and(|serial| *serial != origin.serial)
        {
            turn.tell(
                origin.connection,
                Effect::Again(origin, Box::new(submission)),
            );
            return Ok(());
        }
        self.held.remove(&place);
        let seen = self.seen(&submission, now);
        if !turn.room || seen == Seen::Unreadable {
            nack(&origin, turn);
            return Ok(());
        }
        if seen == Seen::Stale {
            // Those behind it keep their place: none is taken until it is back.
            self.held.insert(place, origin.serial);
            let again = Effect::Again(origin, Box::new(submission));
            turn.tell(origin.connection, again);
            return Ok(());
        }
        let (wire, receipt) = (submission.wire, submission.receipt);
        let refusal = match submission.verdict {
            Verdict::Ruled {
                mut exchange,
                frame,
                refusal,
                ..
            } => match seen {
                Seen::Same(refused) => {
                    self.repeats.count(&exchange.sender.agency, now);
                    let refused = refused.map(|lsn| (lsn, Box::new(wire)));
                    let (channel, confirm) = (origin.channel, origin.confirm);
                    let effect = Effect::Repeated {
                        channel,
                        confirm,
                        refused,
                    };
                    turn.tell(origin.connection, effect);
                    return Ok(());
                }
                Seen::OtherContent => {
                    let (rejected, refusal) = other_content(*exchange);
                    self.reject(rejected, receipt, now, turn)?;
                    Some(refusal)
                }
                _ => {
                    self.ledger.complete(&mut exchange, receipt, now);
                    self.store(Record::Exchange(exchange), frame, turn)?;
                    refusal
                }
            },
            Verdict::Rejected { rejected, refusal } => {
                self.reject(*rejected, receipt, now, turn)?;
                Some(refusal)
            }
            Verdict::Case(change) => self.change_case(change, now, turn)?,
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

    fn change_case(
        &mut self,
        mut change: CaseChange,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Refusal>, Fatal> {
        if let Err(text) = self.ledger.register().may(&change) {
            return Ok(Some(Refusal { code: 403, text }));
        }
        change.at = now;
        self.record(&Record::Case(change), None, turn)?;
        Ok(None)
    }

    fn reject(
        &mut self,
        mut rejected: Rejected,
        receipt: bool,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        self.ledger.complete_rejected(&mut rejected, receipt, now);
        self.record(&Record::Rejected(Box::new(rejected)), None, turn)?;
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
        if !turn.room {
            nack(&origin, turn);
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
                let channel = origin.channel;
                let effect = Effect::PublishRefused {
                    channel,
                    code,
                    text,
                };
                turn.tell(origin.connection, effect);
                return Ok(());
            }
        };
        let unroutable = queues.is_empty();
        if !unroutable {
            let ttl = private.ttl_ms.map(Duration::from_millis);
            let placed = Placed {
                unit,
                queues,
                source: None,
                private: true,
                from: None,
                deadline: ttl.map(|ttl| now.plus(ttl)),
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

/// No responsibility is taken.
fn nack(origin: &Origin, turn: &mut Turn) {
    let effect = Effect::Nacked {
        channel: origin.channel,
        confirm: origin.confirm,
    };
    turn.tell(origin.connection, effect);
}

fn outcome(origin: &Origin, refusal: Option<Refusal>, wire: Returnable, turn: &mut Turn) {
    let returned = refusal.map(|refusal| Box::new((refusal, wire)));
    let effect = Effect::Outcome {
        channel: origin.channel,
        confirm: origin.confirm,
        returned,
    };
    turn.tell(origin.connection, effect);
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
    };
    (
        rejected,
        Refusal {
            code: 406,
            text: text.to_owned(),
        },
    )
}
