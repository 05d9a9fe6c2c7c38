//! What a check tells an officer rests on nothing that his agency may not know: with an unlisted unit of
//! another agency and without it each answer is one, however it is asked.

use std::fmt::Write as _;
use std::sync::OnceLock;

use carnet::message::bundle::Bundle;
use carnet::policy::change::Changes;
use carnet::policy::checked::check;
use carnet::policy::rulebook::Rulebook;

use super::changes::{BOARD, Edit, POST, POST_RULES, edited};

const CUSTOMS: &str = "agencies/customs/agency.toml";
const CUSTOMS_RULES: &str = "policies/customs.cedar";
const POST_TABLE: &str = "policies/tables/post.csv";
const HIDDEN: &str = "customs/investigation";

/// A rule of customs for its unlisted unit alone.
const RULE: &str = r#"
@id("customs-own-orders") @title("x") @basis("x") @reason("x") @owner("customs") @retain("1d") @onward("none")
permit (principal == Border::Unit::"customs/investigation", action, resource in Border::Agency::"customs")
when { principal.purpose == Border::Purpose::"law-enforcement" };
"#;

/// The rulebooks with the unlisted unit, its system, its rule and the rows that name it, and without all of that.
fn worlds() -> &'static [Rulebook; 2] {
    static WORLDS: OnceLock<[Rulebook; 2]> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let with = edited(&[(
            CUSTOMS_RULES,
            "@id(\"customs-answer\")",
            &format!("{RULE}@id(\"customs-answer\")"),
        )]);
        let mut without = with.clone();
        let entries = with.text(CUSTOMS).unwrap();
        let (unit, rest) = cut(entries, "# Unlisted", "[[system]]");
        let (system, rest) = cut(&rest, "[[system]]\nid = \"investigation\"", "[[officer]]");
        assert!(unit.contains("listed = false") && system.contains("investigation"));
        without.insert(CUSTOMS, rest);
        let rules = with.text(CUSTOMS_RULES).unwrap().replace(RULE, "");
        without.insert(CUSTOMS_RULES, rules);
        let mut with = with;
        // The others do not know it: what names it in their tables is in neither.
        for agency in ["environment", "police", "post"] {
            for world in [&mut with, &mut without] {
                without_rows(world, &format!("policies/tables/{agency}.csv"));
            }
        }
        without_rows(&mut without, "policies/tables/customs.csv");
        [with, without]
            .map(|text| Rulebook::parse(&text).unwrap_or_else(|faults| panic!("{faults:#?}")))
    })
}

/// A text from `begin` up to `end`, and the rest of it.
fn cut(text: &str, begin: &str, end: &str) -> (String, String) {
    let (before, rest) = text.split_once(begin).unwrap();
    let (part, after) = rest.split_once(end).unwrap();
    (format!("{begin}{part}"), format!("{before}{end}{after}"))
}

fn without_rows(world: &mut Bundle, path: &str) {
    let text = world.text(path).unwrap().to_owned();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains(HIDDEN)).collect();
    world.insert(path, format!("{}\n", kept.join("\n")));
}

