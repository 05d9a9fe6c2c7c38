//! The life of changes of the rulebook on a disk that loses what was not synced: at every call at which
//! the process can be killed, what was told is so, and what follows comes to the same end.

use std::collections::BTreeSet;
use std::time::Duration;

use carnet::agency::keys::KeyCheck;
use carnet::backbone::load::load;
use carnet::backbone::start::{recover, text_of};
use carnet::broker::command::Command;
use carnet::broker::committer::Committer;
use carnet::broker::governance::{
    Act, Approval, Deed, Done, Draft, Governance, Needs, NotDone, SignedText, State, Ticket, When,
};
use carnet::broker::limits::ACTIVATION_EVERY;
use carnet::broker::record::{Activated, Genesis, Record, Text};
use carnet::journal::vfs::Vfs;
use carnet::message::bundle::Bundle;
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use carnet::policy::change::Changes;
use carnet_disk::{Pattern, SimVfs};

use crate::border::noon;
use crate::recovered::{data, options};
use crate::watched::Watched;

const POST: &str = "policies/post.cedar";
const CUSTOMS: &str = "policies/customs.cedar";

/// What is done, in this order.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// This file is to say something else.
    Propose(&'static str, &'static str),
    /// What activation 2 changed is to be as it was.
    Return,
    /// The proposal of this number is approved, by the second officer of its owner.
    Approve(u64),
    Schedule(u64),
    Withdraw(u64),
    Activate(u64),
}

/// Two proposals, of which the first takes effect and is taken back; one that waits to be asked for, one
/// that is withdrawn.
const LIFE: [Step; 12] = [
    Step::Propose(POST, "permit stamps"),
    Step::Propose(CUSTOMS, "permit parcels"),
    Step::Approve(2),
    Step::Approve(1),
    Step::Activate(1),
    Step::Return,
    Step::Approve(3),
    Step::Activate(3),
    Step::Propose(CUSTOMS, "permit letters"),
    Step::Withdraw(4),
    Step::Propose(CUSTOMS, "permit cards"),
    Step::Schedule(5),
];

/// A committer with the texts that a broker would have in its view.
struct Exchange<V: Vfs> {
    committer: Committer<V>,
    now: Timestamp,
}

fn bundle() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.insert(POST, "permit letters");
    bundle.insert(CUSTOMS, "permit none");
    // Most of a rulebook is what no proposal touches.
    bundle.insert("messages/postal.item/schema.json", " ".repeat(1_000));
    bundle
}

fn genesis() -> Record {
    Record::Genesis(Genesis {
        at: noon(),
        digest: bundle().digest(),
        bundle: bundle(),
        development: false,
        units: Vec::new(),
        key_check: KeyCheck([0; 16]),
    })
}

fn act(by: &str) -> Act {
    Act {
        by: by.parse().unwrap(),
        key: Digest::of(by.as_bytes()),
        vouched_by: None,
    }
}

impl<V: Vfs> Exchange<V> {
    fn governance(&self) -> &Governance {
        self.committer.ledger().governance()
    }

    fn text(&self) -> Bundle {
        let at = self.governance().active().unwrap().entry.at();
        text_of(&self.committer.journal().reader(), at).unwrap()
    }

