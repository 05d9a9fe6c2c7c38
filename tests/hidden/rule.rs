//! Rules that give a unit that is not listed what it would not get, up to an hour of the day or from
//! it on. What their senders are told, when a repeat is ruled anew, and that it is written down for
//! that unit then, must not show them.

use carnet::message::time::Timestamp;

use crate::border::{Change, added, replaced};
use crate::parties::ALL_BUT_CUSTOMS;
use crate::play::{PLAIN, Step, Thing, Trial, nobody_excluded_sees, nothing};
use crate::scripts::ALL;
use crate::scripts::cases::CASES;
use crate::scripts::publishing::PUBLISHING;

const WIDE: Change = replaced(
    "agencies/customs/agency.toml",
    r#"receives = ["control.order", "control.result", "seizure.report"]"#,
    r#"receives = ["*"]"#,
);

macro_rules! watch {
    ($agency:literal, $when:literal) => {
        concat!(
            "@id(\"",
            $agency,
            "-watch\")\n",
            "@title(\"Investigators see all of a part of the day\")\n",
            "@basis(\"National law\")\n@reason(\"Watched\")\n",
            "@owner(\"",
            $agency,
            "\")\n@retain(\"30d\")\n@onward(\"no-onward\")\n",
            "permit (\n  principal == Border::Unit::\"customs/investigation\",\n",
            "  action in [Border::Action::\"receive\", Border::Action::\"disclose\"],\n",
            "  resource in Border::Agency::\"",
            $agency,
            "\"\n)\n",
            "when { context.now ",
            $when,
            " datetime(\"2026-03-17T09:00:00Z\") };\n",
        )
    };
}

const WATCHES: &[Change] = &[
    WIDE,
    added("policies/post.cedar", watch!("post", "<")),
    added("policies/police.cedar", watch!("police", "<")),
    added("policies/environment.cedar", watch!("environment", "<")),
    added("policies/customs-xa.cedar", watch!("customs-xa", "<")),
];

const LATER: &[Change] = &[
    WIDE,
    added("policies/post.cedar", watch!("post", ">=")),
    added("policies/police.cedar", watch!("police", ">=")),
    added("policies/environment.cedar", watch!("environment", ">=")),
    added("policies/customs-xa.cedar", watch!("customs-xa", ">=")),
];

/// In force; then their hour is over.
const RULES: Thing = Thing {
    trial: Trial {
        without: &[WIDE],
        with: WATCHES,
        excluded: ALL_BUT_CUSTOMS,
        seen_by: &["customs/investigation"],
        ..PLAIN
    },
    given: nothing,
    steps: &[Step::Both(|world| {
        let over = Timestamp::from_rfc3339("2026-03-17T09:00:00Z").unwrap();
        world.wait_until(over);
    })],
};

/// Not in force yet; then what was refused for all is released to that unit, when it is sent again.
const RULES_TO_COME: Thing = Thing {
    trial: Trial {
        with: LATER,
        ..RULES.trial
    },
    ..RULES
};

#[test]
fn other_agencies_are_told_the_same_with_them() {
    nobody_excluded_sees(ALL, &RULES);
}

#[test]
fn other_agencies_are_told_the_same_when_they_come_into_force() {
    nobody_excluded_sees(&[PUBLISHING, CASES], &RULES_TO_COME);
}
