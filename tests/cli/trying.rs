//! `carnet message try` on what is wrong: all of it at once, and many files by fault; and the page
//! that lists what may be wrong.

use std::path::Path;

use carnet::config::{read_file, write_text};
use serde_json::Value;
use tempfile::TempDir;

use super::{REPOSITORY, code, err, in_repository, json, out};

const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";

/// Copies of the ornaments with slips, each in a file of a folder.
fn with_slips(slips: &[&[(&str, &str)]]) -> (TempDir, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let whole = String::from_utf8(read_file(&Path::new(REPOSITORY).join(ITEM)).unwrap()).unwrap();
    let mut files = Vec::new();
    for (nth, slips) in slips.iter().enumerate() {
        let mut body = whole.clone();
        for (from, to) in *slips {
            assert!(body.contains(from), "{from}");
            body = body.replacen(from, to, 1);
        }
        let file = folder.path().join(format!("item-{nth}.json"));
        write_text(&file, body.as_bytes()).unwrap();
        files.push(file.display().to_string());
    }
    (folder, files)
}

const CHECK_DIGIT: (&str, &str) = ("CP618402774XA", "CP618402771XA");
const MISSPELT: (&str, &str) = ("\"NatureCode\"", "\"NaturCode\"");
const COUNTRY: (&str, &str) = ("\"CountryCode\": \"XA\"", "\"CountryCode\": \"UK\"");
const COMMA: (&str, &str) = ("\"140.00\"", "\"140,00\"");

#[test]
fn all_faults_of_a_message_are_told_at_once_and_each_says_what_is_wrong() {
    let (_folder, files) = with_slips(&[&[CHECK_DIGIT, MISSPELT, COUNTRY, COMMA]]);
    let words = format!("message try {} --type postal.item", files[0]);
    let output = in_repository(&words);
    assert_eq!(code(&output), Some(1));
    let told = err(&output);
    for says in [
        "its check digit (character 11) must be 4 (s10)",
        "NaturCode (member 4) is not an element; nearest NatureCode (additionalProperties)",
        "lacks NatureCode (required)",
        "is no country code of ISO 3166-1; write GB (country)",
        "has a comma; write a point (amount)",
        "5 faults",
    ] {
        assert!(told.contains(says), "{says}\n{told}");
    }
    let faults = json(&in_repository(&format!("{words} --json")));
    assert_eq!(faults["valid"], false);
    let mut rules: Vec<_> = faults["faults"].as_array().unwrap().iter().collect();
    rules.sort_by_key(|fault| fault["pointer"].as_str());
    let places: Vec<_> = rules
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "",
            "",
            "/Consignor/Address/CountryCode",
            "/GovernmentAgencyGoodsItem/0/ItemChargeAmount",
            "/ID"
        ]
    );
}

#[test]
fn many_files_are_tried_at_once_and_summed_up_by_fault() {
    let (_folder, files) = with_slips(&[&[], &[CHECK_DIGIT], &[CHECK_DIGIT, COMMA], &[MISSPELT]]);
    let words = format!("message try {} --type postal.item", files.join(" "));
    let output = in_repository(&words);
    assert_eq!(code(&output), Some(1), "{}", err(&output));
    let told = out(&output);
    let summary = told.split("\n\n").last().unwrap();
    let summary = summary
        .replace(files[1].as_str(), "item-1")
        .replace(files[2].as_str(), "item-2");
    let summary = summary.replace(files[3].as_str(), "item-3");
    insta::assert_snapshot!(summary, @r"
    4 files: 1 valid, 0 of them without a recipient; 3 invalid
         2  s10 at /ID: in 2 files, the first item-1
         1  additionalProperties at the message: in 1 file, the first item-3
         1  amount at /GovernmentAgencyGoodsItem/*/ItemChargeAmount: in 1 file, the first item-2
         1  required at the message: in 1 file, the first item-3
    ");
    assert!(
        told.contains(&format!("{}: valid, for customs/main", files[0])),
        "{told}"
    );
    let lines = out(&in_repository(&format!("{words} --json")));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1]["file"], files[1]);
    assert_eq!(lines[4]["invalid"], 3);
    assert_eq!(lines[4]["faults"][0]["rule"], "s10");
    let (_folder, files) = with_slips(&[&[], &[]]);
    let words = format!("message try {} --type postal.item", files.join(" "));
    assert_eq!(code(&in_repository(&words)), Some(0));
}

#[test]
fn what_is_tried_is_shown_as_asked_with_its_handling() {
    let (_folder, files) = with_slips(&[&[]]);
    let words = format!("message try {} --type postal.item --json", files[0]);
    let given = out(&in_repository(&format!(
        "{words} --given handling=no-onward"
    )));
    let tried: Value = serde_json::from_str(&given).unwrap();
    assert_eq!(tried["asked"]["handling"], "no-onward", "{given}");
}

#[test]
fn a_name_that_may_be_a_persons_is_told_by_its_place() {
    let slip = ("\"Consignee\": {", "\"Consignee\": {\"Ilse Marrow\": 1, ");
    let (_folder, files) = with_slips(&[&[slip]]);
    let output = in_repository(&format!("message try {} --type postal.item", files[0]));
    let told = err(&output);
    assert!(told.contains("member 1 is not an element"), "{told}");
    assert!(!told.contains("Marrow"), "{told}");
}

/// To renew it: `carnet message rules > docs/refusals.md`.
#[test]
fn the_page_of_refusals_is_what_the_program_says() {
    let page = read_file(&Path::new(REPOSITORY).join("docs/refusals.md")).unwrap();
    let printed = in_repository("message rules");
    assert_eq!(String::from_utf8(page).unwrap(), out(&printed));
}
