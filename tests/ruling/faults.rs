//! What a rulebook is refused for: each fault with the place and a cure.

use carnet::message::bundle::{Bundle, Fault};

use carnet::policy::rulebook::Rulebook;

use super::fixture::{CUSTOMS, FLOOR, LISTED, POST, bundle, rulebook_of};

const RULE: &str = r#"
@id("new-rule")
@title("x")
@basis("x")
@reason("x")
@owner("customs")
@retain("10d")
@onward("none")
permit (
  principal in Border::Agency::"police",
  action in [Border::Action::"receive", Border::Action::"disclose"],
  resource in Border::Agency::"customs"
)
when { resource.permit };
"#;

/// A change to the good rule, and what the fault must say of it.
const CHANGES: &[(&str, &str, &str)] = &[
    ("permit (", "permitt (", "policies/customs.cedar"),
    ("@id(\"new-rule\")\n", "", "lacks @id"),
    ("@title(\"x\")\n", "", "lacks @title"),
    ("@basis(\"x\")\n", "", "lacks @basis"),
    ("@reason(\"x\")\n", "", "lacks @reason"),
    ("@owner(\"customs\")\n", "", "lacks @owner"),
    ("@retain(\"10d\")\n", "", "lacks @retain"),
    ("@onward(\"none\")\n", "", "lacks @onward"),
    ("@onward(\"none\")", "@onward(\"never\")", "@onward"),
    ("@retain(\"10d\")", "@retain(\"ten\")", "no number of days"),
    (
        "@title",
        "@existence(\"hidden\") @title",
        "@existence that means nothing",
    ),
    ("@title", "@legal(\"x\") @title", "unknown @legal"),
    ("new-rule", "New Rule", "a policy's id"),
    (
        "new-rule",
        "customs-orders",
        "is the id of the rule at policies/customs.cedar:1",
    ),
    (
        "@owner(\"customs\")",
        "@owner(\"police\")",
        "is owned by \"police\"",
    ),
    (
        "Agency::\"police\"",
        "Agency::\"polise\"",
        "\"polise\", which is no agency",
    ),
    (
        "principal in Border::Agency::\"police\"",
        "principal == Border::Unit::\"police/mian\"",
        "\"police/mian\", which is no unit",
    ),
    (
        "principal in Border::Agency::\"police\"",
        "principal in Border::Group::\"all\"",
        "\"all\", which is no group",
    ),
    (
        "resource in Border::Agency::\"customs\"",
        "resource",
        "not customs's own",
    ),
    (
        "resource in Border::Agency::\"customs\"",
        "resource in Border::Agency::\"post\"",
        "not customs's own",
    ),
    (
        "resource in Border::Agency::\"customs\"",
        "resource == ?resource",
        "template",
    ),
    (
        "Action::\"disclose\"",
        "Action::\"disclose:every\"",
        "disclose:every",
    ),
    ("resource.permit", "resource.permitt", "permitt"),
    ("resource.permit", "resource.hs == 3", "types"),
    ("resource.permit", "context.case.areas.isEmpty()", "case"),
    (
        "resource.permit",
        "action == Border::Action::\"receive\"",
        "reads `action`",
    ),
    (
        "resource.permit",
        "resource.until.offset(duration(\"1d\")) > context.now",
        "calculates with times",
    ),
    (
        "resource.permit",
        "Border::Unit::\"post/main\".country == \"XM\"",
        "policies/customs.cedar",
    ),
    (
        "resource.permit",
        "resource is Border::PostalItem && resource is Border::ControlOrder",
        "",
    ),
    (
        "resource.permit",
        "resource.hs.contains(\"hс\")",
        "policies/customs.cedar",
    ),
    (
        "resource.permit",
        "principal.purpose == Border::Purpose::\"statistic\"",
        "statistic",
    ),
];

fn faults(bundle: &Bundle) -> Vec<Fault> {
    rulebook_of(bundle).err().unwrap_or_default()
}

/// The faults of customs' file with one more rule, changed from a good one.
fn with_rule(from: &str, to: &str) -> Vec<Fault> {
    assert!(RULE.contains(from), "{from:?} is not in the rule");
    let mut bundle = bundle();
    bundle.insert(
        "policies/customs.cedar",
        format!("{CUSTOMS}{}", RULE.replace(from, to)),
    );
    faults(&bundle)
}

#[track_caller]
fn says(faults: &[Fault], text: &str) {
    let found = faults.iter().find(|fault| fault.to_string().contains(text));
    let found = found.unwrap_or_else(|| panic!("{text:?} is not in {faults:#?}"));
    assert!(
        !found.place.is_empty() && !found.cure.is_empty(),
        "{found:?}"
    );
}

