//! As fast as may be: messages and orders in their pace, refusals past the limit of a minute.

use carnet::agency::registry::AgencyLimits;

use super::look;
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

const SMALL: &[(&str, AgencyLimits)] = &[("environment", limits(200, 4)), ("post", limits(10, 7))];

const fn limits(messages_per_second: u32, refusals_per_minute: u32) -> AgencyLimits {
    AgencyLimits {
        messages_per_second,
        refusals_per_minute,
        private_messages: 1_000,
        private_mib: 4_096,
        private_octets_per_second: 16 << 20,
    }
}

pub(crate) const LIMITS: Script = Script {
    name: "limits",
    limits: SMALL,
    round,
};

/// Recipients from whom the order is hidden, who gets it, and who is not there.
const TO: [&str; 3] = ["police/main", "environment/main", "nobody/main"];

/// More than a second's.
fn orders(world: &mut World, round: u32) {
    let order = |(nth, to): (u32, &&str)| {
        let order = Letter::example("control.order/valid/story-03").header("to", to);
        order.id(format!("{round}-order-{nth}"))
    };
    let orders = (0..24).zip(TO.iter().cycle()).map(order);
    world.burst("customs/declarations", &orders.collect::<Vec<_>>());
}

fn refusals(world: &mut World, round: u32) {
    let seizure = Letter::example("seizure.report/valid/drugs");
    let to = ["customs/investigation", "nobody/main"];
    let refused: Vec<Letter> = (0..6)
        .map(|nth| {
            let letter = seizure.clone().id(format!("{round}-{nth}"));
            letter.header("to", to[usize::from(nth % 2 == 0)])
        })
        .collect();
    world.burst("environment/permits", &refused);
    let broken = Letter::new("postal.item", "{").id(format!("{round}-broken"));
    world.burst("post/items", &vec![broken; 9]);
}

fn messages(world: &mut World, round: u32) {
    let item = |nth: u32| {
        let item = Letter::example("postal.item/valid/ornaments");
        item.id(format!("{round}-item-{nth}"))
    };
    let items: Vec<Letter> = (0..13).map(item).collect();
    world.burst("post/items", &items);
}

fn round(world: &mut World, round: u32) {
    orders(world, round);
    refusals(world, round);
    messages(world, round);
    look(world, &["post/items", "environment/permits"]);
    world.look("customs/declarations");
}
