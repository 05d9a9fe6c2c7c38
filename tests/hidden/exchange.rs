//! A controlled delivery that customs' investigators and the police agree on: a case, an order, its
//! result. Both may know of it, and nobody else.

use crate::letter::Letter;
use crate::play::{PLAIN, Step, Thing, Trial, nobody_excluded_sees, nothing};
use crate::scripts::{ALL, GIVEN_CASE, SECRET_CASE};
use crate::world::World;

/// With its case: the agencies of neither.
const ALL_OF_IT: Thing = Thing {
    trial: Trial {
        excluded: &[
            "post/items",
            "post/sorting",
            "environment/permits",
            "customs-xa/gateway",
        ],
        seen_by: &["police/operations", "customs/investigation"],
        ..PLAIN
    },
    given: nothing,
    steps: &[
        Step::Hidden(|world| {
            opened(world, "customs/investigation", SECRET_CASE);
            ordered(world, SECRET_CASE);
        }),
        Step::Hidden(|world| {
            ended(world, SECRET_CASE);
            let close = Letter::case("close", SECRET_CASE, &[]).id("hidden-close");
            world.publish("customs/investigation", &close);
        }),
    ],
};

/// In a case that both agencies have: customs' own declarants are excluded too.
const THE_ORDER: Thing = Thing {
    trial: Trial {
        excluded: &[
            "post/items",
            "post/sorting",
            "environment/permits",
            "customs-xa/gateway",
            "customs/declarations",
        ],
        seen_by: &["police/operations", "customs/investigation"],
        ..PLAIN
    },
    given: |world| opened(world, "customs/declarations", GIVEN_CASE),
    steps: &[
        Step::Hidden(|world| ordered(world, GIVEN_CASE)),
        Step::Hidden(|world| ended(world, GIVEN_CASE)),
    ],
};

/// Customs and the police are in a case from now on.
pub(crate) fn opened(world: &mut World, opener: &'static str, case: &'static str) {
    let open = Letter::case("open", case, &["police"]);
    world.publish(opener, &open.id("hidden-open"));
    let join = Letter::case("join", case, &[]);
    world.publish("police/operations", &join.id("hidden-join"));
}

fn ordered(world: &mut World, case: &str) {
    let order = Letter::example("control.order/valid/story-11").id("hidden-order");
    let order = order.edit("CO-2026-00902", "CO-2026-09011");
    world.publish("customs/investigation", &order.header("case", case));
    world.look("police/operations");
}

fn ended(world: &mut World, case: &str) {
    let result = Letter::example("control.result/valid/controlled-delivery").id("hidden-result");
    let result = result.edit("CO-2026-00902", "CO-2026-09011");
    world.publish("customs/investigation", &result.header("case", case));
    world.look("police/operations");
    world.look("customs/investigation");
}

#[test]
fn whose_agency_is_not_in_it_is_told_the_same_with_it() {
    nobody_excluded_sees(ALL, &ALL_OF_IT);
}

#[test]
fn whose_agency_is_in_its_case_is_told_the_same_with_its_order_and_result() {
    nobody_excluded_sees(ALL, &THE_ORDER);
}
