//! Who takes part in all scripts: the repository's agencies, with a few more rights and systems than
//! they have there, so that whoever is excluded can ask for more.

use crate::border::{Change, added, replaced};

const MORE: &str = r#""continuity.status", "seizure.report", "control.order",
  "case.open", "case.join", "case.close",
]"#;

const SORTING: &str = r#"
[[system]]
id = "sorting"
unit = "main"
certificate = "urn:carnet:post:system:sorting"
sends = ["postal.item", "movement.event"]
reads = ["receipts"]
message_id = "required"
receipts = "exceptions"
"#;

/// The post and Aldera's customs send seizures, orders (which their kind may not) and steps of cases;
/// the environment's does too. A second system of the post reads no inbox and wants receipts of
/// exceptions alone.
pub(crate) const BORDER: &[Change] = &[
    replaced(
        "agencies/post/agency.toml",
        "\"continuity.status\",\n]",
        MORE,
    ),
    replaced(
        "agencies/environment/agency.toml",
        "\"inquiry.request\", \"inquiry.response\", \"continuity.status\",\n]",
        r#""inquiry.request", "inquiry.response", "continuity.status", "control.order",
  "case.open", "case.join", "case.close",
]"#,
    ),
    replaced(
        "agencies/customs-xa/agency.toml",
        "\"inquiry.request\", \"inquiry.response\", \"continuity.status\",\n]",
        r#""inquiry.request", "inquiry.response", "continuity.status", "control.order",
  "case.open", "case.join", "case.close",
]"#,
    ),
    added("agencies/post/agency.toml", SORTING),
];

/// Systems of agencies that have no part in what is between customs and the police.
pub(crate) const NEITHER_CUSTOMS_NOR_POLICE: &[&str] = &[
    "post/items",
    "post/sorting",
    "environment/permits",
    "customs-xa/gateway",
];

/// Systems of all agencies but customs.
pub(crate) const ALL_BUT_CUSTOMS: &[&str] = &[
    "post/items",
    "post/sorting",
    "environment/permits",
    "customs-xa/gateway",
    "police/operations",
];
