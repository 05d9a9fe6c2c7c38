use super::*;
use crate::message::fixture::{MANIFEST, ORNAMENTS, SCHEMA, bundle};

const FOLDER: &str = "messages/postal.item";

/// The faults of the fixture after one change to one of its files.
fn faults(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut bundle = bundle();
    let path = format!("{FOLDER}/{file}");
    let text = bundle.text(&path).unwrap();
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    bundle.insert(path, text);
    listed(&bundle)
}

fn listed(bundle: &Bundle) -> Vec<String> {
    let faults = Catalogue::parse(bundle).err().unwrap_or_default();
    faults
        .iter()
        .map(|fault| format!("{}: {}", fault.place, fault.says))
        .collect()
}

#[test]
fn the_reference_type_is_read_whole() {
    let catalogue = Catalogue::parse(&bundle()).unwrap();
    let entry = catalogue.get("postal.item").unwrap();
    assert_eq!(
        entry.holds.to_string(),
        "reference party identity goods commercial postal"
    );
    assert!(entry.has_tokens);
    assert_eq!(entry.max_size_bytes, 65_536);
    assert_eq!(entry.addressed, Addressed::Optional);
    assert_eq!(catalogue.entries().count(), 1);
}

#[test]
fn each_fault_of_a_manifest_is_named_with_its_place() {
    for (from, to, expected) in [
        (
            "type = \"postal.item\"",
            "type = \"postal.itme\"",
            "message.toml:1: type is postal.itme, and its folder is postal.item",
        ),
        (
            "entity = \"PostalItem\"",
            "entity = \"postal item\"",
            "message.toml:2: entity \"postal item\" is no name for policies",
        ),
        (
            "\"64 KiB\"",
            "\"2 MiB\"",
            "message.toml:8: max_size is \"2 MiB\"",
        ),
        (
            "\"optional\"",
            "\"maybe\"",
            "message.toml:7: addressed has no \"maybe\"",
        ),
        (
            "own = true",
            "own = true\nowner = true",
            "message.toml:14: \"owner\" is no key of [[key]]",
        ),
        (
            "at = \"/ID\"",
            "at = \"/Id\"",
            "message.toml: key s10: reads /Id, which the schema does not have",
        ),
        (
            "qualifier = \"/PostedDate\"",
            "qualifier = \"/Posted\"",
            "message.toml: key s10: is told apart by /Posted, which is no single text of the schema",
        ),
        (
            "/Classification/ID\"",
            "/Classification\"",
            "message.toml: facts.hs: cannot be made of /GovernmentAgencyGoodsItem/*/Commodity/Classification",
        ),
        (
            "hs-prefixes",
            "hs-codes",
            "message.toml:18: \"hs-codes\" is not hs-prefixes, areas, integer, present, time or equals:VALUE",
        ),
        (
            "category = \"goods\"",
            "category = \"good\"",
            "message.toml:19: \"good\" is not a data category",
        ),
    ] {
        assert_eq!(
            faults("message.toml", from, to),
            [format!("{FOLDER}/{expected}")],
            "{to}"
        );
    }
}

