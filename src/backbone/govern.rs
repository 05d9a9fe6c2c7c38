//! Changes of the rulebook: deeds on their way to the core, and activations of what is due.
//!
//! A rulebook is read and its keys are derived by who asks for its activation, never by the committer,
//! which writes one record and puts it in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;

use super::deeds::{Answer, Chore, Prepared};
use super::embedded::Embedded;
use super::fetch::{Found, Tray, Unread, Wanted};
use super::load::load;
use super::start::{BESIDE_RULEBOOK, text_of, units_of};
use crate::agency::keys::SharedRing;
use crate::agency::officer::Holder;
use crate::agency::registry::Party;
use crate::broker::command::Command;
use crate::broker::core::Outstanding;
use crate::broker::event::Event;
use crate::broker::governance::{Deed, Done, Gone, Measure, NotDone, Noted, State};
use crate::broker::ids::EntryId;
use crate::broker::input::{Input, Payer};
use crate::broker::notice::changed_agencies;
use crate::broker::record::{Activated, Record, Stored, Text};
use crate::journal::Reader;
use crate::journal::vfs::DiskVfs;
use crate::message::bundle::Bundle;
use crate::message::id::{AgencyId, Digest, ExchangeId};
use crate::message::time::Timestamp;
use crate::policy::measures::Permits;
use crate::policy::rulebook::Rulebook;

impl Embedded {
    /// Has something done to the rulebook, and tells what it has come to, after the sync of its record. An
    /// activation is not asked for by this, but by [`activate_due`](Self::activate_due).
    pub async fn govern(&self, deed: Deed) -> Result<Done, NotDone> {
        let answered = self.hand_over(deed, None)?;
        answered.await.unwrap_or(Err(NotDone::Stopped))
    }

    /// What is outstanding in the queues of an agency, as the committer has it with its next step.
    pub async fn outstanding(&self, agency: &AgencyId) -> Result<Vec<Outstanding>, NotDone> {
        let (ticket, answered) = self.shared.deeds.ask().ok_or(NotDone::Stopped)?;
        let event = Event::Outstanding(ticket, agency.clone());
        self.shared.inbox.push(&mut vec![event.into()]);
        answered.await.map_err(|_| NotDone::Stopped)
    }

    /// Has something recorded that the broker noted. False where the log takes no record, which is told in
    /// the broker's own log.
    pub(crate) async fn note(&self, noted: Noted) -> bool {
        let noted = self.govern(Deed::Note(noted)).await;
        if let Err(why) = &noted {
            tracing::error!(%why, "what was noted of those whom an agency vouches for is not recorded");
        }
        noted.is_ok()
    }

    /// A record with its message.
    pub async fn record(&self, entry: EntryId) -> Result<Arc<Stored>, Unread> {
        if let Some(recent) = self.recent(entry) {
            return Ok(recent);
        }
        let tray = Arc::new(Tray::default());
        self.fetch(vec![Wanted::Record(entry)], Vec::new(), &tray);
        let found = poll_fn(|cx| {
            tray.register(cx.waker());
            tray.take().map_or(Poll::Pending, Poll::Ready)
        });
        match found.await.pop() {
            Some(Found::Record(_, stored)) => stored,
            _ => Err(Unread("nothing was found".to_owned())),
        }
    }

    /// The text of a rulebook that is or was in force, by the record with which it took effect. It reads
    /// the disk.
    pub fn text(&self, entry: EntryId) -> Result<Bundle, Unread> {
        let text = text_of(&self.reader, entry.at());
        text.map_err(|error| Unread(error.to_string()))
    }

    /// Puts the rulebook of a proposal into force that is due. It is when this returns: the
    /// [`view`](Self::view) has it.
    pub async fn activate_due(&self, proposal: u64) -> Result<Done, NotDone> {
        let (answer, answered) = oneshot::channel();
        let asked = self.chores.send(Chore::Activate { proposal, answer });
        asked.map_err(|_| NotDone::Stopped)?;
        answered.await.unwrap_or(Err(NotDone::Stopped))
    }

    /// Puts it into force on a thread that may wait, and may read the disk.
    pub(super) fn activate_due_here(&self, proposal: u64) -> Result<Done, NotDone> {
        let (activated, prepared) = self.prepare_due(proposal)?;
        let answered = self.hand_over(Deed::Activate(activated), Some(prepared))?;
        answered.blocking_recv().unwrap_or(Err(NotDone::Stopped))
    }

