//! Orders of customs' investigators to the police on an item and a container, in a case that both
//! agencies have; opened, and closed by their results. Nobody else may know of them: not the post,
//! which sends events on the item, nor customs' declarants, who send events on the container.

use crate::exchange::{UNDER_COVER, opened};
use crate::letter::Letter;
use crate::play::{Step, Thing, nobody_excluded_sees};
use crate::scripts::{ALL, CONTAINER, GIVEN_CASE, ITEM};
use crate::world::World;

const ORDERS: Thing = Thing {
    trial: UNDER_COVER,
    given: |world| opened(world, "customs/declarations", GIVEN_CASE),
    steps: &[
        Step::Hidden(|world| {
            ordered(world, "2026-03-17T20:00:00+01:00");
            world.look("police/operations");
        }),
        Step::Hidden(|world| {
            for (number, _, _) in SUBJECTS {
                let result = Letter::example("control.result/valid/conform");
                let result = result
                    .edit("CO-2026-00655", number)
                    .header("to", "police/main");
                let result = result.id(format!("hidden-result-{number}"));
                world.publish("customs/investigation", &result.header("case", GIVEN_CASE));
            }
            world.look("police/operations");
        }),
    ],
};

/// Numbers of orders, and their subjects.
const SUBJECTS: [(&str, &str, &str); 2] = [
    ("CO-2026-09021", "PostalItemID", ITEM),
    ("CO-2026-09022", "TransportEquipmentID", CONTAINER),
];

/// Orders to scan each subject until then: to the police alone, and no secret ones.
pub(crate) fn ordered(world: &mut World, deadline: &str) {
    for (number, what, subject) in SUBJECTS {
        let body = format!(
            r#"{{"FunctionCode": "9", "ID": "{number}", "Subject": {{"{what}": "{subject}"}},
            "Instruction": {{"SubjectKind": "{kind}", "ActionCode": "scan", "DeadlineDateTime": "{deadline}"}},
            "AreaCode": ["ipr"]}}"#,
            kind = if subject == ITEM { "item" } else { "container" },
        );
        let order = Letter::new("control.order", &body).header("to", "police/main");
        let order = order.id(format!("hidden-order-{number}"));
        world.publish("customs/investigation", &order.header("case", GIVEN_CASE));
    }
}

#[test]
fn whom_they_do_not_reach_is_told_the_same_with_them() {
    nobody_excluded_sees(ALL, &ORDERS);
}