/// All that an officer of `holder` is told of these edits.
fn answer(base: &Rulebook, edits: &[Edit<'_>], holder: &str) -> String {
    let mut next = base.bundle().clone();
    for (path, before, after) in edits {
        let text = next.text(path).unwrap();
        assert!(text.contains(before), "{path} has no {before}");
        let text = text.replacen(before, after, 1);
        next.insert(*path, text);
    }
    let changes = Changes::between(base.bundle(), &next);
    let mut told = String::new();
    match check(base, &changes, &holder.parse().unwrap()) {
        Ok(checked) => {
            writeln!(told, "{} {}", checked.owner, checked.rows).unwrap();
            checked
                .warnings
                .iter()
                .for_each(|it| writeln!(told, "{it}").unwrap());
            checked
                .broken
                .iter()
                .for_each(|it| writeln!(told, "{it}").unwrap());
        }
        Err(faults) => faults.iter().for_each(|it| writeln!(told, "{it}").unwrap()),
    }
    told
}

#[track_caller]
fn tells_nothing(edits: &[Edit<'_>], holder: &str) -> String {
    let [with, without] = worlds();
    let told = answer(with, edits, holder);
    assert_eq!(told, answer(without, edits, holder), "{edits:?}");
    told
}

/// A rule of the post.
fn rule(id: &str, principal: &str, when: &str) -> String {
    format!(
        "@id(\"{id}\") @title(\"x\") @basis(\"x\") @reason(\"x\") @owner(\"post\") @retain(\"1d\") @onward(\"none\")\n\
         permit ({principal}, action, resource in Border::Agency::\"post\") when {{ {when} }};\n"
    )
}

/// What the post is told of rules in front of those that there are.
#[track_caller]
fn tells_nothing_by_rules(rules: &[String]) -> String {
    let first = "@id(\"post-environment-regulated\")";
    let rules = format!("{}{first}", rules.concat());
    tells_nothing(&[(POST_RULES, first, &rules)], "post")
}

#[test]
fn a_row_of_a_table_cannot_ask_for_an_unlisted_unit_of_another_agency() {
    let rows = [
        format!("post/main,,{HIDDEN},refuse,,not permitted"),
        format!("post/main,,{HIDDEN},release,all,post-customs"),
        format!("{HIDDEN},,customs/main,refuse,,not permitted"),
        format!("post/main,to={HIDDEN},customs/main,release,all,post-customs"),
        format!("post/main,answers={HIDDEN},customs/main,release,all,post-customs"),
    ];
    let first = "story 1: item with ornaments,";
    let asked = rows
        .each_ref()
        .map(|row| format!("asked,postal.item/story-01,{row}\n"));
    let asked = format!("{}{first}", asked.concat());
    let told = tells_nothing(&[(POST_TABLE, first, &asked)], "post");
    assert_eq!(told.matches("row \"asked\"").count(), rows.len(), "{told}");
}

#[test]
fn a_rule_cannot_ask_for_an_unlisted_unit_of_another_agency_nor_for_what_it_is() {
    let unit = format!("principal == Border::Unit::\"{HIDDEN}\"");
    let told = tells_nothing_by_rules(&[
        rule("post-head", &unit, "context has case"),
        rule("post-condition", "principal", &unit),
    ]);
    assert_eq!(told.matches("which is no unit").count(), 2, "{told}");
    let customs = "principal in Border::Agency::\"customs\"";
    let police = "principal.purpose == Border::Purpose::\"law-enforcement\"";
    let cleared = "principal.clearances.contains(Border::Clearance::\"controlled-delivery\")";
    let told = tells_nothing_by_rules(&[
        rule("post-purpose", customs, police),
        rule("post-clearance", customs, cleared),
        rule(
            "post-kind",
            "principal",
            &format!("{cleared} && principal.kind == Border::Kind::\"customs\""),
        ),
    ]);
    // A unit may be there, or come: such a rule can be written.
    assert!(told.starts_with("post 17\n"), "{told}");
    tells_nothing_by_rules(&[rule(
        "post-both",
        customs,
        &format!("{police} && resource.risk > 100"),
    )]);
}

#[test]
fn a_name_cannot_ask_what_another_agency_has_under_it() {
    let own = "certificate = \"urn:carnet:post:system:items\"";
    let name = "certificate = \"urn:carnet:customs:system:investigation\"";
    let told = tells_nothing(&[(POST, own, name)], "post");
    assert!(told.contains("cannot name a certificate here"), "{told}");
    let ids = ["customs-own-orders", "customs-none", "floor-none", "orders"];
    let told = tells_nothing_by_rules(&ids.map(|id| rule(id, "principal", "context has case")));
    assert_eq!(
        told.matches("is no id for a rule of post").count(),
        ids.len(),
        "{told}"
    );
    let floor = (
        "policies/floor.cedar",
        "@id(\"floor-officer\")",
        "@id(\"customs-own-orders\")",
    );
    let told = tells_nothing(&[floor], "police");
    assert!(told.contains("is no id for a rule of board"), "{told}");
}

#[test]
fn what_is_changed_without_asking_is_told_alike_too() {
    let own = [
        (POST_RULES, "postal item data and events", "items"),
        (
            POST,
            "messages_per_second = 5000",
            "messages_per_second = 50",
        ),
    ];
    let of_the_board = [
        ("policies/floor.cedar", "@title(\"", "@title(\"Now: "),
        ("messages/control.order/message.toml", "2026-01", "2026-02"),
        (BOARD, "quorum = 3", "quorum = 2"),
    ];
    for (edits, holder) in [(&own[..], "post"), (&of_the_board[..], "police")] {
        let told = tells_nothing(edits, holder);
        assert!(!told.contains("investigation"), "{told}");
    }
}

/// The word must stay, and nothing may be said of who uses it: what is in the way is told by one answer.
#[test]
fn a_word_that_an_unlisted_unit_alone_uses_cannot_go_and_who_uses_it_is_not_told() {
    let word = (BOARD, "integrity = \"Integrity of the service\"\n", "");
    let [with, _] = worlds();
    let mut next = with.bundle().clone();
    let text = next.text(CUSTOMS).unwrap();
    let text = text.replace("purpose = \"law-enforcement\"", "purpose = \"integrity\"");
    next.insert(CUSTOMS, text);
    let rules = next.text(CUSTOMS_RULES).unwrap().replace(RULE, "");
    next.insert(CUSTOMS_RULES, rules);
    without_rows(&mut next, "policies/tables/customs.csv");
    let base = Rulebook::parse(&next).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let schema = "policies/border.cedarschema";
    let words = base.bundle().text(schema).unwrap();
    let (first, _) = cut(words, "entity Purpose", ";");
    let after = first.replace(", \"integrity\"", "");
    let told = answer(&base, &[word, (schema, &first, &after)], "police");
    assert_eq!(
        told,
        "rulebook: does not go together with something that is not yours to know; names and issuers must be \
         your own, and words that others use must stay: ask the board\n"
    );
}
