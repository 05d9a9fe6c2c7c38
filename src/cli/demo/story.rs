//! The story as data: who sends what, and exactly what each unit is to get of it.
//!
//! What a unit gets is written as in the policies' decision tables: `all -officer`, or the
//! categories that it gets alone. It stands here a second time on purpose: what the broker does is
//! held against this page, and not against the rules by which it did it.

use crate::message::id::{BadName, Category, Mask};

/// Everything that happens, in order.
pub(super) enum Scene {
    Message(Row),
    Case(CaseStep),
    /// The broker is killed while messages are on their way.
    Crash,
    /// A rule is changed while messages are on their way, and the change is taken back.
    Rule,
}

/// A message and what is to become of it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Its row in the summary.
    pub(super) number: &'static str,
    pub(super) time: &'static str,
    /// The sending system.
    pub(super) from: &'static str,
    pub(super) message_type: &'static str,
    /// An example of the type: `valid/story-01`.
    pub(super) example: &'static str,
    pub(super) says: &'static str,
    pub(super) to: &'static str,
    pub(super) case: &'static str,
    pub(super) handling: &'static str,
    pub(super) twist: Twist,
    /// Texts of the body that are replaced.
    pub(super) edits: &'static [(&'static str, &'static str)],
    pub(super) gets: &'static [Gets],
    /// Units for which it must not exist: their counters stay.
    pub(super) hidden_from: &'static [&'static str],
    /// Units that the sender is told a policy refused, and the policy.
    pub(super) forbidden: &'static [(&'static str, &'static str)],
    /// The code of the return, where it is refused for all recipients or does not fit its schema.
    pub(super) returned: Option<u16>,
}

/// What is particular about sending a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    Plain,
    /// It answers the message that its sender received last.
    Answer,
    /// Its deadline is some hours from now: the broker judges it by its own clock.
    Deadline,
    /// It was sent before, with the same id: no second delivery and no second receipt.
    Repeat,
}

/// What one unit gets.
#[derive(Clone, Copy)]
pub(super) struct Gets {
    pub(super) unit: &'static str,
    /// Categories, in the words of the decision tables.
    pub(super) shows: &'static str,
    /// A text of the message that must not be in its bytes.
    pub(super) never: &'static str,
}

/// A message that changes a case.
pub(super) struct CaseStep {
    pub(super) from: &'static str,
    pub(super) message_type: &'static str,
    pub(super) case: &'static str,
    pub(super) areas: &'static [&'static str],
    pub(super) invites: &'static [&'static str],
}

impl Row {
    /// The id that its sender gives it.
    pub(super) fn id(&self) -> String {
        format!("demo-{}", self.number.trim_end_matches(" again"))
    }
}

/// The categories of `holds` that a unit does not get.
pub(super) fn withheld(holds: Mask, shows: &str) -> Result<Vec<String>, BadName> {
    let mut mask = Mask::NONE;
    for word in shows.split(' ') {
        mask = match (word, word.strip_prefix('-')) {
            ("all", _) => mask.union(holds),
            // A token is not the reference: that stays withheld.
            ("reference.token", _) => mask,
            (_, Some(less)) => mask.without(Mask::of(less.parse::<Category>()?)),
            (more, None) => mask.union(Mask::of(more.parse::<Category>()?)),
        };
    }
    let withheld = holds.without(mask);
    Ok(withheld.categories().map(|c| c.to_string()).collect())
}

const fn gets(unit: &'static str, shows: &'static str) -> Gets {
    Gets {
        unit,
        shows,
        never: "",
    }
}

const fn without(unit: &'static str, shows: &'static str, never: &'static str) -> Gets {
    Gets { unit, shows, never }
}

const PLAIN: Row = Row {
    number: "",
    time: "",
    from: "customs/declarations",
    message_type: "",
    example: "",
    says: "",
    to: "",
    case: "",
    handling: "",
    twist: Twist::Plain,
    edits: &[],
    gets: &[],
    hidden_from: &[],
    forbidden: &[],
    returned: None,
};

const PARCEL: &str = "CP618402774XA";
const PERSON: &str = "Ilse Marrow";

