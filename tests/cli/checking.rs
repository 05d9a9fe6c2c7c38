//! Faults of the folders as an administrator reads them: place, what is wrong, cure.

use std::time::Duration;

use carnet::cli::certs::issue::{Authority, Profile, Usage};
use carnet::cli::certs::pki::DevelopmentPki;
use carnet::config::{Config, Overrides, read_bundle};
use carnet::message::time::Timestamp;

use crate::{Folders, code, err, json, out, rule};

const LIST: &str = "policies/tables/regulated-hs.csv";

impl Folders {
    /// What `carnet check` tells on standard error.
    #[track_caller]
    pub(crate) fn check(&self) -> String {
        let output = self.run("check");
        assert_eq!(code(&output), Some(1), "{}", out(&output));
        err(&output)
    }

    /// The configuration with these folders.
    pub(crate) fn config(&self) -> Config {
        let path = |name: &str| Some(self.0.path().join(name));
        let overrides = Overrides {
            agencies: path("agencies"),
            messages: path("messages"),
            policies: path("policies"),
            ..Overrides::default()
        };
        Config::load(&overrides).unwrap()
    }

    /// Writes the development certificates of `at` into a folder.
    fn certificates_of(&self, at: &str, folder: &str) {
        let at = Timestamp::from_rfc3339(at).unwrap();
        let bundle = read_bundle(&self.config()).unwrap();
        let pki = DevelopmentPki::create(&bundle, at).unwrap();
        for (name, content) in pki.files() {
            self.add(
                &format!("{folder}/{name}"),
                std::str::from_utf8(content).unwrap(),
            );
        }
    }
}

