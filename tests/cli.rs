//! The command line as people and scripts meet it: exit codes, faults with their place, files.
//!
//! The promise: `carnet check` finds what is wrong in the folders before a broker does, and no
//! command writes over a key that is there.
#![cfg(test)]

#[path = "cli/auditing.rs"]
mod auditing;
#[path = "cli/certificates.rs"]
mod certificates;
#[path = "cli/checking.rs"]
mod checking;
#[path = "cli/connecting.rs"]
mod connecting;
#[path = "cli/damaged.rs"]
mod damaged;
#[path = "cli/helping.rs"]
mod helping;
#[path = "support/lines.rs"]
mod lines;
#[path = "cli/lost.rs"]
mod lost;
#[path = "cli/printing.rs"]
mod printing;
#[path = "cli/probing.rs"]
mod probing;
#[path = "cli/replaying.rs"]
mod replaying;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/serving.rs"]
mod serving;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/starting.rs"]
mod starting;
#[path = "cli/trying.rs"]
mod trying;
#[path = "cli/witness.rs"]
mod witness;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile, Usage, Validity};
use carnet::config::{read_file, write_text};
use carnet::journal::vfs::{DiskVfs, Vfs};
use carnet::message::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `carnet` with words split at blanks.
fn carnet(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env("CARNET__HTTP", "127.0.0.1:0");
    command.env("CARNET__HEALTH", "127.0.0.1:0");
    command.current_dir(folder).args(words.split_whitespace());
    command.output().unwrap()
}

fn in_repository(words: &str) -> Output {
    carnet(Path::new(REPOSITORY), words)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A copy of the repository's folders, to plant faults in.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copied = Command::new("cp")
            .args(["-r", "agencies", "messages", "policies"])
            .arg(folder.path())
            .current_dir(REPOSITORY)
            .status();
        assert!(copied.unwrap().success());
        Self(folder)
    }

    /// Replaces the first `old` in a file.
    fn plant(&self, file: &str, old: &str, new: &str) {
        let path = self.0.path().join(file);
        let text = String::from_utf8(read_file(&path).unwrap()).unwrap();
        assert!(text.contains(old), "{file} has no {old:?}");
        write_text(&path, text.replacen(old, new, 1).as_bytes()).unwrap();
    }

    fn remove(&self, file: &str) {
        DiskVfs.unlink(&self.0.path().join(file)).unwrap();
    }

    fn add(&self, file: &str, text: &str) {
        write_text(&self.0.path().join(file), text.as_bytes()).unwrap();
    }

    /// Adds a rule to the post's own.
    fn plant_rule(&self, rule: &str) {
        let file = "policies/post.cedar";
        let text = read_file(&self.0.path().join(file)).unwrap();
        self.add(
            file,
            &format!("{}\n{rule}", String::from_utf8(text).unwrap()),
        );
    }

    fn run(&self, words: &str) -> Output {
        carnet(self.0.path(), words)
    }

    /// `carnet check` finds a fault at `place` that says `says`, and a cure.
    #[track_caller]
    fn assert_fault(&self, place: &str, says: &str) {
        let output = self.run("check --json");
        assert_eq!(code(&output), Some(1), "{}", err(&output));
        let report = json(&output);
        let faults = report["faults"].as_array().unwrap();
        let text = |fault: &Value, key: &str| fault[key].as_str().unwrap().to_owned();
        let found = faults
            .iter()
            .any(|f| text(f, "place").starts_with(place) && text(f, "says").contains(says));
        assert!(found, "no fault at {place} says {says:?}: {report:#}");
        assert!(faults.iter().all(|fault| !text(fault, "cure").is_empty()));
    }
}

/// A rule of the post for `to`, over the data of `over`.
fn rule(to: &str, over: &str) -> String {
    format!(
        r#"@id("post-planted")
@title("Planted")
@basis("None")
@reason("To be found")
@owner("post")
@retain("30d")
@onward("no-onward")
permit (
  principal in Border::Agency::"{to}",
  action in [Border::Action::"receive", Border::Action::"disclose:goods"],
  resource is Border::PostalItem in Border::Agency::"{over}"
);
"#
    )
}

#[test]
fn check_finds_no_fault_in_the_folders_of_the_repository() {
    let output = in_repository("check --json");
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let report = json(&output);
    assert_eq!(report["faults"].as_array().unwrap().len(), 0);
    assert!(report["checked"]["table_rows"].as_u64().unwrap() > 50);
}

