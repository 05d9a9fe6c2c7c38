//! What of one agency waits for room on a full disk. It is set aside, so that a step looks at what is
//! new and at a part of this, however much it is.

use std::collections::{BTreeMap, VecDeque};

use crate::broker::ids::ConnectionId;
use crate::broker::input::{Input, Lane};
use crate::broker::limits::STEP_COMMANDS;

/// How many connections, and how many inputs that are no requests, are looked at again in one step.
const LOOKS: usize = 64;

/// Bytes of a full disk's reserve that a step may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// For what frees room.
    pub(super) frees: usize,
    /// Of these, for what needs it.
    pub(super) needs: usize,
}

impl Room {
    /// Whether there is room for an input, which has it then.
    fn takes(&mut self, input: &Input) -> bool {
        let weight = input.weight.bytes();
        let fits = match input.lane() {
            Lane::Free | Lane::Publishes => return true,
            Lane::Frees => weight <= self.frees,
            Lane::Needs => weight <= self.needs,
        };
        if fits {
            self.frees = self.frees.saturating_sub(weight);
            self.needs = self.needs.saturating_sub(weight);
        }
        fits
    }
}

/// What a step takes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) inputs: Vec<Input>,
    /// Requests of connections that have ended: they wait no more.
    pub(super) dropped: Vec<Input>,
}

/// Inputs for which there was no room when they were looked at first.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Requests, each with the number by which it came: none is taken before those in front of it.
    asks: BTreeMap<ConnectionId, VecDeque<(u64, Input)>>,
    /// Connections of them, in the order of their turns.
    turns: VecDeque<ConnectionId>,
    /// All else.
    others: VecDeque<(u64, Input)>,
    /// How many of these a connection has: its requests wait for them.
    others_of: BTreeMap<ConnectionId, usize>,
    came: u64,
}

impl Waits {
    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.others.is_empty()
    }

    /// Takes a new input, or sets it aside.
    pub(super) fn take_or_keep(&mut self, input: Input, room: &mut Room, taken: &mut Taken) {
        let waits = |connection| {
            self.asks.contains_key(&connection) || self.others_of.contains_key(&connection)
        };
        if input.asks().is_some_and(waits) || !room.takes(&input) {
            self.keep(input);
            return;
        }
        if let Some(over) = input.is_over() {
            // What it still asked for is asked no more.
            let gone = self.asks.remove(&over).unwrap_or_default();
            taken.dropped.extend(gone.into_iter().map(|(_, ask)| ask));
        }
        taken.inputs.push(input);
    }

    fn keep(&mut self, input: Input) {
        self.came += 1;
        if let Some(connection) = input.asks() {
            let asks = self.asks.entry(connection).or_insert_with(|| {
                self.turns.push_back(connection);
                VecDeque::new()
            });
            asks.push_back((self.came, input));
            return;
        }
        if let Some(connection) = input.of {
            *self.others_of.entry(connection).or_default() += 1;
        }
        self.others.push_back((self.came, input));
    }

    /// Looks again at some of those that wait, for which there may be room by now.
    pub(super) fn take(&mut self, room: &mut Room, taken: &mut Taken) {
        for _ in 0..LOOKS.min(self.others.len()) {
            let Some((came, input)) = self.others.pop_front() else {
                break;
            };
            if taken.is_full() || !room.takes(&input) {
                self.others.push_back((came, input));
                continue;
            }
            if let Some(connection) = input.of {
                self.passed(connection);
            }
            taken.inputs.push(input);
        }
        let whole = *room;
        for _ in 0..LOOKS.min(self.turns.len()) {
            let used = *room != whole;
            let Some(connection) = self.turns.pop_front() else {
                break;
            };
            let Some(asks) = self.asks.get_mut(&connection) else {
                continue;
            };
            let before = taken.inputs.len();
            while !taken.is_full()
                && !self.others_of.contains_key(&connection)
                && let Some((_, ask)) = asks.front()
                && room.takes(ask)
            {
                taken.inputs.extend(asks.pop_front().map(|(_, ask)| ask));
            }
            if asks.is_empty() {
                self.asks.remove(&connection);
            } else if used && taken.inputs.len() == before {
                // Others had the room: it is the first next time.
                self.turns.push_front(connection);
                break;
            } else {
                self.turns.push_back(connection);
            }
        }
    }

    /// One that its requests waited for is taken.
    fn passed(&mut self, connection: ConnectionId) {
        if let Some(count) = self.others_of.get_mut(&connection) {
            *count -= 1;
            if *count == 0 {
                self.others_of.remove(&connection);
            }
        }
    }

    /// All of it, in the order in which it came.
    pub(super) fn all(&mut self) -> Vec<Input> {
        let waits = std::mem::take(self);
        let asks = waits.asks.into_values().flatten();
        let mut all: Vec<(u64, Input)> = asks.chain(waits.others).collect();
        all.sort_unstable_by_key(|(came, _)| *came);
        all.into_iter().map(|(_, input)| input).collect()
    }
}

impl Taken {
    fn is_full(&self) -> bool {
        self.inputs.len() >= STEP_COMMANDS
    }
}
