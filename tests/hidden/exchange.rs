//! A controlled delivery that customs' investigators and the police agree on: a case, an order, its
//! result. Both may know of it, and nobody else.

use crate::letter::Letter;
use crate::parties::NEITHER_CUSTOMS_NOR_POLICE;
use crate::play::{
    PLAIN, Step, Thing, Trial, nobody_excluded_sees, nobody_excluded_sees_in, nothing,
};
use crate::scripts::{ALL, GIVEN_CASE, SECRET_CASE};
use crate::world::World;

/// What customs' own declarants may not know of either.
pub(crate) const UNDER_COVER: Trial = Trial {
    excluded: &[
        "post/items",
        "post/sorting",
        "environment/permits",
        "customs-xa/gateway",
        "customs/declarations",
    ],
    seen_by: &["police/operations", "customs/investigation"],
    ..PLAIN
};

/// With its case: the agencies of neither.
const ALL_OF_IT: Thing = Thing {
    trial: Trial {
        excluded: NEITHER_CUSTOMS_NOR_POLICE,
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
    trial: UNDER_COVER,
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

/// The police answer the order by a result that must not travel on; the declarants report a seizure in
/// the same case.
#[test]
fn whose_colleagues_get_an_answer_is_told_the_same_with_it() {
    let trial = Trial {
        excluded: &["customs/declarations"],
        seen_by: &["police/operations", "customs/investigation"],
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        world.apart(|world| opened(world, "customs/declarations", GIVEN_CASE));
        world.meanwhile(10, with.then_some(answered));
        let seizure = Letter::example("seizure.report/valid/story-14").id("seizure");
        let seizure = seizure.header("case", GIVEN_CASE);
        world.publish("customs/declarations", &seizure);
        world.look("customs/declarations");
    });
}

fn answered(world: &mut World) {
    ordered(world, GIVEN_CASE);
    let order = world.received("police/operations", "control.order.customs");
    let result = Letter::example("control.result/valid/controlled-delivery").id("hidden-answer");
    let result = result.edit("CO-2026-00902", "CO-2026-09011");
    let result = result.with(|publish| publish.correlation_id = order);
    world.publish("police/operations", &result.header("case", GIVEN_CASE));
    world.look("customs/investigation");
}
