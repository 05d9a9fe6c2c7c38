//! What the committer writes where nobody asks for anything, and where nothing more can be stored.

use std::time::Duration;

use carnet::backbone::start::recover;
use carnet::broker::command::Command;
use carnet::broker::committer::{Committer, Step};
use carnet::broker::effect::Effect;
use carnet::broker::event::Event;
use carnet::broker::ids::ConnectionId;
use carnet::broker::limits::ACTIVATION_EVERY;
use carnet::broker::record::Record;
use carnet::journal::vfs::Vfs;
use carnet::message::time::Timestamp;
use carnet_disk::{Fault, SimVfs};

use crate::border::{Border, noon};
use crate::recovered::{data, options};

fn begun(disk: &SimVfs, genesis: &Record) -> Option<Committer<SimVfs>> {
    let mut committer = recover(disk, data(), &options()).ok()?.committer;
    committer.read_clock(noon());
    committer.begin(genesis).ok()?;
    Some(committer)
}

fn tick(committer: &mut Committer<SimVfs>, now: Timestamp) -> Step {
    committer.step(vec![Event::Tick], now).unwrap()
}

#[test]
fn an_idle_phase_is_marked_once_after_a_tenth_of_a_second() {
    let disk = SimVfs::new(1);
    let mut committer = begun(&disk, &Border::read().genesis()).unwrap();
    let written = committer.journal().end();
    tick(&mut committer, noon().plus(Duration::from_millis(99)));
    assert_eq!(committer.journal().end(), written, "marked too early");
    for phase in 0..3 {
        let written = committer.journal().end();
        for ms in (100..900).step_by(50) {
            let now = noon().plus(Duration::from_millis(phase * 1_000 + ms));
            tick(&mut committer, now);
            let marked = committer.journal().end();
            assert_eq!(
                marked.bytes_since(written),
                4096,
                "{phase}: once, and at once"
            );
        }
        committer.begin(&Record::Recovered).unwrap();
    }
    drop(committer);
    let again = recover(&disk, data(), &options()).unwrap();
    assert_eq!(again.recovery.cut, None);
    assert!(!again.recovery.clean);
}

/// Writes records until the next segment is needed. True where somebody was told that the disk is
/// full.
fn fill(committer: &mut Committer<SimVfs>, border: &Border) -> bool {
    let unit = border.in_force().units[0].id.clone();
    let connection = ConnectionId(1);
    let mut commands = vec![Command::Attach {
        connection,
        unit,
        system: "post/items".parse().unwrap(),
        releases: true,
    }];
    for nth in 1..300 {
        commands.push(border.activate());
        let now = noon().plus(ACTIVATION_EVERY * nth);
        let Ok(step) = committer.step(std::mem::take(&mut commands), now) else {
            return false;
        };
        let mut effects = step.effects.iter();
        if effects.any(|(_, effect)| matches!(effect, Effect::Blocked(Some(_)))) {
            return true;
        }
    }
    false
}

/// At which call after the beginning the second segment is begun.
fn switch(first: &Record, border: &Border) -> u64 {
    let disk = SimVfs::new(0);
    let mut committer = begun(&disk, first).unwrap();
    let before = disk.calls();
    let (mut calls, mut now) = (0, noon());
    let is_segment = |name: &String| name.ends_with(".segment");
    let segments = || disk.list(&data().join("journal")).unwrap().into_iter();
    while segments().filter(is_segment).count() < 2 {
        calls = disk.calls() - before;
        now = now.plus(ACTIVATION_EVERY);
        committer.step(vec![border.activate()], now).unwrap();
    }
    calls
}

#[test]
fn a_disk_that_fills_when_a_segment_is_due_leaves_room_for_a_clean_stop() {
    let border = Border::read();
    let first = border.genesis();
    let mut blocked = 0;
    let calls_before_a_switch = switch(&first, &border);
    for call in calls_before_a_switch - 4..calls_before_a_switch + 12 {
        let disk = SimVfs::new(call);
        let mut committer = begun(&disk, &first).unwrap();
        disk.plan(disk.calls() + call, Fault::Full);
        if !fill(&mut committer, &border) {
            continue;
        }
        committer.step(vec![Event::Stop], noon()).unwrap();
        drop(committer);
        assert!(recover(&disk, data(), &options()).unwrap().recovery.clean);
        blocked += 1;
    }
    assert!(blocked >= 4, "{blocked}");
}
