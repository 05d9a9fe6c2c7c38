//! A case between customs and the police: opened, joined, closed. Whose agency is not in it may not
//! know that it is there, whatever it quotes. (That its name is taken shows to who opens a case of
//! that name: no script does, and the manual says so.)

use crate::letter::Letter;
use crate::parties::NEITHER_CUSTOMS_NOR_POLICE;
use crate::play::{PLAIN, Step, Thing, Trial, nobody_excluded_sees, nothing};
use crate::scripts::{ALL, FOREIGN_CASE};

const CASE: Thing = Thing {
    trial: Trial {
        excluded: NEITHER_CUSTOMS_NOR_POLICE,
        seen_by: &["police/operations", "customs/declarations"],
        ..PLAIN
    },
    given: nothing,
    steps: &[
        Step::Hidden(|world| {
            let open = Letter::case("open", FOREIGN_CASE, &["police"]);
            world.publish("customs/declarations", &open.id("hidden-open"));
        }),
        Step::Hidden(|world| {
            let join = Letter::case("join", FOREIGN_CASE, &[]);
            world.publish("police/operations", &join.id("hidden-join"));
        }),
        Step::Hidden(|world| {
            let close = Letter::case("close", FOREIGN_CASE, &[]);
            world.publish("customs/declarations", &close.id("hidden-close"));
        }),
    ],
};

#[test]
fn whose_agency_is_not_in_it_is_told_the_same_with_it() {
    nobody_excluded_sees(ALL, &CASE);
}