    fn does(&mut self, deed: Deed) -> Result<Done, NotDone> {
        self.now = self.now.plus(ACTIVATION_EVERY);
        let govern = Command::Govern(Ticket(7), Box::new(deed));
        let step = self.committer.step(vec![govern], self.now).unwrap();
        match step.governed.as_slice() {
            [(Ticket(7), done)] => done.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn proposed(&self, number: u64) -> Draft {
        let entry = self.governance().proposal(number).unwrap().entry;
        let stored = load(&self.committer.journal().reader(), entry.at()).unwrap();
        match stored.record {
            Record::Proposed(proposed) => proposed.draft,
            other => panic!("{other:?}"),
        }
    }

    fn draft(&self, changes: Changes, returns: Option<u64>) -> Draft {
        let base = self.text();
        let path = changes.paths().next().unwrap();
        let agency = if path == POST { "post" } else { "customs" };
        Draft {
            act: act(&format!("{agency}/o-11")),
            owner: agency.parse().unwrap(),
            base: base.digest(),
            digest: changes.applied(&base).digest(),
            impact: None,
            changes,
            title: "For the life of it".to_owned(),
            when: if returns.is_some() {
                When::Approved
            } else {
                When::Asked
            },
            returns,
            needs: Needs::agency(agency.parse().unwrap()),
        }
    }

    fn deed(&self, step: Step) -> Deed {
        match step {
            Step::Propose(path, text) => {
                let mut changes = Changes::default();
                changes.insert(path, Some(text.as_bytes().to_vec()));
                Deed::Propose(self.draft(changes, None))
            }
            Step::Return => {
                let activated = self.governance().activation(2).unwrap().proposal.unwrap();
                let changes = self.proposed(activated).changes.inverse(&bundle());
                Deed::Propose(self.draft(changes, Some(2)))
            }
            Step::Approve(proposal) => self.approval(proposal),
            Step::Schedule(proposal) => Deed::Schedule {
                act: act("customs/o-12"),
                proposal,
                at: None,
            },
            Step::Withdraw(proposal) => Deed::Withdraw {
                act: act("customs/o-12"),
                proposal,
            },
            Step::Activate(proposal) => {
                let next = self.proposed(proposal).changes.applied(&self.text());
                Deed::Activate(Activated {
                    at: Timestamp::default(),
                    proposal: Some(proposal),
                    tells: BTreeSet::new(),
                    digest: next.digest(),
                    text: Text::since(self.governance().whole().unwrap().at(), &bundle(), &next),
                    units: Vec::new(),
                })
            }
        }
    }

    fn approval(&self, proposal: u64) -> Deed {
        let owner = &self.governance().proposal(proposal).unwrap().owner;
        let act = act(&format!("{owner}/o-12"));
        let statement = self.governance().statement(proposal, &act.by).unwrap();
        Deed::Approve(Approval {
            act,
            proposal,
            signed: signed(statement.to_string()),
        })
    }

    /// Asks for activation where it waits to be asked for.
    fn take(&mut self, step: Step) -> Result<Done, NotDone> {
        if let Step::Activate(proposal) = step
            && self.governance().proposal(proposal).unwrap().when == When::Asked
        {
            let act = act("post/o-11");
            let at = None;
            self.does(Deed::Schedule { act, proposal, at }).unwrap();
        }
        self.does(self.deed(step))
    }
}

/// Whether the records hold what a step came to.
fn is_done(governance: &Governance, step: Step) -> bool {
    let state = |number| governance.proposal(number).map(|it| &it.state);
    let count = |path: &str| {
        let owner = if path == POST { "post" } else { "customs" };
        let of = governance
            .proposals()
            .filter(|it| it.owner.to_string() == owner);
        of.filter(|it| it.returns.is_none()).count()
    };
    match step {
        Step::Propose(path, text) => {
            let earlier = LIFE
                .iter()
                .take_while(|it| !matches!(it, Step::Propose(_, other) if *other == text));
            let earlier = earlier.filter(|it| matches!(it, Step::Propose(of, _) if *of == path));
            count(path) > earlier.count()
        }
        Step::Return => governance.proposals().any(|it| it.returns.is_some()),
        Step::Approve(number) => governance
            .proposal(number)
            .is_some_and(|it| !it.votes.is_empty()),
        Step::Schedule(number) => {
            let proposal = governance.proposal(number);
            proposal.is_some_and(|it| it.when == When::Approved)
        }
        Step::Withdraw(number) => matches!(state(number), Some(State::Withdrawn { .. })),
        Step::Activate(number) => matches!(state(number), Some(State::Activated(_))),
    }
}

fn opened<V: Vfs>(disk: &V, now: Timestamp) -> Option<Exchange<V>> {
    let mut committer = recover(disk, data(), &options()).unwrap().committer;
    committer.ledger().governance().active()?;
    committer.read_clock(now);
    committer.begin(&Record::Recovered).unwrap();
    Some(Exchange { committer, now })
}

/// What is left at the end: how each proposal ended, and the text in force.
fn end<V: Vfs>(exchange: &Exchange<V>) -> (Vec<(u64, &'static str)>, Bundle) {
    let proposals = exchange.governance().proposals();
    let states = proposals.map(|it| (it.number, it.state.name()));
    (states.collect(), exchange.text())
}

/// After a crash at a step: what was told is so, the step is done or not, and the rest comes to the end.
fn goes_on(disk: &SimVfs, nth: usize, now: Timestamp) -> (Vec<(u64, &'static str)>, Bundle) {
    let mut exchange = opened(disk, now).expect("it was begun");
    for step in &LIFE[..nth] {
        assert!(is_done(exchange.governance(), *step), "{step:?} was told");
    }
    for step in &LIFE[nth..] {
        if !is_done(exchange.governance(), *step) {
            exchange.take(*step).unwrap();
        }
    }
    end(&exchange)
}

pub(crate) fn signed(statement: String) -> SignedText {
    SignedText {
        statement,
        scheme: "ecdsa-p256-sha256".to_owned(),
        signature: vec![1; 70],
        certificate: vec![2; 700],
    }
}

#[test]
fn changes_of_the_rulebook_come_to_the_same_end_wherever_the_process_is_killed() {
    let disk = Watched::with_sectors(512);
    let mut committer = recover(&disk, data(), &options()).unwrap().committer;
    committer.begin(&genesis()).unwrap();
    disk.take();
    let mut exchange = Exchange {
        committer,
        now: noon(),
    };
    let mut points = Vec::new();
    for (nth, step) in LIFE.into_iter().enumerate() {
        exchange.take(step).unwrap();
        let crashes = disk.take().into_iter();
        points.extend(crashes.map(|crash| (nth, exchange.now, crash)));
        assert!(is_done(exchange.governance(), step), "{step:?}");
    }
    let ended = end(&exchange);
    let expected = [
        "pending",
        "withdrawn",
        "activated",
        "superseded",
        "activated",
    ];
    assert!(
        ended.0.iter().map(|(_, state)| *state).eq(expected),
        "{ended:?}"
    );
    assert_eq!(ended.1, bundle(), "it was taken back");
    assert!(points.len() > 100, "{}", points.len());
    for (nth, now, crash) in &points {
        assert_eq!(
            goes_on(crash, *nth, *now),
            ended,
            "killed at {:?}",
            LIFE[*nth]
        );
    }
    println!("{} crashes", points.len());
}

#[test]
fn what_was_approved_or_in_force_before_a_crash_is_refused_after_it_as_it_was_before() {
    let disk = SimVfs::new(1);
    let mut committer = recover(&disk, data(), &options()).unwrap().committer;
    committer.begin(&genesis()).unwrap();
    let mut exchange = Exchange {
        committer,
        now: noon(),
    };
    let mut old = Vec::new();
    for step in &LIFE[..8] {
        old.push(exchange.deed(*step));
        exchange.take(*step).unwrap();
    }
    let again = disk.crash(Pattern::Killed, 1);
    let mut after = opened(&again, exchange.now).unwrap();
    let mut kinds = BTreeSet::new();
    for deed in old {
        let is_proposal = matches!(deed, Deed::Propose(_));
        let refused = [exchange.does(deed.clone()), after.does(deed)];
        assert_eq!(refused[0], refused[1]);
        // The rulebook that the first ones rest on is in force again; they would need new approvals.
        if !is_proposal {
            assert!(
                matches!(refused[0], Err(NotDone::Closed { .. })),
                "{refused:?}"
            );
        }
        kinds.insert(refused[0].is_err());
    }
    assert_eq!(kinds.len(), 2);
    let later = exchange.now.plus(Duration::from_hours(1));
    assert!(exchange.governance().due(later).next().is_none());
}