const RESULT: Row = Row {
    number: "12",
    time: "14:20",
    message_type: "control.result",
    example: "valid/story-12",
    says: "the ornaments are 3 carvings of African elephant ivory",
    case: "CASE-2026-0318",
    gets: &[
        gets("police/main", "all -commercial -special -officer"),
        without(
            "environment/main",
            "party goods route environment control reference.token",
            PERSON,
        ),
    ],
    ..PLAIN
};

/// 17 March 2026 at the port and mail centre of Meridia.
pub(super) const STORY: [Scene; 25] = [
    Scene::Message(Row {
        number: "1",
        time: "08:02",
        from: "post/items",
        message_type: "postal.item",
        example: "valid/story-01",
        says: "a parcel of \"resin ornaments\" from Aldera to a private person",
        gets: &[gets("customs/main", "all")],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "2",
        time: "08:05",
        message_type: "risk.assessment",
        example: "valid/story-02",
        says: "the parcel scores 78: too heavy for resin",
        gets: &[without(
            "environment/main",
            "goods control reference.token",
            PARCEL,
        )],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "3",
        time: "08:06",
        message_type: "control.order",
        example: "valid/story-03",
        says: "present the parcel for a joint control",
        to: "environment/main,post/main",
        twist: Twist::Deadline,
        gets: &[
            without(
                "environment/main",
                "goods route postal control reference.token",
                PARCEL,
            ),
            without("post/main", "reference postal", "antique"),
        ],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "4",
        time: "11:40",
        from: "post/items",
        message_type: "movement.event",
        example: "valid/story-04",
        says: "the parcel is presented in the control hall",
        gets: &[
            gets("customs/main", "all"),
            without("environment/main", "route control reference.token", PARCEL),
        ],
        ..PLAIN
    }),
    Scene::Case(CaseStep {
        from: "customs/declarations",
        message_type: "case.open",
        case: "CASE-2026-0318",
        areas: &["environment"],
        invites: &["police"],
    }),
    Scene::Message(Row {
        number: "5",
        time: "11:55",
        message_type: "inquiry.request",
        example: "valid/story-05",
        says: "is the permit 26XA000417/EX valid?",
        to: "environment/main",
        gets: &[gets("environment/main", "all -identity -special -officer")],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "6",
        time: "12:10",
        from: "environment/permits",
        message_type: "inquiry.response",
        example: "valid/story-06",
        says: "no: it was issued for orchids and is used up",
        to: "customs/main",
        twist: Twist::Answer,
        gets: &[gets("customs/main", "all -special -officer")],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "7",
        time: "12:30",
        message_type: "cargo.report",
        example: "valid/story-07",
        says: "a container is announced; nobody else has a reason to know",
        returned: Some(403),
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "8",
        time: "12:31",
        message_type: "declaration.import",
        example: "valid/story-08",
        says: "its 4,200 headsets are declared; without a case nobody else may know",
        returned: Some(403),
        ..PLAIN
    }),
    Scene::Crash,
    Scene::Message(Row {
        number: "9",
        time: "12:45",
        from: "police/operations",
        message_type: "police.alert",
        example: "valid/story-09",
        says: "the exporter ships counterfeits: look at this container",
        gets: &[without(
            "customs/main",
            "all -special -officer -narrative",
            "Auralux",
        )],
        ..PLAIN
    }),
    Scene::Case(CaseStep {
        from: "police/operations",
        message_type: "case.open",
        case: "CASE-2026-0317",
        areas: &["ipr"],
        invites: &["customs"],
    }),
    Scene::Case(CaseStep {
        from: "customs/declarations",
        message_type: "case.join",
        case: "CASE-2026-0317",
        areas: &[],
        invites: &[],
    }),
    Scene::Message(Row {
        number: "10",
        time: "12:52",
        message_type: "declaration.import",
        example: "valid/story-10",
        says: "the declaration again, now in the case that police opened",
        case: "CASE-2026-0317",
        gets: &[without(
            "police/main",
            "all -commercial -financial -officer",
            "63000.00",
        )],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "11",
        time: "13:05",
        from: "customs/investigation",
        message_type: "control.order",
        example: "valid/story-11",
        says: "let the container pass under observation: a secret of the case",
        case: "CASE-2026-0317",
        twist: Twist::Deadline,
        gets: &[without("police/main", "all -officer", "i-0417")],
        hidden_from: &[
            "customs/main",
            "environment/main",
            "post/main",
            "customs-xa/main",
        ],
        ..PLAIN
    }),
    Scene::Case(CaseStep {
        from: "police/operations",
        message_type: "case.join",
        case: "CASE-2026-0318",
        areas: &[],
        invites: &[],
    }),
    Scene::Message(RESULT),
    Scene::Message(Row {
        number: "13",
        time: "14:21",
        message_type: "postal.response",
        example: "valid/story-13",
        says: "the parcel is retained",
        to: "post/main",
        gets: &[gets("post/main", "reference financial postal")],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "14",
        time: "15:00",
        message_type: "seizure.report",
        example: "valid/story-14",
        says: "the carvings are seized",
        case: "CASE-2026-0318",
        gets: &[
            gets("police/main", "all -special -officer"),
            without(
                "environment/main",
                "goods route environment control reference.token",
                PERSON,
            ),
            without(
                "customs-xa/main",
                "goods commercial route environment control reference.token",
                PERSON,
            ),
        ],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "15",
        time: "16:10",
        message_type: "aeo.status",
        example: "valid/story-15",
        says: "the forwarder's authorisation is suspended",
        gets: &[
            gets("police/main", "reference party"),
            gets("environment/main", "reference party"),
            gets("customs-xa/main", "reference party"),
        ],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "12 again",
        twist: Twist::Repeat,
        says: "the same message with the same id, as after a lost confirm",
        gets: &[],
        ..RESULT
    }),
    Scene::Message(Row {
        number: "8 wrong",
        time: "16:12",
        message_type: "declaration.import",
        example: "invalid/wrong-check-digit",
        says: "the declaration of 12:31 with a wrong check digit in its own number",
        returned: Some(406),
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "16",
        time: "16:20",
        from: "police/operations",
        message_type: "police.alert",
        example: "valid/story-09",
        says: "a second alert, in the case: to be asked for before it travels on",
        case: "CASE-2026-0317",
        handling: "ask-originator",
        edits: &[("/ID", "PA-2026-03342")],
        gets: &[gets("customs/main", "all -special -officer -narrative")],
        ..PLAIN
    }),
    Scene::Message(Row {
        number: "17",
        time: "16:30",
        message_type: "seizure.report",
        example: "valid/story-14",
        says: "a seizure reported in that case: only police may know, until they say otherwise",
        case: "CASE-2026-0317",
        edits: &[("/ID", "XM-SZ-2026-00218"), ("/CaseID", "CASE-2026-0317")],
        gets: &[gets("police/main", "all -special -officer")],
        forbidden: &[
            ("environment/main", "floor-originator"),
            ("customs-xa/main", "floor-originator"),
        ],
        ..PLAIN
    }),
    Scene::Rule,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn holds() -> Mask {
        [Category::Reference, Category::Goods, Category::Officer]
            .into_iter()
            .collect()
    }

    #[test]
    fn what_a_unit_does_not_get_follows_from_what_it_gets() {
        let table = [
            ("all", ""),
            ("all -officer", "officer"),
            ("goods reference.token", "reference officer"),
            ("goods reference", "officer"),
        ];
        for (shows, expected) in table {
            let withheld = withheld(holds(), shows).unwrap().join(" ");
            assert_eq!(withheld, expected, "{shows}");
        }
    }

    #[test]
    fn a_misspelt_category_is_not_taken_for_nothing() {
        assert!(withheld(holds(), "all -oficer").is_err());
    }

    #[test]
    fn no_unit_is_to_get_and_not_to_know_of_the_same_message() {
        for scene in &STORY {
            let Scene::Message(message) = scene else {
                continue;
            };
            for gets in message.gets {
                assert!(
                    !message.hidden_from.contains(&gets.unit),
                    "{}",
                    message.number
                );
            }
            assert_eq!(
                message.returned.is_some() || message.twist == Twist::Repeat,
                message.gets.is_empty(),
                "{}",
                message.number
            );
        }
    }
}
