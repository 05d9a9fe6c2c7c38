//! What a deed comes to: a record, or the reason for which there is none.

use super::deed::{Deed, Done, Noted};
use super::not_done::NotDone;
use super::spent::octets_of;
use super::state::{Governance, Proposal, State};
use crate::agency::officer::Holder;
use crate::broker::limits::{BODY_DAY_BYTES, BODY_PROPOSALS, PROPOSAL_BYTES, TITLE_BYTES};
use crate::broker::record::{
    Accessed, Act, Activated, Approval, Approved, Draft, Needs, Proposed, Record, Scheduled,
    Withdrawn, octets,
};
use crate::message::time::Timestamp;

/// A deed that is to be done.
pub(in crate::broker) struct Decided {
    pub(in crate::broker) record: Record,
    /// None where it comes to its record alone.
    pub(in crate::broker) done: Option<Done>,
}

impl Governance {
    /// What `deed` comes to at `now`; whether this is a development log.
    pub(in crate::broker) fn decide(
        &self,
        deed: Deed,
        now: Timestamp,
        development: bool,
    ) -> Result<Decided, NotDone> {
        match deed {
            Deed::Access {
                act,
                id,
                asked,
                results,
            } => Ok(Decided {
                record: Record::Accessed(Box::new(Accessed {
                    at: now,
                    act,
                    id,
                    asked,
                    results,
                })),
                done: None,
            }),
            Deed::Note(noted) => Ok(Decided {
                record: match noted {
                    Noted::Revoked(mut revoked) => {
                        revoked.at = now;
                        Record::Revoked(revoked)
                    }
                    Noted::NewKey(mut key) => {
                        key.at = now;
                        Record::NewKey(key)
                    }
                },
                done: None,
            }),
            Deed::Probe => Ok(Decided {
                record: Record::Probed { at: now },
                done: None,
            }),
            Deed::Propose(draft) => self.propose(draft, now),
            Deed::Approve(approval) => self.approve(approval, now),
            Deed::Withdraw { act, proposal } => {
                self.pending_for(proposal, &act)?;
                Ok(Decided {
                    record: Record::Withdrawn(Withdrawn {
                        at: now,
                        act,
                        proposal,
                    }),
                    done: Some(Done::Withdrawn),
                })
            }
            Deed::Schedule { act, proposal, at } => {
                self.pending_for(proposal, &act)?;
                if let Some(at) = at.filter(|at| *at <= now) {
                    return Err(NotDone::Past { at, now });
                }
                Ok(Decided {
                    record: Record::Scheduled(Scheduled {
                        at: now,
                        act,
                        proposal,
                        until: at,
                    }),
                    done: Some(Done::Scheduled),
                })
            }
            Deed::Declare(declaring) => self.declare(declaring, now),
            Deed::Confirm(confirmation) => self.confirm(confirmation, now),
            Deed::Undeclare { act, measure } => self.undeclare(&act, measure, now),
            Deed::Gone(gone) => self.gone(gone, now),
            Deed::Tell(expiring) => self.notice(expiring, now),
            Deed::Activate(activated) => self.activate(activated, now, development),
        }
    }

    fn propose(&self, draft: Draft, now: Timestamp) -> Result<Decided, NotDone> {
        let Some(active) = self.active().map(|active| active.digest) else {
            return Err(NotDone::Stopped);
        };
        let base = draft.base;
        if base != active {
            return Err(NotDone::StaleBase { base, active });
        }
        if draft.changes.is_empty() || draft.digest == base {
            return Err(NotDone::NoChange);
        }
        let owner = &draft.owner;
        if let Holder::Agency(agency) = owner
            && draft.needs != Needs::agency(agency.clone())
        {
            return Err(NotDone::OtherNeeds(draft.owner));
        }
        if !is_title(&draft.title) {
            return Err(NotDone::Title { most: TITLE_BYTES });
        }
        let (bytes, most) = (octets(&draft.changes), PROPOSAL_BYTES);
        if bytes > most {
            return Err(NotDone::TooLarge { bytes, most });
        }
        let pending = self.proposals().filter(|it| it.is_pending());
        let by = &draft.act.by.holder;
        let pending = pending.filter(|it| it.owner == *owner && it.act.by.holder == *by);
        if pending.count() >= BODY_PROPOSALS {
            let (by, most) = (by.clone(), BODY_PROPOSALS);
            return Err(NotDone::TooMany { by, most });
        }
        let most = BODY_DAY_BYTES;
        let spent = self.budgets.today(by, now);
        if spent.saturating_add(octets_of(&draft.changes)) > most {
            let by = by.clone();
            return Err(NotDone::TooMuchToday { by, most });
        }
        let number = self.proposed + 1;
        Ok(Decided {
            record: Record::Proposed(Box::new(Proposed {
                at: now,
                number,
                draft,
            })),
            done: Some(Done::Proposed(number)),
        })
    }