#[test]
fn each_fault_of_a_schema_is_named_with_its_place() {
    for (from, to, expected) in [
        (
            "\"format\": \"date\", \"x-carnet-category\": \"postal\"",
            "\"format\": \"date\"",
            "/properties/PostedDate: has no data category in reach",
        ),
        (
            "\"minItems\": 1, ",
            "",
            "/properties/GovernmentAgencyGoodsItem: has no data category in reach",
        ),
        (
            "\"x-carnet-category\": \"postal\"",
            "\"x-carnet-category\": \"post\"",
            "/properties/PostedDate: names the unknown data category post",
        ),
        (
            "\"maxLength\": 9, ",
            "\"maxLenght\": 9, ",
            "/properties/VersionID: has the unknown keyword maxLenght",
        ),
        (
            "\"x-carnet-token\": true",
            "\"x-carnet-tokens\": true",
            "/properties/ID: has the unknown keyword x-carnet-tokens",
        ),
        (
            "\"required\": [\"Description\"]",
            "\"required\": [\"Descriptoin\"]",
            "/properties/GovernmentAgencyGoodsItem/items/properties/Commodity/required: speaks of Descriptoin, which is no member here",
        ),
        (
            "\"Commodity\": {\"type\": \"object\", \"additionalProperties\": false, ",
            "\"Commodity\": {\"type\": \"object\", ",
            "/properties/GovernmentAgencyGoodsItem/items/properties/Commodity: is an open object",
        ),
        (
            "\"#/$defs/mass\", \"x-wco\": \"131\"",
            "\"https://a.example/mass\", \"x-carnet-category\": \"goods\", \"type\": \"string\"",
            "/properties/TotalGrossMassMeasure: refers to https://a.example/mass, which is not in this document",
        ),
        (
            "\"#/$defs/mass\", \"x-wco\": \"131\"",
            "\"#/$defs/mass\", \"x-carnet-category\": \"postal\"",
            "/properties/TotalGrossMassMeasure: has one category here and another behind its $ref",
        ),
        (
            "\"format\": \"country\", \"x-wco\": \"063\"",
            "\"format\": \"code:lands\"",
            "/properties/GovernmentAgencyGoodsItem/items/properties/OriginCountryCode: names the code list lands, which does not exist",
        ),
        (
            "\"x-carnet-category\": \"reference\", \"x-carnet-token\": true",
            "\"x-carnet-category\": \"postal\", \"x-carnet-token\": true",
            "/properties/ID: has x-carnet-token and is no reference",
        ),
        (
            "\"SequenceNumeric\": {\"type\": \"integer\"",
            "\"SequenceNumeric\": {\"x-carnet-token\": true, \"type\": \"integer\"",
            "/properties/GovernmentAgencyGoodsItem/items/properties/SequenceNumeric: has x-carnet-token on what is no text",
        ),
    ] {
        let found = faults("schema.json", from, to);
        let expected = format!("{FOLDER}/schema.json#{expected}");
        assert!(found.contains(&expected), "{expected}\n{found:#?}");
    }
}

#[test]
fn a_category_by_content_must_be_decidable() {
    let by = "{\"by\": \"PartyKind\", \"legal\": \"party\", \"natural\": \"identity\", \"else\": \"identity\"}";
    for (to, expected) in [
        (
            "{\"by\": \"Kind\", \"else\": \"identity\"}",
            "is decided by Kind, which no object in reach has",
        ),
        (
            "{\"by\": \"PartyKind\", \"company\": \"party\", \"else\": \"identity\"}",
            "decides for company, which is not in the enum of PartyKind",
        ),
        (
            "{\"by\": \"PartyKind\", \"legal\": \"party\"}",
            "has x-carnet-category without `by` or `else`",
        ),
    ] {
        let found = faults("schema.json", by, to);
        let expected = format!("{FOLDER}/schema.json#/properties/Consignor: {expected}");
        assert!(found.contains(&expected), "{expected}\n{found:#?}");
    }
}

#[test]
fn schemas_that_lead_elsewhere_or_to_themselves_end_in_a_fault() {
    let found = faults(
        "schema.json",
        "\"Contact\": {\"type\"",
        "\"Next\": {\"$ref\": \"#/$defs/party\"}, \"Contact\": {\"type\"",
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("refers to itself by #/$defs/party")),
        "{found:#?}"
    );
    let found = faults("schema.json", "\"format\": \"s10\"", "\"format\": \"s11\"");
    assert!(
        found.iter().any(|fault| fault.contains("s11")),
        "{found:#?}"
    );
    let found = faults("schema.json", "^[0-9]{1,10}", "^([0-9]{1,10}");
    assert!(
        found.iter().any(|fault| fault.contains("/pattern")),
        "{found:#?}"
    );
}

