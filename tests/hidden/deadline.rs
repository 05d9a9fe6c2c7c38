//! An order of others that ends by its deadline: by time alone, without a message of anybody.

use carnet::message::time::Timestamp;

use crate::exchange::{UNDER_COVER, opened};
use crate::order::ordered;
use crate::play::{Step, Thing, nobody_excluded_sees};
use crate::scripts::GIVEN_CASE;
use crate::scripts::probes::PROBES;
use crate::scripts::story::STORY;

const DEADLINE: &str = "2026-03-17T10:00:00+01:00";

/// Open from before all that scripts do.
const OVERDUE: Thing = Thing {
    trial: UNDER_COVER,
    given: |world| opened(world, "customs/declarations", GIVEN_CASE),
    steps: &[
        Step::Hidden(|world| ordered(world, DEADLINE)),
        Step::Both(|_| {}),
        Step::Both(|world| world.wait_until(Timestamp::from_rfc3339(DEADLINE).unwrap())),
    ],
};

#[test]
fn whom_it_does_not_reach_is_told_the_same_when_it_ends() {
    nobody_excluded_sees(&[STORY, PROBES], &OVERDUE);
}