#[test]
fn a_good_rule_is_no_fault() {
    assert_eq!(with_rule("10d", "20d"), []);
}

#[test]
fn each_fault_of_a_rule_is_found() {
    for (from, to, text) in CHANGES {
        says(&with_rule(from, to), text);
    }
}

#[test]
fn a_text_that_each_delivery_carries_has_a_bound() {
    for (name, annotation) in [("reason", "@reason(\""), ("basis", "@basis(\"")] {
        assert!(RULE.contains(annotation), "{name}");
        let longer =
            |octets: usize| with_rule(annotation, &format!("{annotation}{}", "x".repeat(octets)));
        assert_eq!(longer(100), []);
        says(&longer(512), &format!("@{name} of more than 512 octets"));
    }
}

#[test]
fn the_place_is_the_line_in_the_file() {
    let line = 1 + CUSTOMS.lines().count() + 1;
    let first = with_rule("@basis(\"x\")\n", "").remove(0);
    assert_eq!(first.place, format!("policies/customs.cedar:{line}"));
    let condition = with_rule("resource.permit", "resource.permitt").remove(0);
    assert_eq!(
        condition.place,
        format!("policies/customs.cedar:{}", line + 12)
    );
}

#[test]
fn a_rule_for_everybody_without_a_condition_is_a_fault() {
    let mut bundle = bundle();
    let open = RULE.replace("principal in Border::Agency::\"police\"", "principal");
    let open = open.replace("\nwhen { resource.permit };", ";");
    bundle.insert("policies/customs.cedar", format!("{CUSTOMS}{open}"));
    says(&faults(&bundle), "permits everybody everything");
}

#[test]
fn foreign_data() {
    let mut bundle = bundle();
    bundle.insert(
        "policies/police.cedar",
        RULE.replace("\"customs\")\n@retain", "\"police\")\n@retain"),
    );
    says(&faults(&bundle), "not police's own");
    bundle.insert("policies/police.cedar", "");
    bundle.insert("policies/nobody.cedar", RULE);
    says(&faults(&bundle), "a file of no agency");
}

#[test]
fn the_floor_only_forbids_and_is_the_boards() {
    let mut bundle = bundle();
    bundle.insert("policies/floor.cedar", format!("{FLOOR}{RULE}"));
    let found = faults(&bundle);
    // It lacks nothing that a permit has: it is one in the wrong place.
    assert_eq!(found.len(), 1, "{found:#?}");
    says(&found, "new-rule permits, but the floor only forbids");
    let forbid = RULE.replace("permit (", "forbid (");
    let forbid = forbid.replace("@retain(\"10d\")\n@onward(\"none\")\n", "");
    bundle.insert("policies/floor.cedar", format!("{FLOOR}{forbid}"));
    says(&faults(&bundle), "is owned by \"customs\"");
}

#[test]
fn the_floor_has_the_rules_that_the_board_lists_and_no_others() {
    let with = |path: &str, change: &dyn Fn(&str) -> String| {
        let mut bundle = bundle();
        let text = change(bundle.text(path).unwrap());
        bundle.insert(path, text);
        faults(&bundle)
    };
    let only = |found: &[Fault], place: &str, text: &str| {
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].place, place);
        says(found, text);
    };
    let (floor, board) = ("policies/floor.cedar", "policies/board.toml");
    let renamed = with(floor, &|text| {
        text.replace("@id(\"floor-officer\")", "@id(\"floor-clerk\")")
    });
    assert_eq!(renamed.len(), 2, "{renamed:#?}");
    let emptied = with(floor, &|_| String::new());
    assert_eq!(emptied.len(), 4, "{emptied:#?}");
    says(&emptied, "lacks floor-secret, which board.toml lists");
    for unlisted in ["", "floor = []"] {
        let found = with(board, &|text| text.replace(LISTED, unlisted));
        let place = if unlisted.is_empty() {
            board.to_owned()
        } else {
            format!("{board}:4")
        };
        only(&found, &place, "names no rules of the floor");
        says(&found, "floor = [\"floor-officer\", ");
    }
    let shorter = with(board, &|text| text.replace("\"floor-secret\", ", ""));
    only(
        &shorter,
        "policies/board.toml:4",
        "does not list floor-secret",
    );
    let mut without = Bundle::default();
    let all = bundle();
    let files = all.files().filter(|(path, _)| *path != floor);
    files.for_each(|(path, content)| without.insert(path, content));
    only(
        &faults(&without),
        floor,
        "is missing, with 4 rules that board.toml lists",
    );
    // One slip in the floor is told there, not as a rule that is missing.
    let slip = with(floor, &|text| text.replacen("forbid (", "forbit (", 1));
    assert_eq!(slip.len(), 1, "{slip:#?}");
}

