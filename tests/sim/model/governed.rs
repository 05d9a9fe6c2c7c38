//! Changes of the rulebook in a random life, beside a plain list of what may become of them.

use std::collections::BTreeSet;

use carnet::broker::governance::{
    Act as By, Approval, Deed, Done, Draft, Needs, NotDone, State, Ticket, When,
};
use carnet::broker::limits::{ACTIVATION_EVERY, BODY_PROPOSALS};
use carnet::message::id::{AgencyId, Digest};
use carnet::policy::change::Changes;

use super::acts::RULEBOOKS;
use super::*;
use crate::governed::signed;

/// Officers; the last of the board's own.
const OFFICERS: [&str; 6] = [
    "post/o-10",
    "post/o-11",
    "customs/o-20",
    "customs/o-21",
    "police/o-30",
    "board/o-90",
];
/// Owners, and those of them that have a vote: two of three for the board.
const OWNERS: [&str; 3] = ["post", "customs", "board"];
pub(super) const MEMBERS: [&str; 3] = ["customs", "police", "post"];

/// What is done to the rulebook. A key is its officer's own where it has his number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Govern {
    Propose {
        owner: usize,
        rulebook: usize,
        by: (usize, usize),
    },
    Approve {
        which: usize,
        by: (usize, usize),
    },
    Withdraw {
        which: usize,
        by: usize,
    },
    Schedule {
        which: usize,
        by: usize,
        tens: i64,
    },
    /// By the broker; with this rulebook, approved or not.
    Activate {
        which: usize,
        rulebook: usize,
    },
}

/// A proposal as it should be.
#[derive(Debug)]
pub(super) struct Naive {
    owner: usize,
    rulebook: usize,
    /// Who took part, the proposer first, by officer and key.
    took_part: Vec<(usize, usize)>,
    /// None while it waits to be asked for.
    due: Option<Timestamp>,
    state: &'static str,
}

fn body(officer: usize) -> &'static str {
    OFFICERS[officer].split('/').next().unwrap()
}

impl Naive {
    fn is_complete(&self) -> bool {
        let needed = if OWNERS[self.owner] == "board" { 2 } else { 1 };
        self.took_part.len() > needed
    }

    fn concerns(&self, body: &str) -> bool {
        let owner = OWNERS[self.owner];
        body == owner || (owner == "board" && MEMBERS.contains(&body))
    }

    fn takes(&self, by: (usize, usize)) -> bool {
        let body = body(by.0);
        let has_vote = body != "board" && self.concerns(body);
        let is_new = self.took_part.iter().all(|it| it.0 != by.0 && it.1 != by.1);
        let mut votes = self.took_part[1..].iter();
        self.state == "pending" && has_vote && is_new && votes.all(|it| self::body(it.0) != body)
    }
}

pub(super) fn act((officer, key): (usize, usize)) -> By {
    By {
        by: OFFICERS[officer].parse().unwrap(),
        key: Digest([u8::try_from(key).unwrap(); 32]),
        vouched_by: None,
    }
}

fn digest(rulebook: usize) -> Digest {
    border(rulebook, 1).in_force().digest
}

impl Life {
    pub(super) fn govern(&mut self, govern: Govern) {
        if let Govern::Activate { which, rulebook } = govern {
            return self.take_effect(which, rulebook);
        }
        self.step(|life, turn| {
            let Some((deed, expected)) = life.deed(govern) else {
                return;
            };
            let at = turn.next;
            let done = life.does(deed, turn);
            assert_eq!(done.is_ok(), expected, "{govern:?}: {done:?}");
            if expected {
                life.done(govern);
                life.told(govern, at);
                life.seen.insert("governed");
            }
        });
    }

