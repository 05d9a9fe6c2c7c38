mod measures;

use std::collections::BTreeSet;

use super::*;
use crate::agency::keys::KeyCheck;
use crate::agency::officer::{Holder, OfficerId};
use crate::agency::registry::InboxMode;
use crate::broker::ledger::Ledger;
use crate::broker::limits::{
    BODY_DAY_BYTES, BODY_PROPOSALS, OWNER_ACTIVATIONS, OWNER_CLOSED, PROPOSAL_BYTES, TITLE_BYTES,
};
use crate::broker::record::{Activated, Genesis, Record, Text, UnitEntry};
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;

const PATH: &str = "policies/post.cedar";

/// A ledger to which deeds are done, one each second.
struct Log {
    ledger: Ledger,
    at: u64,
}

fn digest(fill: u8) -> Digest {
    Digest([fill; 32])
}

fn act(by: &str, key: u8) -> Act {
    Act {
        by: by.parse().unwrap(),
        key: digest(key),
        vouched_by: None,
    }
}

fn agency(name: &str) -> AgencyId {
    name.parse().unwrap()
}

fn draft(base: u8, next: u8) -> Draft {
    let mut changes = Changes::default();
    changes.insert(PATH, Some(vec![next]));
    Draft {
        act: act("post/o-11", 11),
        owner: Holder::Agency(agency("post")),
        base: digest(base),
        digest: digest(next),
        impact: None,
        changes,
        title: "Orchids are plants".to_owned(),
        when: When::Approved,
        returns: None,
        needs: Needs::agency(agency("post")),
    }
}

fn of_the_board(base: u8, next: u8) -> Draft {
    let members = ["customs", "police", "post"].map(agency);
    Draft {
        owner: Holder::Board,
        needs: Needs::quorum(2, BTreeSet::from(members)).unwrap(),
        ..draft(base, next)
    }
}

fn activation(proposal: Option<u64>, next: u8) -> Deed {
    Deed::Activate(Activated {
        at: Timestamp::default(),
        proposal,
        tells: BTreeSet::new(),
        digest: digest(next),
        text: Text::Whole(Bundle::default()),
        units: Vec::new(),
    })
}

