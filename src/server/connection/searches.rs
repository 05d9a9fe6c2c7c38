//! Messages whose ids must be searched for on the disk before they are handed over.
//!
//! They wait with all commands behind them, so that the order of the connection is kept; the threads
//! of the backbone search, and the connection goes on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use crate::backbone::embedded::Embedded;
use crate::backbone::fetch::{Found, Tray, Wanted};
use crate::broker::command::Command;
use crate::message::id::KeyedDigest;

/// Owned by its connection's link.
#[derive(Default)]
pub(super) struct Searches {
    /// Ids that are to be searched for, each with its message's place among the commands, ascending.
    open: VecDeque<Open>,
    /// Where what was found comes, while it is searched.
    asked: Option<Arc<Tray>>,
}

struct Open {
    place: usize,
    key: KeyedDigest,
}

impl Searches {
    /// The message at this place among the commands needs a search.
    pub(super) fn add(&mut self, place: usize, key: KeyedDigest) {
        self.open.push_back(Open { place, key });
    }

    /// How many of the commands, of which there are so many, need no search before they go.
    pub(super) fn free(&self, commands: usize) -> usize {
        self.open.front().map_or(commands, |first| first.place)
    }

    /// Notes that so many commands were handed over, the first ones.
    pub(super) fn shift(&mut self, gone: usize) {
        for open in &mut self.open {
            open.place = open.place.saturating_sub(gone);
        }
    }

    /// Puts what was found into its messages, and has the next searched. True where something was.
    pub(super) fn turn(
        &mut self,
        cx: &Context<'_>,
        commands: &mut [Command],
        backbone: &Embedded,
    ) -> bool {
        let mut came = false;
        if let Some(tray) = &self.asked {
            // Registered before the look, or a wake between them would be lost.
            tray.register(cx.waker());
            if let Some(found) = tray.take() {
                came = true;
                self.asked = None;
                self.settle(found, commands);
            }
        }
        if self.asked.is_none() && !self.open.is_empty() {
            let keys = self.open.iter().map(|open| Wanted::Use(open.key));
            let tray = Arc::new(Tray::default());
            tray.register(cx.waker());
            backbone.fetch(keys.collect(), Vec::new(), &tray);
            self.asked = Some(tray);
        }
        came
    }

    /// What was asked for first is answered first.
    fn settle(&mut self, found: Vec<Found>, commands: &mut [Command]) {
        for found in found {
            let (Found::Use(looked), Some(open)) = (found, self.open.pop_front()) else {
                continue;
            };
            if let Some(Command::Submit(_, submission)) = commands.get_mut(open.place) {
                submission.found(looked);
            }
        }
    }

    /// The connection is over.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
