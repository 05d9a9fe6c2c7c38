//! Publishes: a ruling that still holds becomes a record; a repeat gets the first answer again.

use std::time::Duration;

use super::{Committer, Fatal, Turn};
use crate::broker::command::{Effect, Origin, Private, Refusal, Returnable, Submission, Verdict, holds};
use crate::broker::record::{Exchange, Placed, Record, Rejected};
use crate::journal::vfs::Vfs;
use crate::message::time::Timestamp;

impl<V: Vfs> Committer<V> {
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        submission: Submission,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let place = (origin.connection, origin.channel);
        if !turn.room {
            let effect = Effect::Nacked { channel: origin.channel, confirm: origin.confirm };
            turn.tell(origin.connection, effect);
            return Ok(());
        }
        if self.held.get(&place).is_some_and(|serial| *serial != origin.serial) {
            turn.tell(origin.connection, Effect::Again(origin, Box::new(submission)));
            return Ok(());
        }
        self.held.remove(&place);
        let Submission { publish, wire, verdict, receipt } = submission;
        let refusal = match verdict {
            Verdict::Ruled { exchange, frame, refusal, warned } => {
                if let Some(known) = self.ledger.known().get(exchange.key, now) {
                    let anew = known.refused.as_ref().is_some_and(|r| !holds(r, &self.ledger));
                    if known.content == exchange.content && !anew {
                        let refused = known.refused.is_some().then_some(known.lsn);
                        let refused = refused.map(|lsn| (lsn, Box::new(wire)));
                        let (channel, confirm) = (origin.channel, origin.confirm);
                        let effect = Effect::Repeated { channel, confirm, refused };
                        turn.tell(origin.connection, effect);
                        return Ok(());
                    }
                    if known.content != exchange.content {
                        let (rejected, refusal) = other_content(*exchange);
                        self.reject(rejected, receipt, now, turn)?;
                        outcome(&origin, Some(refusal), wire, turn);
                        return Ok(());
                    }
                }
                if !holds(&exchange.reads, &self.ledger) {
                    self.held.insert(place, origin.serial);
                    let verdict = Verdict::Ruled { exchange, frame, refusal, warned };
                    let again = Submission { publish, wire, verdict, receipt };
                    turn.tell(origin.connection, Effect::Again(origin, Box::new(again)));
                    return Ok(());
                }
                let mut exchange = exchange;
                self.ledger.complete(&mut exchange, receipt, now);
                self.store(Record::Exchange(exchange), frame, turn)?;
                refusal
            }
            Verdict::Rejected { rejected, refusal } => {
                self.reject(*rejected, receipt, now, turn)?;
                Some(refusal)
            }
            Verdict::Case(mut change) => match self.ledger.register().may(&change) {
                Ok(()) => {
                    change.at = now;
                    self.record(&Record::Case(change), None, turn)?;
                    None
                }
                Err(text) => Some(Refusal { code: 403, text }),
            },
        };
        outcome(&origin, refusal, wire, turn);
        Ok(())
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

    pub(super) fn place(&mut self, private: Private, now: Timestamp, turn: &mut Turn) -> Result<(), Fatal> {
        let origin = private.origin;
        let Some(unit) = self.dispatch.unit(origin.connection).cloned() else { return Ok(()) };
        if !turn.room {
            let effect = Effect::Nacked { channel: origin.channel, confirm: origin.confirm };
            turn.tell(origin.connection, effect);
            return Ok(());
        }
        let routed = {
            let wire = &private.wire;
            self.ledger.route_private(&unit, &wire.exchange, &wire.routing_key)
        };
        let queues = match routed {
            Ok(queues) => queues,
            Err(answer) => {
                turn.answer((origin.connection, origin.channel), answer);
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
        let refusal = (unroutable && private.mandatory)
            .then(|| Refusal { code: 312, text: "NO_ROUTE".to_owned() });
        outcome(&origin, refusal, private.wire, turn);
        Ok(())
    }
}

fn outcome(
    origin: &Origin,
    refusal: Option<Refusal>,
    wire: Returnable,
    turn: &mut Turn,
) {
    let returned = refusal.map(|refusal| Box::new((refusal, wire)));
    let effect = Effect::Outcome { channel: origin.channel, confirm: origin.confirm, returned };
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
    (rejected, Refusal { code: 406, text: text.to_owned() })
}