impl Log {
    /// One whose first rulebook has digest 1.
    fn begin(development: bool) -> Self {
        let genesis = Genesis {
            at: Timestamp::default(),
            bundle: Bundle::default(),
            digest: digest(1),
            development,
            units: vec![UnitEntry {
                id: "post/main".parse().unwrap(),
                inbox: InboxMode::All,
                listed: true,
                delivery_limit: None,
            }],
            key_check: KeyCheck([0; 16]),
        };
        let mut ledger = Ledger::default();
        ledger.apply(&Record::Genesis(genesis), Lsn(1));
        Self { ledger, at: 1 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.at).unwrap() * 1_000)
    }

    fn governance(&self) -> &Governance {
        self.ledger.governance()
    }

    fn does(&mut self, deed: Deed) -> Result<Done, NotDone> {
        self.at += 1;
        let (now, development) = (self.now(), self.ledger.is_development());
        let decided = self.governance().decide(deed, now, development)?;
        self.ledger.apply(&decided.record, Lsn(self.at));
        Ok(decided.done.unwrap())
    }

    fn propose(&mut self, draft: Draft) -> u64 {
        match self.does(Deed::Propose(draft)) {
            Ok(Done::Proposed(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    /// As an officer who signs what he is to sign.
    fn approval(&self, proposal: u64, by: &str, key: u8) -> Approval {
        let act = act(by, key);
        let statement = self.governance().statement(proposal, &act.by);
        Approval {
            act,
            proposal,
            signed: signed(statement.map_or(String::new(), |it| it.to_string())),
        }
    }

    fn approve(&mut self, proposal: u64, by: &str, key: u8) -> Result<Done, NotDone> {
        self.does(Deed::Approve(self.approval(proposal, by, key)))
    }

    fn state(&self, proposal: u64) -> &State {
        &self.governance().proposal(proposal).unwrap().state
    }
}

fn signed(statement: String) -> SignedText {
    SignedText {
        statement,
        scheme: "ecdsa-p256-sha256".to_owned(),
        signature: Vec::new(),
        certificate: Vec::new(),
    }
}

const COMPLETE: Result<Done, NotDone> = Ok(Done::Approved { complete: true });

#[test]
fn an_approved_proposal_takes_effect_once_and_closes_all_that_rest_on_the_same_rulebook() {
    let mut log = Log::begin(false);
    let (first, other) = (log.propose(draft(1, 2)), log.propose(draft(1, 3)));
    for proposal in [first, other] {
        let early = log.does(activation(Some(proposal), 2));
        assert!(matches!(
            early,
            Err(NotDone::NotComplete {
                votes: 0,
                needed: 1
            })
        ));
        assert_eq!(log.approve(proposal, "post/o-12", 12), COMPLETE);
    }
    assert!(log.governance().due(log.now()).eq([first, other]));
    let done = log.does(activation(Some(first), 2));
    assert_eq!(done, Ok(Done::Activated { number: 2 }));
    assert_eq!(log.governance().active().unwrap().digest, digest(2));
    assert_eq!(*log.state(first), State::Activated(2));
    assert_eq!(*log.state(other), State::Superseded(2));
    for (proposal, next) in [(first, 2), (other, 3)] {
        let raced = log.does(activation(Some(proposal), next));
        assert!(matches!(raced, Err(NotDone::Closed { .. })), "{raced:?}");
    }
    let (base, active) = (digest(1), digest(2));
    let stale = log.does(Deed::Propose(draft(1, 4)));
    assert_eq!(stale, Err(NotDone::StaleBase { base, active }));
    assert!(log.governance().due(log.now()).next().is_none());
}

#[test]
fn what_was_approved_before_a_return_counts_for_nothing_after_it() {
    let mut log = Log::begin(false);
    let (first, other) = (log.propose(draft(1, 2)), log.propose(draft(1, 3)));
    let old = log.approval(other, "post/o-12", 12);
    for proposal in [first, other] {
        log.approve(proposal, "post/o-12", 12).unwrap();
    }
    log.does(activation(Some(first), 2)).unwrap();
    let back = log.propose(Draft {
        returns: Some(2),
        ..draft(2, 1)
    });
    log.approve(back, "post/o-12", 12).unwrap();
    log.does(activation(Some(back), 1)).unwrap();
    assert_eq!(log.governance().active().unwrap().digest, digest(1));
    // The rulebook that it rests on is in force again.
    for deed in [Deed::Approve(old.clone()), activation(Some(other), 3)] {
        let again = log.does(deed);
        assert!(matches!(again, Err(NotDone::Closed { .. })), "{again:?}");
    }
    let anew = log.propose(draft(1, 3));
    let replayed = Approval {
        proposal: anew,
        ..old
    };
    let replayed = log.does(Deed::Approve(replayed));
    assert_eq!(replayed, Err(NotDone::OtherStatement));
}

#[test]
fn two_officers_are_two_ids_and_two_keys() {
    let mut log = Log::begin(false);
    let proposal = log.propose(draft(1, 2));
    let his: OfficerId = "post/o-11".parse().unwrap();
    let refused = [
        ("post/o-11", 12, NotDone::OwnProposal(his)),
        ("post/o-12", 11, NotDone::SameKey),
        (
            "customs/o-12",
            12,
            NotDone::NoPart("customs/o-12".parse().unwrap()),
        ),
        (
            "board/o-12",
            12,
            NotDone::NoPart("board/o-12".parse().unwrap()),
        ),
    ];
    for (by, key, why) in refused {
        assert_eq!(log.approve(proposal, by, key), Err(why));
    }
    assert_eq!(log.approve(proposal, "post/o-12", 12), COMPLETE);
}

#[test]
fn the_board_needs_officers_of_so_many_agencies_each_with_a_key_of_his_own() {
    let mut log = Log::begin(false);
    let proposal = log.propose(of_the_board(1, 2));
    let first = log.approve(proposal, "customs/o-21", 21);
    assert_eq!(first, Ok(Done::Approved { complete: false }));
    let refused = [
        (
            "customs/o-21",
            22,
            NotDone::Twice("customs/o-21".parse().unwrap()),
        ),
        ("customs/o-22", 22, NotDone::Voted(agency("customs"))),
        ("police/o-31", 21, NotDone::SameKey),
        (
            "post/o-11",
            13,
            NotDone::OwnProposal("post/o-11".parse().unwrap()),
        ),
        ("vet/o-41", 41, NotDone::NoPart("vet/o-41".parse().unwrap())),
    ];
    for (by, key, why) in refused {
        assert_eq!(log.approve(proposal, by, key), Err(why));
    }
    let early = log.does(activation(Some(proposal), 2));
    assert!(matches!(
        early,
        Err(NotDone::NotComplete {
            votes: 1,
            needed: 2
        })
    ));
    assert_eq!(log.approve(proposal, "police/o-31", 31), COMPLETE);
    assert!(log.does(activation(Some(proposal), 2)).is_ok());
    assert_eq!(Needs::quorum(0, BTreeSet::from([agency("post")])), None);
    assert_eq!(Needs::quorum(2, BTreeSet::from([agency("post")])), None);
}

#[test]
fn an_approval_is_of_one_proposal_one_text_one_officer_and_one_log() {
    let mut log = Log::begin(false);
    let proposal = log.propose(draft(1, 2));
    let officer = "post/o-12".parse().unwrap();
    let own = log.governance().statement(proposal, &officer).unwrap();
    let others = [
        Statement {
            log: digest(9),
            ..own.clone()
        },
        Statement {
            proposal: 2,
            ..own.clone()
        },
        Statement {
            owner: Holder::Board,
            ..own.clone()
        },
        Statement {
            base: digest(9),
            ..own.clone()
        },
        Statement {
            digest: digest(9),
            ..own.clone()
        },
        Statement {
            impact: Some(digest(9)),
            ..own.clone()
        },
        Statement {
            officer: "post/o-13".parse().unwrap(),
            ..own.clone()
        },
    ];
    let texts = others.iter().map(ToString::to_string);
    for statement in texts.chain([String::new(), format!("{own}\n")]) {
        let approval = Approval {
            signed: signed(statement),
            ..log.approval(proposal, "post/o-12", 12)
        };
        let refused = log.does(Deed::Approve(approval));
        assert_eq!(refused, Err(NotDone::OtherStatement));
    }
    let lines = own.to_string();
    let lines: Vec<&str> = lines
        .lines()
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    let expected = [
        "carnet", "log", "proposal", "owner", "base", "rulebook", "impact", "officer",
    ];
    assert_eq!(lines, expected);
    assert_eq!(log.approve(proposal, "post/o-12", 12), COMPLETE);
}

#[test]
fn only_what_was_approved_takes_effect_and_when_it_was_said() {
    let mut log = Log::begin(false);
    let proposal = log.propose(Draft {
        when: When::Asked,
        ..draft(1, 2)
    });
    log.approve(proposal, "post/o-12", 12).unwrap();
    assert_eq!(
        log.does(activation(Some(proposal), 2)),
        Err(NotDone::NotDue)
    );
    let at = log.now().plus(std::time::Duration::from_secs(10));
    let schedule = |by, at| Deed::Schedule {
        act: act(by, 12),
        proposal,
        at,
    };
    let strange = log.does(schedule("customs/o-21", None));
    assert!(matches!(strange, Err(NotDone::NoPart(_))));
    let (past, now) = (log.now(), log.now().plus(std::time::Duration::from_secs(1)));
    let over = log.does(schedule("post/o-12", Some(past)));
    assert_eq!(over, Err(NotDone::Past { at: past, now }));
    log.does(schedule("post/o-12", Some(at))).unwrap();
    while log.now() < at {
        assert!(log.governance().due(log.now()).next().is_none());
        let early = log.does(activation(Some(proposal), 2));
        // Each deed takes a second.
        assert_eq!(early.is_err(), log.now() < at, "{early:?}");
    }
    assert_eq!(*log.state(proposal), State::Activated(2));

    let mut log = Log::begin(false);
    let proposal = log.propose(draft(1, 2));
    log.approve(proposal, "post/o-12", 12).unwrap();
    let (digest, approved) = (digest(3), digest(2));
    let other = log.does(activation(Some(proposal), 3));
    assert_eq!(other, Err(NotDone::OtherText { digest, approved }));
    assert_eq!(log.does(activation(Some(7), 2)), Err(NotDone::Absent(7)));
    assert_eq!(log.does(activation(None, 2)), Err(NotDone::NoProposal));
    assert!(Log::begin(true).does(activation(None, 2)).is_ok());
}

#[test]
fn a_time_that_passes_before_the_approvals_are_there_is_over() {
    let mut log = Log::begin(false);
    let proposal = log.propose(draft(1, 2));
    let at = |log: &Log, seconds| Some(log.now().plus(std::time::Duration::from_secs(seconds)));
    let schedule = |at| Deed::Schedule {
        act: act("post/o-11", 11),
        proposal,
        at,
    };
    log.does(schedule(at(&log, 2))).unwrap();
    log.at += 10;
    log.approve(proposal, "post/o-12", 12).unwrap();
    log.at += 10;
    assert!(log.governance().due(log.now()).next().is_none());
    let early = log.does(activation(Some(proposal), 2));
    assert_eq!(early, Err(NotDone::NotDue));
    log.does(schedule(None)).unwrap();
    assert!(log.does(activation(Some(proposal), 2)).is_ok());
}

#[test]
fn who_has_a_part_in_a_proposal_may_withdraw_it_and_then_it_is_over() {
    let mut log = Log::begin(false);
    let of_post = log.propose(draft(1, 2));
    let of_the_board = log.propose(of_the_board(1, 2));
    let withdraw = |proposal, by| Deed::Withdraw {
        act: act(by, 50),
        proposal,
    };
    for (proposal, by) in [
        (of_post, "customs/o-21"),
        (of_post, "board/o-10"),
        (of_the_board, "vet/o-41"),
    ] {
        let strange = log.does(withdraw(proposal, by));
        assert!(matches!(strange, Err(NotDone::NoPart(_))), "{by}");
    }
    for (proposal, by) in [(of_post, "post/o-13"), (of_the_board, "police/o-31")] {
        assert_eq!(log.does(withdraw(proposal, by)), Ok(Done::Withdrawn));
        let late = log.approve(proposal, "post/o-12", 12);
        assert!(matches!(late, Err(NotDone::Closed { .. })));
        let is = matches!(log.state(proposal), State::Withdrawn { by: his, .. } if his.to_string() == by);
        assert!(is, "{by}");
    }
}

#[test]
fn proposals_that_say_too_little_or_too_much_are_not_taken() {
    let mut log = Log::begin(false);
    let mut large = Changes::default();
    large.insert(PATH, Some(vec![0; PROPOSAL_BYTES]));
    let wrong = [
        Draft {
            digest: digest(1),
            ..draft(1, 2)
        },
        Draft {
            changes: Changes::default(),
            ..draft(1, 2)
        },
        Draft {
            changes: large,
            ..draft(1, 2)
        },
        Draft {
            title: " ".to_owned(),
            ..draft(1, 2)
        },
        Draft {
            title: "two\nlines".to_owned(),
            ..draft(1, 2)
        },
        Draft {
            title: "x".repeat(TITLE_BYTES + 1),
            ..draft(1, 2)
        },
        Draft {
            needs: Needs::agency(agency("customs")),
            ..draft(1, 2)
        },
        Draft {
            needs: of_the_board(1, 2).needs,
            ..draft(1, 2)
        },
    ];
    for draft in wrong {
        let title = draft.title.clone();
        assert!(log.does(Deed::Propose(draft)).is_err(), "{title}");
    }
    assert_eq!(log.propose(draft(1, 2)), 1, "nothing was recorded of these");
}

#[test]
fn a_body_has_so_many_pending_of_its_own_and_of_the_board() {
    let mut log = Log::begin(true);
    let most = BODY_PROPOSALS;
    let all: Vec<u64> = (0..most).map(|_| log.propose(draft(1, 2))).collect();
    let more = log.does(Deed::Propose(draft(1, 3)));
    let by = Holder::Agency(agency("post"));
    let too_many = Err(NotDone::TooMany { by, most });
    assert_eq!(more, too_many);
    for _ in 0..most {
        log.propose(of_the_board(1, 2));
    }
    assert_eq!(log.does(Deed::Propose(of_the_board(1, 3))), too_many);
    // Another member has places of its own.
    log.propose(Draft {
        act: act("customs/o-31", 31),
        ..of_the_board(1, 3)
    });
    let act = act("post/o-11", 11);
    let proposal = all[3];
    log.does(Deed::Withdraw { act, proposal }).unwrap();
    log.propose(draft(1, 3));
}

#[test]
fn a_body_proposes_so_many_octets_a_day_whatever_it_withdraws() {
    let mut log = Log::begin(true);
    let large = || {
        let mut changes = Changes::default();
        changes.insert(PATH, Some(vec![0; PROPOSAL_BYTES - PATH.len()]));
        Draft {
            changes,
            ..draft(1, 2)
        }
    };
    let most = BODY_DAY_BYTES;
    for _ in 0..most / u64::try_from(PROPOSAL_BYTES).unwrap() {
        let proposal = log.propose(large());
        let act = act("post/o-11", 11);
        log.does(Deed::Withdraw { act, proposal }).unwrap();
    }
    let by = Holder::Agency(agency("post"));
    let too_much = Err(NotDone::TooMuchToday { by, most });
    assert_eq!(log.does(Deed::Propose(draft(1, 3))), too_much);
    assert_eq!(log.does(Deed::Propose(of_the_board(1, 3))), too_much);
    let kept = Ledger::of_snapshot(&log.ledger.to_snapshot()).unwrap();
    assert_eq!(kept.governance(), log.ledger.governance());
    // Another body has a budget of its own, and the next day is another.
    log.propose(Draft {
        act: act("customs/o-31", 31),
        ..of_the_board(1, 3)
    });
    log.at += 86_400;
    log.propose(draft(1, 3));
}

/// The rulebook in force has another text after each.
fn changes_much(log: &mut Log, times: usize) {
    for nth in 0..times {
        let base = log.governance().active().unwrap().digest.0[0];
        let next = 2 + u8::try_from(nth % 200).unwrap();
        let next = if next == base { 250 } else { next };
        let withdrawn = log.propose(draft(base, next));
        let act = act("post/o-11", 11);
        let proposal = withdrawn;
        log.does(Deed::Withdraw { act, proposal }).unwrap();
        let activated = log.propose(draft(base, next));
        log.approve(activated, "post/o-12", 12).unwrap();
        log.does(activation(Some(activated), next)).unwrap();
    }
}

#[test]
fn an_owner_that_changes_much_takes_no_return_and_no_closed_proposal_from_another() {
    let mut log = Log::begin(true);
    let of_the_board = log.propose(of_the_board(1, 2));
    log.approve(of_the_board, "police/o-21", 21).unwrap();
    log.approve(of_the_board, "post/o-12", 12).unwrap();
    log.does(activation(Some(of_the_board), 2)).unwrap();
    let activated = log.governance().active().unwrap().number;
    changes_much(&mut log, OWNER_ACTIVATIONS + OWNER_CLOSED + 10);

    let governance = log.governance();
    // What is returned, what a return leads to, and the changes that it takes back are there.
    for number in [activated - 1, activated] {
        assert_eq!(
            governance.activation(number).map(|it| it.number),
            Some(number)
        );
    }
    assert!(governance.proposal(of_the_board).is_some());
    let post = Holder::Agency(agency("post"));
    let posts = governance.proposals().filter(|it| it.owner == post);
    let named = governance.activations().filter_map(|it| it.proposal);
    let named: BTreeSet<u64> = named.collect();
    let (activated, closed): (Vec<&Proposal>, Vec<&Proposal>) =
        posts.partition(|it| named.contains(&it.number));
    // The last of them, and the one that the first of these would lead back to.
    assert_eq!(activated.len(), OWNER_ACTIVATIONS + 1);
    assert_eq!(closed.len(), OWNER_CLOSED);
    let last = governance.active().unwrap();
    assert_eq!(governance.activation(last.number), Some(last));
    let kept = Ledger::of_snapshot(&log.ledger.to_snapshot()).unwrap();
    assert_eq!(**kept.governance(), *governance);
}
