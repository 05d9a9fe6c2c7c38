//! The order of one channel's publishes, where some of them go back to their task to be ruled again.

use carnet::backbone::start::{Options, recover};
use carnet::broker::command::{Command, Private, Unroutable};
use carnet::broker::committer::Committer;
use carnet::broker::dedup::Looked;
use carnet::broker::effect::Effect;
use carnet::broker::exchange::Submission;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::broker::input::Input;
use carnet::journal::Lsn;
use carnet_disk::SimVfs;

use crate::border::{Admitted, Border, noon};
use crate::recovered::data;
use crate::unit::published;

const ARRIVED: &str = "movement.event/valid/arrived";

struct Rig {
    border: Border,
    committer: Committer<SimVfs>,
}

impl Rig {
    /// Memory holds one id, so that a message that was not searched for comes back.
    fn start() -> Self {
        let border = Border::read();
        let options = Options {
            known_ids: 1,
            ..crate::recovered::options()
        };
        let mut committer = recover(&SimVfs::new(1), data(), &options)
            .unwrap()
            .committer;
        committer.begin(&border.genesis()).unwrap();
        let mut rig = Self { border, committer };
        let unit = rig.border.peer("post", "items").unit.id.clone();
        let connection = ConnectionId(1);
        rig.step(vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }]);
        for serial in [1, 2] {
            assert_eq!(
                rig.step(vec![rig.searched(serial)]),
                [format!("{serial} decided")]
            );
        }
        rig
    }

    fn step<I: Into<Input>>(&mut self, commands: Vec<I>) -> Vec<String> {
        let effects = self.committer.step(commands, noon()).unwrap().effects;
        let told = effects.into_iter().filter_map(|(_, effect)| match effect {
            Effect::Outcome { origin, .. } => Some(format!("{} decided", origin.serial)),
            Effect::Again(origin, _) => Some(format!("{} again", origin.serial)),
            Effect::AgainPrivate(private) => Some(format!("{} again", private.origin.serial)),
            _ => None,
        });
        told.collect()
    }

    fn admitted(&self, serial: u64) -> Box<Submission> {
        let post = self.border.peer("post", "items");
        let publish = self.border.publish(ARRIVED, &format!("m-{serial}"), &[]);
        let view = self
            .border
            .view(self.committer.ledger().register().standing());
        Admitted::new(&post, &publish, &view, noon()).submission()
    }

    /// Its id was searched for nowhere: it comes back.
    fn unsearched(&self, serial: u64) -> Command {
        Command::Submit(origin(serial), self.admitted(serial))
    }

    fn searched(&self, serial: u64) -> Command {
        let mut submission = self.admitted(serial);
        submission.found(Looked::Before(Lsn(u64::MAX), None));
        Command::Submit(origin(serial), submission)
    }
}

fn origin(serial: u64) -> Origin {
    Origin {
        connection: ConnectionId(1),
        channel: 1,
        serial,
        confirm: Some(serial),
    }
}

/// To a queue that is not there: no record, and an outcome all the same.
fn private(serial: u64) -> Command {
    Command::from(Private {
        unroutable: Unroutable::of(false),
        ..published("nowhere", origin(serial), b"")
    })
}

#[test]
fn nothing_of_a_channel_is_decided_before_what_was_published_before_it() {
    let mut rig = Rig::start();
    let first = vec![rig.unsearched(3), private(4), rig.searched(5)];
    assert_eq!(rig.step(first), ["3 again", "4 again", "5 again"]);
    // Meanwhile the client went on; its sixth comes between those that come again.
    let second = vec![rig.searched(3), private(6), private(4), rig.searched(5)];
    let told = ["3 decided", "6 again", "4 decided", "5 decided"];
    assert_eq!(rig.step(second), told);
    assert_eq!(
        rig.step(vec![private(6), private(7)]),
        ["6 decided", "7 decided"]
    );
}
