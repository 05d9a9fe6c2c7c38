//! Changes of the rulebook, and measures of agencies, through the threads of a backbone, on a disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use carnet::agency::keys::MasterKey;
use carnet::backbone::basis::Basis;
use carnet::backbone::embedded::{Embedded, Options};
use carnet::backbone::loss::OnLoss;
use carnet::backbone::ring::{Draw, RingError, RingKeeper};
use carnet::backbone::start::Replay;
use carnet::broker::governance::{
    Act, Approval, Declaring, Deed, Done, Draft, Measure, Needs, NotDone, SignedText, Stage, State,
    When,
};
use carnet::broker::limits::{ACTIVATION_EVERY, MEASURE_LASTS};
use carnet::broker::record::{EndedBy, LeafSecret, Record, Text};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::journal::vfs::DiskVfs;
use carnet::message::bundle::Bundle;
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use carnet::policy::change::Changes;
use carnet::policy::measures::Permits;

use crate::shipped::shipped;

const POST: &str = "policies/post.cedar";
const NOON: &str = "2026-03-17T12:00:00Z";

/// A broker's log in a folder of its own, and the clock that it goes by.
struct Log {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    genesis: Bundle,
}

/// What the repository holds, with issuers.
fn issued(now: Timestamp) -> Bundle {
    let bundle = shipped();
    let pki = DevelopmentPki::create(&bundle, now).unwrap();
    development_bundle(&bundle, &pki).unwrap()
}

impl Log {
    fn new() -> Self {
        let noon = Timestamp::from_rfc3339(NOON).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(AtomicI64::new(noon.as_millis())),
            genesis: issued(noon),
        }
    }

    fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    fn open(&self) -> Arc<Embedded> {
        let (data, master) = (self.folder.path(), MasterKey::new([7; 32]));
        let draw: Draw = || Some([5; 32]);
        let keeper = match RingKeeper::open(DiskVfs, data, &master, draw) {
            Err(RingError::Missing(_)) => RingKeeper::begin(DiskVfs, data, &master, draw),
            opened => opened,
        };
        let keeper = keeper.unwrap();
        let options = Options {
            genesis: Some(self.genesis.clone()),
            development: false,
            key_check: keeper.check(),
            segment_bytes: 8 << 20,
            journal: [7; 16],
            secret: LeafSecret::new([7; 32]),
            background: true,
            replay: Replay::FromSnapshot,
            known_ids: 1_000,
            end_file: None,
            on_loss: OnLoss::Refuse,
        };
        let basis = Basis {
            keeper,
            repeat_window: Duration::from_hours(1),
        };
        let clock = Arc::clone(&self.clock);
        let clock = move || Timestamp::from_millis(clock.load(Ordering::Relaxed));
        Embedded::open(data, options, basis, None, Arc::new(clock)).unwrap()
    }
}

fn act(by: &str) -> Act {
    Act {
        by: by.parse().unwrap(),
        key: Digest::of(by.as_bytes()),
        vouched_by: None,
    }
}

/// Post's rules with something behind them, proposed and approved.
async fn approved(backbone: &Embedded, more: &str, when: When) -> u64 {
    let base = Arc::clone(&backbone.view().rulebook);
    let text = base.bundle().text(POST).unwrap();
    rewritten(backbone, format!("{text}\n{more}\n"), when).await
}

/// Post's rules, proposed and approved with this text.
async fn rewritten(backbone: &Embedded, text: String, when: When) -> u64 {
    let base = Arc::clone(&backbone.view().rulebook);
    let mut changes = Changes::default();
    changes.insert(POST, Some(text.into_bytes()));
    let draft = Draft {
        act: act("post/m-0042"),
        owner: "post".parse().unwrap(),
        base: base.digest(),
        digest: changes.applied(base.bundle()).digest(),
        impact: None,
        changes,
        title: "More of it".to_owned(),
        when,
        returns: None,
        needs: Needs::agency("post".parse().unwrap()),
    };
    let Ok(Done::Proposed(proposal)) = backbone.govern(Deed::Propose(draft)).await else {
        panic!("it may be proposed");
    };
    let act = act("post/m-0077");
    let statement = backbone.view().governance.statement(proposal, &act.by);
    let approval = Approval {
        act,
        proposal,
        signed: SignedText {
            statement: statement.unwrap().to_string(),
            scheme: "ed25519".to_owned(),
            signature: Vec::new(),
            certificate: Vec::new(),
        },
    };
    let done = backbone.govern(Deed::Approve(approval)).await;
    assert_eq!(done, Ok(Done::Approved { complete: true }));
    proposal
}

/// What an officer of the post suspends.
async fn suspended(backbone: &Embedded, permits: Permits) -> u64 {
    let declaring = Declaring {
        act: act("post/m-0042"),
        measure: Measure::Suspend(permits),
        until: None,
        reason: "A key is lost".to_owned(),
        board: BTreeSet::new(),
    };
    match backbone.govern(Deed::Declare(declaring)).await {
        Ok(Done::Declared(number)) => number,
        other => panic!("{other:?}"),
    }
}

