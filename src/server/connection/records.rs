//! Records that a connection delivers from: in memory, or read back for it meanwhile.
//!
//! What is not at hand is asked for, and the effect that needs it waits with all behind it: a
//! connection's order is kept, and no other connection waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use crate::backbone::embedded::Embedded;
use crate::backbone::fetch::{Found, Tray, Unread, Wanted};
use crate::broker::effect::Effect;
use crate::broker::ids::EntryId;
use crate::broker::limits::FETCH_AHEAD;
use crate::broker::record::Stored;

/// Owned by its connection.
pub(super) struct Records {
    backbone: Arc<Embedded>,
    /// What was read back, in the order of the effects that need it.
    here: VecDeque<(EntryId, Result<Arc<Stored>, Unread>)>,
    /// Where an answer comes, while one is awaited.
    asked: Option<Arc<Tray>>,
}

/// Records that must be read back before an effect can be carried out.
#[derive(Debug)]
pub(super) struct NotHere(pub(super) Vec<EntryId>);

impl Records {
    pub(super) fn new(backbone: Arc<Embedded>) -> Self {
        Self {
            backbone,
            here: VecDeque::new(),
            asked: None,
        }
    }

    /// Takes what was read back. True where something came.
    pub(super) fn receive(&mut self, cx: &Context<'_>) -> bool {
        let Some(tray) = &self.asked else {
            return false;
        };
        // Registered before the look, or a wake between them would be lost.
        tray.register(cx.waker());
        let Some(found) = tray.take() else {
            return false;
        };
        let records = found.into_iter().filter_map(|found| match found {
            Found::Record(entry, read) => Some((entry, read)),
            Found::Use(_) => None,
        });
        self.here.extend(records);
        self.asked = None;
        true
    }

    /// Whether records are being read back.
    pub(super) fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// The record, where it is at hand.
    pub(super) fn get(&self, entry: EntryId) -> Option<Result<Arc<Stored>, Unread>> {
        if let Some(stored) = self.backbone.recent(entry) {
            return Some(Ok(stored));
        }
        let found = self.here.iter().find(|(other, _)| *other == entry);
        found.map(|(_, read)| read.clone())
    }

    /// Asks for records that are not here, and, where nothing that was read ahead is, for those that
    /// the effects behind need.
    pub(super) fn ask<'e>(&mut self, needed: NotHere, behind: impl Iterator<Item = &'e Effect>) {
        let is_here = |entry: &EntryId| self.here.iter().any(|(other, _)| other == entry);
        let (here, needed): (Vec<EntryId>, Vec<EntryId>) = needed.0.into_iter().partition(is_here);
        let ahead = if here.is_empty() {
            self.here.clear();
            let behind = behind.take(FETCH_AHEAD).filter_map(source_of);
            let ahead = behind.filter(|entry| self.backbone.recent(*entry).is_none());
            ahead.map(Wanted::Record).collect()
        } else {
            Vec::new()
        };
        let needed = needed.into_iter().map(Wanted::Record).collect();
        let tray = Arc::default();
        self.backbone.fetch(needed, ahead, &tray);
        self.asked = Some(tray);
    }

    /// A record was delivered from, and is not kept for another.
    pub(super) fn done(&mut self, entry: EntryId) {
        let place = self.here.iter().position(|(other, _)| *other == entry);
        if let Some(place) = place {
            self.here.remove(place);
        }
    }

    /// The connection is over.
    pub(super) fn clear(&mut self) {
        self.here.clear();
        self.asked = None;
    }
}

/// The record that an effect needs.
fn source_of(effect: &Effect) -> Option<EntryId> {
    match effect {
        Effect::Deliver(deliver) => Some(deliver.source()),
        Effect::Narrowed { deliver, .. } => deliver.as_ref().map(|deliver| deliver.source()),
        Effect::Repeated { refused, .. } => refused.as_ref().map(|(first, _)| *first),
        _ => None,
    }
}