    /// Puts the rulebook of a development log's folders into force. It is when this returns.
    pub fn activate(&self, rulebook: Rulebook) -> Result<Done, NotDone> {
        let (activated, prepared) = self.prepare(rulebook, None)?;
        let answered = self.hand_over(Deed::Activate(activated), Some(prepared))?;
        answered.blocking_recv().unwrap_or(Err(NotDone::Stopped))
    }

    fn hand_over(
        &self,
        deed: Deed,
        prepared: Option<Prepared>,
    ) -> Result<oneshot::Receiver<Answer>, NotDone> {
        let agency = match &deed {
            Deed::Propose(draft) => draft.act.by.holder.agency(),
            Deed::Approve(approval) => approval.act.by.holder.agency(),
            Deed::Withdraw { act, .. }
            | Deed::Schedule { act, .. }
            | Deed::Access { act, .. }
            | Deed::Undeclare { act, .. } => act.by.holder.agency(),
            Deed::Declare(declaring) => declaring.act.by.holder.agency(),
            Deed::Confirm(confirmation) => confirmation.act.by.holder.agency(),
            Deed::Note(noted) => Some(noted.agency()),
            Deed::Activate(_) | Deed::Gone(_) | Deed::Tell(_) | Deed::Probe => None,
        };
        let agency = agency.cloned();
        let (ticket, answered) = self.shared.deeds.open(prepared).ok_or(NotDone::Stopped)?;
        let command = Command::Govern(ticket, Box::new(deed));
        match agency {
            // In its turn among what its systems send.
            Some(agency) => {
                let share = self.shared.inbox.share(Party::Agency(agency));
                let input = Input::new(share.payer, command);
                self.shared.inbox.push_for(&share, &mut vec![input]);
            }
            None => self
                .shared
                .inbox
                .push(&mut vec![Input::new(Payer::BROKER, command)]),
        }
        Ok(answered)
    }

    /// Reads the rulebook of a proposal that is due.
    fn prepare_due(&self, number: u64) -> Result<(Activated, Prepared), NotDone> {
        let view = self.view();
        let absent = || NotDone::Absent(number);
        let proposal = view.governance.proposal(number).ok_or_else(absent)?;
        if proposal.state != State::Pending {
            let state = proposal.state.clone();
            return Err(NotDone::Closed { number, state });
        }
        if !proposal.is_due(self.now()) {
            let (votes, needed) = (proposal.vote_count(), proposal.needs.votes());
            return Err(if proposal.is_complete() {
                NotDone::NotDue
            } else {
                NotDone::NotComplete { votes, needed }
            });
        }
        let unread = |error: &dyn std::fmt::Display| NotDone::Unread(error.to_string());
        let stored = load(&self.reader, proposal.entry.at());
        let Record::Proposed(proposed) = stored.map_err(|error| unread(&error))?.record else {
            return Err(unread(&"the record of the proposal is another"));
        };
        let next = proposed.draft.changes.applied(view.rulebook.bundle());
        // It was checked as it was proposed, on the rulebook that is in force still.
        let rulebook = Rulebook::load(&next).map_err(|faults| {
            let first = faults.first().map(ToString::to_string);
            NotDone::Faulty(first.unwrap_or_default())
        })?;
        let (activated, prepared) = self.prepare(rulebook, Some(number))?;
        let tells = match proposal.owner {
            Holder::Board => changed_agencies(&proposed.draft.changes),
            Holder::Agency(_) => BTreeSet::new(),
        };
        Ok((Activated { tells, ..activated }, prepared))
    }

    fn prepare(
        &self,
        rulebook: Rulebook,
        proposal: Option<u64>,
    ) -> Result<(Activated, Prepared), NotDone> {
        let whole = self.view().governance.whole().ok_or(NotDone::Stopped)?;
        let before = self.text(whole);
        let before = before.map_err(|unread| NotDone::Unread(unread.to_string()))?;
        let text = Text::since(whole.at(), &before, rulebook.bundle());
        let most = self.segment_bytes.saturating_sub(BESIDE_RULEBOOK);
        let bytes = text.octets();
        if bytes > most {
            return Err(NotDone::TooLarge { bytes, most });
        }
        let activated = Activated {
            at: Timestamp::default(),
            proposal,
            tells: BTreeSet::new(),
            digest: rulebook.digest(),
            text,
            units: units_of(&rulebook),
        };
        let basis = &self.shared.basis;
        let provided = basis.keeper.provide(&rulebook, self.now());
        provided.map_err(|error| match error {
            full if full.is_full() => NotDone::DiskFull,
            error => NotDone::Unread(error.to_string()),
        })?;
        let keys = basis.keys(&rulebook);
        Ok((activated, Prepared { rulebook, keys }))
    }

