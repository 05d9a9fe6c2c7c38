//! Systems of the repository's agencies at one committer: what each publishes and is sent.

use std::sync::Arc;
use std::time::Duration;

use carnet::agency::registry::Peer;
use carnet::backbone::load::load;
use carnet::backbone::start::recover;
use carnet::broker::admit::View;
use carnet::broker::command::{Ask, Command, Narrowing, Settle};
use carnet::broker::committer::Committer;
use carnet::broker::delivery::{Prepared, Rendered, prepare};
use carnet::broker::effect::{Deliver, Effect};
use carnet::broker::exchange::Submission;
use carnet::broker::ids::{ChannelKey, ConnectionId, Origin};
use carnet::broker::input::Input;
use carnet::broker::limits::ACTIVATION_EVERY;
use carnet::broker::record::{Record, Stored};
use carnet::broker::reply::Refusal;
use carnet::journal::vfs::Vfs;
use carnet::message::envelope::Publish;
use carnet::message::time::Timestamp;
use carnet_disk::SimVfs;

use crate::border::{Admitted, Border, noon};
use crate::recovered::{data, options};

/// A system's place at the desk.
pub(crate) type Place = usize;

pub(crate) struct Desk<V: Vfs = SimVfs> {
    pub(crate) border: Border,
    pub(crate) committer: Committer<V>,
    pub(crate) disk: V,
    pub(crate) now: Timestamp,
    peers: Vec<Peer>,
    published: u64,
}

/// What a publish came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Taken,
    Returned(Refusal),
    Repeated,
}

impl Desk {
    pub(crate) fn open() -> Self {
        let border = Border::read();
        let genesis = border.genesis();
        Self::open_on(SimVfs::new(1), border, &genesis)
    }
}

impl<V: Vfs> Desk<V> {
    /// At what a disk holds; this record begins it, or says that a crash was before.
    pub(crate) fn open_on(disk: V, border: Border, first: &Record) -> Self {
        let mut committer = recover(&disk, data(), &options()).unwrap().committer;
        committer.begin(first).unwrap();
        Self {
            border,
            committer,
            disk,
            now: noon(),
            peers: Vec::new(),
            published: 0,
        }
    }

    /// A system takes its place.
    pub(crate) fn seat(&mut self, agency: &str, system: &str) -> Place {
        let peer = self.border.peer(agency, system);
        self.seat_peer(peer)
    }

