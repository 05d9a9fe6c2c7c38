//! Commands that wait for the core, in the order in which they are to be taken: agencies take turns, by
//! octets, and on a full disk what needs room waits while what frees it goes on.
//!
//! Pure; owned by the committer. Laws: what one connection asks for is taken in its order; an agency
//! waits for one turn of each other agency, however much they have waiting.

mod waits;

use std::collections::{BTreeMap, VecDeque};

use self::waits::{Room, Taken, Waits};
use super::input::{Input, Payer};
use super::limits::{STEP_COMMANDS, TURN_BYTES};

/// What one step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// Everything, up to so many bytes; one command at least.
    All(usize),
    /// What has a place in the reserve of a full disk: so many bytes of what frees room, and of them so
    /// many for what needs it.
    Reserve {
        /// Bytes that there are.
        frees: usize,
        /// Bytes of them for what needs room.
        needs: usize,
    },
}

/// What one agency has waiting.
#[derive(Debug, Default)]
struct Line {
    inputs: VecDeque<Input>,
    /// Before all of these: what waits for room on a full disk.
    waits: Waits,
    /// Bytes of its turn that are left; below zero where it took more than its turn.
    credit: i64,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.waits.is_empty()
    }
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lines: BTreeMap<Payer, Line>,
    /// Agencies with something waiting, in the order of their turns.
    turns: VecDeque<Payer>,
    count: usize,
    /// What those kept in memory that wait no more, since it was last asked for.
    given_back: BTreeMap<Payer, usize>,
}

impl Lanes {
    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts an input behind all of its payer.
    pub(crate) fn push(&mut self, input: Input) {
        let payer = input.payer;
        let line = self.lines.entry(payer).or_default();
        if line.is_empty() && payer == Payer::BROKER {
            self.turns.push_front(payer);
        } else if line.is_empty() {
            self.turns.push_back(payer);
        }
        line.inputs.push_back(input);
        self.count += 1;
    }

    /// What those kept in memory that were taken since the last call, or wait no more, by who pays for
    /// it, in bytes.
    pub(crate) fn given_back(&mut self) -> BTreeMap<Payer, usize> {
        std::mem::take(&mut self.given_back)
    }

    /// Puts inputs that were taken, in the order in which they were, before all others.
    pub(crate) fn give_back(&mut self, inputs: Vec<Input>) {
        for input in inputs.into_iter().rev() {
            let payer = input.payer;
            let line = self.lines.entry(payer).or_default();
            if line.is_empty() {
                self.turns.push_front(payer);
            }
            line.credit = line.credit.saturating_add(bytes(&input));
            if let Some(given_back) = self.given_back.get_mut(&payer) {
                *given_back = given_back.saturating_sub(input.weight.held);
            }
            line.inputs.push_front(input);
            self.count += 1;
        }
    }

    /// Takes what one step may take.
    pub(crate) fn take(&mut self, open: Open) -> Vec<Input> {
        let Taken { inputs, dropped } = match open {
            Open::All(most) => Taken {
                inputs: self.take_all(most),
                dropped: Vec::new(),
            },
            Open::Reserve { frees, needs } => self.take_some(Room { frees, needs }),
        };
        self.count -= inputs.len() + dropped.len();
        for input in inputs.iter().chain(&dropped) {
            *self.given_back.entry(input.payer).or_default() += input.weight.held;
        }
        inputs
    }

    fn take_all(&mut self, most: usize) -> Vec<Input> {
        let (mut taken, mut weight) = (Vec::new(), 0_usize);
        while let Some(payer) = self.turns.pop_front() {
            let Some(line) = self.lines.get_mut(&payer) else {
                continue;
            };
            // The broker's own is little, and others wait for it.
            let own = payer == Payer::BROKER;
            // There is room again.
            if !line.waits.is_empty() {
                for input in line.waits.all().into_iter().rev() {
                    line.inputs.push_front(input);
                }
            }
            line.credit = line.credit.saturating_add(TURN_BYTES);
            while let Some(next) = line.inputs.front()
                && (own || line.credit > 0)
            {
                let more = weight.saturating_add(next.weight.bytes());
                if taken.len() >= STEP_COMMANDS || (more > most && !taken.is_empty()) {
                    // It goes on where it was.
                    line.credit -= TURN_BYTES;
                    self.turns.push_front(payer);
                    return taken;
                }
                weight = more;
                line.credit -= bytes(next);
                taken.extend(line.inputs.pop_front());
            }
            if line.inputs.is_empty() {
                self.lines.remove(&payer);
            } else {
                self.turns.push_back(payer);
            }
        }
        taken
    }