    /// What reads the log, up to what was synced last.
    pub(crate) fn reader(&self) -> Reader<DiskVfs> {
        self.reader.clone()
    }

    /// What opens what is sealed in the log.
    pub(crate) fn ring(&self) -> Arc<SharedRing> {
        Arc::clone(self.shared.basis.keeper.ring())
    }

    /// A rulebook that is or was in force, as far back as activations are remembered. It reads the disk.
    pub(crate) fn rulebook(&self, digest: Digest) -> Option<Rulebook> {
        let view = self.view();
        let mut activations = view.governance.activations();
        let activation = activations.find(|it| it.digest == digest)?;
        Rulebook::load(&self.text(activation.entry).ok()?).ok()
    }

    /// Has a record written and synced that says nothing, and reads it back from the disk.
    pub(crate) async fn probe(&self) -> Result<(), NotDone> {
        let Done::Recorded(entry) = self.govern(Deed::Probe).await? else {
            return Err(NotDone::Stopped);
        };
        let unread = |says: String| NotDone::Unread(says);
        let stored = load(&self.reader, entry.at());
        match stored.map_err(|error| unread(error.to_string()))?.record {
            Record::Probed { .. } => Ok(()),
            _ => Err(unread("another record stands in its place".to_owned())),
        }
    }

    /// Draws an id for what is sealed.
    pub(crate) fn draw_id(&self) -> Option<ExchangeId> {
        let drawn = self.shared.basis.keeper.draw()?;
        drawn.first_chunk().copied().map(ExchangeId)
    }

    /// Makes the keys of the next period while this one lasts. Where that fails it is tried again.
    pub(super) fn look_at_keys(&self) {
        let provided = (self.shared.basis.keeper).provide(&self.view().rulebook, self.now());
        if let Err(error) = provided {
            tracing::error!(%error, "the keys of the next thirty days are not made");
        }
    }

    /// Ends suspensions of which the rulebook in force has no permit any more. It can have them again before
    /// that is on record: what is decided goes by the digest.
    pub(super) fn look_at_suspended(&self) {
        let view = self.view();
        let rulebook = &view.rulebook;
        let gone = view.governance.open_measures().filter(|open| {
            let is_permit = |id| rulebook.rule(id).is_some_and(|rule| rule.permits);
            match &open.1.measure {
                Measure::Suspend(Permits::Named(named)) => !named.iter().any(is_permit),
                Measure::Suspend(Permits::All) | Measure::Level(_) | Measure::Lift(_) => false,
            }
        });
        for (agency, it) in gone {
            let gone = Gone {
                agency: agency.clone(),
                measure: it.number,
                rulebook: rulebook.digest(),
            };
            let Ok(answered) = self.hand_over(Deed::Gone(gone), None) else {
                return;
            };
            // Where it is not done now, it is looked at again.
            if let Ok(Ok(_)) = answered.blocking_recv() {
                tracing::info!(agency.id = %agency, measure = it.number, "the permits of a suspension are gone");
            }
        }
    }

    /// Activates what is due. `told`: of which it was said why it is not, and whether to try no more.
    pub(super) fn look_at_due(&self, told: &mut BTreeMap<u64, bool>) {
        let governance = Arc::clone(&self.view().governance);
        for proposal in governance.due(self.now()) {
            if told.get(&proposal) == Some(&true) {
                continue;
            }
            match self.activate_due_here(proposal) {
                Ok(_) => tracing::info!(proposal, "a proposal was due and has taken effect"),
                // It took effect by another way, or another took its place.
                Err(NotDone::Closed { .. } | NotDone::TooSoon | NotDone::Stopped) => {}
                Err(why) => {
                    // Reading a rulebook is dear, and what is wrong with this one stays so.
                    let is_its_own = matches!(why, NotDone::Faulty(_) | NotDone::TooLarge { .. });
                    if told.insert(proposal, is_its_own).is_none() {
                        tracing::error!(proposal, %why, "a proposal that is due does not take effect");
                    }
                }
            }
        }
    }
}
