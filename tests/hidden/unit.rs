//! A unit that is not listed: whether it is there, and what it receives. Its agency may know; no
//! other may, whatever it sends to all or addresses.

use crate::border::{Change, added, replaced};
use crate::letter::Letter;
use crate::parties::ALL_BUT_CUSTOMS;
use crate::play::{
    PLAIN, Step, Thing, Trial, nobody_excluded_sees, nobody_excluded_sees_in, nothing,
};
use crate::scripts::ALL;
use crate::scripts::cases::CASES;
use crate::scripts::probes::PROBES;
use crate::scripts::publishing::PUBLISHING;
use crate::scripts::queues::QUEUES;

const CUSTOMS: &str = "agencies/customs/agency.toml";
const RECEIVES: &str = r#"receives = ["control.order", "control.result", "seizure.report"]"#;

/// It receives what the rules give it, or next to nothing.
const RECEIVING: Thing = Thing {
    trial: Trial {
        without: &[replaced(
            CUSTOMS,
            RECEIVES,
            r#"receives = ["postal.response"]"#,
        )],
        with: &[replaced(CUSTOMS, RECEIVES, r#"receives = ["*"]"#)],
        excluded: ALL_BUT_CUSTOMS,
        seen_by: &["customs/investigation"],
        ..PLAIN
    },
    given: nothing,
    steps: &[],
};

const SYSTEM: &str = r#"
[[system]]
id = "investigation"
unit = "investigation"
certificate = "urn:carnet:customs:system:investigation"
sends = [
  "control.order", "control.result", "seizure.report",
  "case.open", "case.join", "case.close",
]
reads = ["inbox", "receipts", "dead"]
message_id = "required"
"#;

const UNIT: &str = r#"
[[unit]]
id = "investigation"
purpose = "law-enforcement"
clearances = ["controlled-delivery"]
receives = ["control.order", "control.result", "seizure.report"]
listed = false
"#;

/// An agency all of whose units are unlisted.
const INTERNAL: &str = r#"
id = "internal"
kind = "oversight"
country = "XM"
name = { en = "Inspectorate" }
contact = { desk = "Desk", email = "desk@internal.example" }

[trust]
issuers = ["internal-ca.pem"]

[[unit]]
id = "main"
purpose = "integrity"
receives = ["*"]
listed = false

[[system]]
id = "watch"
unit = "main"
certificate = "urn:carnet:internal:system:watch"
sends = ["case.open", "case.join", "case.close"]
reads = ["inbox", "receipts", "dead"]
message_id = "required"

[[officer]]
id = "s-9001"
roles = ["administrator"]
certificate = "urn:carnet:internal:officer:s-9001"

[[officer]]
id = "s-9002"
roles = ["approver", "auditor"]
certificate = "urn:carnet:internal:officer:s-9002"

[limits]
messages_per_second = 200
refusals_per_minute = 300

[retention]
default = "1095d"
"#;

const NEITHER: &[Change] = &[replaced(CUSTOMS, UNIT, ""), replaced(CUSTOMS, SYSTEM, "")];

/// The unit is not there at all; nor is an agency that has no listed one.
const BEING_THERE: Thing = Thing {
    trial: Trial {
        without: NEITHER,
        with: &[added("agencies/internal/agency.toml", INTERNAL)],
        excluded: ALL_BUT_CUSTOMS,
        ..PLAIN
    },
    given: nothing,
    steps: &[Step::Hidden(|world| {
        let open = Letter::case("open", "CASE-INTERNAL-1", &["police"]);
        world.publish("internal/watch", &open.id("hidden-open"));
        world.look("internal/watch");
    })],
};

#[test]
fn other_agencies_are_told_the_same_whatever_it_receives() {
    nobody_excluded_sees(ALL, &RECEIVING);
}

#[test]
fn other_agencies_are_told_the_same_whether_it_is_there() {
    nobody_excluded_sees(&[PUBLISHING, CASES, QUEUES, PROBES], &BEING_THERE);
}

const ENVIRONMENT: &str = "agencies/environment/agency.toml";

/// Its listed unit takes no orders.
const NO_ORDERS: Change = replaced(
    ENVIRONMENT,
    r#"receives = ["*"]"#,
    r#"receives = ["movement.event", "postal.item", "aeo.status"]"#,
);

macro_rules! field_unit {
    ($receives:literal) => {
        concat!(
            "[[unit]]\nid = \"field\"\npurpose = \"environment-protection\"\n",
            "listed = false\nreceives = [\"",
            $receives,
            "\"]\n",
        )
    };
}

const TAKES_NO_ORDERS: &[Change] = &[
    NO_ORDERS,
    added(ENVIRONMENT, field_unit!("postal.response")),
];
const TAKES_ORDERS: &[Change] = &[NO_ORDERS, added(ENVIRONMENT, field_unit!("control.order"))];

/// An order that an unlisted unit alone receives is an order to nobody, as its sender is told: no
/// other unit gets anything for it, and nobody else is told that one does.
#[test]
fn an_order_that_it_alone_gets_shows_in_nobodys_events() {
    let trial = Trial {
        without: TAKES_NO_ORDERS,
        with: TAKES_ORDERS,
        excluded: &["customs/declarations", "post/items", "environment/permits"],
        known_to: &["environment"],
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, _| {
        let order = Letter::example("control.order/valid/story-03").id("order");
        world.publish("customs/declarations", &order);
        let event = Letter::example("movement.event/valid/story-04").id("event");
        world.publish("post/items", &event);
        for system in ["customs/declarations", "post/items", "environment/permits"] {
            world.look(system);
        }
    });
}
