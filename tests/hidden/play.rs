//! A script played with and without a hidden thing, and what each party was told compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carnet::agency::registry::AgencyLimits;

use crate::border::{Border, Change};
use crate::parties::BORDER;
use crate::transcript::Transcript;
use crate::world::{SYSTEMS, World};

/// Acts that are kept free for a step of what is hidden.
const STEP_ACTS: u32 = 30;

/// Two runs that differ in what some may not know of.
pub(crate) struct Trial {
    /// How the border differs from that of all scripts: in the run without it, and in the one with it.
    pub(crate) without: &'static [Change],
    pub(crate) with: &'static [Change],
    /// Texts that may differ; their lengths may not.
    pub(crate) blank: &'static [&'static str],
    /// Who may not know of it.
    pub(crate) excluded: &'static [&'static str],
    /// Who sees it: else nothing was hidden.
    pub(crate) seen_by: &'static [&'static str],
    /// Agencies whose auditors may know of it, though none of the systems here does.
    pub(crate) known_to: &'static [&'static str],
    /// Whether when something is told, and after how many syncs, may differ: a stated limit.
    pub(crate) untimed: bool,
}

/// Two runs on one border.
pub(crate) const PLAIN: Trial = Trial {
    without: &[],
    with: &[],
    blank: &[],
    excluded: &[],
    seen_by: &[],
    known_to: &[],
    untimed: false,
};

/// What systems do, the excluded ones among them.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    /// Limits of agencies that are not those of the repository, in both runs.
    pub(crate) limits: &'static [(&'static str, AgencyLimits)],
    /// What they do in one round: the same in each, under other ids.
    pub(crate) round: fn(&mut World, u32),
}

/// Something that some systems may not know of, and that goes with every script.
pub(crate) struct Thing {
    pub(crate) trial: Trial,
    /// What goes before, in both runs.
    pub(crate) given: fn(&mut World),
    pub(crate) steps: &'static [Step],
}

/// Part of what is hidden.
pub(crate) enum Step {
    /// It happens in the run with it alone.
    Hidden(fn(&mut World)),
    /// It happens in both.
    Both(fn(&mut World)),
}

pub(crate) fn nothing(_: &mut World) {}

/// What each system did and was told.
pub(crate) type Told = BTreeMap<&'static str, Transcript>;

/// Plays a round, and all of it again after each step of what is hidden, with a further round after
/// the first and the last. What is there from the beginning is there for repeats before any step too.
fn play(world: &mut World, (script, thing): (&Script, &Thing), with: bool) {
    world.limit(script.limits);
    world.apart(thing.given);
    (script.round)(world, 0);
    if thing.trial.with != thing.trial.without {
        world.publish_again(0);
    }
    let (mut latest, last) = (0, thing.steps.len());
    for (step, nth) in thing.steps.iter().zip(1..) {
        match step {
            Step::Hidden(happens) => world.meanwhile(STEP_ACTS, with.then_some(*happens)),
            Step::Both(happens) => world.apart(*happens),
        }
        world.publish_again(0);
        if nth == 1 || nth == last {
            latest = world.published();
            (script.round)(world, u32::try_from(nth).unwrap());
        }
    }
    world.publish_again(latest);
    for system in thing.trial.seen_by {
        world.look(system);
    }
}

/// What every system was told in both runs: without, and with. What the rulebook's digest tells, it
/// tells everybody.
fn both(trial: &Trial, run: impl Fn(&mut World, bool) + Sync) -> (Told, Told) {
    let changed = |changes: &[Change]| Border::with(BORDER.iter().chain(changes));
    let without = changed(trial.without);
    let is_same = trial.with == trial.without;
    let with = if is_same {
        Arc::clone(&without)
    } else {
        changed(trial.with)
    };
    let told = |border: &Arc<Border>, with| {
        let mut world = World::begin(border);
        run(&mut world, with);
        // Times of records are in all answers.
        if !trial.untimed {
            for system in audited(&world, trial) {
                world.audit(system);
            }
        }
        let digest = border.rulebook.digest().to_string();
        let digest = (!is_same).then_some(&*digest);
        let blank: Vec<&str> = trial.blank.iter().copied().chain(digest).collect();
        let all = world.transcripts().into_iter();
        let blanked = |transcript: Transcript| {
            let blank = blank.iter();
            let blanked = blank.fold(transcript, |transcript, text| transcript.without(text));
            if trial.untimed {
                blanked.untimed()
            } else {
                blanked
            }
        };
        all.map(|(system, transcript)| (system, blanked(transcript)))
            .collect()
    };
    std::thread::scope(|scope| {
        let one = scope.spawn(|| told(&without, false));
        let other = told(&with, true);
        (one.join().unwrap(), other)
    })
}

