//! Rules that cannot be evaluated: such a rule gives nothing, and that it failed is the broker's
//! alarm. Whoever sends, or would have been sent, is told the same as where it does not hold or is not
//! there: else each could find out about whom rules are.

use crate::border::{Change, added, replaced};
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};
use crate::scripts::probes::PROBES;
use crate::scripts::publishing::PUBLISHING;
use crate::scripts::story::STORY;

/// A rule of the post's for one unit on its items.
macro_rules! rule {
    ($id:expr, $unit:literal, $effect:literal, $actions:literal, $when:literal) => {
        concat!(
            "\n@id(\"",
            $id,
            "\")\n@title(\"One unit and items\")\n@basis(\"National law\")\n",
            "@reason(\"Watched\")\n@owner(\"post\")\n",
            $effect,
            " (\n  principal == Border::Unit::\"",
            $unit,
            "\",\n  action in [",
            $actions,
            "],\n  resource is Border::PostalItem in Border::Agency::\"post\"\n)",
            $when,
            ";\n",
        )
    };
}

/// The same rule for a unit of which all know, and for one of which other agencies may not.
macro_rules! rules {
    ($id:literal $effect:literal $actions:literal $when:literal) => {
        added(
            "policies/post.cedar",
            concat!(
                rule!(
                    concat!($id, "-listed"),
                    "police/main",
                    $effect,
                    $actions,
                    $when
                ),
                rule!(
                    concat!($id, "-unlisted"),
                    "customs/investigation",
                    $effect,
                    $actions,
                    $when
                )
            ),
        )
    };
}

/// The same as a permit. Items have no risk: it stands at 0, from which one can be taken after the
/// greatest number, and two cannot.
macro_rules! permit {
    ($id:literal $actions:literal $when:literal) => {
        rules!($id "@retain(\"30d\")\n@onward(\"no-onward\")\npermit" $actions $when)
    };
}

const WIDE: Change = replaced(
    "agencies/customs/agency.toml",
    r#"receives = ["control.order", "control.result", "seizure.report"]"#,
    r#"receives = ["*"]"#,
);

const RECEIVES: Change = permit!("receives" r#"Border::Action::"receive""# "");
const RECEIVES_NOT: Change = permit!("receives" r#"Border::Action::"receive""#
    "\nwhen { resource.risk - 9223372036854775807 - 1 >= 0 }");
const RECEIVES_FAILS: Change = permit!("receives" r#"Border::Action::"receive""#
    "\nwhen { resource.risk - 9223372036854775807 - 2 >= 0 }");
const SHOWN: Change = permit!("shown" r#"Border::Action::"disclose""# "");
const FORBIDDEN_FAILS: Change = rules!("forbidden" "forbid" r#"Border::Action::"receive""#
    "\nwhen { resource.risk - 9223372036854775807 - 2 >= 0 }");

/// All, those of whom the rules are among them.
const ALL: &[&str] = &[
    "post/items",
    "post/sorting",
    "environment/permits",
    "customs-xa/gateway",
    "police/operations",
    "customs/declarations",
    "customs/investigation",
];

#[track_caller]
fn nobody_sees(without: &'static [Change], with: &'static [Change]) {
    let trial = Trial {
        without,
        with,
        excluded: ALL,
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        for (script, round) in [STORY, PUBLISHING, PROBES].iter().zip(0..) {
            (script.round)(world, round);
        }
        world.publish_again(0);
        for system in ALL {
            world.look(system);
        }
        // The same is told of what is not the same.
        assert_eq!(world.failures() > 0, with);
    });
}

#[test]
fn a_permit_that_fails_is_told_as_one_that_does_not_hold() {
    nobody_sees(&[WIDE, SHOWN, RECEIVES_NOT], &[WIDE, SHOWN, RECEIVES_FAILS]);
}

#[test]
fn a_forbid_that_fails_is_told_as_if_there_were_no_permit() {
    nobody_sees(&[WIDE], &[WIDE, RECEIVES, SHOWN, FORBIDDEN_FAILS]);
}
