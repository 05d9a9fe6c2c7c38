//! What is not hidden shows in each script: a comparison that sees nothing would prove nothing.

use std::time::Duration;

use crate::letter::Letter;
use crate::play::{PLAIN, Script, Step, Thing, Trial, all_see, first_round, nothing};
use crate::scripts::cases::CASES;
use crate::scripts::limits::LIMITS;
use crate::scripts::probes::PROBES;
use crate::scripts::publishing::PUBLISHING;
use crate::scripts::queues::QUEUES;
use crate::scripts::story::STORY;

/// A status and a response that customs send, and an item of the post.
const SENT: &[Step] = &[Step::Hidden(|world| {
    let status = Letter::example("aeo.status/valid/story-15").id("shown-status");
    world.publish("customs/declarations", &status);
    let response = Letter::example("postal.response/valid/story-13").header("to", "post/main");
    world.publish("customs/declarations", &response.id("shown-response"));
    let item = Letter::example("postal.item/valid/orchids").id("shown-item");
    world.publish("post/sorting", &item);
})];

/// Who looks at what it was sent, by script.
const LOOK: [(Script, &[&str]); 6] = [
    (STORY, OTHERS),
    (PUBLISHING, OTHERS),
    (CASES, OTHERS),
    (
        QUEUES,
        &[
            "post/items",
            "post/sorting",
            "environment/permits",
            "customs-xa/gateway",
            "customs/declarations",
        ],
    ),
    (
        PROBES,
        &[
            "post/items",
            "environment/permits",
            "customs-xa/gateway",
            "customs/declarations",
        ],
    ),
    (
        LIMITS,
        &["post/items", "environment/permits", "customs/declarations"],
    ),
];

const OTHERS: &[&str] = &[
    "post/items",
    "environment/permits",
    "customs-xa/gateway",
    "police/operations",
];

#[test]
fn each_script_shows_what_is_not_hidden() {
    for (script, excluded) in LOOK {
        let thing = Thing {
            trial: Trial { excluded, ..PLAIN },
            given: nothing,
            steps: SENT,
        };
        all_see(&script, &thing);
    }
}

#[test]
fn the_script_of_limits_reaches_each_of_them() {
    let told = first_round(&LIMITS);
    for (system, limit) in [
        ("environment/permits", "beyond 4"),
        ("post/items", "beyond 7"),
    ] {
        assert!(told[system].time_of(limit).is_some(), "{system}: {limit}");
    }
    for (system, first, last, apart) in [
        ("customs/declarations", "'0-order-0'", "'0-order-23'", 150),
        ("post/items", "'0-item-0'", "'0-item-12'", 200),
    ] {
        let [first, last] = [first, last].map(|id| told[system].time_of(id).unwrap());
        assert!(
            last.since(first) >= Duration::from_millis(apart),
            "{system}"
        );
    }
}