#[test]
fn faults_of_policies_say_what_to_do() {
    let folders = Folders::new();
    let wrong = rule("customs", "post").replace(");\n", ")\nwhen { principal.purpose > 3 };\n");
    folders.plant_rule(&wrong);
    folders.plant(
        "agencies/police/agency.toml",
        "law-enforcement",
        "law-enforcment",
    );
    folders.plant(
        "agencies/post/agency.toml",
        "\"postal.item\"",
        "\"postal.itme\"",
    );
    insta::assert_snapshot!(folders.check(), @r#"
    fault: agencies/police/agency.toml:12
           "law-enforcment" is no purpose
      cure: write law-enforcement
    fault: agencies/post/agency.toml:20
           "postal.itme" covers no message type
      cure: `carnet message list` names the types
    fault: policies/post.cedar:234
           for policy `post-planted`, unexpected type: expected Long but saw Border::Purpose
      cure: policies/border.cedarschema has the type of every attribute
    3 faults
    "#);
}

#[test]
fn a_list_of_headings_is_checked_line_by_line() {
    let folders = Folders::new();
    folders.plant(
        LIST,
        "\n41,",
        "\n412,odd\n7701,reserved\n06,twice\n0602,within\n41,",
    );
    folders.plant(LIST, "\n9601,", "\nivory\n9601,");
    insta::assert_snapshot!(folders.check(), @r#"
    fault: policies/tables/regulated-hs.csv:23
           "412" is no heading
      cure: write 2, 4 or 6 digits that begin with an existing chapter, such as 0602
    fault: policies/tables/regulated-hs.csv:24
           "7701" is no heading
      cure: write 2, 4 or 6 digits that begin with an existing chapter, such as 0602
    fault: policies/tables/regulated-hs.csv:25
           06 is in line 7 already
      cure: leave one of the two out
    fault: policies/tables/regulated-hs.csv:26
           0602 is in line 7 already, with all of 06
      cure: leave one of the two out
    fault: policies/tables/regulated-hs.csv:32
           is not a heading and why
      cure: write the heading, a comma, and why, in quotes where it has a comma
    5 faults
    "#);
}

#[test]
fn rules_that_have_other_headings_than_their_list_are_told_and_so_is_a_list_without_rules() {
    let folders = Folders::new();
    folders.plant("policies/post.cedar", "\"9601\"", "\"9602\", \"93010\"");
    folders.add("policies/tables/arms-hs.csv", "heading,why\n93,arms\n");
    folders.add("policies/tables/notes.csv", "what,ever\n");
    insta::assert_snapshot!(folders.check(), @r#"
    fault: policies/tables/notes.csv
           is neither a table nor a list
      cure: begin a table AGENCY.csv with row,message,from,given,to,outcome,categories,by; a list with heading,why
    fault: policies/post.cedar:25
           post-environment-regulated compares with "93010", which is no heading
      cure: write 2, 4 or 6 digits that begin with an existing chapter, such as 0602
    fault: policies/post.cedar:25
           post-environment-regulated has not the headings of policies/tables/regulated-hs.csv: it lacks 9601, and has besides 93010 9602
      cure: make both the same, or give the rule's headings a list of their own
    fault: policies/tables/arms-hs.csv
           is a list that no rule has
      cure: compare with its headings in a rule, or leave the list out
    4 faults
    "#);
}

#[test]
fn a_code_list_of_a_type_that_no_element_has_or_that_has_a_code_twice_is_told() {
    let folders = Folders::new();
    folders.add("messages/cargo.report/codes/colour.txt", "RED\tred\n");
    insta::assert_snapshot!(folders.check(), @r#"
    fault: messages/cargo.report/codes/colour.txt
           is a list that no element has
      cure: name it ("format": "code:colour"), or leave it out
    1 fault
    "#);
    folders.add(
        "messages/cargo.report/codes/colour.txt",
        "RED\tred\n\nRED\tagain\n",
    );
    insta::assert_snapshot!(folders.check(), @r#"
    fault: messages/cargo.report/codes/colour.txt
           is a list that no element has
      cure: name it ("format": "code:colour"), or leave it out
    fault: messages/cargo.report/codes/colour.txt:3
           has "RED" once more
      cure: leave one of them out
    2 faults
    "#);
}

#[test]
fn a_cure_names_what_was_meant() {
    let folders = Folders::new();
    let file = "policies/post.cedar";
    folders.plant(
        file,
        "Border::Action::\"disclose:goods\"",
        "Border::Action::\"disclose:good\"",
    );
    let told = folders.check();
    assert!(
        told.contains("cure: write Border::Action::\"disclose:goods\""),
        "{told}"
    );

    let folders = Folders::new();
    folders.plant(
        "messages/cargo.report/schema.json",
        "\"code:lpco\"",
        "\"code:lpcos\"",
    );
    let told = folders.check();
    assert!(
        told.contains("cure: add codes/lpcos.txt, or mend the name"),
        "{told}"
    );
    assert_eq!(told.matches("lpcos, which").count(), 1, "{told}");
    assert!(!told.contains("JSON Schema 2020-12"), "{told}");

    let folders = Folders::new();
    folders.plant(
        file,
        "Border::Agency::\"customs\"",
        "Border::Agency::\"costums\"",
    );
    folders.plant(
        file,
        "principal.purpose == Border::Purpose::\"environment-protection\"",
        "principal.purpose == \"environment-protection\"",
    );
    insta::assert_snapshot!(folders.check(), @r#"
    fault: policies/post.cedar:11
           post-customs names "costums", which is no agency
      cure: write Border::Agency::"customs"
    fault: policies/post.cedar:43
           the types String and Border::Purpose are not compatible
      cure: write Border::Purpose::"..." in place of the text, with one of: customs-control, law-enforcement, environment-protection, postal-security, statistics, mutual-assistance, integrity
    2 faults
    "#);
}

#[test]
fn an_empty_folder_is_no_agency_and_no_message_type() {
    let folders = Folders::new();
    folders.add("agencies/coast/README.md", "to come");
    folders.add("messages/coast.report/examples/.keep", "");
    insta::assert_snapshot!(folders.check(), @r"
    fault: agencies/coast
           has no file that counts, so there is no such agency
      cure: put agency.toml there, or remove the folder
    fault: messages/coast.report
           has no file that counts, so there is no such message type
      cure: put message.toml there, or remove the folder
    2 faults
    ");
}

#[test]
fn a_fault_is_told_where_the_file_was_read() {
    let folders = Folders::new();
    let moved = folders.0.path().join("proposal");
    std::os::unix::fs::symlink(folders.0.path().join("policies"), moved).unwrap();
    folders.plant_rule(&rule("harbourmaster", "post"));
    let output = folders.run("check --policies proposal");
    assert_eq!(code(&output), Some(1));
    insta::assert_snapshot!(err(&output), @r#"
    fault: proposal/post.cedar:230
           post-planted names "harbourmaster", which is no agency
      cure: agencies/ names these: customs, customs-xa, environment, police, post
    1 fault
    "#);
    let report = json(&folders.run("check --policies ./proposal/ --json"));
    let place = report["faults"][0]["place"].as_str().unwrap();
    assert!(place.starts_with("./proposal/post.cedar:"), "{place}");
    let nowhere = folders.run("check --policies nowhere");
    insta::assert_snapshot!(err(&nowhere), @r"
    fault: nowhere
           cannot be read: No such file or directory (os error 2)
      cure: run carnet beside its folders, or say where with --policies
    1 fault
    ");
}

#[test]
fn ended_development_certificates_are_told_wherever_they_are_and_renewed_by_name() {
    let folders = Folders::new();
    folders.certificates_of("2020-01-01T00:00:00Z", "data/certs");
    let told = folders.check();
    let server = told
        .lines()
        .skip_while(|line| !line.ends_with("data/certs/post-items.pem"));
    let server: Vec<&str> = server.take(3).collect();
    insta::assert_snapshot!(server.join("\n"), @r"
    fault: data/certs/post-items.pem
           CN=post-items ended at 2020-03-31T00:00:00.000Z
      cure: `carnet certs dev data/certs` renews what has ended
    ");
    let renewed = folders.run("certs dev data/certs");
    insta::assert_snapshot!(out(&renewed), @r"
    renewed in data/certs: ca.pem customs-declarations.pem customs-investigation.pem customs-xa-gateway.pem customs-xa.xa-611.pem customs-xa.xa-702.pem customs.o-0934.pem customs.o-2117.pem customs.o-3350.pem environment-permits.pem environment.e-0118.pem environment.e-0207.pem police-operations.pem police.p-1209.pem police.p-4471.pem post-items.pem post.m-0042.pem post.m-0077.pem server.pem and their keys
    clients need the new ca.pem
    ");
    assert_eq!(code(&folders.run("check")), Some(0));
}

#[test]
fn a_servers_certificate_that_clients_would_refuse_is_told_by_check_and_not_served_with() {
    let folders = Folders::new();
    folders.init_real();
    let now = carnet::server::clock::Clock::default().now();
    let authority = Authority::create(&Profile::issuer("exchange CA", now)).unwrap();
    let server = authority.issue(&Profile {
        usage: Usage::Client {
            uris: vec!["urn:carnet:post:system:items".to_owned()],
        },
        ..Profile::local_server(now)
    });
    let server = server.unwrap();
    folders.add("certs/server.pem", &server.certificate);
    folders.copy("pki/server.key", "certs/server.key");
    let told = folders.check();
    insta::assert_snapshot!(told, @r"
    warning: certs/server.key
           can be read by every user of this machine
      cure: chmod 400 certs/server.key, and replace the key if it was read
    fault: certs/server.pem
           CN=carnet may not stand for a server: its extended key usage lacks serverAuth
      cure: issue it by the profile `server` of certs/README.md
    fault: certs/server.pem
           CN=carnet names no host: its subject alternative name has neither DNS name nor address
      cure: issue it by the profile `server` of certs/README.md
    fault: certs/server.key
           is not the key of certs/server.pem
      cure: put the key there that the certificate was requested with
    3 faults
    ");
    let refused = folders.run("serve --amqp 127.0.0.1:0 --data real");
    assert_eq!(code(&refused), Some(1));
    assert!(
        err(&refused).contains("lacks serverAuth"),
        "{}",
        err(&refused)
    );
    folders.remove("certs/server.key");
    let refused = folders.run("serve --amqp 127.0.0.1:0 --data real");
    insta::assert_snapshot!(err(&refused), @r"
    fault: certs/server.key
           is missing
      cure: put the key of server.pem there, readable by the broker's user
    1 fault
    ");
}

#[test]
fn a_servers_certificate_that_ends_soon_is_no_fault_and_is_warned_of() {
    let folders = Folders::new();
    let now = carnet::server::clock::Clock::default().now();
    let authority = Authority::create(&Profile::issuer("exchange CA", now)).unwrap();
    let mut profile = Profile::local_server(now);
    profile.validity.until = now.plus(Duration::from_hours(24 * 20));
    let server = authority.issue(&profile).unwrap();
    folders.add("certs/server.pem", &server.certificate);
    folders.add("certs/server.key", &server.key);
    let checked = folders.run("check --json");
    assert_eq!(code(&checked), Some(0));
    let warnings = json(&checked)["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 2, "{warnings}");
    assert!(
        warnings[0]["says"]
            .as_str()
            .unwrap()
            .contains("CN=carnet ends at")
    );
    // Written as a text file is: for all to read.
    assert_eq!(warnings[1]["place"], "certs/server.key");
    let told = err(&folders.run("check"));
    assert!(
        told.contains("warning: certs/server.key\n       can be read by every user"),
        "{told}"
    );
}

#[test]
fn a_warning_is_told_where_the_file_was_read_too() {
    let folders = Folders::new();
    folders.init_real();
    let now = carnet::server::clock::Clock::default().now();
    let mut profile = Profile::issuer("post CA", now);
    profile.validity.until = now.plus(Duration::from_hours(24 * 20));
    let ending = Authority::create(&profile).unwrap().to_issued();
    folders.add("agencies/post/post-ca.pem", &ending.certificate);
    let moved = folders.0.path().join("proposal");
    std::os::unix::fs::symlink(folders.0.path().join("agencies"), moved).unwrap();
    let checked = folders.run("check --agencies proposal");
    let first = err(&checked);
    assert_eq!(code(&checked), Some(0), "{first}");
    let first = first.lines().next();
    assert_eq!(first, Some("warning: proposal/post/post-ca.pem"));
}
