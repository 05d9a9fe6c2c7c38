//! What a change means, in words: nothing that has a meaning changes untold.

use carnet::policy::difference::{Difference, Fate, Kind};
use carnet::policy::rulebook::Rulebook;

use super::changes::{BOARD, Edit, POST, POST_RULES, base, edited};

const SCHEMA: &str = "messages/postal.item/schema.json";
const TYPE: &str = "messages/postal.item/message.toml";

fn difference(edits: &[Edit<'_>]) -> Difference {
    let next = Rulebook::load(&edited(edits)).unwrap();
    Difference::between(base(), &next)
}

#[test]
fn a_rule_is_told_with_its_condition_before_and_after_in_words_and_a_row_by_what_it_shows() {
    let added = "@id(\"post-new\")\n@title(\"t\")\n@basis(\"b\")\n@reason(\"r\")\n@owner(\"post\")\n\
                 @retain(\"30d\")\n@onward(\"none\")\n\
                 permit (principal in Border::Agency::\"police\", \
                 action == Border::Action::\"disclose:goods\", \
                 resource is Border::PostalItem in Border::Agency::\"post\");\n\
                 @id(\"post-environment-regulated\")";
    let edits = [
        (POST_RULES, "\"9601\"", "\"9602\""),
        (POST_RULES, "@retain(\"1825d\")", "@retain(\"30d\")"),
        (POST_RULES, "@id(\"post-environment-regulated\")", added),
        (
            "policies/tables/post.csv",
            "refuse,,not permitted",
            "hidden,,floor-secret",
        ),
    ];
    insta::assert_snapshot!(difference(&edits), @r"
    ~ rule post-customs  (policies/post.cedar)
        kept: 1825 days
         now: 30 days
    ~ rule post-environment-regulated  (policies/post.cedar)
        if: a unit of purpose environment-protection; and a commodity code below 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14, 2903, 3808, 3824, 3825, 3826, 3827, 3915, 41, 42, 43, 44, 8549 or 9601
        now: a unit of purpose environment-protection; and a commodity code below 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14, 2903, 3808, 3824, 3825, 3826, 3827, 3915, 41, 42, 43, 44, 8549 or 9602
    + rule post-new  (policies/post.cedar)
        title: t
        effect: permits
        to: units of police
        what: goods
        of: postal.item from post
        basis: b
        reason: r
        owner: post
        kept: 30 days
        onward: none
    ~ row story 1: item with ornaments: postal.item/story-01 from post/main to customs/investigation  (policies/tables/post.csv)
        outcome: refuse
            now: hidden
        by: not permitted
        now: floor-secret
    ");
}

#[test]
fn what_changes_of_an_agency_and_of_the_board_is_told_by_name() {
    let members = "members = [\"customs\", \"police\", \"environment\", \"post\"]";
    let group = "[[group]]\nid = \"land\"\nmembers = [\"customs\"]\n\n[vocabulary.kind]\n\
                 veterinary = \"Food inspection\"";
    let edits = [
        (
            POST,
            "\"postal.item\", \"movement.event\"",
            "\"postal.item\"",
        ),
        (POST, "[\"approver\", \"auditor\"]", "[\"approver\"]"),
        (
            POST,
            "receives = [\"*\"]",
            "receives = [\"declaration.*\"]\nlisted = false",
        ),
        (BOARD, "quorum = 3", "quorum = 2"),
        (
            BOARD,
            members,
            "members = [\"customs\", \"police\", \"post\"]",
        ),
        (BOARD, "[vocabulary.kind]", group),
        (
            "policies/agreements.toml",
            "suspended = false",
            "suspended = true",
        ),
    ];
    insta::assert_snapshot!(difference(&edits), @r"
    ~ agreement MAT-2019-7  (policies/agreements.toml)
        suspended: no
              now: yes
    ~ unit post/main  (agencies/post/agency.toml)
        receives: - *, + declaration.*
        listed: yes
           now: no
    ~ system post/items  (agencies/post/agency.toml)
        sends: - movement.event
    ~ officer post/m-0077  (agencies/post/agency.toml)
        roles: - auditor
    ~ board of the exchange  (policies/board.toml)
        quorum: 3
           now: 2
        members: - environment
    + group land  (policies/board.toml)
        members: customs
    + word kind veterinary  (policies/board.toml)
        title: Food inspection
    ");
}

#[test]
fn an_element_of_another_category_is_told_and_a_schema_that_asks_otherwise() {
    let edits = [
        (SCHEMA, "\"maxLength\": 9", "\"maxLength\": 12"),
        (TYPE, "2026-01", "2026-02"),
        (
            SCHEMA,
            "\"x-carnet-category\": \"commercial\"",
            "\"x-carnet-category\": \"goods\"",
        ),
        (TYPE, "category = \"goods\"", "category = \"postal\""),
    ];
    let told = difference(&edits).to_string();
    // A digest changes with any word of the schema.
    let is_digest = |line: &&str| line.len() > 64 && line.contains(": ");
    let told: Vec<&str> = told.lines().filter(|line| !is_digest(line)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    ~ type postal.item  (messages/postal.item/message.toml)
        edition: 2026-01
            now: 2026-02
    ~ element postal.item /  (messages/postal.item/schema.json)
    ~ element postal.item /GovernmentAgencyGoodsItem/*/ItemChargeAmount  (messages/postal.item/schema.json)
        category: commercial
             now: goods
    ~ fact postal.item hs  (messages/postal.item/message.toml)
        category: goods
             now: postal
    ");
    let told = difference(&edits[..1]);
    assert_eq!(told.things.len(), 1);
    assert_eq!(
        (told.things[0].kind, told.things[0].change),
        (Kind::Element, Fate::Changed)
    );
    assert_eq!(told.things[0].aspects[0].name, "schema");
}

#[test]
fn a_file_whose_text_alone_changes_is_told_as_a_file_and_one_of_examples_too() {
    let example = "messages/postal.item/examples/valid/ornaments.json";
    let edits = [
        (POST_RULES, "// The post's", "// Now: the post's"),
        (example, "Ilse Marrow", "Ilse Marlow"),
    ];
    let expected = "~ file messages/postal.item/examples/valid/ornaments.json\n\
                    ~ file policies/post.cedar\n";
    assert_eq!(difference(&edits).to_string(), expected);
    assert!(Difference::between(base(), base()).is_empty());
}

#[test]
fn a_condition_that_reads_alike_in_words_is_told_as_it_is_written() {
    let rule = |condition: &str| {
        let text = format!(
            "@id(\"post-new\") @title(\"t\") @basis(\"b\") @reason(\"r\") @owner(\"post\")\n\
             @retain(\"30d\") @onward(\"none\")\n\
             permit (principal in Border::Agency::\"police\", \
             action == Border::Action::\"disclose:goods\", \
             resource is Border::PostalItem in Border::Agency::\"post\")\nwhen {{ {condition} }};\n"
        );
        let mut bundle = base().bundle().clone();
        bundle.insert(POST_RULES, text);
        Rulebook::load(&bundle).unwrap()
    };
    let all = rule("resource.hs.containsAll([\"01\", \"06\"])");
    let any = rule("resource.hs.containsAny([\"01\", \"06\"])");
    let told = Difference::between(&all, &any).to_string();
    assert!(
        told.contains("containsAll") && told.contains("01 or 06"),
        "{told}"
    );
    let both = rule("resource.hs.contains(\"01\") || resource.hs.contains(\"06\")");
    let set =
        rule("resource.hs.contains(\"01\") || resource.areas.contains(Border::Area::\"ipr\")");
    assert!(
        Difference::between(&both, &set)
            .to_string()
            .contains("area ipr")
    );
}