    /// What is asked for, and whether it may be.
    fn deed(&self, govern: Govern) -> Option<(Deed, bool)> {
        let at = |which: usize| which.checked_rem(self.proposals.len());
        Some(match govern {
            Govern::Propose {
                owner,
                rulebook,
                by,
            } => {
                let pending = self.proposals.iter().filter(|it| it.state == "pending");
                let alike =
                    |it: &&Naive| it.owner == owner && body(it.took_part[0].0) == body(by.0);
                let room = pending.filter(alike).count() < BODY_PROPOSALS;
                let expected = room && rulebook != self.rulebook;
                (Deed::Propose(self.draft(owner, rulebook, by)), expected)
            }
            Govern::Approve { which, by } => {
                let nth = at(which)?;
                (self.approval(nth, by), self.proposals[nth].takes(by))
            }
            Govern::Withdraw { which, by } => {
                let nth = at(which)?;
                let (act, proposal) = (act((by, by)), number(nth));
                (Deed::Withdraw { act, proposal }, self.is_his(nth, by))
            }
            Govern::Schedule { which, by, tens } => {
                let nth = at(which)?;
                let schedule = Deed::Schedule {
                    act: act((by, by)),
                    proposal: number(nth),
                    at: Some(self.at(tens)),
                };
                (schedule, self.is_his(nth, by) && tens > 0)
            }
            Govern::Activate { .. } => return None,
        })
    }

    /// Whose approval a proposal needs is told of it.
    fn told(&mut self, govern: Govern, at: Lsn) {
        let Govern::Propose { owner, .. } = govern else {
            return;
        };
        let own = [OWNERS[owner]];
        let told = if own == ["board"] {
            &MEMBERS[..]
        } else {
            &own[..]
        };
        self.notified(told.iter().map(|name| name.parse().unwrap()).collect(), at);
    }

    /// The record at `at` is a notice in `receipts` of these agencies.
    pub(super) fn notified(&mut self, agencies: BTreeSet<AgencyId>, at: Lsn) {
        for agency in agencies {
            let main: UnitId = format!("{agency}/main").parse().unwrap();
            let receipts = self.naive.of_kind(&main, QueueKind::Receipts);
            self.naive.put(receipts, at, Entry::new(at, None));
        }
    }

    fn done(&mut self, govern: Govern) {
        let count = self.proposals.len();
        match govern {
            Govern::Propose {
                owner,
                rulebook,
                by,
            } => self.proposals.push(Naive {
                owner,
                rulebook,
                took_part: vec![by],
                due: None,
                state: "pending",
            }),
            Govern::Approve { which, by } => {
                let now = self.now;
                let proposal = &mut self.proposals[which % count];
                proposal.took_part.push(by);
                proposal.due = proposal.due.filter(|due| now <= *due);
            }
            Govern::Withdraw { which, .. } => self.proposals[which % count].state = "withdrawn",
            Govern::Schedule { which, tens, .. } => {
                self.proposals[which % count].due = Some(self.at(tens));
            }
            Govern::Activate { .. } => {}
        }
    }

