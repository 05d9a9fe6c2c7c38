//! What becomes of deeds: each is answered with the step that took it, after its sync.

use super::{Core, Turn};
use crate::broker::governance::{Deed, Done, NotDone, Ticket};
use crate::broker::ids::EntryId;
use crate::broker::limits::ACTIVATION_EVERY;
use crate::broker::record::{Checkpoint, Record};

impl Core {
    pub(super) fn govern(&mut self, ticket: Ticket, deed: Deed, turn: &mut Turn) {
        let done = self.done(deed, turn);
        turn.out.governed.push((ticket, done));
    }

    /// A tree that was signed is recorded, and shown after the sync.
    pub(super) fn show(&mut self, ticket: Ticket, checkpoint: Checkpoint, turn: &mut Turn) {
        let goes_on = self
            .ledger
            .shown()
            .goes_on(&checkpoint, self.ledger.leaves());
        let done = goes_on.map(|()| {
            let at = turn.moment.now;
            let checkpoint = Checkpoint { at, ..checkpoint };
            let at = self.record(&Record::Checkpoint(Box::new(checkpoint)), None, turn);
            Done::Recorded(EntryId::new(at))
        });
        turn.out.governed.push((ticket, done));
    }

    fn done(&mut self, deed: Deed, turn: &mut Turn) -> Result<Done, NotDone> {
        let is_activation = matches!(deed, Deed::Activate(_));
        let run = turn.moment.run;
        let is_too_soon = |last| run.saturating_sub(last) < ACTIVATION_EVERY;
        if is_activation && self.activated.is_some_and(is_too_soon) {
            return Err(NotDone::TooSoon);
        }
        let (now, development) = (turn.moment.now, self.ledger.is_development());
        let decided = self.ledger.governance().decide(deed, now, development)?;
        if is_activation {
            self.activated = Some(run);
        }
        let at = self.record(&decided.record, None, turn);
        Ok(decided.done.unwrap_or(Done::Recorded(EntryId::new(at))))
    }
}