    /// Looks at so many inputs as a step has commands, those that are new first, and at some that wait.
    fn take_some(&mut self, mut room: Room) -> Taken {
        let mut taken = Taken::default();
        let mut looks = STEP_COMMANDS;
        for payer in &self.turns {
            let Some(line) = self.lines.get_mut(payer) else {
                continue;
            };
            line.waits.take(&mut room, &mut taken);
            while looks > 0
                && taken.inputs.len() < STEP_COMMANDS
                && let Some(input) = line.inputs.pop_front()
            {
                looks -= 1;
                line.waits.take_or_keep(input, &mut room, &mut taken);
            }
            if line.is_empty() {
                self.lines.remove(payer);
            }
        }
        let lines = &self.lines;
        self.turns.retain(|payer| lines.contains_key(payer));
        if self.turns.len() > 1 {
            self.turns.rotate_left(1);
        }
        taken
    }
}

fn bytes(input: &Input) -> i64 {
    i64::try_from(input.weight.bytes()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::broker::command::{Ask, Command, Settle};
    use crate::broker::event::Event;
    use crate::broker::ids::{ConnectionId, DeliveryId};
    use crate::broker::input::{Lane, What};
    use crate::broker::limits::STEP_BYTES;
    use crate::broker::record::{QueueId, QueueProperties};
    use crate::journal::Lsn;

    fn ask(payer: u32, connection: u64, name: usize, passive: bool) -> Input {
        let ask = Ask::DeclareQueue {
            name: name.to_string(),
            passive,
            properties: QueueProperties::default(),
        };
        let command = Command::Ask {
            connection: ConnectionId(connection),
            channel: 1,
            ask,
        };
        Input::new(Payer(payer), command)
    }

    fn settle(payer: u32, number: usize, count: usize) -> Input {
        let delivery = DeliveryId {
            queue: QueueId(1),
            entry: Lsn(1),
            attempt: u64::try_from(number).unwrap(),
        };
        let (deliveries, how) = (vec![delivery; count], Settle::Reject);
        Input::new(Payer(payer), Command::Settle { deliveries, how })
    }

    /// The connection and number of a request.
    fn asked(input: &Input) -> Option<(ConnectionId, usize)> {
        match &input.what {
            What::Command(Command::Ask {
                connection,
                ask: Ask::DeclareQueue { name, .. },
                ..
            }) => Some((*connection, name.parse().unwrap())),
            _ => None,
        }
    }

    #[test]
    fn an_agency_waits_for_one_turn_of_each_other_however_much_they_have_waiting() {
        let mut lanes = Lanes::default();
        for number in 0..50_000 {
            for payer in 2..=4 {
                lanes.push(settle(payer, number, 100));
            }
        }
        for _ in 0..3 {
            lanes.take(Open::All(STEP_BYTES));
        }
        lanes.push(ask(1, 1, 7, false));
        let mut waited = 0_usize;
        loop {
            let taken = lanes.take(Open::All(STEP_BYTES));
            let own = taken.iter().position(|input| input.payer == Payer(1));
            let before = taken.iter().take(own.unwrap_or(taken.len()));
            waited += before.map(|input| input.weight.bytes()).sum::<usize>();
            if own.is_some() {
                break;
            }
        }
        let turn = usize::try_from(TURN_BYTES).unwrap() + settle(2, 0, 100).weight.bytes();
        assert!(
            waited <= 3 * turn,
            "{waited} bytes of others before its own"
        );
    }

    #[test]
    fn agencies_get_the_same_octets_whatever_their_commands_weigh() {
        let mut lanes = Lanes::default();
        for number in 0..20_000 {
            lanes.push(settle(1, number, 1));
            lanes.push(settle(2, number, 250));
        }
        let mut bytes = BTreeMap::<Payer, usize>::new();
        for _ in 0..10 {
            for input in lanes.take(Open::All(STEP_BYTES)) {
                *bytes.entry(input.payer).or_default() += input.weight.bytes();
            }
        }
        let [one, two] = [1, 2].map(|payer| bytes[&Payer(payer)]);
        assert!(one.abs_diff(two) < 4 * usize::try_from(TURN_BYTES).unwrap());
    }

    proptest! {
        #[test]
        fn requests_of_a_connection_are_taken_in_their_order_and_all_is_given_back(
            kinds in prop::collection::vec((1..4_u32, 1..4_u64, 0..4_u8), 1..200),
            opens in prop::collection::vec((any::<bool>(), 0..8_000_usize), 1..30),
        ) {
            let mut lanes = Lanes::default();
            let mut held = BTreeMap::<Payer, usize>::new();
            for (number, (payer, connection, kind)) in kinds.into_iter().enumerate() {
                // A connection is of one agency.
                let connection = u64::from(payer) * 10 + connection;
                let input = match kind {
                    0 => settle(payer, number, 3),
                    1 => ask(payer, connection, number, true),
                    _ => ask(payer, connection, number, false),
                };
                *held.entry(Payer(payer)).or_default() += input.weight.held;
                lanes.push(input);
            }
            let mut last = BTreeMap::new();
            let mut given_back = BTreeMap::<Payer, usize>::new();
            let room = std::iter::repeat_n((true, usize::MAX), 200);
            for (all, bytes) in opens.into_iter().chain(room) {
                let open = if all {
                    Open::All(bytes)
                } else {
                    Open::Reserve { frees: bytes, needs: bytes / 2 }
                };
                let taken = lanes.take(open);
                let weight: usize = taken
                    .iter()
                    .filter(|it| matches!(it.lane(), Lane::Frees | Lane::Needs))
                    .map(|it| it.weight.bytes())
                    .sum();
                prop_assert!(weight <= bytes || taken.len() == 1 && all);
                for (connection, number) in taken.iter().filter_map(asked) {
                    let before = last.insert(connection, number);
                    prop_assert!(before < Some(number));
                }
                for (payer, bytes) in lanes.given_back() {
                    *given_back.entry(payer).or_default() += bytes;
                }
            }
            prop_assert!(lanes.is_empty());
            prop_assert_eq!(given_back, held);
        }
    }

    #[test]
    fn what_is_given_back_comes_first_and_in_its_order() {
        let mut lanes = Lanes::default();
        for number in 0..5 {
            lanes.push(ask(1, 1, number, false));
        }
        let taken = lanes.take(Open::All(3_500));
        assert!(taken.len() > 1 && taken.len() < 5, "{}", taken.len());
        lanes.give_back(taken);
        let all = lanes.take(Open::All(usize::MAX));
        let numbers: Vec<usize> = all.iter().filter_map(asked).map(|(_, n)| n).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_waits_on_a_full_disk_holds_up_nothing_that_is_new_and_comes_in_turn() {
        let mut lanes = Lanes::default();
        let closed = |needs| Open::Reserve {
            frees: 1 << 20,
            needs,
        };
        for connection in 1..=100 {
            for number in 0..300 {
                lanes.push(ask(1, connection, number, false));
            }
        }
        // Each is looked at once, and by no step more than it could take.
        for step in 1..=30_000_usize.div_ceil(STEP_COMMANDS) {
            assert!(lanes.take(closed(0)).is_empty());
            let new = lanes.lines[&Payer(1)].inputs.len();
            assert_eq!(new, 30_000_usize.saturating_sub(step * STEP_COMMANDS));
        }
        lanes.push(settle(1, 0, 1));
        lanes.push(settle(2, 0, 1));
        assert_eq!(lanes.take(closed(0)).len(), 2);
        // Room for a few goes to some connections, then to others.
        let weight = ask(1, 1, 0, false).weight.bytes();
        let first: BTreeSet<_> = (0..200)
            .flat_map(|_| lanes.take(closed(weight)))
            .filter_map(|input| asked(&input))
            .map(|(connection, _)| connection)
            .collect();
        assert_eq!(first.len(), 100, "none waits for ever");
        let left: usize = (0..100)
            .map(|_| lanes.take(Open::All(usize::MAX)).len())
            .sum();
        assert_eq!(left, 30_000 - 200);
        assert!(lanes.is_empty());
    }

    #[test]
    fn who_is_gone_asks_for_nothing_any_more_and_holds_nothing() {
        let mut lanes = Lanes::default();
        let (waits, over) = (ask(1, 1, 0, false), Event::Gone(ConnectionId(1)));
        let over = Input::event(Payer(1), over);
        let held = waits.weight.held + over.weight.held;
        lanes.push(waits);
        let closed = |needs| Open::Reserve {
            frees: 100_000,
            needs,
        };
        assert!(lanes.take(closed(0)).is_empty());
        lanes.push(over);
        assert_eq!(lanes.take(closed(0)).len(), 1);
        assert!(lanes.is_empty());
        assert_eq!(lanes.given_back(), BTreeMap::from([(Payer(1), held)]));
    }
}