/// Until a measure of the post's has ended; how it did.
async fn ended(backbone: &Embedded, measure: u64) -> EndedBy {
    let post = "post".parse().unwrap();
    loop {
        let view = backbone.view();
        match view.governance.measure(&post, measure).unwrap().stage {
            Stage::Holds => backbone.govern(Deed::Probe).await.unwrap(),
            Stage::Ended { why, .. } => return why,
            other => panic!("{other:?}"),
        };
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(test);
}

#[test]
fn what_was_approved_for_a_time_takes_effect_after_a_stop_and_what_was_suspended_stands_and_ends() {
    let log = Log::new();
    run(async {
        let backbone = log.open();
        let hour = Duration::from_hours(1);
        let at = When::At(backbone.now().plus(hour));
        let proposal = approved(&backbone, "// at one", at).await;
        assert_eq!(backbone.activate_due(proposal).await, Err(NotDone::NotDue));
        let permits = Permits::Named(["post-customs".parse().unwrap()].into());
        let named = suspended(&backbone, permits).await;
        let end = backbone.now().plus(MEASURE_LASTS);
        backbone.stop();
        let late = withdrawn_late(&backbone).await;
        assert_eq!(late, Err(NotDone::Stopped));

        log.pass(hour);
        let backbone = log.open();
        backbone
            .in_force()
            .wait_for(|number| *number == 2)
            .await
            .unwrap();
        let view = backbone.view();
        let state = &view.governance.proposal(proposal).unwrap().state;
        assert_eq!(*state, State::Activated(2));
        let active = view.governance.active().unwrap();
        assert_eq!(active.digest, view.rulebook.digest());
        assert_eq!(
            &backbone.text(active.entry).unwrap(),
            view.rulebook.bundle()
        );
        let stored = backbone.record(active.entry).await.unwrap();
        let Record::Activated(activated) = &stored.record else {
            panic!("{stored:?}");
        };
        // Half a megabyte of text, of which one file of seven kilobytes has changed.
        assert!(matches!(activated.text, Text::Since { .. }));
        assert!(activated.text.octets() < 20_000);
        let stands = view.standing.measures.get("post").unwrap();
        assert_eq!(stands.value.first_end(backbone.now()), Some(end));
        ends_with_permits_or_time(&log, &backbone, named).await;
        let digest = backbone.view().rulebook.digest();
        backbone.stop();
        let backbone = log.open();
        assert_eq!(backbone.view().rulebook.digest(), digest);
        backbone.stop();
    });
}

/// A suspension of what customs get ends once the rulebook has it no more, one of all by its time.
async fn ends_with_permits_or_time(log: &Log, backbone: &Embedded, named: u64) {
    let base = Arc::clone(&backbone.view().rulebook);
    let rules = base.bundle().text(POST).unwrap();
    let other = rules.replace("@id(\"post-customs\")", "@id(\"post-others\")");
    log.pass(ACTIVATION_EVERY);
    rewritten(backbone, other, When::Approved).await;
    assert_eq!(ended(backbone, named).await, EndedBy::Gone);
    let all = suspended(backbone, Permits::All).await;
    log.pass(MEASURE_LASTS);
    assert_eq!(ended(backbone, all).await, EndedBy::Time);
    assert!(backbone.view().standing.measures.get("post").is_none());
}

/// A withdrawal after the stop.
async fn withdrawn_late(backbone: &Embedded) -> Result<Done, NotDone> {
    let (act, proposal) = (act("post/m-0042"), 1);
    backbone.govern(Deed::Withdraw { act, proposal }).await
}

#[test]
fn of_activations_that_race_one_takes_effect_and_one_with_faults_never_does() {
    let log = Log::new();
    run(async {
        let backbone = log.open();
        let racing = [
            approved(&backbone, "// one", When::Asked).await,
            approved(&backbone, "// other", When::Asked).await,
        ];
        for proposal in racing {
            let (act, at) = (act("post/m-0042"), None);
            let schedule = Deed::Schedule { act, proposal, at };
            let done = backbone.govern(schedule).await;
            // The thread that looks for what is due may be faster than the second of them.
            let is = matches!(done, Ok(Done::Scheduled) | Err(NotDone::Closed { .. }));
            assert!(is, "{done:?}");
        }
        let [one, again, other] = [racing[0], racing[0], racing[1]].map(|proposal| {
            let backbone = Arc::clone(&backbone);
            tokio::spawn(async move { backbone.activate_due(proposal).await })
        });
        let done = [
            one.await.unwrap(),
            again.await.unwrap(),
            other.await.unwrap(),
        ];
        assert!(done.iter().filter(|it| it.is_ok()).count() <= 1, "{done:?}");
        backbone
            .in_force()
            .wait_for(|number| *number == 2)
            .await
            .unwrap();
        let governance = Arc::clone(&backbone.view().governance);
        let states = governance.proposals().map(|it| it.state.name());
        let mut states: Vec<&str> = states.collect();
        states.sort_unstable();
        assert_eq!(states, ["activated", "superseded"]);

        log.pass(ACTIVATION_EVERY);
        let faulty = approved(&backbone, "permit (principal", When::Approved).await;
        let done = backbone.activate_due(faulty).await;
        assert!(matches!(done, Err(NotDone::Faulty(_))), "{done:?}");
        let view = backbone.view();
        assert!(view.governance.proposal(faulty).unwrap().is_pending());
        assert_eq!(view.governance.active().unwrap().number, 2);
        backbone.stop();
    });
}