    /// Some system of no entry takes a place.
    pub(crate) fn seat_peer(&mut self, peer: Peer) -> Place {
        let connection = ConnectionId(u64::try_from(self.peers.len() + 1).unwrap());
        let unit = peer.unit.id.clone();
        self.peers.push(peer);
        self.step(vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }]);
        self.peers.len() - 1
    }

    pub(crate) fn view(&self) -> View {
        let standing = self.committer.ledger().register().standing();
        self.border.view(standing)
    }

    pub(crate) fn step<I: Into<Input>>(&mut self, commands: Vec<I>) -> Vec<(ConnectionId, Effect)> {
        self.now = self.now.plus(Duration::from_millis(10));
        self.committer.step(commands, self.now).unwrap().effects
    }

    pub(crate) fn example(
        &mut self,
        place: Place,
        example: &str,
        id: &str,
        headers: &[(&str, &str)],
    ) -> Outcome {
        let publish = self.border.publish(example, id, headers);
        self.publish(place, &publish)
    }

    /// What admission makes of a publish now.
    pub(crate) fn admitted(&self, place: Place, publish: &Publish) -> Box<Submission> {
        Admitted::new(&self.peers[place], publish, &self.view(), self.now).submission()
    }

    /// Whether a submission comes back to be admitted again.
    pub(crate) fn goes_back(&mut self, place: Place, submission: Box<Submission>) -> bool {
        let origin = self.origin(place);
        let effects = self.step(vec![Command::Submit(origin, submission)]);
        let mut effects = effects.iter();
        effects.any(|(_, effect)| matches!(effect, Effect::Again(..)))
    }

    fn origin(&mut self, place: Place) -> Origin {
        self.published += 1;
        Origin {
            connection: connection(place),
            // A channel each: what goes back holds up those behind it on its own.
            channel: u16::try_from(self.published).unwrap(),
            serial: 1,
            confirm: Some(self.published),
        }
    }

    /// Publishes, and again as often as that comes back to be ruled anew.
    pub(crate) fn publish(&mut self, place: Place, publish: &Publish) -> Outcome {
        let origin = self.origin(place);
        loop {
            let submission = self.admitted(place, publish);
            let effects = self.step(vec![Command::Submit(origin, submission)]);
            for (_, effect) in effects {
                match effect {
                    Effect::Outcome { returned: None, .. } => return Outcome::Taken,
                    Effect::Outcome {
                        returned: Some(returned),
                        ..
                    } => return Outcome::Returned(returned.0),
                    Effect::Repeated { .. } => return Outcome::Repeated,
                    _ => {}
                }
            }
        }
    }

    pub(crate) fn ask(&mut self, place: Place, ask: Ask) -> Vec<Deliver> {
        let (connection, channel) = (connection(place), 1);
        let ask = Command::Ask {
            connection,
            channel,
            ask,
        };
        delivered(self.step(vec![ask]))
    }

    /// The next message of a queue, left in it.
    pub(crate) fn look(&mut self, place: Place, queue: &str) -> Option<Deliver> {
        let deliver = self.get(place, queue)?;
        self.settle(&deliver, Settle::Unsent);
        Some(deliver)
    }

    pub(crate) fn get(&mut self, place: Place, queue: &str) -> Option<Deliver> {
        let queue = queue.to_owned();
        let may_read = true;
        self.ask(place, Ask::Get { queue, may_read }).pop()
    }

    pub(crate) fn settle(&mut self, deliver: &Deliver, how: Settle) -> Vec<Deliver> {
        let deliveries = vec![deliver.delivery];
        delivered(self.step(vec![Command::Settle { deliveries, how }]))
    }

    pub(crate) fn stored(&self, deliver: &Deliver) -> Stored {
        load(&self.committer.journal().reader(), deliver.source().at()).unwrap()
    }

    /// What a system is shown of a delivery; one that must be narrower first is.
    pub(crate) fn shown(&mut self, place: Place, deliver: &Deliver) -> Rendered {
        let unit = self.peers[place].unit.id.clone();
        let (stored, view) = (self.stored(deliver), self.view());
        match prepare(deliver, &stored, &unit, &view, self.now).unwrap() {
            Prepared::Send(rendered) => *rendered,
            Prepared::Narrow(less, queues) => {
                let narrowing = deliver.narrowed(unit, self.now, less, queues);
                let narrowed = self.narrowed(place, deliver, narrowing);
                self.shown(place, &narrowed)
            }
        }
    }

    /// A delivery again, after its connection has handed over that it must be narrower.
    pub(crate) fn narrowed(
        &mut self,
        place: Place,
        deliver: &Deliver,
        narrowed: Narrowing,
    ) -> Deliver {
        let narrow = Command::Narrow {
            to: ChannelKey::new(connection(place), 1),
            delivery: deliver.delivery,
            narrowed,
        };
        let mut effects = self.step(vec![narrow]).into_iter();
        let narrowed = effects.find_map(|(_, effect)| match effect {
            Effect::Narrowed { deliver, .. } => deliver,
            _ => None,
        });
        *narrowed.expect("it is out")
    }

    /// Another rulebook comes into force: the repository's with these changes of its texts.
    pub(crate) fn activate(&mut self, changes: &[(&str, &str, &str)]) {
        let epoch = self.committer.ledger().rulebook_epoch() + 1;
        let activate = self.border.activate_changed(changes, epoch);
        self.now = self.now.plus(ACTIVATION_EVERY);
        self.step(vec![activate]);
        assert_eq!(self.committer.ledger().rulebook_epoch(), epoch);
    }

    pub(crate) fn is_open(&self, case: &str) -> bool {
        let standing = Arc::clone(self.committer.ledger().register().standing());
        standing.cases.get(case).is_some()
    }
}

fn connection(place: Place) -> ConnectionId {
    ConnectionId(u64::try_from(place + 1).unwrap())
}

fn delivered(effects: Vec<(ConnectionId, Effect)>) -> Vec<Deliver> {
    let effects = effects.into_iter();
    let delivered = effects.filter_map(|(_, effect)| match effect {
        Effect::Deliver(deliver) => Some(*deliver),
        _ => None,
    });
    delivered.collect()
}