/// One system of each agency that takes part and of which none may know of it: its auditor may not either.
fn audited(world: &World, trial: &Trial) -> Vec<&'static str> {
    let agency = |system: &str| system.split('/').next().unwrap().to_owned();
    let there = || SYSTEMS.into_iter().filter(|system| world.has(system));
    let knows = |it: &&str| !trial.excluded.contains(it);
    let may_know =
        |of: &str| trial.known_to.contains(&of) || there().filter(knows).any(|it| agency(it) == of);
    let mut audited: Vec<&str> = there().filter(|it| !may_know(&agency(it))).collect();
    audited.dedup_by_key(|system| agency(system));
    audited
}

/// What whoever may not know of it was told otherwise.
fn leaks(name: &str, trial: &Trial, (without, with): &(Told, Told)) -> Vec<String> {
    let excluded = trial.excluded.iter().filter_map(|system| {
        let difference = without[system].differs(&with[system])?;
        Some(format!("{name}: {system} sees it\n{difference}"))
    });
    excluded.collect()
}

/// Who of those who may know of it sees it.
fn saw(trial: &Trial, (without, with): &(Told, Told)) -> BTreeSet<&'static str> {
    let seen_by = trial.seen_by.iter().copied();
    let differs = |system: &&'static str| {
        let [one, other] = [without, with].map(|told| told.get(*system).cloned());
        let one = one.unwrap_or_default();
        one.differs(&other.unwrap_or_default()).is_some()
    };
    seen_by.filter(differs).collect()
}

/// What nobody sees was not hidden.
#[track_caller]
fn assert_all_of(seen_by: &[&'static str], seen: &BTreeSet<&'static str>) {
    for system in seen_by {
        assert!(seen.contains(system), "{system} sees nothing of it either");
    }
}

#[track_caller]
fn assert_none(leaks: &[String]) {
    let count = leaks.len();
    let leaks = leaks.join("\n");
    assert!(
        count == 0,
        "{count} times (one is without, other with it):\n{leaks}"
    );
}

/// No script tells who may not know of the thing anything else.
#[track_caller]
pub(crate) fn nobody_excluded_sees(scripts: &[Script], thing: &Thing) {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for script in scripts {
        let run = |world: &mut World, with| play(world, (script, thing), with);
        let told = both(&thing.trial, run);
        found.extend(leaks(script.name, &thing.trial, &told));
        seen.extend(saw(&thing.trial, &told));
    }
    assert_all_of(thing.trial.seen_by, &seen);
    assert_none(&found);
}

/// The same of two runs that are written out: `run` does what is hidden where it is told to.
#[track_caller]
pub(crate) fn nobody_excluded_sees_in(trial: &Trial, run: fn(&mut World, bool)) {
    let told = both(trial, run);
    assert_all_of(trial.seen_by, &saw(trial, &told));
    assert_none(&leaks("run", trial, &told));
}

/// What every system is told by the first round of a script, while nothing is hidden.
pub(crate) fn first_round(script: &Script) -> Told {
    let run = |world: &mut World, _| {
        world.limit(script.limits);
        (script.round)(world, 0);
    };
    both(&PLAIN, run).0
}

/// The script shows the thing to all who are named as excluded: a comparison that sees nothing would
/// prove nothing.
#[track_caller]
pub(crate) fn all_see(script: &Script, thing: &Thing) {
    let run = |world: &mut World, with| play(world, (script, thing), with);
    let (without, with) = both(&thing.trial, run);
    for system in thing.trial.excluded {
        let differs = without[system].differs(&with[system]);
        let name = script.name;
        assert!(differs.is_some(), "{name}: {system} sees no difference");
    }
}