    fn approve(&self, approval: Approval, now: Timestamp) -> Result<Decided, NotDone> {
        let Act { by, key, .. } = &approval.act;
        let proposal = self.pending(approval.proposal)?;
        let agency = by.holder.agency();
        let agency = agency.filter(|agency| proposal.needs.of().contains(*agency));
        let agency = agency.ok_or_else(|| NotDone::NoPart(by.clone()))?;
        let mut votes = proposal.votes.iter().map(|vote| &vote.act);
        if proposal.act.by == *by {
            return Err(NotDone::OwnProposal(by.clone()));
        }
        if votes.clone().any(|act| act.by == *by) {
            return Err(NotDone::Twice(by.clone()));
        }
        if proposal.act.key == *key || votes.clone().any(|act| act.key == *key) {
            return Err(NotDone::SameKey);
        }
        if votes.any(|act| act.by.holder == by.holder) {
            return Err(NotDone::Voted(agency.clone()));
        }
        let statement = self.statement(proposal.number, by);
        if statement.is_none_or(|it| it.to_string() != approval.signed.statement) {
            return Err(NotDone::OtherStatement);
        }
        let complete = proposal.vote_count() + 1 >= proposal.needs.votes();
        Ok(Decided {
            record: Record::Approved(Box::new(Approved { at: now, approval })),
            done: Some(Done::Approved { complete }),
        })
    }

    fn activate(
        &self,
        activated: Activated,
        now: Timestamp,
        development: bool,
    ) -> Result<Decided, NotDone> {
        match activated.proposal {
            Some(number) => {
                let proposal = self.pending(number)?;
                let (votes, needed) = (proposal.vote_count(), proposal.needs.votes());
                let (digest, approved) = (activated.digest, proposal.digest);
                if !proposal.is_complete() {
                    return Err(NotDone::NotComplete { votes, needed });
                }
                if !proposal.is_due(now) {
                    return Err(NotDone::NotDue);
                }
                if digest != approved {
                    return Err(NotDone::OtherText { digest, approved });
                }
            }
            None if !development => return Err(NotDone::NoProposal),
            None => {}
        }
        let number = self.active().map_or(0, |active| active.number) + 1;
        let activated = Activated {
            at: now,
            ..activated
        };
        Ok(Decided {
            record: Record::Activated(Box::new(activated)),
            done: Some(Done::Activated { number }),
        })
    }

    fn pending(&self, number: u64) -> Result<&Proposal, NotDone> {
        let proposal = self.proposal(number).ok_or(NotDone::Absent(number))?;
        match &proposal.state {
            State::Pending => Ok(proposal),
            state => Err(NotDone::Closed {
                number,
                state: state.clone(),
            }),
        }
    }

    /// A pending proposal, for an officer who is to have a part in it.
    fn pending_for(&self, number: u64, act: &Act) -> Result<&Proposal, NotDone> {
        let proposal = self.pending(number)?;
        let holder = &act.by.holder;
        let is_his = proposal.act.by.holder == *holder || proposal.concerns(holder);
        is_his
            .then_some(proposal)
            .ok_or_else(|| NotDone::NoPart(act.by.clone()))
    }
}

/// Whether a text is one line, not empty and not too long.
pub(super) fn is_title(text: &str) -> bool {
    let is_line = !text.chars().any(char::is_control);
    !text.trim().is_empty() && text.len() <= TITLE_BYTES && is_line
}