    pub(super) fn at(&self, tens: i64) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis() + tens * 10)
    }

    fn is_his(&self, nth: usize, by: usize) -> bool {
        let proposal = &self.proposals[nth];
        let is_his = proposal.concerns(body(by)) || body(proposal.took_part[0].0) == body(by);
        proposal.state == "pending" && is_his
    }

    fn draft(&self, owner: usize, rulebook: usize, by: (usize, usize)) -> Draft {
        let mut changes = Changes::default();
        changes.insert("policies/post.cedar", Some(Vec::new()));
        let members = MEMBERS.map(|name| name.parse().unwrap());
        let holder = OWNERS[owner].parse().unwrap();
        let needs = if OWNERS[owner] == "board" {
            Needs::quorum(2, BTreeSet::from(members)).unwrap()
        } else {
            Needs::agency(OWNERS[owner].parse().unwrap())
        };
        Draft {
            act: act(by),
            owner: holder,
            base: digest(self.rulebook),
            digest: digest(rulebook),
            impact: None,
            changes,
            title: "A change".to_owned(),
            when: When::Asked,
            returns: None,
            needs,
        }
    }

    fn approval(&self, nth: usize, by: (usize, usize)) -> Deed {
        let act = act(by);
        let governance = self.core.ledger().governance();
        let statement = governance.statement(number(nth), &act.by).unwrap();
        Deed::Approve(Approval {
            act,
            proposal: number(nth),
            signed: signed(statement.to_string()),
        })
    }

    pub(super) fn does(&mut self, deed: Deed, turn: &mut Turn) -> Result<Done, NotDone> {
        let command = Command::Govern(Ticket(1), Box::new(deed));
        let come = self.take(command, turn);
        let done = turn.out.governed.pop().expect("an answer").1;
        assert!(come.effects.is_empty() && turn.out.governed.is_empty());
        done
    }

    /// As it takes effect, or not: it must be due, and be the rulebook that was approved.
    fn take_effect(&mut self, which: usize, rulebook: usize) {
        let epoch = self.core.ledger().rulebook_epoch() + 1;
        let Some(nth) = which
            .checked_rem(self.proposals.len())
            .filter(|_| epoch <= 4)
        else {
            return;
        };
        self.wait(u64::try_from(ACTIVATION_EVERY.as_millis()).unwrap());
        self.step(|life, turn| {
            let proposal = &life.proposals[nth];
            let is_due = proposal.due.is_some_and(|due| due <= life.now);
            let is_pending = proposal.state == "pending" && proposal.is_complete();
            let expected = is_due && is_pending && proposal.rulebook == rulebook;
            let next = border(rulebook, epoch);
            let deed = next.activated(Some(number(nth)));
            if expected {
                life.enter(next, rulebook);
                life.proposals[nth].state = "activated";
                life.seen.insert("activated by a proposal");
            }
            let done = life.does(deed, turn);
            assert_eq!(done.is_ok(), expected, "{nth} of {rulebook}: {done:?}");
        });
    }

    /// Another rulebook takes effect: all that rests on the one before is over.
    pub(super) fn enter(&mut self, border: Arc<Border>, rulebook: usize) {
        self.border = border;
        self.rulebook = rulebook;
        for (place, at) in self.places.iter_mut().zip(PLACES) {
            place.peer = self.border.peer(at.0, at.1);
        }
        for proposal in self.proposals.iter_mut().filter(|it| it.state == "pending") {
            proposal.state = "superseded";
        }
    }

    /// The ledger has what the list has.
    pub(super) fn governance_agrees(&self) {
        let governance = self.core.ledger().governance();
        for (nth, naive) in self.proposals.iter().enumerate() {
            let proposal = governance.proposal(number(nth)).expect("it is remembered");
            assert_eq!(proposal.state.name(), naive.state, "{naive:?}");
            let votes = naive.took_part.len() - 1;
            assert_eq!(proposal.votes.len(), votes, "{naive:?}");
            assert!(
                proposal.base == governance.active().unwrap().digest
                    || proposal.state != State::Pending
            );
        }
        assert_eq!(governance.proposals().count(), self.proposals.len());
    }
}

fn number(nth: usize) -> u64 {
    wide(nth + 1)
}

/// An officer with a key, which mostly is his own.
pub(super) fn officers() -> impl Strategy<Value = (usize, usize)> + Clone {
    let officer = 0..OFFICERS.len();
    let by = (officer.clone(), officer, 0..5_u8);
    by.prop_map(|(officer, key, own)| (officer, if own == 0 { key } else { officer }))
}

pub(super) fn governs() -> impl Strategy<Value = Govern> {
    let (officer, by) = (0..OFFICERS.len(), officers());
    let which = 0..9_usize;
    let rulebook = 0..RULEBOOKS.len();
    prop_oneof![
        3 => (0..OWNERS.len(), rulebook.clone(), by.clone())
            .prop_map(|(owner, rulebook, by)| Govern::Propose { owner, rulebook, by }),
        6 => (which.clone(), by).prop_map(|(which, by)| Govern::Approve { which, by }),
        1 => (which.clone(), officer.clone()).prop_map(|(which, by)| Govern::Withdraw { which, by }),
        2 => (which.clone(), officer, -5..30_i64)
            .prop_map(|(which, by, tens)| Govern::Schedule { which, by, tens }),
        3 => (which, rulebook).prop_map(|(which, rulebook)| Govern::Activate { which, rulebook }),
    ]
}