#[test]
fn a_log_is_read_whatever_is_advised_today() {
    let mut bundle = bundle();
    let board = bundle
        .text("policies/board.toml")
        .unwrap()
        .replace(LISTED, "");
    bundle.insert("policies/board.toml", board);
    bundle.insert("policies/border.cedarschema", "// of an older release");
    bundle.insert("messages/postal.item/examples/valid/least.json", "{}");
    let wider = RULE.replace("Agency::\"police\"", "Agency::\"polise\"");
    bundle.insert("policies/customs.cedar", format!("{CUSTOMS}{wider}"));
    assert!(!faults(&bundle).is_empty());
    let loaded = Rulebook::load(&bundle).unwrap();
    assert_eq!(loaded.digest(), bundle.digest());
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let mut bundle = bundle();
    let text = bundle
        .text("policies/border.cedarschema")
        .unwrap()
        .replace("risk: Long,", "");
    bundle.insert("policies/border.cedarschema", text);
    let found = faults(&bundle);
    assert_eq!(found.len(), 1, "{found:#?}");
    says(&found, "carnet policy schema --write");
}

#[test]
fn agreements_and_board_name_agencies_days_and_purposes() {
    let table = [
        (
            "customs-xa",
            "customs-xx",
            "\"customs-xx\", which is no agency",
        ),
        (
            "\"customs\", \"customs-xa\"",
            "\"customs\"",
            "fewer than two parties",
        ),
        (
            "\"customs\", \"customs-xa\"",
            "\"customs\", \"customs\"",
            "twice",
        ),
        ("2029-07-01", "2019-07-01", "ends before it begins"),
        ("2029-07-01", "1.7.2029", "bad date"),
        ("mutual-assistance", "mutual", "no purpose"),
        (
            "purposes = [\"mutual-assistance\"]",
            "purposes = []",
            "serves no purpose",
        ),
        ("suspended", "suspend", "policies/agreements.toml:7"),
        ("id = ", "id == ", "policies/agreements.toml:2"),
    ];
    for (from, to, text) in table {
        let mut bundle = bundle();
        let good = bundle.text("policies/agreements.toml").unwrap();
        assert!(good.contains(from));
        bundle.insert("policies/agreements.toml", good.replace(from, to));
        says(&faults(&bundle), text);
    }
    let boards = [
        (
            "[board]\nquorum = 3\nmembers = [\"customs\", \"post\"]",
            "quorum of 3 of 2",
        ),
        (
            "[board]\nquorum = 1\nmembers = [\"costums\"]",
            "\"costums\", which is no agency",
        ),
        ("[boards]\nquorum = 1", "policies/board.toml"),
    ];
    for (board, text) in boards {
        let mut bundle = bundle();
        bundle.insert("policies/board.toml", board);
        says(&faults(&bundle), text);
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_their_places() {
    let mut bundle = bundle();
    bundle.insert("policies/post.cedar", POST.replace("@title", "@titel"));
    bundle.insert("policies/board.toml", "[board]\nquorum = 9\nmembers = []");
    let found = faults(&bundle);
    assert_eq!(
        found
            .iter()
            .filter(|fault| fault.says == "lacks @title")
            .count(),
        2
    );
    says(&found, "quorum of 9 of 0");
    assert!(found.is_sorted());
}

#[test]
fn words_of_agencies_that_no_policy_can_name_are_faults() {
    let mut bundle = bundle();
    let text = bundle.text("agencies/post/agency.toml").unwrap();
    let text = text.replace("kind = \"post\"", "kind = \"mail\"");
    bundle.insert(
        "agencies/post/agency.toml",
        text.replace("postal-security", "post"),
    );
    let found = faults(&bundle);
    says(&found, "\"mail\" is no kind of agency");
    says(&found, "\"post\" is no purpose");
}

#[test]
fn a_pattern_that_covers_no_message_type_is_a_fault() {
    let mut bundle = bundle();
    let text = bundle.text("agencies/post/agency.toml").unwrap();
    let wrong = text.replace("sends = [\"*\"]", "sends = [\"postal.itm\"]");
    assert_ne!(text, wrong);
    bundle.insert("agencies/post/agency.toml", wrong);
    says(&faults(&bundle), "\"postal.itm\" covers no message type");
}

#[test]
fn faults_of_agencies_and_messages_are_told_together() {
    let mut bundle = bundle();
    bundle.insert("agencies/post/agency.toml", "id = 1");
    bundle.insert("messages/postal.item/schema.json", "{}");
    let found = faults(&bundle);
    assert!(
        found
            .iter()
            .any(|fault| fault.place.starts_with("agencies/post/"))
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.place.starts_with("messages/postal.item/"))
    );
}