#[test]
fn examples_are_part_of_a_type() {
    let mut bundle = bundle();
    let wrong = ORNAMENTS.replace("CP618402774XA", "CP618402775XA");
    bundle.insert(
        format!("{FOLDER}/examples/invalid/digit.json"),
        wrong.clone(),
    );
    assert_eq!(
        listed(&bundle),
        [format!(
            "{FOLDER}/examples/invalid/digit.json: has no row in expected.csv"
        )]
    );
    let csv = |row: &str| format!("file,place,rule,says\n{row}\n");
    bundle.insert(
        format!("{FOLDER}/examples/invalid/expected.csv"),
        csv("digit.json,/ID,s10,the digit is 4"),
    );
    assert!(listed(&bundle).is_empty());
    bundle.insert(
        format!("{FOLDER}/examples/invalid/expected.csv"),
        csv("digit.json,/ID,type,the digit is 4"),
    );
    let found = listed(&bundle);
    assert!(
        found[0].ends_with("is refused at \"/ID\" by s10, expected at \"/ID\" by type"),
        "{found:?}"
    );
    bundle.insert(format!("{FOLDER}/examples/invalid/digit.json"), ORNAMENTS);
    assert!(listed(&bundle)[0].contains("is accepted"));
    bundle.insert(format!("{FOLDER}/examples/valid/wrong.json"), wrong);
    assert!(listed(&bundle)[0].starts_with(&format!("{FOLDER}/examples/valid/wrong.json#/ID")));
}

#[test]
fn a_code_list_is_what_its_file_lists() {
    let mut bundle = bundle();
    let schema = SCHEMA.replace(
        "\"NatureCode\": {\"enum\": [\"11\", \"21\", \"31\", \"32\", \"91\", \"999\"]",
        "\"NatureCode\": {\"type\": \"string\", \"format\": \"code:nature\"",
    );
    bundle.insert(format!("{FOLDER}/schema.json"), schema);
    bundle.insert(
        format!("{FOLDER}/codes/nature.txt"),
        "# nature\n11\tsale\n\n21\tgift\n",
    );
    assert!(listed(&bundle).is_empty(), "{:?}", listed(&bundle));
    bundle.insert(format!("{FOLDER}/codes/nature.txt"), "21\tgift\n");
    assert!(
        listed(&bundle)[0]
            .contains("ornaments.json#/NatureCode: is not in the code list nature (code:nature)")
    );
    bundle.insert(format!("{FOLDER}/codes/nature.txt"), "11\n11\n");
    assert!(listed(&bundle)[0].contains("once more"));
}

#[test]
fn an_identifier_quoted_from_elsewhere_is_a_warning_when_wrong() {
    let mut bundle = bundle();
    bundle.insert(
        format!("{FOLDER}/message.toml"),
        MANIFEST.replace("own = true", "own = false"),
    );
    let catalogue = Catalogue::parse(&bundle).unwrap();
    let entry = catalogue.get("postal.item").unwrap();
    let wrong = ORNAMENTS.replace("CP618402774XA", "CP618402775XA");
    let content = crate::message::fields::read(entry, wrong.as_bytes(), &|_| None).unwrap();
    let warning = crate::message::content::Warning {
        place: "/ID".to_owned(),
        rule: "s10".to_owned(),
    };
    assert_eq!(content.warnings, [warning]);
    let shapeless = ORNAMENTS.replace("CP618402774XA", "618402775");
    assert!(crate::message::fields::read(entry, shapeless.as_bytes(), &|_| None).is_err());
}

#[test]
fn all_faults_are_told_and_two_types_never_share_an_entity() {
    let mut bundle = bundle();
    for (path, content) in bundle_copy("postal.other") {
        bundle.insert(path, content);
    }
    assert_eq!(
        listed(&bundle),
        [
            "messages/postal.other/message.toml: entity: names the entity PostalItem, as postal.item does"
        ]
    );
    bundle.insert("messages/postal.other/message.toml", "type = 1");
    bundle.insert("messages/postal.other/schema.json", "{\"type\":");
    for file in ["message.toml:1: type holds a wrong integer", "schema.json"] {
        let start = format!("messages/postal.other/{file}");
        assert!(
            listed(&bundle)
                .iter()
                .any(|fault| fault.starts_with(&start)),
            "{start}"
        );
    }
}

fn bundle_copy(name: &str) -> Vec<(String, String)> {
    let manifest = MANIFEST.replace("type = \"postal.item\"", &format!("type = {name:?}"));
    let files = [
        ("message.toml", manifest),
        ("schema.json", SCHEMA.into()),
        ("examples/valid/a.json", ORNAMENTS.into()),
    ];
    files
        .map(|(file, text)| (format!("messages/{name}/{file}"), text))
        .to_vec()
}
