//! What is timed: what a task does for a message, and steps of the committer. All but the step in
//! question is done outside of the time.

use std::time::Duration;

use carnet::broker::command::{Ask, Command, Narrowing, Settle};
use carnet::broker::event::Event;
use carnet::broker::ids::ChannelKey;
use carnet::broker::record::{Narrowed, Terms};
use carnet::message::id::Mask;
use carnet::policy::standing::Reads;
use carnet::policy::words::Onward;

use crate::Failed;
use crate::world::{CUSTOMS, MOVED_FROM, World, consuming};

/// A queue of the customs that nothing is put into.
pub(crate) const ASIDE: &str = "aside";

/// A step that is timed.
pub(crate) struct Timed {
    pub(crate) name: &'static str,
    /// So many times a round.
    pub(crate) times: usize,
    pub(crate) run: fn(&mut World) -> Result<Duration, Failed>,
}

/// All of them.
pub(crate) const TIMED: &[Timed] = &[
    Timed {
        name: "admitting and ruling",
        times: 60,
        run: admit,
    },
    Timed {
        name: "the step of a publish",
        times: 100,
        run: publish,
    },
    Timed {
        name: "the step of an order",
        times: 40,
        run: order,
    },
    Timed {
        name: "a consumer that comes and goes",
        times: 40,
        run: consumer,
    },
    Timed {
        name: "a tick",
        times: 60,
        run: tick,
    },
    Timed {
        name: "a narrowing",
        times: 60,
        run: narrow,
    },
    Timed {
        name: "a message moved on",
        times: 10,
        run: moved,
    },
];

/// A postal item for the customs is validated, ruled and sealed.
fn admit(world: &mut World) -> Result<Duration, Failed> {
    let publish = world.item()?;
    let before = world.clock.monotonic();
    let submission = world.admitted("post", &publish)?;
    let took = world.clock.monotonic().saturating_sub(before);
    drop(submission);
    Ok(took)
}

/// It is logged, put into a queue of the customs, and sent out.
fn publish(world: &mut World) -> Result<Duration, Failed> {
    let publish = world.item()?;
    let submission = world.submitted("post", &publish)?;
    world.pass(1);
    let (took, step) = world.timed(vec![submission])?;
    world.acknowledge(&step)?;
    Ok(took)
}

/// An order of the customs to others, in place of the one before.
fn order(world: &mut World) -> Result<Duration, Failed> {
    let publish = world.order(0)?;
    let submission = world.submitted("customs", &publish)?;
    world.pass(1);
    let (took, step) = world.timed(vec![submission])?;
    world.acknowledge(&step)?;
    Ok(took)
}

/// Of a queue in which nothing is.
fn consumer(world: &mut World) -> Result<Duration, Failed> {
    world.declare(CUSTOMS, ASIDE, &[])?;
    world.pass(1);
    let number = 999;
    let come = consuming(ASIDE, number);
    let asks = [come, Ask::Cancel(number)].map(|ask| Command::Ask {
        connection: CUSTOMS,
        channel: 1,
        ask,
    });
    let (took, step) = world.timed(asks.into())?;
    world.acknowledge(&step)?;
    Ok(took)
}

/// Nothing is asked, and a twentieth of a second has passed.
fn tick(world: &mut World) -> Result<Duration, Failed> {
    world.pass(50);
    let (took, step) = world.timed(vec![Event::Tick])?;
    world.acknowledge(&step)?;
    Ok(took)
}

/// A release that is out to the customs turns out to be narrower.
fn narrow(world: &mut World) -> Result<Duration, Failed> {
    let delivery = world.held()?;
    world.pass(1);
    let record = Narrowed {
        at: world.now,
        exchange: delivery.entry,
        unit: "customs/main".parse()?,
        queues: vec![delivery.queue],
        left: Terms {
            mask: Mask::ALL,
            retain_days: 1,
            onward: Onward::NoOnward,
            policies: Vec::new(),
            rulebook: world.border.rulebook.digest(),
        },
    };
    let reads = Reads {
        rulebook_epoch: world.border.rulebook.epoch(),
        ..Reads::default()
    };
    let narrowed = Narrowing { record, reads };
    let to = ChannelKey::new(CUSTOMS, 1);
    let narrow = Command::Narrow {
        to,
        delivery,
        narrowed,
    };
    Ok(world.timed(vec![narrow])?.0)
}

/// A message of the customs' own, that was moved before as often as the world says where the broker
/// lets it be, is rejected and goes on to the next queue.
fn moved(world: &mut World) -> Result<Duration, Failed> {
    let last = world.moves.saturating_sub(1);
    world.put(&format!("{MOVED_FROM}0"))?;
    for place in 0..last {
        if let Some(delivery) = world.get(&format!("{MOVED_FROM}{place}"))? {
            let (deliveries, how) = (vec![delivery], Settle::Reject);
            world.step(vec![Command::Settle { deliveries, how }])?;
        }
    }
    let from = format!("{MOVED_FROM}{last}");
    let delivery = if let Some(delivery) = world.get(&from)? {
        delivery
    } else {
        // It was moved as often as it may be, and one that is new stands for it.
        world.put(&from)?;
        world.get(&from)?.ok_or("what was put in is there")?
    };
    world.pass(1);
    let (deliveries, how) = (vec![delivery], Settle::Reject);
    let (took, _) = world.timed(vec![Command::Settle { deliveries, how }])?;
    if let Some(delivery) = world.get(&format!("{MOVED_FROM}{}", last + 1))? {
        let (deliveries, how) = (vec![delivery], Settle::Ack);
        world.step(vec![Command::Settle { deliveries, how }])?;
    }
    Ok(took)
}