#[test]
fn check_finds_an_unknown_agency_in_a_policy() {
    let folders = Folders::new();
    folders.plant_rule(&rule("harbourmaster", "post"));
    folders.assert_fault(
        "policies/post.cedar",
        "\"harbourmaster\", which is no agency",
    );
}

#[test]
fn check_finds_a_rule_over_another_agencys_data() {
    let folders = Folders::new();
    folders.plant_rule(&rule("post", "customs"));
    folders.assert_fault("policies/post.cedar", "over data that are not post's own");
}

#[test]
fn check_finds_an_element_without_category() {
    let folders = Folders::new();
    let element = r#""PostedDate": {"type": "string", "format": "date""#;
    let marked = format!(r#"{element}, "x-carnet-category": "postal""#);
    folders.plant("messages/postal.item/schema.json", &marked, element);
    folders.assert_fault("messages/postal.item/schema.json", "category");
}

#[test]
fn check_finds_a_policy_that_does_not_type() {
    let folders = Folders::new();
    let plain = rule("customs", "post");
    let wrong = plain.replace(");\n", ")\nwhen { principal.purpose > 3 };\n");
    folders.plant_rule(&wrong);
    folders.assert_fault(
        "policies/post.cedar",
        "expected Long but saw Border::Purpose",
    );
}

#[test]
fn check_finds_a_table_row_that_no_longer_holds() {
    let folders = Folders::new();
    folders.plant(
        "policies/tables/post.csv",
        "post/main,,customs/main,release,all,",
        "post/main,,customs/main,release,goods,",
    );
    folders.assert_fault("policies/tables/post.csv:2", "no longer holds");
}

#[test]
fn check_finds_two_systems_with_one_certificate_name() {
    let folders = Folders::new();
    folders.plant(
        "agencies/customs/agency.toml",
        "urn:carnet:customs:system:investigation",
        "urn:carnet:customs:system:declarations",
    );
    folders.assert_fault("agencies/customs/agency.toml", "is also named at");
}

#[test]
fn check_finds_an_expired_certificate() {
    let folders = Folders::new();
    let issued_at = Timestamp::from_rfc3339("2020-01-01T00:00:00Z").unwrap();
    let authority = Authority::create(&Profile::issuer("old", issued_at)).unwrap();
    let day = Duration::from_hours(24);
    let expired = authority.issue(&Profile {
        common_name: "old".to_owned(),
        usage: Usage::Client { uris: Vec::new() },
        validity: Validity::starting(issued_at, day),
    });
    folders.add("certs/old.pem", &expired.unwrap().certificate);
    folders.assert_fault("certs/old.pem", "ended at");
}

#[test]
fn faults_of_agencies_do_not_hide_those_of_messages() {
    let folders = Folders::new();
    folders.plant("agencies/post/agency.toml", "kind = ", "kin = ");
    folders.plant("messages/postal.item/message.toml", "entity", "entiti");
    folders.assert_fault("agencies/post/agency.toml", "kin");
    folders.assert_fault("messages/postal.item/message.toml", "entit");
}

#[test]
fn a_fault_reads_as_place_words_and_cure() {
    let folders = Folders::new();
    folders.plant(
        "policies/tables/post.csv",
        "post/main,,customs/main,release,all,post-customs",
        "post/main,,customs/main,refuse,,not permitted",
    );
    let output = folders.run("check");
    assert_eq!(code(&output), Some(1));
    insta::assert_snapshot!(err(&output), @r#"
    fault: policies/tables/post.csv:2
           row "story 1: item with ornaments" no longer holds: it is now release,all,post-customs
      cure: change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    1 fault
    "#);
}

#[test]
fn certs_dev_writes_keys_for_their_owner_alone_and_never_over_others() {
    let folders = Folders::new();
    let first = folders.run("certs dev pki");
    assert_eq!(code(&first), Some(0), "{}", err(&first));
    let pki = folders.0.path().join("pki");
    let key = pki.join("customs-declarations.key");
    let mode = key.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    for name in [
        "ca.pem",
        "server.pem",
        "server.key",
        "post-ca.pem",
        "post-items.pem",
    ] {
        assert!(pki.join(name).is_file(), "{name} is missing");
    }
    let before = read_file(&key).unwrap();
    let second = folders.run("certs dev pki");
    assert_eq!(code(&second), Some(0), "{}", err(&second));
    insta::assert_snapshot!(out(&second), @"nothing is missing in pki, and nothing has ended");
    assert_eq!(read_file(&key).unwrap(), before);
    folders.remove("pki/post-items.pem");
    folders.remove("pki/post-items.key");
    insta::assert_snapshot!(out(&folders.run("certs dev pki")), @"wrote 2 files to pki: post-items.pem and their keys");
    folders.remove("pki/post-items.key");
    insta::assert_snapshot!(out(&folders.run("certs dev pki")), @"renewed in pki: post-items.pem and their keys");
    assert_eq!(read_file(&key).unwrap(), before);
    assert_eq!(code(&folders.run("certs dev pki --force")), Some(0));
    assert_ne!(read_file(&key).unwrap(), before);
}

#[test]
fn certs_issue_makes_one_systems_certificate_that_its_agencys_issuer_signs() {
    let folders = Folders::new();
    assert_eq!(code(&folders.run("certs dev pki")), Some(0));
    let issued = folders.run("certs issue customs/declarations --certs pki --out new");
    assert_eq!(code(&issued), Some(0), "{}", err(&issued));
    let verified = Command::new("openssl")
        .args(["verify", "-purpose", "sslclient", "-CAfile"])
        .args(["pki/customs-ca.pem", "new/customs-declarations.pem"])
        .current_dir(folders.0.path())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", err(&verified));
    let there = folders.run("certs issue customs/declarations --certs pki --out new");
    assert_eq!(code(&there), Some(3));
    let nobody = folders.run("certs issue customs/nobody --certs pki");
    assert_eq!(code(&nobody), Some(2));
    let foreign = "certs issue customs/declarations --issuer pki/customs-ca.pem \
        --issuer-key pki/post-ca.key --out other";
    assert_eq!(code(&folders.run(foreign)), Some(3));
    assert!(!folders.0.path().join("other").exists());
}

#[test]
fn agency_list_is_for_programs_too() {
    let list = json(&in_repository("agency list --json"));
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|agency| agency["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        names.join(" "),
        "customs customs-xa environment police post"
    );
    let one = json(&in_repository("agency show post --json"));
    assert_eq!(
        one[0]["systems"][0]["certificate"],
        "urn:carnet:post:system:items"
    );
    assert_eq!(code(&in_repository("agency show nobody")), Some(2));
}

#[test]
fn an_agency_shows_all_that_its_file_says() {
    let shown = in_repository("agency show customs --data nowhere");
    insta::assert_snapshot!(out(&shown), @r"
    customs  customs of XM  Meridia Customs
      contact Exchange desk  exchange@customs.example
      unit customs/investigation  for law-enforcement  not listed
        receives control.order control.result seizure.report
        clearances controlled-delivery
      unit customs/main  for customs-control
        receives *
      system declarations  of unit main
        certificate urn:carnet:customs:system:declarations
        sends declaration.* cargo.report release.notice postal.response risk.assessment control.order control.result seizure.report movement.event aeo.status inquiry.request inquiry.response continuity.status case.open case.join case.close
        reads dead inbox receipts
        message_id required
        receipts all
      system investigation  of unit investigation
        certificate urn:carnet:customs:system:investigation
        sends control.order control.result seizure.report case.open case.join case.close
        reads dead inbox receipts
        message_id required
        receipts all
      limits  2000 messages a second, 600 refusals a minute, 1000000 private messages of 4096 MiB, 16777216 private octets a second
      retention  aeo.status 3650d, declaration.* 3650d, default 1095d
    ");
    let as_json = json(&in_repository("agency show customs --data nowhere --json"));
    let investigation = &as_json[0]["units"][0];
    assert_eq!(investigation["receives"][0], "control.order");
    assert_eq!(investigation["clearances"][0], "controlled-delivery");
    assert_eq!(as_json[0]["limits"]["messages_per_second"], 2000);
    assert_eq!(as_json[0]["retention"]["declaration.*"], "3650d");
}

#[test]
fn a_type_shows_what_it_can_hold() {
    let shown = json(&in_repository("message show postal.item --json"));
    assert_eq!(shown["senders"][0], "post");
    assert!(shown["holds"].as_array().unwrap().contains(&"goods".into()));
    assert_eq!(code(&in_repository("message show postal.nothing")), Some(2));
}

#[test]
fn trying_a_message_says_who_receives_what_of_it_and_by_which_rule() {
    let tried =
        in_repository("message try messages/postal.item/examples/valid/orchids.json --json");
    assert_eq!(code(&tried), Some(0), "{}", err(&tried));
    let tried = json(&tried);
    assert_eq!(tried["sender"], "post/items");
    let units = tried["recipients"].as_array().unwrap();
    let environment = units.iter().find(|u| u["unit"] == "environment/main");
    let environment = environment.unwrap();
    let rule = "post-environment-regulated";
    assert_eq!(environment["policies"][0], rule);
    let mut policies = tried["policies"].as_array().unwrap().iter();
    let basis = &policies.find(|it| it["id"] == rule).unwrap()["basis"];
    assert!(basis.as_str().unwrap().contains("CITES"));
    assert_eq!(environment["told_to_sender"], "released");
    let withheld = environment["withheld"].as_array().unwrap();
    assert!(withheld.contains(&"party".into()) && withheld.contains(&"commercial".into()));
    let to =
        "message try messages/postal.item/examples/valid/orchids.json --to customs/main --json";
    let output = in_repository(to);
    assert_eq!(
        json(&output)["recipients"].as_array().map_or(0, Vec::len),
        1,
        "{}",
        out(&output)
    );
}

#[test]
fn trying_a_message_names_the_units_that_it_never_reaches_and_why() {
    let folders = Folders::new();
    folders.plant(
        "agencies/environment/agency.toml",
        "receives = [\"*\"]",
        "receives = [\"permit.cites\"]",
    );
    let file = "messages/postal.item/examples/valid/orchids.json";
    let text = out(&folders.run(&format!("message try {file}")));
    let never: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("is not asked for"))
        .collect();
    insta::assert_snapshot!(never.join("\n"), @r"
    customs/investigation is not asked for: it does not receive the type, see `receives` of its unit in agencies/.
    customs-xa/main is not asked for: no rule gives it messages of this type from this agency.
    environment/main is not asked for: it does not receive the type, see `receives` of its unit in agencies/.
    police/main is not asked for: no rule gives it messages of this type from this agency.
    ");
    let tried = json(&folders.run(&format!("message try {file} --json")));
    let never = tried["never_reached"].as_array().unwrap();
    assert!(
        never.iter().any(|it| it["unit"] == "environment/main"),
        "{never:?}"
    );
}

#[test]
fn trying_an_invalid_message_names_the_place_and_never_the_value() {
    let file = "messages/postal.item/examples/invalid/wrong-check-digit.json";
    let output = in_repository(&format!("message try {file}"));
    assert_eq!(code(&output), Some(1));
    insta::assert_snapshot!(err(&output), @r"
    fault: messages/postal.item/examples/invalid/wrong-check-digit.json: /ID
           its check digit (character 11) must be 4 (s10)
      cure: mend the part that the text names
    1 fault
    ");
}

#[test]
fn trying_a_message_that_nobody_receives_or_that_its_sender_may_not_send_is_not_in_order() {
    let file = "messages/postal.item/examples/valid/story-01.json";
    let nobody = in_repository(&format!("message try {file} --to police/main"));
    assert_eq!(code(&nobody), Some(1), "{}", err(&nobody));
    let other = in_repository(&format!("message try {file} --from police/operations"));
    assert_eq!(code(&other), Some(1));
    assert!(
        err(&other).contains("does not send postal.item"),
        "{}",
        err(&other)
    );
    assert_eq!(code(&in_repository("message try Cargo.toml")), Some(2));
}

#[test]
fn a_quoted_case_counts_as_tables_count_it() {
    let file = "messages/postal.item/examples/valid/story-01.json";
    let wrong = in_repository(&format!("message try {file} --case drugs:harbourmaster"));
    assert_eq!(code(&wrong), Some(2));
    assert!(err(&wrong).contains("harbourmaster"), "{}", err(&wrong));
    let case = in_repository(&format!("message try {file} --case drugs:customs+post"));
    assert_eq!(code(&case), Some(0), "{}", err(&case));
}

#[test]
fn wrong_usage_cannot_run_and_help_end_each_in_their_own_way() {
    assert_eq!(code(&in_repository("agencies")), Some(2));
    let absent = in_repository("check --config absent.toml");
    assert_eq!(code(&absent), Some(3));
    let help = in_repository("--help");
    assert_eq!(code(&help), Some(0));
    assert!(out(&help).contains("Exit codes:"));
    for command in ["check", "certs dev", "certs issue", "message try"] {
        let help = out(&in_repository(&format!("{command} --help")));
        assert!(help.contains("Example"), "{command} has no example");
    }
}

#[test]
fn configuration_and_completion_are_printed_without_colours() {
    let shown = json(&in_repository("config show --data elsewhere"));
    assert_eq!(shown["data"], "elsewhere");
    let script = out(&in_repository("completion bash"));
    assert!(script.contains("carnet") && !script.contains('\x1b'));
    assert!(!err(&in_repository("agency show nobody")).contains('\x1b'));
}
