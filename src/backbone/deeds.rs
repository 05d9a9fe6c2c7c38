//! Deeds that are under way, and rulebooks that are about to take effect.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::mailbox::lock;
use crate::agency::keys::Keys;
use crate::broker::admit::View;
use crate::broker::core::Outstanding;
use crate::broker::governance::{Done, NotDone, Ticket};
use crate::policy::rulebook::Rulebook;

/// The time between two looks at what is due.
const LOOK: Duration = Duration::from_secs(1);

pub(super) type Answer = Result<Done, NotDone>;

/// A rulebook that is about to take effect, with the keys of its units.
pub(super) struct Prepared {
    pub(super) rulebook: Rulebook,
    pub(super) keys: Arc<Keys>,
}

/// Deeds that are under way.
pub(super) struct Deeds(Mutex<Open>);

#[derive(Default)]
struct Open {
    last: u64,
    /// None once the committer has ended: nothing is answered any more.
    waiting: Option<BTreeMap<Ticket, Waiting>>,
    /// Who asked what is outstanding.
    asked: BTreeMap<Ticket, oneshot::Sender<Vec<Outstanding>>>,
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    prepared: Option<Prepared>,
}

impl Default for Deeds {
    fn default() -> Self {
        Self(Mutex::new(Open {
            last: 0,
            waiting: Some(BTreeMap::new()),
            asked: BTreeMap::new(),
        }))
    }
}

impl Deeds {
    /// The ticket of one more; none where the committer has ended.
    pub(super) fn open(
        &self,
        prepared: Option<Prepared>,
    ) -> Option<(Ticket, oneshot::Receiver<Answer>)> {
        let mut open = lock(&self.0);
        open.last += 1;
        let ticket = Ticket(open.last);
        let (answer, answered) = oneshot::channel();
        let waiting = open.waiting.as_mut()?;
        waiting.insert(ticket, Waiting { answer, prepared });
        Some((ticket, answered))
    }

    /// The rulebook that the last activation among these answers has put into force; an error where there
    /// was one, and nothing was prepared for it.
    pub(super) fn activated(
        &self,
        answers: &[(Ticket, Answer)],
    ) -> Result<Option<Prepared>, Unprepared> {
        let is_activation = |done: &Answer| matches!(done, Ok(Done::Activated { .. }));
        let last = answers.iter().rfind(|(_, done)| is_activation(done));
        let Some((ticket, _)) = last else {
            return Ok(None);
        };
        let mut open = lock(&self.0);
        let waiting = open.waiting.as_mut();
        let waiting = waiting.and_then(|waiting| waiting.get_mut(ticket));
        let prepared = waiting.and_then(|it| it.prepared.take());
        prepared.map(Some).ok_or(Unprepared)
    }

    /// Tells who asked.
    pub(super) fn answer(&self, answers: Vec<(Ticket, Answer)>) {
        if answers.is_empty() {
            return;
        }
        let mut open = lock(&self.0);
        for (ticket, done) in answers {
            let waiting = open.waiting.as_mut().and_then(|it| it.remove(&ticket));
            // Who asked may be gone; what was done is done.
            _ = waiting.map(|it| it.answer.send(done));
        }
    }

    /// The ticket of one who asks what is outstanding; none where the committer has ended.
    pub(super) fn ask(&self) -> Option<(Ticket, oneshot::Receiver<Vec<Outstanding>>)> {
        let mut open = lock(&self.0);
        open.waiting.as_ref()?;
        open.last += 1;
        let ticket = Ticket(open.last);
        let (answer, answered) = oneshot::channel();
        open.asked.insert(ticket, answer);
        Some((ticket, answered))
    }

    /// Tells who asked what is outstanding.
    pub(super) fn tell(&self, found: Vec<(Ticket, Vec<Outstanding>)>) {
        for (ticket, found) in found {
            let asked = lock(&self.0).asked.remove(&ticket);
            // Who asked may be gone.
            _ = asked.map(|asked| asked.send(found));
        }
    }

    /// The committer has ended: who waits is told so, and who comes.
    pub(super) fn close(&self) {
        let mut open = lock(&self.0);
        open.waiting = None;
        open.asked.clear();
    }
}

/// A rulebook took effect that this process has not read.
#[derive(Debug)]
pub(super) struct Unprepared;

/// Work of the thread of activations, beside looking at what is due.
pub(super) enum Chore {
    /// A view that no thread looks at any more is taken away, which takes its time.
    Retire(Arc<View>),
    /// The rulebook of a proposal that is due is put into force.
    Activate {
        proposal: u64,
        answer: oneshot::Sender<Answer>,
    },
}

/// Starts the thread of activations, one after the other. Once a second it calls `look`, to put into force
/// what is due: what was approved before this process began, too. `activate` does one that is asked for.
/// It ends with the sender.
pub(super) fn start_due(
    chores: Receiver<Chore>,
    mut look: impl FnMut() + Send + 'static,
    activate: impl Fn(u64) -> Answer + Send + 'static,
) -> std::io::Result<()> {
    let run = move || {
        loop {
            look();
            match chores.recv_timeout(LOOK) {
                Ok(Chore::Retire(view)) => drop(view),
                // Who asked may be gone; what was done is done.
                Ok(Chore::Activate { proposal, answer }) => _ = answer.send(activate(proposal)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    };
    let thread = std::thread::Builder::new().name("due".into());
    thread.spawn(run).map(drop)
}
